"""What a node knows by heart of a database goes with the definitions it was known under."""

from __future__ import annotations

from pathlib import Path

import pytest

from dirk_gevent.node.read_fast_path import ReadFastPath
from dirk_gevent.server.session import Request
from dirk_parser.normalize.normalizer import split
from tests.engine.plans import START_MS, LogMaker, open_compiled, open_database, work


@pytest.mark.usefixtures("unwatched")
def test_no_read_of_an_earlier_schema_is_kept(tmp_path: Path) -> None:
    """None is ever answered again, and each would keep the whole schema of its time alive."""
    engine = open_compiled(tmp_path / "data")
    database, log, quick = open_database(engine), LogMaker(1), ReadFastPath(engine)
    database.apply(work(log.statement(split("manamboara tabilao t (n ISA)"))))
    for number in range(5):
        for text in (f"alaivo n ao@ t #rehefa n = {number}", f"alaivo n ao@ t #rehefa n > {number}"):
            for _ in range(3):
                database.reads.read(split(text), (), START_MS)
                quick.remember(Request(b"", text, segment=text.encode()), database, split(text))
        assert set(quick._schemas) == set(quick._reads) == {1}
        assert quick._count == len(quick._reads[1]) == 2
        database.apply(work(log.statement(split(f"manamboara tabilao t{number} (n ISA)"))))
    engine.close()
