"""A refusal for a value that is there already says the value, whatever the statement that gave it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dirk_gevent.engine.database import Database
from dirk_gevent.messages.error_text import render
from dirk_parser.normalize.normalized_statement import Args
from dirk_parser.normalize.normalizer import split
from tests.engine.plans import LogMaker, made_by, work

_SETUP = (
    "create table t (id INTEGER primary key, u ISA tokana, `two words` TEXT, n ISA, d AS (n * 10) VIRTUAL, e ISA AS"
    " (n + 1) STORED unique, check (n < 90), unique (`two words`, n))",
    "create unique index double on t (n % 100 DESC, substr(`two words`, 1, 1))",
    "create unique index part on t (d) where u > 2",
    "create table child (r ISA primary key references t(u) on update cascade, s ISA unique)",
    "create table more (a ISA, b TEXT)",
    "insert into t (u, `two words`, n) values (1, 'x', 1), (2, 'y', 2), (3, 'z', 3)",
    "insert into child values (1, 7), (2, 8)",
    "insert into more values (1, 'p'), (2, 'q'), (2, 'r')",
    "alter table t rename column u to new_u",
)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Database, LogMaker]]:
    """The tables, with what is unique in them."""
    with made_by(tmp_path_factory.mktemp("refused"), _SETUP) as made:
        yield made


@pytest.mark.parametrize(
    ("text", "args", "said"),
    [
        ("update t set new_u = new_u + 1", (), "in t (new_u): 2 (23505)"),
        ("update t set id = id + 1 where id > 1 returning id", (), "in t (id): 3 (23505)"),
        ("update t set new_u = new_u + ? where id = 2", (1,), "in t (new_u): 3 (23505)"),
        ("update t set n = n + 1, `two words` = 'y' where id = 1", (), 'in t (double): 2, "y" (23505)'),
        ("update t set n = 2, `two words` = 'y' || '' where id = 1", (), 'in t (double): 2, "y" (23505)'),
        ("update t set new_u = (select max(a) from more) where id = 1", (), "in t (new_u): 2 (23505)"),
        ("update t set new_u = m.a from more as m where m.b = 'q' and id = 3", (), "in t (new_u): 2 (23505)"),
        ("insert into t (new_u, n) select a + 1, 50 + a from more where b = 'q'", (), "in t (new_u): 3 (23505)"),
        ("insert into t (id, n) select a, 60 from more", (), "in t (id): 1 (23505)"),
        ("insert into t (new_u, n) values (7, 30), (abs(-7), 31)", (), "in t (new_u): 7 (23505)"),
        ("insert into t (id, new_u) values (3, 9) on conflict (id) do update set new_u = new_u - 1", (),
         "in t (new_u): 2 (23505)"),
        ("insert into t (`two words`, n) select 'z', 103", (), "check n < 90 of t: n = 103 (23514)"),
        ("insert into t (`two words`, n) select 'zz', 3", (), "in t (double): 3, \"z\" (23505)"),
        ("update t set n = 1 where new_u = 2 and `two words` = 'y'", (), 'in t (e): 2 (23505)'),
        ("update t set d = 3", (), "column d is computed"),
        ("update t set new_u = 9 - new_u where new_u < 3", (), ""),
        ("update child set s = s + 1", (), "in child (s): 8 (23505)"),
        ("update t set new_u = new_u + 100 where id = 3", (), ""),
        ("create unique index other on more (a)", (), "in more (a): 2 (23505)"),
        ("create unique index other on more (a * 2) where b <> ''", (), "in more (other): 4 (23505)"),
        ("alter table more add unique (a)", (), "in more (a): 2 (23505)"),
    ],
)  # fmt: skip
def test_the_value_is_named(database: tuple[Database, LogMaker], text: str, args: Args, said: str) -> None:
    opened, log = database
    before = opened.upkeep.content_digest()[1]
    (outcome,) = opened.apply(work(log.statement(split(text), args=args)))
    error = outcome.error()
    if not said:
        assert error is None
        return
    assert error is not None
    assert said in render(error, "en")
    assert opened.upkeep.content_digest()[1] == before
