"""Rows of an INSERT that leave their INTEGER PRIMARY KEY out get what SQLite gives them, row by row.

The same statements, made by chance, go to DirkDB and to SQLite itself.
"""

from __future__ import annotations

import random

import apsw
import pytest

from dirk_gevent.engine.database import Database
from dirk_gevent.engine.engine import Engine
from dirk_parser.normalize.normalizer import split
from tests.engine.plans import LogMaker, open_database, rows_of, work
from tests.seeds import chosen_seed

ROUNDS = 30
STATEMENTS = 6
LARGEST = 2**63 - 1
CONFLICTS = (
    ("OR IGNORE ", ""),
    ("OR REPLACE ", ""),
    ("", " ON CONFLICT DO NOTHING"),
    ("", " ON CONFLICT (v) DO NOTHING"),
    ("", " ON CONFLICT (id) DO UPDATE SET v = excluded.v + 50"),
    ("", " ON CONFLICT (v) DO UPDATE SET id = t.id + 20"),
    ("", " ON CONFLICT (v) DO UPDATE SET id = excluded.id + 3, v = excluded.v + 100"),
    ("", " ON CONFLICT (v) DO UPDATE SET v = excluded.v + 7 WHERE excluded.id > 3"),
)


class Both:
    """The same statements for a table `t` in DirkDB and in SQLite."""

    def __init__(self, engine: Engine) -> None:
        self.database: Database = open_database(engine)
        self._log = LogMaker(self.database.log_id)
        self.sqlite = apsw.Connection(":memory:")
        self.also("CREATE TABLE s (n INT, k INT, v INT)")
        self.also("CREATE TABLE t (id INTEGER PRIMARY KEY, v INT UNIQUE)")

    def afresh(self, word: str) -> None:
        """An empty table, whose key says `word` too."""
        self.also("DROP TABLE t")
        self.also(f"CREATE TABLE t (id INTEGER PRIMARY KEY{word}, v INT UNIQUE)")

    def also(self, text: str) -> None:
        """Run in both what must succeed."""
        self.sqlite.execute(text)
        assert self.dirk(text) is not None

    def dirk(self, text: str) -> int | None:
        """How many rows it changed in DirkDB; None when it was refused."""
        (outcome,) = self.database.apply(work(self._log.statement(split(text))))
        return outcome.rows if not outcome.sqlstate else None

    def agree(self, text: str) -> None:
        """Run a statement in both, and compare what is there afterwards."""
        before = self.rows()
        changed: int | None
        try:
            self.sqlite.execute(text).fetchall()
            changed = self.sqlite.changes()
        except apsw.ConstraintError:
            changed = None
        assert self.dirk(text) == changed, (before, text)
        theirs = self.sqlite.execute("SELECT id, v FROM t ORDER BY id").fetchall()
        assert self.rows() == theirs, (before, text)

    def rows(self) -> list[tuple[object, ...]]:
        """What is in DirkDB's table."""
        return rows_of(self.database, "SELECT id, v FROM t ORDER BY id")


class Chance:
    """Statements by chance. `fresh` values are in no table yet."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._fresh = 1000

    def statement(self, is_plain: bool) -> list[str]:
        """Statements, the last of which inserts several rows; `is_plain`: no row of it may be passed over."""
        chance = self._chance
        before, after = ("", "") if is_plain or chance.random() < 0.4 else chance.choice(CONFLICTS)
        rows = [(self._key(), self._value(is_plain)) for _ in range(chance.randint(1, 7))]
        form = chance.choice(("values", "computed", "select", "columns"))
        if form == "select":
            filled = ", ".join(f"({n}, {key}, {value})" for n, (key, value) in enumerate(rows))
            where = " WHERE TRUE" if after else ""
            return [
                "DELETE FROM s",
                f"INSERT INTO s (n, k, v) VALUES {filled}",
                f"INSERT {before}INTO t (id, v) SELECT k, v FROM s{where} ORDER BY n{after}",
            ]
        if form == "columns":
            cells = ", ".join(f"({value} + 0)" for _, value in rows)
            return [f"INSERT {before}INTO t (v) VALUES {cells}{after}"]
        cells = ", ".join(f"({self._computed(key, form)}, {value})" for key, value in rows)
        return [f"INSERT {before}INTO t (id, v) VALUES {cells}{after}"]

    def _computed(self, key: str, form: str) -> str:
        if form == "values" or key == "NULL" or self._chance.random() < 0.3:
            return key
        return f"({key} + 0)"

    def _key(self) -> str:
        chance = self._chance
        if chance.random() < 0.55:
            return "NULL"
        kind = chance.random()
        if kind < 0.5:
            return str(chance.randint(1, 30))
        if kind < 0.95:
            return str(chance.randint(-30, 0))
        return str(-LARGEST - chance.randint(0, 1)) if chance.random() < 0.7 else str(LARGEST - 2_000)

    def _value(self, is_plain: bool) -> str:
        if not is_plain and self._chance.random() < 0.4:
            return str(self._chance.randint(1, 6))
        self._fresh += 200
        return str(self._fresh)


@pytest.mark.parametrize("word", ["", " AUTOINCREMENT"])
def test_rows_are_numbered_as_sqlite_numbers_them(compiled_engine: Engine, word: str) -> None:
    """Empty tables and others; with AUTOINCREMENT SQLite gives numbers away to rows that it passes over."""
    chance = Chance(random.Random(chosen_seed()))
    both = Both(compiled_engine)
    for _ in range(ROUNDS):
        both.afresh(word)
        for _ in range(STATEMENTS):
            *first, last = chance.statement(is_plain=bool(word))
            for text in first:
                both.also(text)
            both.agree(last)


def test_rows_are_stored_in_the_order_they_were_given_in(compiled_engine: Engine) -> None:
    both = Both(compiled_engine)
    both.agree("INSERT INTO t (id, v) VALUES (NULL, 1), (40 + 0, 2), (NULL, 3), (-7, 4), (NULL, 5 + 0)")
    assert both.rows() == [(-7, 4), (1, 1), (40, 2), (41, 3), (42, 5)]
    assert [row[0] for row in rows_of(both.database, "SELECT v FROM t")] == [1, 2, 3, 4, 5]


def test_nothing_comes_after_the_largest_number(compiled_engine: Engine) -> None:
    """SQLite looks for a number by chance then; here the statement is refused, on every node alike."""
    both = Both(compiled_engine)
    assert both.dirk(f"INSERT INTO t (id, v) VALUES ({LARGEST} - 1, 1), (NULL, 2)") == 2
    for rows in ("(NULL, 3)", "(NULL, 3), (4 + 0, 4)", "(4 + 0, 4), (NULL, 3) ON CONFLICT DO NOTHING"):
        assert both.dirk(f"INSERT INTO t (id, v) VALUES {rows}") is None
    assert both.rows() == [(LARGEST - 1, 1), (LARGEST, 2)]


def test_what_a_row_by_row_insert_returns_and_refuses(compiled_engine: Engine) -> None:
    """All or nothing, with RETURNING, literals in each clause, and a WITH that two clauses see."""
    both = Both(compiled_engine)
    both.agree("INSERT INTO t (id, v) VALUES (NULL, 1), (NULL, 2)")
    text = "WITH c(x) AS (SELECT 10) INSERT INTO t (v) SELECT x + 1 FROM c UNION ALL SELECT 2 FROM c WHERE x = 10"
    both.agree(text + " ON CONFLICT (v) DO UPDATE SET v = excluded.v + (SELECT x FROM c) + 100 RETURNING id + 5, v")
    assert both.rows() == [(1, 1), (2, 112), (3, 11)]
    both.agree("INSERT INTO t (id, v) VALUES (NULL, 50), (1, 60 + 0) ON CONFLICT (v) DO NOTHING")
    both.agree("INSERT OR IGNORE INTO t (v) SELECT v FROM t UNION ALL SELECT v + 1 FROM t ORDER BY 1")
