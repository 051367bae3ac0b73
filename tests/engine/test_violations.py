"""What the error of a broken constraint names: table, columns, and the values where the statement says them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dirk_gevent.engine.database import Database
from dirk_gevent.messages.error_text import render
from dirk_parser.normalize.normalized_statement import Args
from dirk_parser.normalize.normalizer import split
from tests.engine.plans import LogMaker, made_by, work

_SETUP = (
    "manamboara tabilao kilasy (kaody text fanalahidy)",
    "manampia ao@ kilasy sanda ('6A')",
    "manamboara tabilao t (id isa fanalahidy, m text tokana, n isa hamarino (n > 3), k text manondro kilasy(kaody),"
    " x isa(0, 20):tanisa('tsia'), tokana (n, k))",
    "manampia ao@ t sanda (1, 'a', 5, '6A', 1)",
)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Database, LogMaker]]:
    """The tables that the violations are of."""
    with made_by(tmp_path_factory.mktemp("violations"), _SETUP) as made:
        yield made


@pytest.mark.parametrize(
    ("text", "args", "said"),
    [
        ("insert into t values (2, 'a', 5, null, 1)", (), 'duplicate value in t (m): "a"'),
        ("insert into t values (2, ?, 9, null, 1)", ("a",), 'duplicate value in t (m): "a"'),
        ("insert into t values (7, 'p', 5, null, 1), (8, 'a', 5, null, 1)", (), 'duplicate value in t (m): "a"'),
        ("insert into t values (2, 'q', 5, '6A', 1)", (), 'duplicate value in t (n, k): 5, "6A"'),
        ("insert into t select id, 'z', 9, k, 1 from t", (), "duplicate value in t (id): 1 (23505)"),
        ("update t set m = 'a', id = 9 where id = 1", (), ""),
        ("insert into t values (2, 'q', 2, null, 1)", (), "does not satisfy the check n > 3 of t: n = 2"),
        ("update t set n = 1", (), "does not satisfy the check n > 3 of t: n = 1"),
        ("update t set n = n - 4", (), "does not satisfy the check n > 3 of t: n = 1 (23514)"),
        ("insert into t values (2, 'q', 4, '5A', 1)", (), 'of t (k) to kilasy would be broken: "5A" is not there'),
        ("update t set k = '5A'", (), 'of t (k) to kilasy would be broken: "5A" is not there'),
        ("insert into t select 9, 'z', 9, 'Z', 1", (), "of t (k) to kilasy would be broken (23503)"),
        ("delete from kilasy", (), "rows of t still refer to this row of kilasy (23503)"),
        ("insert into t values (null, 'q', 4, null, 1)", (), "column id of t cannot be null"),
        ("insert into t values (2, 'q', 4, null, 21)", (), 'value 21 of column x is outside the domain ISA(0, 20):'),
        ("update t set x = '7'", (), 'the value "7" of column x is outside the domain ISA(0, 20):TANISA("tsia")'),
        ("update t set x = cast('x' as isa(0, 5):tanisa(7))", (), "is outside the domain ISA(0, 5):TANISA(7)"),
    ],
)
def test_a_violation_names_what_was_broken(
    database: tuple[Database, LogMaker], text: str, args: Args, said: str
) -> None:
    opened, log = database
    (outcome,) = opened.apply(work(log.statement(split(text), args=args)))
    error = outcome.error()
    if not said:
        assert error is None
        opened.apply(work(log.statement(split("update t set id = 1"))))
        return
    assert error is not None
    assert said in render(error, "en")


_ODD = (
    "create table `t.a` (`b.c` isa unique, `index 'x'` isa unique, `d, e` isa not null, x text, z as (x || `d, e`),"
    " unique (`d, e`, `b.c`), check (length(z) < 5))",
    "create table t (`a.b` isa unique, `c. ` isa)",
    "insert into `t.a` values (1, 2, 3, 'x')",
    "insert into t values (1, 2)",
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("insert into `t.a` values (1, 3, 4, 'x')", "duplicate value in t.a (b.c): 1"),
        ("insert into `t.a` select 1, 3, 4, 'x' from t", "duplicate value in t.a (b.c): 1"),
        ("update `t.a` set `index 'x'` = 2, `b.c` = 9 where false", ""),
        ("insert into `t.a` select 2, 2, 4, 'x' from t", "duplicate value in t.a (index 'x'): 2"),
        ("insert into `t.a` values (2, 3, null, 'x')", "column d, e of t.a cannot be null"),
        ("insert into t select 1, 3", "duplicate value in t (a.b): 1"),
        ("update `t.a` set x = 'xxxxxx'", 'does not satisfy the check length(z) < 5 of t.a: z = "xxxxxx3"'),
        ("insert into `t.a` select 2, 3, 4, 'yyyyyy'", 'the check length(z) < 5 of t.a: z = "yyyyyy4"'),
        ("create unique index i on t (`a.b` > 0)", ""),
        ("alter table t add column `n.n` not null", "rows of t have no value for column n.n;"),
        ("alter table t alter column `c. ` set not null", ""),
    ],
)
def test_no_name_is_taken_for_two(odd: tuple[Database, LogMaker], text: str, said: str) -> None:
    database, log = odd
    (outcome,) = database.apply(work(log.statement(split(text))))
    error = outcome.error()
    assert said in render(error, "en") if error is not None else not said


@pytest.fixture
def odd(memory_path: Path) -> Iterator[tuple[Database, LogMaker]]:
    """Tables whose names hold what SQLite puts between them."""
    with made_by(memory_path, _ODD) as made:
        yield made
