"""A refused change counts right, names the right row, and never stops the entries behind it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dirk_gevent.engine.compiler import CompiledSchema
from dirk_gevent.engine.database import Database
from dirk_gevent.engine.engine import Engine
from dirk_gevent.engine.errors import violations
from dirk_gevent.engine.parser_compiler import ParserCompiler
from dirk_gevent.engine.results import Outcome
from dirk_gevent.messages.error_text import render
from dirk_parser.normalize.normalizer import split
from tests.engine.plans import START_MS, LogMaker, TestLimits, open_compiled, open_database, work

pytestmark = pytest.mark.usefixtures("unwatched")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A database on the real compiler."""
    engine = open_compiled(tmp_path / "data")
    yield open_database(engine)
    engine.close()


def run(database: Database, log: LogMaker, *texts: str) -> list[Outcome]:
    """Each text as an entry of its own, all in one batch."""
    return database.apply(work(*(log.statement(split(text)) for text in texts)))


def test_rows_that_triggers_and_foreign_keys_change_are_not_counted(database: Database, log: LogMaker) -> None:
    many = ", ".join(f"('m{number}')" for number in range(250))
    outcomes = run(
        database, log,
        "CREATE TABLE numbered (id INTEGER PRIMARY KEY AUTOINCREMENT, t TEXT UNIQUE)",
        "CREATE TABLE parents (id ISA PRIMARY KEY, k TEXT UNIQUE)",
        "CREATE TABLE children (id INTEGER PRIMARY KEY, r ISA REFERENCES parents(id) ON DELETE CASCADE,"
        " k TEXT REFERENCES parents(k) ON UPDATE CASCADE ON DELETE SET NULL)",
        "INSERT INTO parents VALUES (1, 'a'), (2, 'b')",
        "INSERT INTO children (r, k) VALUES (1, 'a'), (1, 'a'), (1, 'a'), (1, 'b')",
        "INSERT INTO numbered (t) VALUES ('a')",
        "INSERT INTO numbered (t) VALUES ('x'), ('y'), ('z')",
        f"INSERT INTO numbered (t) VALUES {many}",
        f"INSERT INTO parents (k, id) VALUES {', '.join(f'(null, {n})' for n in range(100, 350))}",
        "INSERT OR IGNORE INTO numbered (id, t) VALUES (900, 'q')",
        "INSERT OR IGNORE INTO numbered (t) VALUES ('q'), ('new'), ('a')",
        "INSERT INTO parents VALUES (1, 'a') ON CONFLICT (id) DO UPDATE SET k = 'c'",
        "REPLACE INTO parents VALUES (1, 'd')",
        "DELETE FROM parents WHERE id = 2",
    )  # fmt: skip
    assert [each.rows for each in outcomes if each.verb != "create_table"] == [2, 4, 1, 3, 250, 250, 1, 1, 1, 1, 1]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ("('a'), ('b'), ('b'), ('d'), ('e'), ('f'), ('g'), ('h')", '(t): "b"'),
        ("('a'), ('b'), ('c'), ('d'), (null), ('f'), ('g'), ('h')", "column t of t cannot be null"),
        ("('a'), ('b'), ('c'), ('d'), ('e'), ('z'), ('g'), ('h')", 'the check t < "y" of t: t = "z"'),
        (", ".join(f"('k{n}')" for n in range(60)) + ", ('k7')", '(t): "k7"'),
    ],
)
@pytest.mark.parametrize("key", ["id INTEGER PRIMARY KEY AUTOINCREMENT", "id INTEGER PRIMARY KEY", "id ISA"])
def test_the_row_that_failed_is_named(database: Database, log: LogMaker, key: str, values: str, said: str) -> None:
    table = f"CREATE TABLE t ({key}, t TEXT NOT NULL UNIQUE CHECK (t < 'y'))"
    made, refused = run(database, log, table, f"INSERT INTO t (t) VALUES {values}")
    error = refused.error()
    assert not made.sqlstate
    assert error is not None
    assert said.replace('"y"', "'y'") in render(error, "en")


def test_the_first_row_of_a_numbered_table_may_lack_its_parent(database: Database, log: LogMaker) -> None:
    outcomes = run(
        database, log,
        "CREATE TABLE p (id ISA PRIMARY KEY)",
        "CREATE TABLE c (id INTEGER PRIMARY KEY AUTOINCREMENT, x ISA REFERENCES p(id), s ISA REFERENCES c(id))",
        "INSERT INTO c (x) VALUES (1)",
        "INSERT INTO c (s) VALUES (7)",
        "INSERT INTO c (s) VALUES (1), (2), (9)",
        "INSERT INTO c (s) VALUES (3), (1), (2)",
    )  # fmt: skip
    assert [each.sqlstate for each in outcomes] == ["", "", "23503", "23503", "23503", ""]
    assert outcomes[-1].rows == 3


def test_what_another_table_refuses_is_not_said_of_the_statements_own(database: Database, log: LogMaker) -> None:
    """A cascade reaches tables that the plan's values and names are not of."""
    outcomes = run(
        database, log,
        "CREATE TABLE a (id ISA PRIMARY KEY, k ISA UNIQUE)",
        "CREATE TABLE b (id ISA PRIMARY KEY REFERENCES a(id) ON DELETE CASCADE,"
        " k ISA UNIQUE REFERENCES a(k) ON UPDATE CASCADE CHECK (k < 5))",
        "CREATE TABLE c (b ISA REFERENCES b(id))",
        "INSERT INTO a VALUES (1, 1), (2, 2)",
        "INSERT INTO b VALUES (1, 1)",
        "INSERT INTO c VALUES (1)",
        "DELETE FROM a WHERE id = 1",
        "UPDATE a SET k = 9 WHERE id = 1",
    )  # fmt: skip
    deleted, updated = (each.error() for each in outcomes[-2:])
    assert deleted is not None and updated is not None
    assert "rows of b" not in render(deleted, "en") and "of a" not in render(deleted, "en")
    assert updated.sqlstate == "23514" and "of a" not in render(updated, "en")


def test_a_mistake_in_the_details_costs_the_details_alone(
    database: Database, log: LogMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> bool:
        raise StopIteration

    monkeypatch.setattr(violations, "_lacks_parent", failing)
    outcomes = run(
        database, log,
        "CREATE TABLE p (id ISA PRIMARY KEY)",
        "CREATE TABLE c (x ISA REFERENCES p(id))",
        "INSERT INTO c VALUES (1)",
        "INSERT INTO p VALUES (1)",
    )  # fmt: skip
    assert [each.sqlstate for each in outcomes] == ["", "", "23503", ""]
    assert outcomes[2].params == {"table": "c"}


def test_looking_for_the_details_costs_no_steps(database: Database, log: LogMaker) -> None:
    """A refusal near its step limit must not end as step_limit on the node that looked longer."""
    run(database, log, "CREATE TABLE p (id ISA PRIMARY KEY)", "CREATE TABLE c (x ISA REFERENCES p(id))")
    steps = database.writer.take().applier._steps
    steps.begin(1)
    with steps.paused():
        assert not any(steps._tick() for _ in range(10))
    assert [steps._tick(), steps._tick()] == [False, True]
    steps.end()


class Mistaken(ParserCompiler):
    """A compiler with a mistake: it can't read back what defines a table called `odd`, nor give values to `rows`."""

    def change_schema(self, schema: CompiledSchema, changes: object, version: int) -> CompiledSchema:
        """As it should, but for one name."""
        listed = list(changes)  # type: ignore[call-overload]
        if any(each.name == "odd" for each in listed):
            raise StopIteration
        return super().change_schema(schema, listed, version)

    def bind(self, plan: object, normalized: object, args: object) -> tuple[object, ...]:  # type: ignore[override]
        """As it should, but for one argument."""
        if args == (13,):
            raise IndexError
        return super().bind(plan, normalized, args)  # type: ignore[arg-type]


def test_a_mistake_of_dirkdb_ends_the_entry_and_not_the_database(tmp_path: Path, log: LogMaker) -> None:
    engine = Engine(tmp_path / "data", "m1", TestLimits(), Mistaken())
    engine.open()
    database = open_database(engine)
    try:
        outcomes = database.apply(
            work(
                log.statement(split("CREATE TABLE t (n ISA)")),
                log.statement(split("CREATE TABLE odd (n ISA)")),
                log.statement(split("UPDATE t SET n = ?"), args=(13,)),
                log.statement(split("INSERT INTO t VALUES (1)"), split("CREATE TABLE odd (n ISA)")),
                log.statement(split("INSERT INTO t VALUES (2)")),
            )
        )
        assert [each.sqlstate for each in outcomes] == ["", "XX000", "XX000", "XX000", ""]
        assert list(database.reads.read(split("SELECT n FROM t"), (), START_MS).rows) == [(2,)]
        connection = database.writer.take().connection
        assert connection.execute("SELECT name FROM sqlite_schema WHERE name = 'odd'").fetchall() == []
    finally:
        engine.close()
