"""Statements through the compiler into SQLite: answers worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from tests.parser.small_database import SmallDatabase

ROWS = [
    # numbers and texts
    ("select 7/2, 7 div 2, 7 % 4, -7 div 2, 7.5 div 2, null/2, 1/null", [(3.5, 3, 3, -3, 3, None, None)]),
    ("select null/0, null % 0, null div 0", [(None, None, None)]),
    ("select e from u where e = 7", [(7,)]),
    (
        "select -9223372036854775808, typeof(-9223372036854775808), typeof(-9223372036854775809), - 5, -2.5",
        [(-(2**63), "integer", "real", -5, -2.5)],
    ),
    ("select typeof(- 9223372036854775807 - 1), typeof(9223372036854775808)", [("integer", "real")]),
    ("select e from u where e = '7'", [("7",)]),
    (
        "select cast('7' as ISA) = 7, cast(7 as TEXT) = 7, '7' = 7, cast('7' as ISA) in (7), cast('7' as text) in (7)",
        [(True, False, False, True, False)],
    ),
    ("select x from (select cast(a as text) as x from t) q where x = 1", []),
    ("select x from (select cast(b as ISA) as x from t) q where x = '7'", []),
    ("select t.b from t join u on t.b = u.e", [("7",)]),
    ("select a from t where b in (select e from u)", [(3,)]),
    ("select max(a, 2), min(a) from t where a = 1", [(2, 1)]),
    # booleans
    (
        "select a is null, a = 1, not a, a in (1), a between 1 and 2, exists(select 1), true, a from t where a = 1",
        [(False, True, False, True, True, True, True, 1)],
    ),
    (
        "select d, coalesce(d, false), case when d then d else diso end, min(d), d and true from u where a = 1",
        [(True, True, True, True, True)],
    ),
    (
        "select iif(d, true, diso), iif(d, 5, true), nth_value(d, 1) over (), lag(d, 1, 7) over (),"
        " lag(d, 1, diso) over () from u where a = 1",
        [(True, 5, True, 7, False)],
    ),
    ("select 'a' like 'A', 'a' is 'a', null is null, a dia tsy null from t limit 1", [(True, True, True, True)]),
    ("select cast(5 as boolean), cast(null as boolean), cast(0 as boolean)", [(True, None, False)]),
    # joins
    (
        "select * from t natural left join u",
        [(1, "x", 10, True, 7), (2, "y", 20, False, "7"), (3, "7", 30, None, None), (None,) * 5],
    ),
    (
        "select * from t natural full join u order by a, b",
        [(None,) * 5, (1, "x", 10, True, 7), (2, "y", 20, False, "7"), (3, "7", 30, None, None), (5,) + (None,) * 4],
    ),
    # what stands after ON is one condition more
    ("select a, b, e from t natural join u on e > 5 and d", [(1, "x", 7)]),
    (
        "select * from t natural left join u on u.a > 1 and a < 9",
        [(1, "x", 10, None, None), (2, "y", 20, False, "7"), (3, "7", 30, None, None), (None,) * 5],
    ),
    ("alaivo a, c ao@ t tonona:natoraly avanana@ u ka c > 10 alaharo 1", [(1, None), (2, 20), (5, None)]),
    ("select a, c from t natural full join u on c > 10 where a < 3 order by a, c", [(1, None), (1, 10), (2, 20)]),
    ("select count(*) from t k, t natural join u on k.a = u.a", [(2,)]),
    ("select a, u.a, t.a from t right join u using (a) order by 2", [(1, 1, 1), (2, 2, 2), (5, 5, None)]),
    ("select t.* from t join u on t.a = u.a order by 1 desc", [(2, "y", 20), (1, "x", 10)]),
    ("select t.a from t left join (u join t k on k.a = u.a) on u.a = t.a where t.a = 1", [(1,)]),
    ("select count(*) from t, u, t k where t.a = u.a", [(8,)]),
    # ordering, limits, grouping
    ("select a + 1 as z from t order by z desc limit 1", [(4,)]),
    ("select a as c from t order by c limit 2 offset 1", [(1,), (2,)]),
    ("select a c1, a c1 from t where a > 1 order by c1 desc", [(3, 3), (2, 2)]),
    ("select a from t order by 1 desc fetra 1 3", [(2,), (1,)]),
    ("select a from t fetra 3 1", []),
    ("select a % 2 m, count(*) from t where a is not null group by m order by m", [(0, 1), (1, 2)]),
    ("select a % 2, sum(c) from t group by a % 2 order by 1", [(None, None), (0, 20), (1, 40)]),
    ("select a % 2, sum(c) from t group by 1 having sum(c) > 30", [(1, 40)]),
    ("select a from t group by a having a > 1 order by count(*), a", [(2,), (3,)]),
    ("select count(distinct b), sum(a) filter (where a > 1) from t", [(3, 5)]),
    ("select distinct a is null from t order by 1", [(False,), (True,)]),
    # set operators
    ("select 1 union all select 2 union all select 2 except select 1 order by 1 desc", [(2,)]),
    ("select 1 union all (select 2 union select 2)", [(1,), (2,)]),
    ("(select a from t order by a desc limit 1) union all select 9 order by 1", [(3,), (9,)]),
    ("select a from t where a > 1 union select b from t where a = 2 order by t.a desc", [("y",), (3,), (2,)]),
    ("select a n from t where a > 1 union select 7 order by -n", [(7,), (3,), (2,)]),
    ("select true union all (select null union all select 'a')", [(1,), (None,), ("a",)]),
    ("select null union all select true union all (select null union all values (2))", [(None,), (1,), (None,), (2,)]),
    ("select null union all select true union all select null", [(None,), (True,), (None,)]),
    # subqueries
    ("select (select max(c) from t t2 where t2.a <= t.a) from t", [(10,), (20,), (30,), (None,)]),
    ("select a from t where exists (select * from u where u.a = t.a and d)", [(1,)]),
    ("select a, (select count(*) from u where u.a > t.a) from t where a > (select avg(a) from t)", [(3, 1)]),
    ("select (a, b) = (1, 'x') from t where (a, b) in (select 1, 'x')", [(True,)]),
    ("select `a + 1` from (select a + 1 from t) q order by 1 limit 2", [(None,), (2,)]),
    ("select `a + 2` from (select a + 2 from t) q limit 1", [(3,)]),
    ("values (1, 2), (3, 4)", [(1, 2), (3, 4)]),
    ("values (1), (2), (3) limit 1 offset 1", [(2,)]),
    ("select 0 union values (2), (1) order by 1 desc limit 2", [(2,), (1,)]),
    ("values (true, null, diso), (5, true, 'x')", [(1, None, 0), (5, True, "x")]),
    ("select * from (values (1, 2), (3, 4)) q", [(1, 2), (3, 4)]),
    # common tables, windows, case
    ("with recursive n(x) as (select 1 union all select x + 1 from n where x < 5) select sum(x) from n", [(15,)]),
    ("miaraka q antso (alaivo a, c ao@ t) alaivo q.c ao@ q order by 1 desc limit 1", [(30,)]),
    ("select a, row_number() over (order by a desc) from t where a > 0 order by 1", [(1, 3), (2, 2), (3, 1)]),
    ("select sum(c) over w from t window w as (order by a) order by a", [(None,), (10,), (30,), (60,)]),
    ("select case a when 1 then 'one' else 'more' end from t where a < 3", [("one",), ("more",)]),
    ("select date('2024-01-31', '+1 day'), strftime('%Y', '2024-05-05')", [("2024-02-01", "2024")]),
    (
        "select datetime('subsec'), datetime('SubSecond', '+1 day'), strftime('%Y', 'subsec'),"
        " date('2024-01-31', 'subsec')",
        [("2026-11-18 11:06:40.000", "2026-11-19 11:06:40.000", "2026", "2024-01-31")],
    ),
    ("select date('now')", [("2026-11-18",)]),
    ("select a from t where date('2027-01-01') > date('now') and a = 1 or date('now') is null", [(1,)]),
    ("select -9223372036854775808", [(-(2**63),)]),
    # long and deep
    ("select " + "(" * 150 + "1" + ")" * 150, [(1,)]),
    ("select " + "abs(" * 150 + "1" + ")" * 150, [(1,)]),
    ("select count(*) from t where " + " or ".join(f"a = {n}" for n in range(700)), [(3,)]),
    ("select count(*) from t where a in (" + ",".join(map(str, range(10_000))) + ")", [(3,)]),
]
ERRORS = [
    ("select 1/0", "division_by_zero"),
    ("select 1 div 0", "division_by_zero"),
    ("select 5 % 0", "division_by_zero"),
    ("select 5 % 0.5", "division_by_zero"),
    ("select a / (c - 10) from t", "division_by_zero"),
    ("select sum(a) / (select 0) from t", "division_by_zero"),
    ("select nope from t", "unknown_column"),
    ("select t.nope from t", "unknown_column"),
    ("select x.a from t", "unknown_table"),
    ("select rowid from t", "unknown_column"),
    ("select * from tt", "unknown_table"),
    ("select lenght(b) from t", "unknown_function"),
    ("select length(b, 1) from t", "argument_count"),
    ("select a from t, u", "ambiguous_column"),
    ("select * from t t1, t t1", "duplicate_alias"),
    ("select 1 from t, u right join t k on t.a = u.a", "unknown_table"),
    ("select 1 from t natural join u using (a)", "natural_using"),
    ("alaivo 1 ao@ t tonona:natoraly avia@ u iraisana (a)", "natural_using"),
    ("select 1 from t natural join u on nope = 1", "unknown_column"),
    ("delete from t where a in (select a from t natural join u on nope.a = 1)", "unknown_table"),
    ("select 1 from t natural join u on count(*) > 1", "aggregate_misplaced"),
    ("translate select 1 from t natural join u on d", "not_supported"),
    ("select a from t order by 2", "position_out_of_range"),
    ("select a from t limit 1.5", "limit_invalid"),
    ("select a from t where count(*) > 1", "aggregate_misplaced"),
    ("select sum(count(*)) from t", "aggregate_misplaced"),
    ("select changes() from t", "unknown_function"),
    ("select * from json_eech(a)", "unknown_function"),
    ("select * from json_each(a)", "unknown_column"),
    ("select * from json_each('[1]', '$', 3)", "argument_count"),
    ("select * from t limit a", "unknown_column"),
    ("select * from t limit 1 - 2", "limit_invalid"),
    ("select a from t having a > 1", "having_without_group"),
    ("select rank() from t", "window_needed"),
    ("select *", "star_without_from"),
    ("select 1 union select 1, 2", "set_columns"),
    ("select (select 1, 2)", "subquery_columns"),
    ("select date('now', 'localtime')", "not_deterministic"),
    ("update t set nope = 1", "unknown_column"),
    ("update t set c = 1, c = 2", "column_twice"),
    ("insert into t (a, a) values (1, 2)", "column_twice"),
    ("insert into t (a) values (1, 2)", "column_count"),
    ("insert into t values (1)", "column_count"),
    ("update v set a = 1", "not_a_table"),
    ("drop table t", "in_use"),
    ("drop view v", "in_use"),
    ("drop view nope", "unknown_view"),
    ("create view v as select 1", "duplicate_table"),
    ("create table w (z pctt)", "unknown_domain"),
    ("create table sqlite_x (z ISA)", "reserved_name"),
    ("create table z (a ISA, A ISA)", "duplicate_column"),
]


@pytest.fixture(scope="module")
def database() -> SmallDatabase:
    made = SmallDatabase()
    made.run("create table t (a ISA, b TEXT, c ISA)")
    made.run("insert into t values (1, 'x', 10), (2, 'y', 20), (3, '7', 30), (null, null, null)")
    made.run("create table u (a ISA, d BOOLEAN, e LAHATSORATRA:ISA)")
    made.run("insert into u values (1, true, 7), (2, diso, '7'), (5, null, null)")
    made.run("create view v as select a, a = 1 as one, c / 2 as half, 'lit' k from t")
    made.run("create view v2 as select one, count(*) n from v group by one order by 1")
    return made


@pytest.mark.parametrize(("text", "rows"), ROWS, ids=[text[:60] for text, _ in ROWS])
def test_rows(database: SmallDatabase, text: str, rows: list[tuple[Any, ...]]) -> None:
    assert database.run(text) == rows


@pytest.mark.parametrize(("text", "key"), ERRORS, ids=[text[:60] for text, _ in ERRORS])
def test_errors(database: SmallDatabase, text: str, key: str) -> None:
    assert database.error(text).key == key


def test_views_carry_booleans_and_tables(database: SmallDatabase) -> None:
    assert database.run("select * from v where a = 1") == [(1, True, 5.0, "lit")]
    assert database.run("select * from v2") == [(None, 1), (False, 2), (True, 1)]
    assert database.plan("select * from v2").tables == ("v2", "v", "t")
    assert database.origins("select x.one, n + 1 from v2 x") == ["v2", ""]


def test_names_are_those_of_this_request(database: SmallDatabase) -> None:
    assert database.names("select a +  1, 'x y', A, count( * ) from t") == ["a + 1", "'x y'", "a", "count( * )"]
    assert database.names("select a +  2, 'zz', A, count( * ) from t") == ["a + 2", "'zz'", "a", "count( * )"]


def test_a_nearest_name_is_offered(database: SmallDatabase) -> None:
    assert database.error("select lenght(b) from t").params["nearest"] == "length"


def test_arguments(database: SmallDatabase) -> None:
    assert database.run("select a from t where a = ? and b = ?", [1, "x"]) == [(1,)]
    assert database.run("select 5, $n + 1", {"n": 2}) == [(5, 3)]
    assert database.run("select a from t where a is not null limit ?", [1]) == [(1,)]
    assert database.error("select ?", []).key == "missing_argument"
    for wrong in (-1, 1.5, "1", None):
        assert database.error("select a from t limit ?", [wrong]).key == "limit_invalid"


def test_names_are_equal_by_nfc_and_case() -> None:
    made = SmallDatabase()
    made.run("create table `É` (`na me` ISA, `select` ISA)")
    made.run("insert into é values (1, 2)")
    assert made.run("select e\u0301.`NA ME`, `SELECT` from É") == [(1, 2)]
    assert made.names("select `NA ME` from é") == ["na me"]
