"""ALTER TABLE: the rows, the checks, the indexes and the views after it."""

from __future__ import annotations

import apsw
import pytest

from dirk_gevent.engine.errors.failures import statement_failure
from dirk_parser.compile.ddl import rebuild
from tests.parser.small_database import SmallDatabase


@pytest.fixture(params=[rebuild._RENAMED_CHARACTERS, 0], ids=["renamed", "through aside"])
def database(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> SmallDatabase:
    """Tables made anew in the one way and in the other, which long definitions go."""
    monkeypatch.setattr(rebuild, "_RENAMED_CHARACTERS", request.param)
    made = SmallDatabase()
    made.run("create table t (a ISA(0, 9) primary key, b TEXT tsy null sanda fototra 'd', check (a <> 5))")
    made.run("insert into t values (1, 'x'), (2, 'y')")
    made.run("create index i on t (b, a)")
    return made


def test_add_column(database: SmallDatabase) -> None:
    database.run("create view v as select * from t")
    database.run("ovay ny tabilao t ampio tsanganana c ISA(0, 100)")
    assert database.run("select * from t") == [(1, "x", None), (2, "y", None)]
    assert database.run("select * from v where a = 1") == [(1, "x", None)]
    assert database.error("update t set c = 101").params["column"] == "c"
    database.run("alter table t add d TEXT default 'n'")
    assert database.run("select d from v") == [("n",), ("n",)]


def test_rename_column(database: SmallDatabase) -> None:
    database.run("alter table t rename column a to k")
    assert database.run("select k from t") == [(1,), (2,)]
    error = database.error("insert into t values (10, 'z')")
    assert (error.key, error.params["column"]) == ("domain_violation", "k")
    assert database.run("asehoy ny tondro") == [("i",)]
    assert database.run("lazao t")[0] == ("k", "ISA(0, 9)", True, None, True)


def test_drop_column(database: SmallDatabase) -> None:
    assert database.error("alter table t drop column b").key == "in_use"
    assert database.error("alter table t drop column a").key == "in_use"
    database.run("drop index i")
    database.run("ovay ny tabilao t esory tsanganana b")
    assert database.run("select * from t") == [(1,), (2,)]
    assert database.error("alter table t drop column a").key == "in_use"


@pytest.mark.parametrize(
    "needs",
    [
        "y ISA, CONSTRAINT few CHECK (x < 1000)", "y ISA, CHECK (w.x < y)", "y ISA CHECK (x < 5)", "y ISA AS (x + 1)",
        "y ISA, UNIQUE (x, y)", "y ISA, FOREIGN KEY (x) REFERENCES t (a)",
    ],
)  # fmt: skip
def test_a_column_that_the_rest_of_its_table_needs_stays(database: SmallDatabase, needs: str) -> None:
    """The error is at its name in this statement, not somewhere in the table's definition."""
    database.run(f"create table w (x ISA, {needs})")
    error = database.error("alter table w drop column x")
    assert (error.key, error.params["user"], error.place) == ("in_use", "w", len("alter table w drop column "))


def test_rename_table(database: SmallDatabase) -> None:
    database.run("ovay ny tabilao t soloy anarana `Vao`")
    assert database.run("select b from vao where a = 1") == [("x",)]
    assert database.error("select * from t").key == "unknown_table"
    database.run("create view v as select vao.a from vao where exists (select * from vao AS x where x.b = vao.b)")
    database.run("alter table vao rename to w")
    assert database.run("select a from v") == [(1,), (2,)]
    (shown,) = database.run("show create view v")
    assert shown == ("CREATE VIEW v AS SELECT w.a FROM w WHERE EXISTS (SELECT * FROM w AS x WHERE x.b = w.b)",)
    database.run("alter table w rename to `Vao`")
    database.run("create table other (z ISA)")
    assert database.error("alter table other rename to VAO").key == "duplicate_table"


def test_what_refers_to_a_table_follows_its_names(database: SmallDatabase) -> None:
    database.run("create table kid (p ISA references t(a) on delete cascade, q ISA references t)")
    database.run("insert into kid values (1, 2)")
    database.run("alter table t rename column a to `the key`")
    database.run("alter table t rename to Parent")
    assert database.run("select * from kid") == [(1, 2)]
    assert database.run("show create table kid") == [
        ("CREATE TABLE kid (p ISA REFERENCES Parent (`the key`) ON DELETE CASCADE, q ISA REFERENCES Parent)",)
    ]
    with pytest.raises(apsw.ConstraintError):
        database.run("insert into kid values (3, null)")
    database.run("delete from parent where `the key` = 1")
    assert database.run("select * from kid") == []


def test_making_a_table_anew_carries_nothing_out_on_those_who_refer_to_it(database: SmallDatabase) -> None:
    actions = ("on delete cascade", "on delete set null")
    database.run("create table kid (p ISA references t(a) {}, q ISA default 1 references t {})".format(*actions))
    database.run("insert into kid values (1, 2), (2, 2)")
    for action in (
        "alter column b drop default",
        "alter column b set not null",
        "add constraint u unique (b)",
        "add column own ISA references kid(p)",
        "rename column b to c",
        "add column n ISA unique",
        "drop column n",
    ):
        if "own" in action:
            assert database.error(f"alter table t {action}").key == "foreign_key_invalid"
            continue
        database.run(f"alter table t {action}")
        assert database.run("select * from kid") == [(1, 2), (2, 2)], action
    assert database.connection.execute("PRAGMA foreign_keys").fetchall() == [(1,)]
    with pytest.raises(apsw.ConstraintError):
        database.run("insert into kid values (5, null)")


def test_rows_without_a_parent_refuse_a_new_foreign_key(database: SmallDatabase) -> None:
    database.run("create table p (k ISA primary key)")
    database.run("insert into p values (1)")
    error = database.error("alter table t add constraint f foreign key (a) references p(k)")
    assert (error.key, error.params) == (
        "foreign_key_violation", {"table": "t", "columns": "a", "parent": "p", "values": "2"}
    )  # fmt: skip
    assert database.error("alter table t add c ISA default 7 references p").params["values"] == "7"
    assert database.connection.execute("PRAGMA foreign_keys").fetchall() == [(1,)]
    database.run("insert into p values (2)")
    database.run("alter table t add constraint f foreign key (a) references p(k)")
    database.run("alter table t add c ISA references later(z)")
    assert database.error("insert into t values (3, 'z', null)").params["name"] == "later"


def test_what_a_foreign_key_needs_stays(database: SmallDatabase) -> None:
    database.run("alter table t add constraint u unique (b)")
    database.run("create table kid (p TEXT references t(b), q ISA references t)")
    for action in ("drop column b", "drop column a", "drop constraint u"):
        error = database.error(f"alter table t {action}")
        assert error.key == "in_use"
    database.run("create table p (k ISA unique, z ISA)")
    database.run("create table child (r ISA references p(k))")
    assert database.error("alter table p drop column k").params == {"name": "k", "user": "child"}
    # A foreign key may wait for a table that is not there: whoever takes its name must be fit for it.
    database.run("create table waits (z ISA references later(k))")
    database.run("create table other (x ISA)")
    assert database.error("alter table other rename to later").key == "foreign_key_invalid"
    database.run("alter table t rename column a to k")
    database.run("alter table t rename to later")


@pytest.mark.parametrize(
    ("view", "action", "after"),
    [
        ("select a, b from t order by a", "rename column a to k", "SELECT k, b FROM t ORDER BY k"),
        ("select * from t order by a", "rename column a to k", "SELECT * FROM t ORDER BY k"),
        ("select a as b, b as a from t order by a", "rename column a to k", "SELECT k AS b, b AS a FROM t ORDER BY a"),
        ("select o.a from o", "rename column a to k", "SELECT o.a FROM o"),
        ("select x.a from (select * from t) x", "rename column a to k", "SELECT x.k FROM (SELECT * FROM t) AS x"),
        ("select x.a from (select b as a from t) x", "rename column a to k",
         "SELECT x.a FROM (SELECT b AS a FROM t) AS x"),
        ("with x as (select a from t) select a from x", "rename column a to k",
         "WITH x AS (SELECT k FROM t) SELECT k FROM x"),
        ("with x (a) as (select a from t) select a from x", "rename column a to k",
         "WITH x (a) AS (SELECT k FROM t) SELECT a FROM x"),
        ("with t as (select 1 as a) select t.a from t", "rename column a to k",
         "WITH t AS (SELECT 1 AS a) SELECT t.a FROM t"),
        ("select y.b from t x join t y using (a)", "rename column a to k",
         "SELECT y.b FROM t AS x JOIN t AS y USING (k)"),
        ("select (select max(a) from o) as m, a from t", "rename column a to k",
         "SELECT (SELECT max(a) FROM o) AS m, k FROM t"),
        ("select (select max(t.a) from o where o.a = t.a) as m from t", "rename column a to k",
         "SELECT (SELECT max(t.k) FROM o WHERE o.a = t.k) AS m FROM t"),
        ("select a from t union select a from o order by a", "rename column a to k",
         "SELECT k FROM t UNION SELECT a FROM o ORDER BY k"),
        ("select t.a, o.c from t join o on t.a = o.c", "rename to w", "SELECT w.a, o.c FROM w JOIN o ON w.a = o.c"),
        ("select t.* from t", "rename to w", "SELECT w.* FROM w"),
        ("select t.a from t where b in (select b from t x where x.a = t.a)", "rename to w",
         "SELECT w.a FROM w WHERE b IN (SELECT b FROM w AS x WHERE x.a = w.a)"),
        ("with t as (select 1 as a) select t.a from t", "rename to w", "WITH t AS (SELECT 1 AS a) SELECT t.a FROM t"),
        ("select a from t as t where t.b = 'x'", "rename to w", "SELECT a FROM w AS t WHERE t.b = 'x'"),
    ],
)  # fmt: skip
def test_a_view_follows_new_names(database: SmallDatabase, view: str, action: str, after: str) -> None:
    database.run("create table o (a ISA, c ISA)")
    database.run("insert into o values (1, 1), (5, 2)")
    database.run(f"create view v as {view}")
    database.run("create view reader as select * from v")
    rows = database.run("select * from v")
    database.run(f"alter table t {action}")
    ((shown,),) = database.run("show create view v")
    assert shown == f"CREATE VIEW v AS {after}"
    assert database.run("select * from v") == rows == database.run("select * from reader")


@pytest.mark.parametrize(
    ("view", "action"),
    [
        # A name would be another's.
        ("select x.b from t x join o using (a)", "rename column a to k"),
        ("select b, c from t, o", "rename column a to c"),
        ("select b from t natural join o", "rename column a to k"),
        ("select (select max(c) from t) as m from o", "rename column b to c"),
        ("with w as (select 1 as z) select b, z from t, w", "rename to w"),
        # A column is no more, or there is one more.
        ("select b from t", "drop column b"),
        ("select (select max(a) from t) as m from o", "drop column a"),
        ("select c from t, o", "add column c ISA"),
        ("select (select max(c) from t) as m from o", "add column c ISA"),
        ("select b from t natural join o", "add column c ISA"),
        ("select * from t union select 1, 2", "add column c ISA"),
    ],
)
def test_a_view_that_would_mean_something_else_is_named(database: SmallDatabase, view: str, action: str) -> None:
    database.run("drop index i")
    database.run("create table o (a ISA, c ISA)")
    database.run(f"create view v as {view}")
    before = database.schema
    error = database.error(f"alter table t {action}")
    assert (error.key, error.params["user"]) == ("in_use" if "drop" in action else "change_in_use", "v")
    assert database.schema is before


def test_views_of_views_follow(database: SmallDatabase) -> None:
    database.run("create view v as select a, b as c from t")
    database.run("create view w as select a from v where a > 1")
    database.run("create view x (y) as select a from w")
    database.run("alter table t rename column a to k")
    assert database.run("select k from w") == [(2,)] == database.run("select y from x")
    assert database.run("lazao v") == [("k", None, False, None, False), ("c", None, False, None, False)]
    database.run("alter table t rename to s")
    assert database.run("select k, c from v") == [(1, "x"), (2, "y")]


def test_a_column_that_is_called_by_its_text_keeps_that_name(database: SmallDatabase) -> None:
    database.run("create view v as select a  +  1, max( t.b ), (select max(a) || 'x' from t) from t where a + 1 > 0")
    names = database.names("select * from v")
    database.run("create view w as select `a + 1` as z from v")
    database.run("alter table t rename column a to k")
    database.run("alter table t rename to `the one`")
    assert database.names("select * from v") == names == ["a + 1", "max( t.b )", "(select max(a) || 'x' from t)"]
    assert database.run("select z from w") == [(3,)]


def test_names_that_differ_in_capitals_only(database: SmallDatabase) -> None:
    database.run("create table kid (p ISA references t(a))")
    database.run("alter table t rename column a to A")
    database.run("alter table t rename to T")
    assert database.run("select * from t") == [(1, "x"), (2, "y")]
    assert database.run("show create table kid") == [("CREATE TABLE kid (p ISA REFERENCES T (A))",)]
    assert database.error("alter table t rename to i").key == "name_of_index"
    error = database.error("alter table t rename column A to B")
    assert (error.key, error.place) == ("duplicate_column", len("alter table t rename column A to "))


def test_numbers_are_never_given_twice(database: SmallDatabase) -> None:
    database.run("create table n (id INTEGER primary key autoincrement, u ISA unique, p ISA references n(id))")
    database.run("insert into n (u) values (1), (2), (3)")
    database.run("delete from n where u = 3")
    database.run("alter table n rename column id to k")
    database.run("alter table n add constraint c check (u < 9)")
    database.run("alter table n rename to m")
    database.run("alter table m alter column u drop default")
    database.run("insert into m (u) values (4)")
    assert database.run("select k from m where u = 4") == [(4,)]


def test_a_column_twice_in_a_key_is_no_key_of_that_column(database: SmallDatabase) -> None:
    database.run("create table twice (a ISA, unique (a, a))")
    assert database.error("create table kid (p ISA references twice(a))").key == "foreign_key_invalid"


def test_rows_keep_their_order(database: SmallDatabase) -> None:
    database.run("create table z (x ISA, y ISA unique)")
    database.run("insert into z values (1, 9), (2, 3), (3, 5)")
    database.run("alter table z drop column x")
    assert database.run("select * from z") == [(9,), (3,), (5,)]


def test_a_column_changes_what_it_requires_and_gets(database: SmallDatabase) -> None:
    database.run("ovay ny tabilao t ovay tsanganana b ova sanda fototra 'e'")
    database.run("insert into t (a) values (3)")
    assert database.run("select b from t where a = 3") == [("e",)]
    database.run("alter table t alter column b drop default")
    with pytest.raises(apsw.ConstraintError):
        database.run("insert into t (a) values (4)")
    database.run("ovay ny tabilao t ovay tsanganana b esory tsy null")
    database.run("insert into t (a) values (4)")
    with pytest.raises(apsw.ConstraintError) as refused:
        database.run("alter table t alter column b set not null")
    assert statement_failure(refused.value, "t").params["table"] == "t"
    assert database.run("asehoy ny tondro") == [("i",)]
    assert database.error("alter table t alter column zz set not null").place == len("alter table t alter column ")


def test_constraints_come_and_go(database: SmallDatabase) -> None:
    database.run("alter table t add constraint k unique (b)")
    with pytest.raises(apsw.ConstraintError):
        database.run("insert into t values (3, 'x')")
    database.run("create table child (b TEXT references t(b))")
    assert database.error("alter table t drop constraint k").key == "in_use"
    database.run("drop table child")
    database.run("alter table t drop constraint k")
    database.run("insert into t values (3, 'x')")
    assert database.error("alter table t drop constraint k").key == "unknown_constraint"
    assert database.error("alter table t add primary key (b)").key == "two_primary_keys"
    assert database.error("alter table t add check (zz > 1)").key == "unknown_column"
    with pytest.raises(apsw.ConstraintError):
        database.run("alter table t add check (a > 1)")
    assert len(database.run("select * from t")) == 3
