"""Text that is no UTF-8, and refused values without end: outcomes like any other, and nothing of them stays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dirk_gevent.engine.database import Database
from dirk_parser.errors import SqlError
from dirk_parser.normalize.normalizer import split
from tests.engine.plans import START_MS, LogMaker, open_compiled, open_database, work

pytestmark = pytest.mark.usefixtures("unwatched")

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
    assert database.reads.read(split("SELECT a FROM n"), (), START_MS).rows == [(7,)]


@pytest.mark.parametrize("source", SOURCES)
def test_a_read_of_it_says_so_and_the_next_sees_the_newest_state(database: Database, source: str) -> None:
    """Also when it is met in the middle of the rows: no transaction stays open behind it."""
    log = LogMaker(1)
    log.index = database.applied_index
    for number in range(3):
        with pytest.raises(SqlError) as refused:
            database.reads.read(split(f"SELECT a FROM t UNION ALL SELECT {source}"), (), START_MS)
        assert refused.value.sqlstate == "22021"
        database.apply(work(log.statement(split(f"INSERT INTO n VALUES ({number})"))))
        found = database.reads.read(split("SELECT count(*) FROM n"), (), START_MS)
        assert (found.rows, found.index) == ([(number + 1,)], database.applied_index)


def test_of_a_long_refused_value_the_beginning_is_kept(database: Database) -> None:
    log = LogMaker(1)
    log.index = database.applied_index
    (refused,) = database.apply(work(log.statement(split("INSERT INTO t VALUES (printf('%.*c', 300000, 'x'))"))))
    assert refused.sqlstate == "23514"
    shown = str(refused.params["value"])
    assert shown.startswith('"xxx') and shown.endswith("…") and len(shown) < 300
    rows = database.reads.read(split("SELECT count(*) FROM t"), (), START_MS).rows
    assert rows == [(1,)]


#: Changes that return it at once, at the second row, or for rows that are changed one by one.
RETURNING = (
    "INSERT INTO u VALUES (5, 1) RETURNING {}",
    "INSERT INTO u VALUES (5, 1), (6, 2), (7, 3) RETURNING CASE WHEN k > 5 THEN {} END",
    "INSERT INTO u SELECT k + 10, v FROM u ORDER BY k RETURNING CASE WHEN k > 11 THEN {} END",
    "INSERT OR REPLACE INTO u SELECT k, v FROM u RETURNING CASE WHEN k > 1 THEN {} END",
    "INSERT INTO u VALUES (1, 9) ON CONFLICT (k) DO UPDATE SET v = 8 RETURNING {}",
    "UPDATE u SET v = v + 1 RETURNING CASE WHEN k > 1 THEN {} END",
    "UPDATE u SET k = k + 100 RETURNING CASE WHEN k > 101 THEN {} END",
    "DELETE FROM u RETURNING CASE WHEN k > 1 THEN {} END",
)


@pytest.fixture
def unique(database: Database) -> Database:
    """The database with a table of keys, too."""
    log = LogMaker(1)
    log.index = database.applied_index
    made = ("CREATE TABLE u (k INTEGER PRIMARY KEY, v ISA)", "INSERT INTO u VALUES (1, 1), (2, 2), (3, 3)")
    for text in made:
        assert not database.apply(work(log.statement(split(text))))[0].sqlstate
    return database


@pytest.mark.parametrize("change", RETURNING)
@pytest.mark.parametrize("source", [*SOURCES, "1e308 * 10"])
def test_a_change_that_returns_it_is_refused_and_the_next_goes_on(unique: Database, change: str, source: str) -> None:
    """One entry that no node could end would keep all of them before it."""
    log = LogMaker(1)
    log.index = unique.applied_index
    bad, good = split(change.format(source)), split("INSERT INTO u VALUES (99, 1)")
    refused, both, after = unique.apply(work(log.statement(bad), log.statement(good, bad), log.statement(good)))
    sqlstate = "22003" if source == "1e308 * 10" else "22021"
    assert (refused.sqlstate, refused.tables, after.sqlstate) == (sqlstate, (), "")
    assert (both.sqlstate, both.tables) == (sqlstate, ())
    assert unique.reads.read(split("SELECT k, v FROM u"), (), START_MS).rows == [(1, 1), (2, 2), (3, 3), (99, 1)]
