"""Numbers that AUTOINCREMENT gave, and computed columns: in the digest, in a dump, and in a file of a build that did
not note numbers."""

from __future__ import annotations

from pathlib import Path

import apsw

from dirk_gevent.engine import stored_records
from dirk_gevent.engine.database import Database
from dirk_gevent.engine.dump.dump import statements
from dirk_gevent.engine.engine import Engine
from dirk_gevent.engine.functions import EntryContext
from dirk_gevent.engine.snapshot.content_digest import content_digest
from dirk_gevent.engine.sqlite_connection import open_reader
from tests.engine.plans import open_compiled, open_database, outcomes, rows_of

MADE = (
    "create table t (id integer primary key autoincrement, a text not null unique)",
    "insert into t (a) values ('x'), ('y'), ('z')",
    "create table bare (id integer primary key autoincrement, b text)",
    "insert into bare (b) values ('x')",
    "delete from bare where id = 1",
)


def run(database: Database, *texts: str) -> None:
    """Apply statements, an entry each; all succeed."""
    assert [outcome.sqlstate for outcome in outcomes(database, *texts)] == [""] * len(texts)


def dumped(database: Database) -> list[str]:
    """Its dump's statements after USE."""
    connection = open_reader(database.file.path, EntryContext())
    try:
        connection.execute("BEGIN")
        return [text.rstrip(";") for text in list(statements(connection, "copy"))[2:]]
    finally:
        connection.close()


def test_a_dump_gives_no_number_twice(compiled_engine: Engine) -> None:
    """The last row's number, and those of a table that is empty now, are over for good in the copy, too."""
    database, copy = open_database(compiled_engine), compiled_engine.create(2, "copy")
    run(database, *MADE, "delete from t where id = 3")
    run(copy, *dumped(database))
    for one in (database, copy):
        run(one, "insert into t (a) values ('w')", "insert into bare (b) values ('w')")
        assert rows_of(one, "select id, a from t order by id") == [(1, "x"), (2, "y"), (4, "w")]
        assert rows_of(one, "select id from bare") == [(2,)]


def test_masters_that_would_number_differently_differ_in_their_digests(compiled_engine: Engine) -> None:
    database = open_database(compiled_engine)
    run(database, *MADE)
    before = database.upkeep.content_digest()[1]
    with apsw.Connection(str(database.file.path)) as connection:
        connection.execute("update dirk_sequence set value = 9 where name = 't'")
        assert content_digest(connection) != before
    connection.close()


def test_a_table_of_a_build_that_noted_no_numbers_goes_on(compiled_engine: Engine, tmp_path: Path) -> None:
    """Without its row, and without the table of the rows, it numbers after the highest that is there."""
    database = open_database(compiled_engine)
    run(database, *MADE)
    path = database.file.path
    compiled_engine.close()
    with apsw.Connection(str(path)) as connection:
        connection.execute("drop trigger dirk_sequence_t; drop trigger dirk_sequence_bare; drop table dirk_sequence")
    connection.close()
    with_it = open_compiled(tmp_path / "data")
    again = with_it.create(1, "t")
    run(again, "insert into t (a) values ('w')")
    assert rows_of(again, "select max(id) from t") == [(4,)]
    with_it.close()


def test_what_is_computed_is_not_given_again_by_a_dump(compiled_engine: Engine) -> None:
    database, copy = open_database(compiled_engine), compiled_engine.create(2, "copy")
    run(
        database,
        "create table c (n ISA, half as (n / 4) stored, t TEXT, l LAHATSORATRA generated always as (t || n) unique)",
        "insert into c values (10, 'x'), (null, 'y'), (3, null)",
        "alter table c add column twice as (half * 2)",
        "create index i on c (half, twice)",
    )
    run(copy, *dumped(database))
    rows = [(10, 2.5, "x", "x10", 5), (None, None, "y", None, None), (3, 0.75, None, None, 1.5)]
    assert rows_of(database, "select * from c") == rows_of(copy, "select * from c") == rows
    run(database, "update c set n = 11 where t = 'x'")
    assert database.upkeep.content_digest()[1] != copy.upkeep.content_digest()[1]
    run(copy, "update c set n = 11 where t = 'x'")
    assert database.upkeep.content_digest()[1] == copy.upkeep.content_digest()[1]


def test_a_column_s_numbers_go_with_it(compiled_engine: Engine) -> None:
    """What is kept, and counts in the digest, is of tables that number: as if the column had never been."""
    database = open_database(compiled_engine)
    run(database, *MADE, "alter table t drop column id")
    with apsw.Connection(str(database.file.path)) as connection:
        assert stored_records.read_sequences(connection).keys() == {"bare"}
    connection.close()
    run(database, "alter table t rename to former", MADE[0], "insert into t (a) values ('w')")
    assert rows_of(database, "select id from t") == [(1,)]
