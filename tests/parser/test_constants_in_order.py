"""A constant in ORDER BY and GROUP BY stays one where the query is kept: only a number as written is a column's."""

from __future__ import annotations

import random

import pytest

from tests.parser.small_database import SmallDatabase

SEED = 20_261_130
#: Constants that SQLite would take for the number of a column, were they written out as they stand.
CONSTANTS = ("-2", "+7", "+ 1", "- -1", "likely(9)", "unlikely(-3)", "-4 collate nocase", "'7'", "2.5", "null", "1 + 1")
#: Select lists whose columns are constants, which a later clause calls by name or number.
LISTS = ("5 as x, a, b", "-5 as x, b, a", "2 as x, a, b", "3 x, 2 as a2, b", "likely(2) as x, a, b")


@pytest.fixture(scope="module")
def database() -> SmallDatabase:
    """A table of four rows."""
    made = SmallDatabase()
    made.run("create table t (a ISA, b TEXT)")
    made.run("insert into t values (2, 'y'), (1, 'x'), (2, 'z'), (3, 'x')")
    made.run("create table w (a ISA, b TEXT)")
    return made


def kept_ways(database: SmallDatabase, query: str) -> dict[str, list[tuple[object, ...]]]:
    """The rows of a query that stands in a view, in a new table, and behind INSERT."""
    database.run(f"create view v as {query}")
    database.run(f"create table made as {query}")
    found = {"view": database.run("select * from v"), "table": database.run("select * from made")}
    database.run("drop view v")
    database.run("drop table made")
    return found


def test_what_keeps_a_query_answers_as_the_query(database: SmallDatabase) -> None:
    choices = random.Random(SEED)
    for _ in range(250):
        columns = choices.choice(LISTS)
        terms = choices.sample([*CONSTANTS, "x", "1", "b", "b desc"], choices.randint(1, 3))
        grouped = choices.random() < 0.5
        query = f"select {columns} from t"
        if grouped:
            keys = ", ".join(term for term in terms if term != "b desc") or "1"
            query = f"select {columns}, count(*) n from t group by {keys}"
        elif choices.random() < 0.3:
            query = f"{query} union all {query} order by {', '.join(terms)}, 2, 3"
        else:
            query = f"{query} order by {', '.join(terms)}, 2, 3"
        expected = database.run(query)
        for way, rows in kept_ways(database, query).items():
            assert rows == expected, f"seed {SEED}, {way}: {query}"


def test_changes_of_the_first_rows_take_constants_too(database: SmallDatabase) -> None:
    database.run("insert into w values (1, 'p'), (2, 'q')")
    database.run("update w set b = 'r' order by -9, a desc limit 1")
    database.run("delete from w order by 7, a limit 1")
    assert database.run("select * from w") == [(2, "r")]


def test_a_number_as_written_is_still_a_column(database: SmallDatabase) -> None:
    database.run("create view numbered as select a, b from t order by 2 desc, 1")
    assert database.run("select b from numbered") == [("z",), ("y",), ("x",), ("x",)]
    database.run("drop view numbered")
    assert database.error("create view v as select a from t order by 7").key == "position_out_of_range"
