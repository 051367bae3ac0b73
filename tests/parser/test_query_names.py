"""Names in a query: of common tables, windows, result columns and the tables that a definition is about."""

from __future__ import annotations

import random

import apsw
import pytest

from dirk_gevent.engine.errors.failures import statement_failure
from dirk_parser.compile.ddl.catalog import load_schema
from dirk_parser.plan.plan import CatalogChange
from tests.parser.small_database import SmallDatabase

SEED = 20_261_132


@pytest.fixture
def database() -> SmallDatabase:
    """Two tables."""
    made = SmallDatabase()
    made.run("create table t (a ISA, b TEXT)")
    made.run("insert into t values (1, 'x'), (2, 'y')")
    made.run("create table s (a ISA, c ISA)")
    made.run("insert into s values (1, 10)")
    return made


# --- a table's own name in its definition ----------------------------------------------------------------------


def test_definitions_may_say_their_tables_name(database: SmallDatabase) -> None:
    database.run("create table c (x ISA check (c.x > 0), y ISA as (C.x + 1), z ISA, check (c.z is null or c.z < c.x))")
    database.run("create unique index i on c (c.x) where c.x > 1")
    database.run("create index j on c (c.x + c.z)")
    database.run("insert into c (x, z) values (5, 1)")
    assert database.run("select y from c") == [(6,)]
    database.run("insert into c (x) values (5) on conflict (c.x) where c.x > 1 do update set z = c.z + 1")
    assert database.run("select z from c") == [(2,)]
    database.run("alter table c add w ISA check (c.w > c.x)")
    assert database.run("select x from c where x > 1") == [(5,)]


@pytest.mark.parametrize(
    "after", ["alter table c rename column x to v", "alter table c add constraint k check (c.x < 50)"]
)
def test_the_name_follows_the_table(database: SmallDatabase, after: str) -> None:
    database.run("create table c (x ISA check (c.x > 0), y ISA as (c.x + 1))")
    database.run("create index i on c (c.x) where c.x > 1")
    database.run("insert into c (x) values (3)")
    database.run("alter table c rename to d")
    assert "d.x > 0" in database.run("show create table d")[0][0]
    database.run(after.replace("table c", "table d").replace("c.", "d."))
    assert database.run("select y from d") == [(4,)]


@pytest.mark.parametrize("text", ["create table c (x ISA check (t.a > 0))", "create index i on t (a) where s.a > 1"])
def test_another_tables_name_is_not_known_there(database: SmallDatabase, text: str) -> None:
    assert database.error(text).key == "unknown_table"


# --- common tables ---------------------------------------------------------------------------------------------


def test_common_tables_stand_in_any_order(database: SmallDatabase) -> None:
    """With RECURSIVE, or where nothing else has their names, they are worked out behind what they name."""
    choices = random.Random(SEED)
    for _ in range(60):
        count = choices.randint(2, 6)
        texts = []
        for number in range(count):
            used = [each for each in range(number) if choices.random() < 0.4]
            body = " union all ".join([f"select {number} as n", *(f"select n * 2 from w{each}" for each in used)])
            texts.append(f"w{number} as ({body})")
        query = f"select n from w{count - 1} order by 1"
        expected = database.run(f"with {', '.join(texts)} {query}")
        choices.shuffle(texts)
        word = choices.choice(("with", "with recursive"))
        assert database.run(f"{word} {', '.join(texts)} {query}") == expected, f"seed {SEED}: {texts}"


def test_without_recursive_a_table_keeps_its_name_before_the_common_one(database: SmallDatabase) -> None:
    text = "{} one as (select c from s), s as (select 99 as c) select * from one"
    assert database.run(text.format("with")) == [(10,)]
    assert database.run(text.format("with recursive")) == [(99,)]
    three = "with x as (select c from s union all select c from z), s as (select 99 c), z as (select c from s)"
    assert database.run(f"{three} select * from x order by 1") == [(10,), (99,)]


def test_recursion_inside_recursion(database: SmallDatabase) -> None:
    inner = "with recursive q(m) as (select 1 union all select m + 1 from q where m < 3)"
    query = f"{inner} select m from q union all select n + 10 from r where n < 20"
    text = f"with recursive r(n) as ({query}) select n from r"
    assert [n for (n,) in database.run(text)] == [1, 2, 3, 11, 12, 13, 21, 22, 23]


@pytest.mark.parametrize(
    ("text", "sqlstate"),
    [
        ("with x as (select 1), X as (select 2) select * from x", "42712"),
        ("with recursive x as (select * from y), y as (select * from x) select 1", "0A000"),
        ("with recursive r(n) as (select 1 union all select * from (select n + 1 from r) q) select 1", "42P19"),
        ("with recursive r(n) as (select n from r) select 1", "42P19"),
        ("with recursive r(n) as (select n from r union all select 1) select 1", "42P19"),
        ("with recursive r(n) as (select 1 union all select max(n) from r) select 1", "42P19"),
        ("with recursive r(n) as (select 1 union all select n from r group by n) select 1", "42P19"),
        ("with recursive r(n) as (select 1 union all select row_number() over () from r) select 1", "42P19"),
        ("with recursive r(n) as (select 1 except select n from r) select 1", "42P19"),
        ("with recursive r(n) as (select 1 union all select a.n from r a, r b) select 1", "42P19"),
        ("with recursive r(n) as (select 1 union all select n from r union all select 7) select 1", "42P19"),
        ("with recursive r(n) as (select 1 union select n from r union all select n from r) select 1", "42P19"),
        ("with recursive r(n) as (select 1 union all select 2 where exists (select 1 from r)) select 1", "42P19"),
        ("with recursive r(n) as (select 1 union all select n from r limit (select n from r)) select 1", "42P19"),
        ("update t set a = 1 from t", "42712"),
        ("update t set a = 1 from s, t", "42712"),
        ("update t x set a = 1 from s x", "42712"),
    ],
)
def test_what_no_query_can_be(database: SmallDatabase, text: str, sqlstate: str) -> None:
    assert database.error(text).sqlstate == sqlstate


def test_update_reads_its_table_once_more_under_another_name(database: SmallDatabase) -> None:
    database.run("update t as x set b = t.b || '!' from t where t.a = x.a + 1")
    assert database.run("select b from t order by a") == [("y!",), ("y",)]


# --- windows ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("window", "sqlstate"),
    [
        ("(order by nosuch)", "42703"),
        ("(nosuch order by a)", "42704"),
        ("(w)", "42704"),
        ("(order by a rows between current row and 1 preceding)", "42P20"),
        ("(order by a rows unbounded following)", "42P20"),
        ("(order by a rows between 1 preceding and unbounded preceding)", "42P20"),
        ("(range between 1 preceding and current row)", "42P20"),
        ("(order by a, b range 1 preceding)", "42P20"),
        ("(order by rank() over ())", "42P20"),
        ("(partition by nosuch(a))", "42883"),
    ],
)
def test_a_bad_window_is_refused_used_or_not(database: SmallDatabase, window: str, sqlstate: str) -> None:
    for items in ("a", "sum(a) over w"):
        assert database.error(f"select {items} from t window w as {window}").sqlstate == sqlstate
    assert database.error(f"create view v as select a from t window w as {window}").sqlstate == sqlstate


def test_windows_are_known_to_those_behind_them(database: SmallDatabase) -> None:
    good = "window w as (partition by b), x as (w order by a + ?)"
    assert database.run(f"select sum(a) over x from t {good}", (5,)) == [(1,), (2,)]
    assert database.run(f"select a from t {good}", (5,)) == [(1,), (2,)]
    assert database.run("select a from t window w as (order by a + 7, ?)", (5,)) == [(1,), (2,)]
    assert database.error("select a from t window x as (w), w as (order by a)").sqlstate == "42704"
    assert database.error("select a from t window w as (order by a), W as (order by b)").sqlstate == "42P20"


# --- names of result columns -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "select a as x, b as x from t order by x",
        "select a as x, b as X from t order by x",
        "select t.a, s.a from t, s order by a",
        "select * from t, s order by a",
        "select a as x, b as x from t union select 1, 'z' order by x",
        "select a as x, a + 0 as x from t group by x",
        "select count(*) as x, sum(a) as x from t having x > 1",
    ],
)
def test_a_name_of_two_columns_is_ambiguous(database: SmallDatabase, text: str) -> None:
    assert database.error(text).sqlstate == "42702"


@pytest.mark.parametrize(
    "text",
    ["select a as x, a as x from t order by x", "select a, a from t order by a", "select t.*, a from t order by a"],
)
def test_but_not_where_both_are_the_same(database: SmallDatabase, text: str) -> None:
    assert len(database.run(text)) == 2


@pytest.mark.parametrize(
    "query",
    [
        "with x as (select 1 a), x as (select 2 a) select a from x",
        "select a as x, b as x from t order by x",
        "select a as x, b as x from t group by x",
        "select a from t window w as (order by nosuch)",
        "select sum(a) over x from t window x as (w), w as (order by a)",
        "select sum(a) over (order by a rows between current row and 1 preceding) from t",
        "select sum(distinct a) over () from t",
        "select json_object('a') from t",
        "with recursive r(n) as (select 1 union all select max(n) from r) select n from r",
        "select a from t where exists (select 1 from t as u having max(t.a) > 1)",
        "select a from t where (select max(t.a) from t as u) > 0",
        "select a from t where a in (select u.a from t as u order by count(t.a))",
        "select (select count(t.a) from t as u) from t group by 1",
        "select (select sum(t.a) from t as u having t.a > 1) from t",
        "select max((select max(t.a) from t as u)) from t",
        "select a from t window w as (order by a), w as (order by b)",
    ],
)
def test_what_an_earlier_release_kept_is_read(database: SmallDatabase, query: str) -> None:
    """No statement may say it any more; a database that holds it opens."""
    heads = "p, q" if "as x, b as x" in query else "p"
    view = f"create view v ({heads}) as {query}"
    assert database.error(view).sqlstate
    table = CatalogChange("table", "t", "t", "create table t (a ISA, b TEXT)")
    assert load_schema([table, CatalogChange("view", "v", "v", view)], 1).views["v"].columns[0].name == "p"


def test_a_foreign_key_that_an_earlier_release_took_is_read() -> None:
    """UNIQUE (a, a) was a key of `a` to it: the table is there, and may be dropped."""
    parent = CatalogChange("table", "k", "k", "create table k (a ISA, unique (a, a))")
    child = CatalogChange("table", "c", "c", "create table c (a ISA references k (a))")
    assert load_schema([parent, child], 1).tables["c"].references[0].foreign_columns == ("a",)


def test_a_view_that_means_nothing_any_more_keeps_no_database_from_opening() -> None:
    """Whatever an earlier release took: it is told, shown and dropped, and so is what reads it."""
    made = SmallDatabase()
    made.run("create table t (a ISA)")
    rows = [CatalogChange("table", "t", "t", "create table t (a ISA)")]
    texts = {"v": "create view v as select nosuch from t", "w": "create view w as select * from v"}
    rows += [CatalogChange("view", name, name, text) for name, text in texts.items()]
    rows.append(CatalogChange("view", "x", "x", "create view x as select a from t"))
    made.schema = load_schema(rows, 1)
    assert [name for name, view in made.schema.views.items() if view.is_outdated] == ["v", "w"]
    for text in ("select * from v", "select 1 from t, w", "describe v", "create view y as select * from w"):
        error = made.error(text)
        assert (error.key, error.sqlstate) == ("view_outdated", "55000"), text
    assert made.run("show create view v") == [("CREATE VIEW v AS SELECT nosuch FROM t",)]
    made.plan("drop view w")


def test_a_constant_that_an_earlier_release_wrote_as_a_column_s_number_is_told() -> None:
    made = SmallDatabase()
    made.run("create table t (a ISA)")
    made.run("create view v as select a from t order by a")
    made.connection.execute("drop view v; create view v as select a from t order by -2")
    with pytest.raises(apsw.SQLError) as raised:
        made.run("select * from v")
    assert statement_failure(raised.value).key == "view_outdated"
