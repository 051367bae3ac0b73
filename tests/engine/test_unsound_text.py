"""Text that is no UTF-8, and refused values without end: outcomes like any other, and nothing of them stays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dirk_gevent.engine.database import Database
from parser.errors import SqlError
from parser.shape import split
from tests.engine.plans import START_MS, LogMaker, open_compiled, open_database, work

#: What SQLite makes such texts of.
SOURCES = (
    "x'ff' || ''",
    "upper(x'ff')",
    "cast(x'c3' AS TEXT)",
    "char(55296)",
    "json_extract('[\"\\\\ud800\"]', '$[0]')",
)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A table of small numbers and one of texts, on the real compiler."""
    engine = open_compiled(tmp_path / "data")
    found = open_database(engine)
    log = LogMaker(1)
    for text in ("CREATE TABLE n (a ISA(0, 9))", "CREATE TABLE t (a LAHATSORATRA(1, 3))", "INSERT INTO t VALUES ('x')"):
        assert not found.apply(work(log.statement(split(text))))[0].sqlstate
    yield found
    engine.close()


@pytest.mark.parametrize("source", SOURCES)
def test_a_write_that_meets_it_is_refused_and_the_next_goes_on(database: Database, source: str) -> None:
    log = LogMaker(1)
    log.index = database.applied_index
    refused, after = database.apply(
        work(log.statement(split(f"INSERT INTO n VALUES ({source})")), log.statement(split("INSERT INTO n VALUES (7)")))
    )
    assert (refused.sqlstate, refused.tables, after.sqlstate) == ("22021", (), "")
    assert database.read(split("SELECT a FROM n"), (), START_MS).rows == [(7,)]


@pytest.mark.parametrize("source", SOURCES)
def test_a_read_of_it_says_so_and_the_next_sees_the_newest_state(database: Database, source: str) -> None:
    """Also when it is met in the middle of the rows: no transaction stays open behind it."""
    log = LogMaker(1)
    log.index = database.applied_index
    for number in range(3):
        with pytest.raises(SqlError) as refused:
            database.read(split(f"SELECT a FROM t UNION ALL SELECT {source}"), (), START_MS)
        assert refused.value.sqlstate == "22021"
        database.apply(work(log.statement(split(f"INSERT INTO n VALUES ({number})"))))
        found = database.read(split("SELECT count(*) FROM n"), (), START_MS)
        assert (found.rows, found.index) == ([(number + 1,)], database.applied_index)


def test_of_a_long_refused_value_the_beginning_is_kept(database: Database) -> None:
    log = LogMaker(1)
    log.index = database.applied_index
    (refused,) = database.apply(work(log.statement(split("INSERT INTO t VALUES (printf('%.*c', 300000, 'x'))"))))
    assert refused.sqlstate == "23514"
    shown = str(refused.params["value"])
    assert shown.startswith('"xxx') and shown.endswith("…") and len(shown) < 300
    rows = database.read(split("SELECT count(*) FROM t"), (), START_MS).rows
    assert rows == [(1,)]
