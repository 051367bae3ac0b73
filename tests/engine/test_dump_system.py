"""What was kept of a system database that was shut out, as statements."""

from __future__ import annotations

from pathlib import Path

from dirk_gevent.engine.dump.dump import dump_file
from tests.engine.plans import LogMaker, open_engine, work


def test_a_system_database_is_dumped_as_the_databases_that_it_lists(tmp_path: Path) -> None:
    engine, system = open_engine(tmp_path / "data"), LogMaker(0)
    first = system.database("create_database", "taloha")
    dropped = system.database("drop_database", "taloha", first.index)
    engine.apply_system(work(first, dropped, system.database("create_database", "Vao vao")))
    kept = engine.system.set_aside("fenced")
    engine.close()
    assert kept is not None
    dump_file(kept, tmp_path / "kept.sql", "dirk_m1_3", ("a remark",))
    assert (tmp_path / "kept.sql").read_text().splitlines() == [
        "-- a remark",
        "manamboara tahiry raha tsy misy `Vao vao`;",
    ]
