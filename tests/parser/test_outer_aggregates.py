"""An aggregate whose columns are all of a query around belongs to that query, wherever it stands in the inner one."""

from __future__ import annotations

import random

import pytest

from tests.parser.small_database import SmallDatabase

SEED = 20_261_131
AGGREGATES = ("max(p.n)", "min(p.n + 1)", "sum(p.n)", "count(p.n)", "avg(p.n)", "max(p.n) filter (where p.n > 9)")
#: Inner queries with a place for the outer aggregate `{}`; `p.k` is what the outer query groups by.
INNER = (
    "(select count(*) from m q where q.k = p.k and q.n >= {})",
    "(select {} from m q where q.id = 1)",
    "(select max(q.n) from m q where q.n < {})",
    "(select q.id from m q where q.n <= {} order by q.id limit 1)",
    "(select count(*) from m q left join m r on r.n = {} and r.k = q.k)",
    "(select count(q.id) filter (where q.n < {}) from m q)",
    "(select group_concat(q.id order by q.n - {}, q.id) from m q)",
    "(select count(*) from m q group by q.k having count(*) + 10 < {} order by 1 limit 1)",
    "(select count(*) from m q where q.n = (select max(r.n) from m r where r.n <= {}))",
    "(select x.y from (select {} as y) x)",
    "(values ({}))",
    "exists (select 1 from m q where q.n > {})",
    "9 in (select q.n from m q where q.n < {})",
    "{} in (select q.n from m q)",
    "case when exists (select 1 from m q where q.n = {}) then 'y' else 'n' end",
)


@pytest.fixture(scope="module")
def database() -> SmallDatabase:
    """Marks of two classes."""
    made = SmallDatabase()
    made.run("create table m (id ISA, k TEXT, n ISA)")
    made.run("insert into m values (1, 'a', 12), (2, 'a', 15), (3, 'b', 9), (4, 'b', null), (5, 'c', 13)")
    return made


def test_it_is_worth_what_it_is_beside_the_subquery(database: SmallDatabase) -> None:
    """The same query over groups that were worked out before needs no outer aggregate at all."""
    choices = random.Random(SEED)
    for _ in range(150):
        call, inner = choices.choice(AGGREGATES), choices.choice(INNER)
        before = f"(select k, {call} as f from m p group by k) p"
        if choices.random() < 0.5:
            mine = f"select p.k, {inner.format(call)} as x from m p group by p.k order by 1"
            other = f"select p.k, {inner.format('p.f')} as x from {before} order by 1"
        else:
            mine = f"select p.k from m p group by p.k order by {inner.format(call)}, 1"
            other = f"select p.k from {before} order by {inner.format('p.f')}, 1"
        assert database.run(mine) == database.run(other), f"seed {SEED}\n{mine}\n{other}"


def test_without_groups_it_makes_one(database: SmallDatabase) -> None:
    assert database.run("select exists (select 1 from m q where q.n = max(p.n)) x from m p") == [(True,)]
    assert database.run("select (select count(*) from m q where q.n = max(p.n)) x from m p where p.k = 'b'") == [(1,)]


@pytest.mark.parametrize(
    "text",
    [
        "select 1 from m p where (select count(*) from m q where q.n = max(p.n)) = 1",
        "select 1 from m p join m r on exists (select 1 from m q where q.n = max(p.n))",
        "select count(*) from m p group by (select max(p.n))",
        "select (select count(*) from m q where q.n = max(q.n)) from m p",
        "select (select sum(max(p.n)) from m q) from m p",
        "select max((select max(p.n))) from m p",
        "update m set n = (select max(m.n))",
        "update m set (n, id) = (select max(m.n), 1)",
        "delete from m where n = (select count(*) from m q where q.n = max(m.n))",
        "values (count(*))",
    ],
)
def test_where_its_own_query_takes_none_it_is_refused(database: SmallDatabase, text: str) -> None:
    assert database.error(text).sqlstate == "42803"
