"""Twice as much of anything in a statement is twice the work: counted in bytecodes, so no clock has a say."""

from __future__ import annotations

from itertools import pairwise

import pytest

from dirk_parser.compile.ddl import catalog
from dirk_parser.grammar.base import grows
from dirk_parser.grammar.statements import Statements
from dirk_parser.plan.plan import CatalogChange, DdlPlan
from dirk_parser.schema.schema import Schema
from tests.parser.wide_statements import CASES, compiled, defined, definitions, expanded
from tests.parser.work import bytecodes

#: Below the first, a statement is too short for some checks; each is twice the one before.
SIZES = (80, 160, 320)
#: Linear work grows by 2 from one step to the next, a sort by a little more, quadratic work by 4.
MOST_GROWTH = 2.3
#: Those that stay in the quick suite.
QUICK = frozenset(("columns", "DROP COLUMN", "INSERT", "UPDATE"))


def must_be_linear(work: list[int], about: str) -> None:
    """Fails when the work for sizes that double grows by more than it should."""
    first, second = (after - before for before, after in pairwise(work))
    assert second <= MOST_GROWTH * max(first, work[0]), f"{about}: {work}"


def forget() -> None:
    """Definitions that were compiled before are compiled again."""
    catalog._memory.clear()


@pytest.fixture(scope="module", autouse=True)
def warm() -> None:
    """What is made once a process is made before anything is counted."""
    compiled("create table t (a, check (a > 1))", Schema())
    defined(["create table t (a)"])


def work_of(name: str, n: int) -> int:
    """What compiling the statement of a case costs, and for a definition what taking it into the schema costs."""
    before, text = CASES[name]
    schema = defined(definitions(before, n))
    forget()

    def run() -> None:
        plan = compiled(expanded(text, n), schema)
        if isinstance(plan, DdlPlan):
            catalog.change_schema(schema, plan.catalog, schema.version + 1)

    return bytecodes(run)


@pytest.mark.parametrize(
    "name", [pytest.param(each, marks=[] if each in QUICK else pytest.mark.slow) for each in CASES]
)
def test_twice_as_much_is_twice_the_work(name: str) -> None:
    must_be_linear([work_of(name, n) for n in SIZES], name)


@pytest.mark.parametrize("order", ["as made", "backwards"])
@pytest.mark.parametrize(
    ("texts", "sizes"),
    [
        (("§create table t# (a primary key, b)",), (100, 200, 400)),
        (("create table t0 (a primary key)", "§create table t#+ (a primary key, b references t#(a))"), (100, 200, 400)),
        (("create table t (a)", "§create index i# on t (a + #)"), (100, 200, 400)),
        (("§create domain d# (ISA(0, #))", "§create table t# (a d#)"), (100, 200, 400)),
        (
            ("create table t (a)", "create view v0 as select a from t", "§create view v#+ as select a from v#"),
            (8, 16, 32),
        ),
    ],
    ids=["tables", "a chain of tables", "indexes", "domains", "a chain of views"],
)
def test_a_catalog_is_loaded_in_linear_time(texts: tuple[str, ...], sizes: tuple[int, ...], order: str) -> None:
    """What is defined is known already, so the loading itself is counted, and how often an object is tried in vain."""
    work = []
    for n in sizes:
        made = defined(definitions(texts, n))
        kinds = {"domain": made.domains, "table": made.tables, "index": made.indexes, "view": made.views}
        things = [(kind, each) for kind, found in kinds.items() for each in found.values()]
        rows = [CatalogChange(kind, each.key, each.name, each.source) for kind, each in things]
        rows = rows if order == "as made" else rows[::-1]
        work.append(bytecodes(lambda rows=rows: catalog.load_schema(rows, 1)))  # type: ignore[misc]
    must_be_linear(work, str(texts))


def test_long_lists_of_the_grammar_grow_in_place() -> None:
    """A tuple made anew for each element would be copied each time, which no count of bytecodes sees."""
    heads = set()
    for production in Statements()._table.lr_productions:
        symbols = production.str.partition(" -> ")[2].split()
        if symbols[:1] == [production.name] and not grows(production.callable):
            heads.add(production.name)
    # Operands of set operators and operators, joins, names of types, options that say nothing: none of them is a list.
    assert heads == {"body", "atom_name", "table_options", "several_sources"}


def test_wide_tables_are_not_renamed() -> None:
    """SQLite's RENAME reads each word of a definition against all others."""
    for name in ("DROP COLUMN", "RENAME COLUMN", "RENAME TO", "ADD COLUMN that makes the table anew"):
        plan = compiled(CASES[name][1], defined(definitions(("create table t ([c# ISA])",), 1_000)))
        assert isinstance(plan, DdlPlan) and not [each for each in plan.sql if " RENAME " in each], name
