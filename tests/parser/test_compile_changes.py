"""Writes and definitions through the compiler into SQLite."""

from __future__ import annotations

import apsw
import pytest

from dirk_parser.normalize.normalizer import split
from dirk_parser.plan.bind import bind, rows
from dirk_parser.plan.plan import ChangePlan, QueryPlan
from tests.parser.small_database import SmallDatabase


@pytest.fixture
def database() -> SmallDatabase:
    made = SmallDatabase()
    made.run("create table t (a ISA, b TEXT, c ISA)")
    made.run("insert into t values (1, 'x', 10), (2, 'y', 20), (3, '7', 30)")
    return made


def test_insert_update_delete(database: SmallDatabase) -> None:
    assert database.run("update t set c = c / 4 where a = 1 returning c, a = 1") == [(2.5, True)]
    assert database.run("insert into t (b, a) select b||'!', a + 100 from t where a = 3 returning a, b") == [
        (103, "7!")
    ]
    database.run("insert into t values (200, upper('q'), 1+1), (201, null, (select max(c) from t))")
    assert database.run("select * from t where a >= 200") == [(200, "Q", 2), (201, None, 30)]
    assert database.run("delete from t where a > 100 returning a") == [(103,), (200,), (201,)]
    database.run("update t set (b, c) = (select 'new', 5) where a = 2")
    assert database.run("select b, c from t where a = 2") == [("new", 5)]


def test_numeric_rounds_and_refuses(database: SmallDatabase) -> None:
    database.run("create table n (p NUMERIC(5,2), q NUMERIC(3))")
    database.run("insert into n values (12.345, -7.5), (1, 2.4)")
    assert database.run("select * from n") == [(12.35, -8), (1, 2)]
    database.run("update n set p = p * (select 2.5) where q = 2")
    assert database.run("select p from n where q = 2") == [(2.5,)]
    for wrong in ("1000", "999.999", "-1000"):
        assert database.error(f"insert into n (p) values ({wrong})").key == "out_of_range"
    assert database.error("update n set p = p * 1000").key == "out_of_range"


def test_a_values_row_is_one_plan_for_any_rows(database: SmallDatabase) -> None:
    plan = database.plan("insert into t values (1, 'a', null)")
    assert isinstance(plan, ChangePlan)
    assert plan.per_row
    assert database.plan("insert into t values (1, 'a', null), (-2, null, 'x')") is plan
    normalized = split("insert into t values (1, 'a', null), (-2, null, 'x')")
    assert list(rows(plan, normalized, ())) == [(1, "a", None), (-2, None, "x")]


def test_rows_that_are_not_all_plain_are_all_there(database: SmallDatabase) -> None:
    database.run("delete from t")
    database.run("insert into t values (1, 'a', 2), (3, 'b', 4), (abs(-5), lower('C'), 6), (7, 'd', 8)")
    database.run("insert into t values (9, 'e', 10), (11, 'f', 12), ($a, $b, 14)", {"a": 13, "b": "g"})
    rows = [(1, "a", 2), (3, "b", 4), (5, "c", 6), (7, "d", 8), (9, "e", 10), (11, "f", 12), (13, "g", 14)]
    assert database.run("select * from t") == rows


def test_what_is_about_all_rows_together() -> None:
    made = SmallDatabase()
    made.run("create table k (n ISA)")
    made.run("insert into k values (1), (2) union select 3")
    made.run("insert into k values (4), (5) #- values (5)")
    made.run("insert into k values (7), (6), (8) order by 1 limit 2")
    made.run("insert into k select (values (9))")
    assert made.run("select n from k order by n") == [(1,), (2,), (3,), (4,), (6,), (7,), (9,)]


def test_upsert_and_returning_after_rows() -> None:
    made = SmallDatabase()
    made.run("create table k (id ISA primary key, n TEXT unique)")
    text = "insert into k values (1, 'a'), (2, 'b') on conflict (id)"
    text += " do update set n = excluded.n || '!' returning id + 10, n"
    assert made.run(text) == [(11, "a"), (12, "b")]
    assert made.run(text) == [(11, "a!"), (12, "b!")]


def test_literals_in_order_bind_as_they_are(database: SmallDatabase) -> None:
    normalized = split("select a, b from t where a = 5 and b = 'x'")
    plan = database.plans.plan(normalized, database.schema, False)
    assert isinstance(plan, QueryPlan)
    assert bind(plan.binds, normalized, ()) is normalized.literals


def test_plans_survive_the_ddl_of_others(database: SmallDatabase) -> None:
    text = "select a from t where a = 1"
    plan = database.plan(text)
    change = database.plan("insert into t (a) values (?)")
    for ddl in (
        "create table other (x ISA primary key)", "create table child (y ISA references other(x) on delete cascade)",
        "alter table other add column z", "alter table child rename column y to w", "create index i on other (x)",
        "create view seen as select x from other", "create domain d (isa)", "drop view seen", "drop table child",
        "alter table other rename to another", "drop table another",
    ):  # fmt: skip
        database.run(ddl)
        assert database.plan(text) is plan, ddl
        assert database.plan("insert into t (a) values (?)") is change, ddl
    database.run("alter table t add column z")
    assert database.plan(text) is not plan
    assert database.plan("insert into t (a) values (?)") is not change
    database.run("drop table t")
    assert database.error(text).key == "unknown_table"


def test_ordinals_are_part_of_the_plan(database: SmallDatabase) -> None:
    assert database.run("select a, -a from t order by 1 limit 1") == [(1, -1)]
    assert database.run("select a, -a from t order by 2 limit 1") == [(3, -3)]


def test_what_a_write_computes_is_the_same_everywhere(database: SmallDatabase) -> None:
    def sql(text: str) -> str:
        plan = database.plan(text, for_write=True)
        assert isinstance(plan, ChangePlan | QueryPlan)
        return plan.sql

    assert "ORDER BY dirk_random(), 1, 2 LIMIT" in sql(
        "insert into t (a, b) select a, b from t order by random() limit 2"
    )
    assert "ORDER BY 1 LIMIT" in sql("delete from t where a in (select a from t limit 1)")
    assert "dirk_now()" in sql("update t set b = izao()")
    assert "dirk_datefn('date', t1." in sql("update t set b = date(b)")
    assert "dirk_now()" in sql("update t set b = date('now')")
    assert " ORDER BY " in sql("update t set b = (select group_concat(b) from t)")
    assert database.error("update t set b = datetime('now', 'localtime')").key == "not_deterministic"


def test_a_cascade_writes_the_children() -> None:
    made = SmallDatabase()
    made.run("create table k (id ISA primary key)")
    delete = "delete from k where id = 1"
    assert made.plan(delete).writes == ("k",)
    made.run("create table kid (p ISA references k(id) on delete cascade)")
    assert made.plan(delete).writes == ("k", "kid")
    assert made.plan("insert into kid values (1)").reads == ("k",)
    assert made.error("drop table k").key == "in_use"


def test_create_table_as(database: SmallDatabase) -> None:
    database.run("create table c2 as select a, b||'!' as bb, 1+1 from t where a = 1")
    assert database.run("select * from c2") == [(1, "x!", 2)]
    assert database.names("select * from c2") == ["a", "bb", "1+1"]


def test_show_and_describe(database: SmallDatabase) -> None:
    database.run("create table k (id INTEGER primary key, n LAHATSORATRA(1, 5) tsy null sanda fototra 'x')")
    assert database.run("asehoy ny tabilao") == [("k",), ("t",)]
    assert database.names("asehoy ny tabilao") == ["fanasehoana"]
    assert database.run("lazao k") == [
        ("id", "INTEGER", True, None, True),
        ("n", "LAHATSORATRA(1, 5)", True, "'x'", False),
    ]


def test_rows_that_refer_to_each_other_are_inserted_together() -> None:
    database = SmallDatabase()
    database.run("create table tree (id isa primary key, up isa references tree(id), s text unique)")
    database.run("insert into tree values (2, 1, 'b'), (1, null, 'a'), (3, 3, 'it''s')")
    database.run("insert into tree values (4, null, 'd')")
    database.run(
        "insert into tree values (5, 6, 'x'), (6, 4, 'y') on conflict (s) do update set s = 'z' || ? returning id, '7'",
        ("!",),
    )
    assert database.run("select id, up, s from tree order by id") == [
        (1, None, "a"), (2, 1, "b"), (3, 3, "it's"), (4, None, "d"), (5, 6, "x"), (6, 4, "y"),
    ]  # fmt: skip
    with pytest.raises(apsw.ConstraintError):
        database.run("insert into tree values (8, 9, 'p'), (7, 8, 'q')")
    assert database.run("select count(*) from tree") == [(6,)]


def test_a_row_may_be_replaced_by_a_later_one_of_its_statement() -> None:
    database = SmallDatabase()
    database.run("create table up (id isa primary key, s text unique)")
    database.run("create table down (id isa references up(id), k isa unique)")
    database.run("insert into up values (1, 'a'), (2, 'b')")
    database.run("insert into down values (1, 1)")
    database.run("insert or replace into up values (3, 'a'), (1, 'c')")
    database.run("insert or replace into down values (9, 1), (2, 1)")
    assert database.run("select * from up order by id") == [(1, "c"), (2, "b"), (3, "a")]
    assert database.run("select * from down") == [(2, 1)]
