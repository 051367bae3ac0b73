"""Rows of a bulk insert that go into SQLite in blocks do what they do one by one: state, outcomes, errors."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from dirk_gevent.engine.database import Database
from dirk_gevent.engine.engine import Engine
from dirk_gevent.engine.parser_compiler import ParserCompiler
from dirk_gevent.engine.results import Outcome
from dirk_parser.normalize.normalized_statement import NormalizedStatement
from dirk_parser.normalize.normalizer import split
from dirk_parser.plan.bind import in_order
from dirk_parser.plan.blocks import Blocks, blocks
from dirk_parser.plan.plan import ChangePlan
from tests.engine.plans import LogMaker, TestLimits, open_database, work
from tests.seeds import chosen_seed

pytestmark = pytest.mark.usefixtures("unwatched")

_SETUP = (
    "create table parents (p TEXT primary key)",
    "insert into parents values ('a'), ('b')",
    "create table t (id ISA primary key, v LAHATSORATRA(1, 12), n NUMERIC(8, 2), p TEXT references parents(p),"
    " r default (random()), w default (now()), k ISA check (k <> 13), unique (v, n))",
    "create table numbered (id INTEGER primary key, v ISA)",
    "create table counted (id INTEGER primary key autoincrement, v ISA)",
)
_COLUMNS = "id, v, n, p, k"
_FAULTS = ("'x', 'v', 1, 'a', 1", "{id}, '', 1, 'a', 1", "{id}, 'v', 1, 'z', 1", "0, 'again', 1, 'a', 1",
           "{id}, 'v{id}', 'many', 'a', 1", "{id}, 'v{id}', 1, 'a', 13", "null, 'v{id}', 1, 'a', 2")  # fmt: skip


class RowByRow(ParserCompiler):
    """The compiler that never gives blocks."""

    def blocks(self, plan: ChangePlan, normalized: NormalizedStatement) -> Blocks | None:
        """None."""
        return None


@pytest.fixture
def both(tmp_path: Path) -> Iterator[tuple[Database, Database]]:
    """A database that takes rows in blocks, and one that takes them one by one."""
    engines = [
        Engine(tmp_path / "blocks", "m1", TestLimits()),
        Engine(tmp_path / "rows", "m2", TestLimits(), RowByRow()),
    ]
    for engine in engines:
        engine.open()
    yield open_database(engines[0]), open_database(engines[1])
    for engine in engines:
        engine.close()


def apply_on_both(both: tuple[Database, Database], log: LogMaker, *texts: str) -> list[Outcome]:
    """The outcomes, which are the same on both."""
    entries = [log.statement(split(text)) for text in texts]
    found, expected = (database.apply(work(*entries)) for database in both)
    assert found == expected
    return found


def insert(chance: random.Random, first: int, rows: int, faults: list[str]) -> str:
    """An insert of so many rows, some of them with a fault."""
    wrong = dict(zip(chance.sample(range(rows), len(faults)), faults, strict=True))
    told = [
        wrong[at].format(id=first + at)
        if at in wrong
        else f"{first + at}, 'v{first + at}', {chance.randrange(10**7) / 1000}, '{chance.choice('ab')}', {at % 13}"
        for at in range(rows)
    ]
    return f"insert into t ({_COLUMNS}) values " + ", ".join(f"({row})" for row in told)


def test_blocks_end_as_rows_do(both: tuple[Database, Database], log: LogMaker) -> None:
    chance = random.Random(chosen_seed())
    assert not any(outcome.sqlstate for outcome in apply_on_both(both, log, *_SETUP))
    apply_on_both(both, log, insert(chance, 0, 100, []))
    ended = []
    for at in range(1, 40):
        faults = [_FAULTS[at % len(_FAULTS)], *chance.sample(_FAULTS, at % 3)] if at % 2 else []
        ended += apply_on_both(both, log, insert(chance, at * 1000, chance.randint(3, 420), faults))
    numbers = ", ".join(f"({number})" for number in range(250))
    ended += apply_on_both(both, log, *(f"insert into {name} (v) values {numbers}" for name in ("numbered", "counted")))
    assert {"", "23514", "23503", "23505"} <= {outcome.sqlstate for outcome in ended}
    assert both[0].upkeep.content_digest() == both[1].upkeep.content_digest()


def test_a_broken_constraint_names_the_row_that_broke_it(both: tuple[Database, Database], log: LogMaker) -> None:
    rows = ", ".join(f"({at}, 'v{at}', {at}, 'a', 1)" for at in range(150))
    text = f"insert into t ({_COLUMNS}) values {rows}, (77, 'new', 1, 'b', 1)"
    *_, outcome = apply_on_both(both, log, *_SETUP, text)
    assert outcome.sqlstate == "23505" and outcome.params["values"] == "77"


def test_a_step_limit_that_was_reached_counts_the_blocks_anew(
    both: tuple[Database, Database], log: LogMaker
) -> None:
    """Wide rows: one statement of a hundred is long enough to be counted, and to be stopped."""
    columns = [f"c{number}" for number in range(20)]
    apply_on_both(both, log, f"create table wide ({', '.join(f'{name} ISA(0, 9)' for name in columns)})")
    rows = ", ".join([f"({', '.join('7' * len(columns))})"] * 1000)
    entry = log.statement(split(f"insert into wide values {rows}"), step_limit=20_000)
    (stopped,) = both[0].apply(work(entry))
    assert stopped.sqlstate == "57014"
    assert not list(both[0].reads.read(split("select * from wide"), (), 0).rows)
    entry = log.statement(split(f"insert into wide values {rows}"), step_limit=1_000_000)
    (done,) = both[0].apply(work(entry))
    assert done.rows == 1000


@pytest.mark.parametrize(
    ("columns", "rows", "statement_rows", "left"),
    [(2, 1000, 100, 0), (2, 99, None, 0), (3, 1234, 100, 34), (250, 20, None, 0), (100, 70, 13, 5)],
)
def test_how_many_rows_a_statement_takes(columns: int, rows: int, statement_rows: int | None, left: int) -> None:
    row = f"({', '.join(f'?{number + 1}' for number in range(columns))})"
    plan = ChangePlan(f"INSERT INTO t VALUES {row}", in_order(columns), "insert", "t", (), ("t",), True, row_at=21)
    one = f"({', '.join('7' * columns)})"
    found = blocks(plan, split(f"insert into t values {', '.join([one] * rows)}"))
    if statement_rows is None:
        assert found is None
        return
    assert found is not None
    assert {len(each) for each in found.values} == {statement_rows * columns}
    assert found.sql.endswith(f"?{statement_rows * columns})") and len(found.rest) == left


def test_parameters_are_numbered_on_and_nothing_else_is() -> None:
    row = "(?1, CASE WHEN ?2 = '?1''?2' THEN \"?1\" ELSE ?2 END)"
    plan = ChangePlan(f"INSERT INTO t VALUES {row}", in_order(2), "insert", "t", (), ("t",), True, row_at=21)
    found = blocks(plan, split(f"insert into t values {', '.join(['(1, 2)'] * 200)}"))
    assert found is not None
    assert found.sql.startswith(f"INSERT INTO t VALUES {row}, (?3, CASE WHEN ?4 = '?1''?2' THEN \"?1\" ELSE ?4 END), ")
