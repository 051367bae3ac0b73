"""The zero below zero is a number like any other: what a statement says is kept, whichever way it is read."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import apsw
import orjson
import pytest

from dirk_gevent.engine.database import Database
from dirk_parser.errors import SqlError
from dirk_parser.normalize.normalizer import split
from tests.engine.plans import START_MS, open_compiled, outcomes

_WRITTEN = ("-0.0", "- 0.0", "-0e0", "(-0.0)", "0.0 * -1", "-1e-400", "-(0.0)")


@pytest.fixture
def database(memory_path: Path) -> Iterator[Database]:
    engine = open_compiled(memory_path / "data")
    yield engine.create(1, "one")
    engine.close()


def apply(database: Database, *texts: str) -> list[str]:
    """How each statement ended, by SQLSTATE: '' for what was done."""
    return [one.sqlstate for one in outcomes(database, *texts)]


def signs(database: Database, table: str) -> list[float]:
    """The signs of what is in column v, as SQLite has it."""
    connection = apsw.Connection(str(database.file.path))
    try:
        return [math.copysign(1, value) for (value,) in connection.execute(f"select v from {table} where v = 0")]
    finally:
        connection.close()


@pytest.mark.parametrize("zero", _WRITTEN)
def test_every_way_to_say_it_keeps_it(database: Database, zero: str) -> None:
    made = (
        "create table t (id isa primary key, r references t(id), v)",
        f"create table d (id isa, v default ({zero}))",
        f"insert into t (id, v) values (1, {zero})",
        f"insert into t (id, v) values (2, {zero}), (3, {zero})",
        f"insert into t (id, v) values (4, {zero}), (5, 1 - 1.0), (6, x'00')",
        f"insert into t (id, v) select 7, {zero}",
        "insert into t (id, v) values (8, 5)",
        f"update t set v = {zero} where id = 8",
        "insert into d (id) values (1)",
    )
    assert apply(database, *made) == [""] * len(made)
    assert signs(database, "t") == [-1, -1, -1, -1, 1, -1, -1]
    assert signs(database, "d") == [-1]


def literals(database: Database, text: str) -> list[str]:
    """The rows of a query as the rows of an INSERT."""
    stream = database.reads.stream(split(text), (), START_MS, 1 << 20)
    try:
        found: list[str] = []
        while not stream.finished:
            found += [str(row[0]) for page in stream.fetch(1) for row in orjson.loads(page.rows_json)]
        return found
    finally:
        stream.close()


def test_rows_that_are_copied_keep_it(database: Database) -> None:
    rows = "(-0.0, 'a\\\\'), (0.0, x''), (-0.0, x'00')"
    made = ("create table t (v, w)", f"insert into t values {rows}", "create table u (v, w)")
    assert apply(database, *made) == [""] * 3
    given = literals(database, "select * from t")
    assert apply(database, f"insert into u values {', '.join(given)}") == [""]
    assert signs(database, "u") == signs(database, "t") == [-1, 1, -1]
    assert literals(database, "select * from u") == given


def test_a_text_with_a_nul_is_not_cut_when_it_is_copied(database: Database) -> None:
    assert apply(database, "create table t (v)", "create table u (v)", "insert into t values ('a')") == [""] * 3
    (given,) = literals(database, "select v || char(0) || 'b' from t")
    assert apply(database, f"insert into u values {given}") == ["22021"]
    with pytest.raises(SqlError, match="text_not_utf8"):
        literals(database, "select v || x'ff' from t")
