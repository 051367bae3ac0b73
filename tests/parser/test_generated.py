"""Columns that are computed: what they may be computed from, and what becomes of them when their table changes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dirk_gevent.engine.errors.failures import statement_failure
from dirk_parser.errors import SqlError
from dirk_parser.grammar.route import check_databases
from dirk_parser.normalize.normalizer import split
from tests.parser.small_database import STATEMENTS, SmallDatabase


@pytest.fixture
def database() -> SmallDatabase:
    made = SmallDatabase()
    computed = "s as (a + b), h as (a / b) stored, w ISA(0, 50) generated always as (a DIV b)"
    made.run(f"create table t (a ISA, b ISA, {computed})")
    made.run("insert into t values (7, 2), (9, 3)")
    return made


def wrong_columns() -> Iterator[tuple[str, str]]:
    """A second column, with ^ where the error points to, and the error."""
    yield "b as (^random())", "generated_invalid"
    yield "b as (a ^< now())", "generated_invalid"
    yield "b as (^(select 1))", "generated_invalid"
    yield "b as (^sum(a))", "generated_invalid"
    yield "b as (^row_number() over ())", "generated_invalid"
    yield "^b as (a) primary key", "generated_invalid"
    yield "^b as (a) default 3", "generated_invalid"
    yield "b as (^zz)", "unknown_column"
    yield "^b as (b + 1)", "generated_circular"
    yield "^b as (c), c as (b)", "generated_circular"


@pytest.mark.parametrize(("column", "key"), list(wrong_columns()))
def test_what_a_column_can_not_be_computed_from(column: str, key: str) -> None:
    text = f"create table wrong (a, {column})"
    error = SmallDatabase().error(text.replace("^", ""))
    assert (error.key, error.place) == (key, text.index("^"))


def test_a_table_is_given_something(database: SmallDatabase) -> None:
    assert database.error("create table wrong (a as (1), b as (2))").key == "generated_invalid"


def test_they_take_no_value(database: SmallDatabase) -> None:
    assert database.run("select * from t") == [(7, 2, 9, 3.5, 3), (9, 3, 12, 3, 3)]
    for text in (
        "insert into t (a, s) values (1, 2)",
        "update t set s = 1",
        "update t set (a, h) = (1, 2)",
        "insert into t (a) values (1) on conflict do update set w = 1",
    ):
        error = database.error(text)
        assert error.key == "generated_given"
        assert text.replace("1", "'i'")[error.place] in "shw"
    assert database.error("insert into t values (1, 2, 3)").key == "column_count"
    database.run("insert into t select a * 10, b from t where a = 7 returning s")
    assert database.run("select s, h, w from t where a = 70") == [(72, 35, 35)]


def test_what_they_come_to_is_held_to_be_a_value(database: SmallDatabase) -> None:
    assert database.error("insert into t values (1, 0)").key == "division_by_zero"
    assert database.error("update t set b = b - 2").key == "division_by_zero"
    assert database.error("insert into t values (200, 2)").params["column"] == "w"
    database.run("insert into t values (null, 2)")
    database.run("create table n (a NUMERIC(9, 1), b NUMERIC(4, 1) as (a * 1.25))")
    database.run("insert into n values (1.3)")
    assert database.run("select b from n") == [(1.6,)]
    assert database.error("insert into n values (9000)").key == "domain_violation"


def test_their_truth_is_truth(database: SmallDatabase) -> None:
    database.run("create table k (a, b as (a > 1), c BOOLEAN as (a))")
    database.run("insert into k values (1), (0)")
    assert database.run("select * from k") == [(1, False, True), (0, False, False)]


def test_a_moment_of_the_row_and_not_the_time_now() -> None:
    database = SmallDatabase()
    database.run("create table d (t TEXT, y as (strftime('%Y', t)))")
    database.run("create index i on d (date(t))")
    database.run("insert into d values ('2024-05-06')")
    assert database.run("select y from d") == [("2024",)]
    with pytest.raises(Exception) as refused:
        database.run("insert into d values ('now')")
    assert statement_failure(refused.value).key == "moment_not_kept"


def test_they_follow_alter(database: SmallDatabase) -> None:
    database.run("create view v as select s from t")
    database.run("alter table t rename column a to k")
    assert database.run("select s, h from t where k = 7") == [(9, 3.5)]
    database.run("alter table t add column m as (k - b)")
    database.run("alter table t add column n as (m * 2) stored")
    assert database.run("select m, n from t") == [(5, 10), (6, 12)]
    assert database.run("select * from v") == [(9,), (12,)]
    error = database.error("alter table t drop column m")
    assert (error.key, error.params["name"], error.params["user"]) == ("in_use", "m", "t")
    database.run("alter table t drop column n")
    assert database.error("alter table t add column o as (zz)").key == "unknown_column"
    assert database.run("lazao t")[-1] == ("m", None, False, 'AS (("k" - "b"))', False)


def test_they_are_keys_to_conflicts_and_to_other_tables(database: SmallDatabase) -> None:
    database.run("create table p (a ISA, b as (a % 10) unique)")
    database.run("create table c (x ISA references p(b))")
    database.run("insert into p values (11)")
    database.run("insert into c values (1)")
    database.run("insert into p values (21) on conflict (b) do update set a = excluded.a")
    assert database.run("select * from p") == [(21, 1)]


def test_a_number_too_many_is_no_more_one_of_the_machine(database: SmallDatabase) -> None:
    assert database.error("create table x (a INT primary key autoincrement)").key == "autoincrement_misplaced"
    assert database.error("alter table t add column f ISA references t(zz)").key == "unknown_column"


def test_an_index_may_divide(database: SmallDatabase) -> None:
    database.run("create unique index i on t (a / b) where a % 2 = 1")
    text = "insert into t (a, b) values (14, 4), (21, 6) on conflict (a / b) where a % 2 = 1 do nothing returning a"
    assert database.run(text) == [(14,)]


def test_the_limit_of_a_change_is_a_total_order() -> None:
    database = SmallDatabase()
    database.run("create table r (k, v)")
    database.run("insert into r values (2, 'a'), (1, 'b'), (1, 'c'), (null, 'd'), (2, 'e')")
    assert sorted(database.run("delete from r where v <> 'c' returning v order by k fetra 1 3")) == [("a",), ("b",)]
    database.run("update r set v = v || '!' order by k desc nulls last limit ?", (1,))
    assert database.run("select v from r") == [("c",), ("d",), ("e!",)]
    database.run("with w as (select 1 as k) delete from r where k in w limit 5")
    assert database.run("select v from r") == [("d",), ("e!",)]
    database.run("create table named as select k as rowid, v from r")
    database.run("delete from named limit 1")
    assert database.run("select v from named") == [("e!",)]
    assert database.error("delete from r order by k").key == "limit_missing"
    assert database.error("update r set k = 1 from r as q limit 1").key == "not_supported"


#: Statements that name a database before a table.
IN_HAFA = ("select * from hafa.t", "select a from t where hafa.t.a = 1", "select hafa.t.* from t", "drop table hafa.t")


def test_another_database_is_out_of_reach(database: SmallDatabase) -> None:
    for text in IN_HAFA:
        route = STATEMENTS.route(split(text))
        for own in (None, "t", "haf"):
            with pytest.raises(SqlError) as refused:
                check_databases(route, own)
            assert (refused.value.key, refused.value.params["database"]) == ("other_database", "hafa")
        check_databases(route, "HAFA")
    assert database.run("select main.t.s, x.h from temp.t, main.t as x where x.a = t.a and t.a = 7") == [(9, 3.5)]
