"""What a death leaves in a node's directory is gone after the next start."""

from __future__ import annotations

from pathlib import Path

from tests.engine.plans import LogMaker, open_engine, work


def test_a_snapshot_that_was_on_its_way_and_the_files_of_what_was_dropped_are_removed(tmp_path: Path) -> None:
    system = LogMaker(0)
    made = system.database("create_database", "x")
    engine = open_engine(tmp_path)
    engine.apply_system(work(made, system.database("drop_database", "x", made.index)))
    engine.apply_system(work(system.database("create_database", "x")))
    engine.close()
    left = [engine.directory.outgoing(3), engine.directory.database(1)]
    # The system database may have lost the entry that made it, and will get it again.
    later = engine.directory.database(9)
    for path in (*left, later):
        path.touch()
    again = open_engine(tmp_path)
    again.close()
    assert [path.exists() for path in left] == [False, False]
    assert later.exists()
