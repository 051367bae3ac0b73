"""Forms that the first DirkDB takes and other SQL writes otherwise: `+ - ^` between selects, `t ()`, names after
parentheses in FROM."""

from __future__ import annotations

import random

import pytest

from dirk_parser.ast.query import Compound
from dirk_parser.ast.walk import find_all
from dirk_parser.grammar.statements import Statements
from dirk_parser.normalize.normalizer import split
from tests.parser.small_database import SmallDatabase

SEED = 20_261_133
SIGNS = {"+": "union", "-": "except", "^": "intersect"}
#: Sides of a set operator: alone, with a condition that ends in an expression, in parentheses.
SIDES = ("select a from t", "select a from s", "select a from t where a > 1", "select a from s order by a limit 2")


@pytest.fixture(scope="module")
def database() -> SmallDatabase:
    """Two tables of one column."""
    made = SmallDatabase()
    made.run("create table t (a ISA, b TEXT)")
    made.run("insert into t values (1, 'x'), (2, 'y'), (3, 'z')")
    made.run("create table s (a ISA)")
    made.run("insert into s values (2), (3), (5)")
    return made


def chain(choices: random.Random, depth: int) -> tuple[str, str]:
    """A query written with bare signs, and with words."""
    if depth == 0:
        side = choices.choice(SIDES)
        return (f"({side})",) * 2 if "limit" in side or choices.random() < 0.5 else (side, side)
    left, right = chain(choices, depth - 1), chain(choices, choices.randrange(depth))
    sign = choices.choice("+-^")
    # A parenthesis behind a condition goes on with it.
    if right[0].startswith("(") and not left[0].endswith((")", "from t", "from s")) and sign != "^":
        right = ("select a from t",) * 2
    if choices.random() < 0.3 and (sign == "^" or left[0].endswith(")")):
        right = f"({right[0]})", f"({right[1]})"
    both = f"{left[0]} {sign} {right[0]}", f"{left[1]} {SIGNS[sign]} {right[1]}"
    return (f"({both[0]})", f"({both[1]})") if choices.random() < 0.3 else both


def test_signs_between_selects_are_set_operators(statements: Statements) -> None:
    choices = random.Random(SEED)
    for _ in range(400):
        bare, words = chain(choices, choices.randint(1, 3))
        for around in ("{}", "create view v as {}", "with w as ({}) select * from w", "select * from ({}) q"):
            mine, other = around.format(bare), around.format(words)
            assert statements.parse(split(mine)) == statements.parse(split(other)), f"seed {SEED}\n{mine}\n{other}"


#: Wherever an expression may stand.
PLACES = (
    "create table x (a, b as ({}))",
    "create table x (a, b int generated always as ({}) stored)",
    "create table x (a default ({}), check ({}), constraint c check ({}))",
    "create table x (a check ({}))",
    "create unique index i on t (({}), a) where {}",
    "alter table t add column c as ({})",
    "alter table t add column c default ({})",
    "insert into t values ({}, {}), ({}, 1)",
    "insert into t (a) select {} from t where {}",
    "insert into t (a) values ({}) on conflict (a) do update set a = {} where {} returning {}",
    "update t set a = {}, b = ({}) from s where {}",
    "delete from t where {} returning {}",
    "select {}, ({}) from t join s on {} where {} group by {} having {} order by {} limit {} offset {}",
    "select sum({}) filter (where {}) over (partition by {} order by {}) from t",
    "select case {} when {} then {} else {} end, cast({} as int), abs({}), ({}) in ({}, {}), {} between {} and {}",
    "values ({}, {}), ({}, {})",
    "create view v as select {} as c from t",
    "with w as (select {}) select * from (select {} from w)",
)


def computed(choices: random.Random, depth: int) -> str:
    """An expression with parentheses where none need be."""
    if depth == 0:
        text = choices.choice(("1", "a", "'x'", "(2)", "a is null", "a in (1, (2))"))
    else:
        left, right = computed(choices, depth - 1), computed(choices, choices.randrange(depth))
        text = f"({left}) {choices.choice('+-')} {choices.choice(('({})', '- ({})')).format(right)}"
    return f"({text})" if choices.random() < 0.5 else text


@pytest.mark.parametrize("place", PLACES)
def test_signs_between_what_is_computed_compute(statements: Statements, place: str) -> None:
    choices = random.Random(f"{SEED} {place}")
    for _ in range(40):
        text = place.format(*(computed(choices, choices.randint(1, 3)) for _ in range(place.count("{}"))))
        statement = statements.parse(split(text))
        assert not list(find_all(statement, Compound)), f"seed {SEED}\n{text}"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("select (select 1) + (select 2)", [(3,)]),
        ("select ((select 1) + (select 2)) * 2 - (select 1)", [(5,)]),
        ("select a from t where a = 1 + (select 1)", [(2,)]),
        ("select a from t where a in ((select 1) + (select 1))", [(2,)]),
        ("select a - (select 1) from t group by a having a + (select 1) > 3 order by a - (select 1)", [(2,)]),
        ("select t.a from t join s on t.a = s.a - (select 1) order by 1", [(1,), (2,)]),
        ("select a from t limit 1 + (select 1)", [(1,), (2,)]),
        ("select exists ((select 1 where false) + (select 2))", [(True,)]),
        ("values (1) + (select 2) - values (1)", [(2,)]),
        ("alaivo a ao@ t antso x #- (alaivo a ao@ s)", [(1,)]),
        ("alaivo a ao@ t antso x - (alaivo a ao@ s)", [(1,)]),
    ],
)
def test_where_an_expression_can_stand_they_compute(
    database: SmallDatabase, text: str, answer: list[tuple[object, ...]]
) -> None:
    assert database.run(text) == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("select x.a from (t) x where x.a = 1", [(1,)]),
        ("select x.a from ((t)) as x where a = 1", [(1,)]),
        ("alaivo y.a ao@ (t x) y rehefa a = 1", [(1,)]),
        ("select x.a, x.b from (t join s using (a)) x order by 1", [(2, "y"), (3, "z")]),
        ("select x.b, count(*) from (t, s) x where x.b = 'x' group by x.b", [("x", 3)]),
        ("select x.n from (((select 7 n) q)) x", [(7,)]),
        ("select j.value from (json_each('[4]')) j", [(4,)]),
    ],
)
def test_parentheses_in_from_may_have_a_name(
    database: SmallDatabase, text: str, answer: list[tuple[object, ...]]
) -> None:
    assert database.run(text) == answer


@pytest.mark.parametrize(
    "rows", ["sanda (7, 'k'), (8, 'l')", "sanda (7, 'k')", "alaivo 7, 'k'", "sanda (7, 'k' || '')"]
)
def test_no_columns_named_are_all_columns(database: SmallDatabase, statements: Statements, rows: str) -> None:
    bare, plain = split(f"manampia ao@ t () {rows}"), split(f"manampia ao@ t {rows}")
    assert statements.parse(bare) == statements.parse(plain)
    assert (bare.literals, bare.rows) == (plain.literals, plain.rows)
    database.run(f"manampia ao@ t ( ) {rows}")
    assert database.run("select a, b from t where a = 7") == [(7, "k")]
    database.run("delete from t where a > 6")
