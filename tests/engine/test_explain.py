"""EXPLAIN in the engine: on the hub and on a reader thread it is the same answer, and nothing is run."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from dirk_parser.errors import SqlError
from dirk_parser.normalize.normalizer import split
from tests.engine.plans import START_MS, LogMaker, open_compiled, open_database, work

pytestmark = pytest.mark.usefixtures("unwatched")

_TEXT = "hazavao alaivo a ao@ t rehefa a / 0 = ?"


def test_a_plan_is_the_same_on_the_hub_and_on_a_reader_thread(tmp_path: Path) -> None:
    engine = open_compiled(tmp_path / "data")
    try:
        database = open_database(engine)
        log = LogMaker(1)
        database.apply(
            work(log.statement(split("create table t (a isa)")), log.statement(split("insert into t values (1)")))
        )
        shown = database.reads.read(split(_TEXT), (5,), START_MS).rows
        assert shown == [("π a",), ("└ σ a / 0 = ?",), ("  └ t",), ("SQLite",), ("  SCAN t",)]
        stream = database.reads.stream(split(_TEXT), (5,), START_MS)
        (page,) = stream.fetch(10)
        stream.close()
        assert [tuple(row) for row in orjson.loads(page.rows_json)] == shown
        with pytest.raises(SqlError) as refused:
            database.reads.read(split(_TEXT), (), START_MS)
        assert refused.value.key == "missing_argument"
    finally:
        engine.close()
