"""What a table keeps by an expression is built from repeatable parts alone, wherever the grammar has such a place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from random import Random
from typing import get_args

import apsw
import pytest

from dirk_gevent.engine.errors.failures import statement_failure
from dirk_parser.ast.statement import ColumnDef, Constraint, CreateDomain, CreateIndex, CreateTable, CreateView
from dirk_parser.compile.ddl.catalog import change_schema, load_schema
from dirk_parser.compile.expression.functions import FUNCTIONS, Sort
from dirk_parser.plan.plan import CatalogChange, QueryPlan
from tests.parser.small_database import SmallDatabase

#: Every place of a definition where an expression stands, and statements that have one there. None of them may hold
#: what changes with time.
KEPT = {
    ("Check", "condition"): (
        "create table n (a, b, check ({}))",
        "create table n (b, a check ({}))",
        "create table n (b, a ISA constraint k check (a > 1 ary {}))",
        "alter table t add column n check ({})",
        "alter table t add column n default 5 check ({})",
        "alter table t add check ({})",
        "ovay ny tabilao t ampio constraint k hamarino ({})",
    ),
    ("Generated", "value"): (
        "create table n (a, b, g as ({}))",
        "create table n (a, b, g generated always as (a + ({})) stored)",
        "alter table t add column g as ({})",
        "alter table t add column g as ({}) stored",
    ),
    ("CreateIndex", "terms"): (
        "create index i on t ({})",
        "create unique index i on t (b, {} desc)",
        "manamboara tondro i ka@ t ({}) rehefa a > 1",
    ),
    ("CreateIndex", "where"): (
        "create index i on t (a) where {}",
        "create unique index i on t (a) where b is null or {}",
    ),
}
#: Where the value is worked out once for a row, and kept as any value is.
FREE = {
    ("Default", "value"): (
        "create table n (a default ({}), b)",
        "alter table t add column n default ({})",
        "alter table t alter column b set default ({})",
    ),
    ("CreateTable", "query"): ("create table n as select {} as a from t",),
    ("CreateView", "query"): ("create view n as select {} as a from t",),
}
#: Where only columns of the table may stand.
COLUMNS_ONLY = {
    ("PrimaryKey", "columns"): "create table n (a, primary key ({}))",
    ("Unique", "columns"): "create table n (a, unique ({}))",
}
#: SQLite's own word for a function that gives the same for the same.
_DETERMINISTIC = 0x800
REFUSALS = {"not_repeatable", "generated_invalid"}


def clocks() -> Iterator[str]:
    """A call of each function that gives another answer another time, in every form that it has."""
    for name, function in FUNCTIONS.items():
        if function.clock:
            yield name.upper() if name.startswith("current_") else f"{name}()"
        elif function.sort is Sort.MOMENT:
            first = ["'%Y'"] * function.time_argument
            yield f"{name}({', '.join(first)})"
            for word in ("'now'", "' NOW '", "'subsec'", "'subsecond'"):
                yield f"{name}({', '.join([*first, word])})"
            yield f"{name}({', '.join([*first, repr('now'), repr('+1 day')])})"


def wrapped(random: Random, call: str) -> str:
    """`call` somewhere inside a condition."""
    for _ in range(random.randrange(3)):
        call = random.choice(
            ("abs({})", "coalesce(b, {})", "({} < b)", "case when a then {} end", "({} || 'x')", "- {}", "({} is null)",
             "a between 1 and {}", "b in (1, {})", "min({}, a)", "iif({}, 1, 2)", "(a * 2 + {})", "{} collate nocase",
             "cast({} as text)", "length({})", "(a and {})", "b like {}")
        ).format(call)  # fmt: skip
    return call


@pytest.fixture
def database() -> SmallDatabase:
    made = SmallDatabase()
    made.run("create table t (a ISA, b)")
    made.run("create view clock as select now() as n, a from t")
    made.run("insert into t values (1, 'x')")
    return made


def test_the_places_are_all_that_there_are() -> None:
    """A definition that gets one more expression must be looked at here."""
    found = set()
    parts = (CreateTable, CreateIndex, CreateView, CreateDomain, ColumnDef)
    for kind in (*parts, *get_args(Constraint)):
        assert is_dataclass(kind)
        for field in fields(kind):
            if any(word in str(field.type) for word in ("Expr", "OrderTerm", "Query")):
                found.add((kind.__name__, field.name))
    assert found == {*KEPT, *FREE, *COLUMNS_ONLY}


def test_other_functions_give_the_same_for_the_same() -> None:
    """SQLite says so of each, so no other may be refused and none is forgotten."""
    listed = apsw.Connection(":memory:").execute("SELECT name, flags FROM pragma_function_list").fetchall()
    pure = {name for name, flags in listed if flags & _DETERMINISTIC}
    scalars = {each.sql for each in FUNCTIONS.values() if each.sort is Sort.SCALAR and not each.clock}
    assert scalars - pure == set()


@pytest.mark.parametrize("place", KEPT, ids=" ".join)
def test_nothing_that_changes_with_time_is_kept(database: SmallDatabase, place: tuple[str, str]) -> None:
    random = Random(8)
    for call in clocks():
        for template in KEPT[place]:
            text = template.format(wrapped(random, call))
            error = database.error(text)
            assert error.key in REFUSALS and error.sqlstate == "42P17", (text, error)
            assert error.place > 0, text


@pytest.mark.parametrize("place", KEPT, ids=" ".join)
@pytest.mark.parametrize(
    "query",
    ["(select n from clock)", "exists (select 1 from clock where a = 1)", "b in (select n from clock)", "sum(a)"],
)
def test_no_other_rows_are_asked(database: SmallDatabase, place: tuple[str, str], query: str) -> None:
    """And so no view that the clock is in."""
    for template in KEPT[place]:
        error = database.error(template.format(query))
        assert error.key in ("not_supported", "generated_invalid", "aggregate_misplaced"), error


@pytest.mark.parametrize("place", COLUMNS_ONLY, ids=" ".join)
def test_keys_are_columns(database: SmallDatabase, place: tuple[str, str]) -> None:
    for call in clocks():
        assert database.error(COLUMNS_ONLY[place].format(call)).key in ("not_supported", "unknown_column"), call


@pytest.mark.parametrize("place", FREE, ids=" ".join)
def test_what_is_worked_out_once_may_ask_for_the_time(place: tuple[str, str]) -> None:
    for call in clocks():
        for template in FREE[place]:
            database = SmallDatabase()
            database.run("create table t (a ISA, b)")
            database.run(template.format(call))
            if place[0] == "CreateView":
                plan = database.plan("select * from n")
                assert isinstance(plan, QueryPlan) and not plan.repeatable, call


@pytest.mark.parametrize(
    "text",
    [
        "create table n (a, check (date(a) > '2020'))",
        "create table n (a, g as (strftime('%Y', a)))",
        "create table n (a, b); create index i on n (b) where datetime(a) < '2030'",
        "create table n (a, b); create index i on n (unixepoch(a))",
        "create table n (a, b default 'localtime', check (date('2020-01-01', b) is null))",
    ],
)
def test_a_row_that_says_now_is_refused(text: str) -> None:
    """What a row holds may be the word: then it is refused as it comes."""
    database = SmallDatabase()
    for each in text.split(";"):
        database.run(each)
    with pytest.raises(apsw.SQLError) as refused:
        database.run("insert into n (a) values ('now')")
    assert statement_failure(refused.value).key == "moment_not_kept"


def test_queries_find_rows_by_an_index_whatever_the_time() -> None:
    """A partial index over a moment of the row: with it and without it, at any time, the same rows."""
    database = SmallDatabase()
    database.run("create table n (t DATY, k)")
    database.run("create index i on n (t) where datetime(t) < '2026-11-19'")
    database.run("insert into n values ('2026-11-18 00:00:00', 'a'), ('2027-01-01 00:00:00', 'b')")
    for days in range(0, 400, 100):
        database.context.begin(1_795_000_000_000 + days * 86_400_000, 7)
        found = [database.run(f"select k from n {hint} where datetime(t) < now()") for hint in ("", "not indexed")]
        assert found[0] == found[1]


# --- what an earlier build took ------------------------------------------------------------------------------


#: A definition that was taken once, as the catalog keeps it, and SQLite's text for it.
OLD = (
    ("index", "i", "CREATE INDEX i ON t (a) WHERE b < now()", 'CREATE INDEX "i" ON "t" ("a") WHERE ("b" < dirk_now())'),
    (
        "view",
        "v",
        "CREATE VIEW v AS SELECT a FROM t NATURAL JOIN t AS u ON zz > 1",
        'CREATE VIEW "v" ("a") AS SELECT t1."a" FROM "t" AS t1 JOIN "t" AS t2 ON t1."a" = t2."a"',
    ),
    (
        "view",
        "w",
        "CREATE VIEW w AS SELECT a FROM t NATURAL JOIN t AS u USING (a)",
        'CREATE VIEW "w" ("a") AS SELECT t1."a" FROM "t" AS t1 JOIN "t" AS t2 ON t1."a" = t2."a"',
    ),
    (
        "table",
        "o",
        "CREATE TABLE o (a CHECK (a < now()), d DEFAULT (sum(1)))",
        'CREATE TABLE "o" ("a" CONSTRAINT "x" CHECK (("a" < dirk_now())), "d" DEFAULT (sum(1)))',
    ),
)


@pytest.fixture
def older() -> SmallDatabase:
    """A database with all of these in it."""
    made = SmallDatabase()
    made.run("create table t (a ISA, b)")
    made.run("insert into t values (1, 'x'), (2, '1999-01-01')")
    changes = [CatalogChange(kind, name, name, source) for kind, name, source, _ in OLD]
    for kind, name, source, text in OLD:
        made.connection.execute(text)
        made.connection.execute("INSERT INTO dirk_catalog VALUES (?,?,?,?)", (kind, name, name, source))
    made.schema = change_schema(made.schema, changes, 50)
    return made


def test_what_an_earlier_build_took_is_still_read(older: SmallDatabase) -> None:
    rows = [CatalogChange(*row) for row in older.connection.execute("SELECT kind, key, name, source FROM dirk_catalog")]
    assert load_schema(rows, 50) == older.schema
    assert older.run("select a from t where b < now()") == [(2,)]
    assert older.run("select a from v") == older.run("select a from w") == [(1,), (2,)]
    older.run("insert into o values (1, 2)")


def test_it_goes_as_any_other(older: SmallDatabase) -> None:
    for kind, name, *_ in OLD:
        older.run(f"drop {kind} {name}")
        assert name not in {**older.schema.tables, **older.schema.views, **older.schema.indexes}
    for _, _, source, _ in OLD:
        assert older.error(source).key in ("not_repeatable", "unknown_column", "natural_using", "aggregate_misplaced")


def test_its_table_may_change_while_the_names_are_known(older: SmallDatabase) -> None:
    error = older.error("alter table t add column c")
    assert (error.key, error.params["user"]) == ("change_in_use", "v")
    older.run("drop view v")
    older.run("alter table t add column c")
    older.run("alter table t rename column c to d")
    older.run("alter table o add column e")
    older.run("alter table o alter column a set not null")
    assert older.error("alter table o add check (e < now())").key == "not_repeatable"
    assert older.error("alter table o add column f check (f < now())").key == "not_repeatable"
    assert older.run("select a from t where b < now()") == [(2,)]
