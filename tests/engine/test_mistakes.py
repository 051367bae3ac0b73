"""No mistake of a user is XX000: each has its SQLSTATE and a sentence in three languages, and leaves nothing behind.

`DIRK_MISTAKES=200000 .venv/bin/python -m pytest tests/engine/test_mistakes.py -m slow -s` looks for longer, and
`DIRK_SEED` sets where it begins.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import apsw
import pytest

from dirk_gevent.engine.errors.failures import DATA_ERRORS, statement_failure
from dirk_gevent.messages.error_text import render
from dirk_gevent.messages.texts import LANGUAGES
from dirk_parser.errors import SqlError
from dirk_parser.normalize.normalizer import split
from tests.engine.mistaken_statements import SETTING, Mistakes
from tests.engine.plans import START_MS, LogMaker, open_compiled, open_database, work
from tests.parser.small_database import SmallDatabase
from tests.seeds import chosen_seed

pytestmark = pytest.mark.usefixtures("unwatched")
QUICK_STATEMENTS = 2_500
LONG_STATEMENTS = int(os.environ.get("DIRK_MISTAKES", "30000"))
#: Statements on one database before it is made anew.
ROUND = 50
#: What a statement may make and do here: the values and the work of a mistake have no bound of their own.
LONGEST_BYTES = 1_000_000
STEPS = 200_000


def a_database() -> SmallDatabase:
    """The objects that the statements name."""
    database = SmallDatabase()
    database.connection.limit(apsw.SQLITE_LIMIT_LENGTH, LONGEST_BYTES)
    for text in SETTING:
        database.run(text)
    return database


def outcome(database: SmallDatabase, text: str) -> SqlError | None:
    """The error that a statement ends in, which is told as the engine tells it; None for an answer."""
    database.connection.set_progress_handler(lambda: True, STEPS)
    try:
        database.run(text, {"p": 1} if "$p" in text else [1] * text.count("?"))
    except DATA_ERRORS as error:
        return statement_failure(error)
    except apsw.InterruptError:
        return SqlError("step_limit")
    finally:
        database.connection.set_progress_handler(None)
    return None


def check(seed: int, count: int) -> dict[str, int]:
    """How often each SQLSTATE came. Fails for XX000, and for what is no error of the data at all."""
    chance = random.Random(seed)
    mistakes, found = Mistakes(chance), dict[str, int]()
    database = a_database()
    for number in range(count):
        if number % ROUND == 0:
            database = a_database()
        text = mistakes.statement()
        error = outcome(database, text)
        if error is None:
            continue
        found[error.sqlstate] = found.get(error.sqlstate, 0) + 1
        assert error.sqlstate != "XX000", f"seed {seed}, statement {number}: {text}\n{error}"
        assert all(error.sqlstate in render(error, language) for language in LANGUAGES), text
    return found


def test_a_mistake_has_its_sqlstate() -> None:
    found = check(chosen_seed(), QUICK_STATEMENTS)
    assert len(found) > 20, found


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_many_mistakes_have_theirs() -> None:
    print(check(chosen_seed() + 1, LONG_STATEMENTS))


@pytest.mark.parametrize(
    ("text", "sqlstate"),
    [
        ("select json('{bad')", "22032"),
        ("select * from json_each('{bad')", "22032"),
        ("select json_extract('{}', 'a')", "22033"),
        ("select json_extract('{}', 'a\n[')", "22033"),
        ("select json_extract('{}', '\n')", "22033"),
        ("select json_object(1, 2)", "22030"),
        ("select json_object('a')", "42883"),
        ("select json_set('{}', '$.a')", "42883"),
        ("select json_valid('x', 99)", "22023"),
        ("select 'a' like 'b' escape 'xx'", "22019"),
        ("select 'a' like 'b' escape ''", "22019"),
        ("select 'a' like printf('%.*c', 60000, '%')", "54000"),
        ("select 'a' glob printf('%.*c', 60000, '*')", "54000"),
        ("select ntile(0) over () from t", "22014"),
        ("select nth_value(a, 0) over () from t", "22016"),
        ("select sum(a) over (order by a rows (0 - 1) preceding) from t", "22013"),
        ("select sum(distinct a) over () from t", "0A000"),
        ("select group_concat(a order by a) over () from t", "0A000"),
        ("select rank() filter (where a > 1) over () from t", "0A000"),
        ("select (1, 2) = (1, 2, 3)", "42601"),
        ("select (1, 2)", "42601"),
        ("select (1, 2) in (1, 2)", "42601"),
        ("create table I (x)", "42P07"),
        ("create view i as select 1", "42P07"),
        ("create index t on s (a)", "42P07"),
        ("create index I on s (a)", "42710"),
        ("alter table t rename to i", "42P07"),
        ("alter table s rename to V", "42P07"),
        ("alter table t add column x ISA references v", "42809"),
        ("alter table t add column g TEXT as (json(b))", "22032"),
        ("alter table t add column g TEXT as (json(b)) stored", "22032"),
        ("alter table t add column g ISA as (abs(-9223372036854775807 - a))", "22003"),
        ("alter table t add column g ISA check (json(b) <> '')", "22032"),
        ("alter table t add column g ISA default 1 check (abs(-9223372036854775807 - a) > g)", "22003"),
        ("alter table t add constraint c foreign key (a) references V", "42809"),
    ],
)
def test_each_kind_of_mistake(text: str, sqlstate: str) -> None:
    error = outcome(a_database(), text)
    assert error is not None and error.sqlstate == sqlstate, error


def test_a_text_is_no_column_of_an_index() -> None:
    database = a_database()
    database.run("create unique index x on s ('c', a)")
    assert outcome(database, "insert into s values (1, 3), (2, 3)") is None
    error = outcome(database, "insert into s values (1, 3)")
    assert error is not None and error.sqlstate == "23505"
    assert outcome(database, "insert into s values (1, 5) on conflict ('c', a) do update set c = 6") is None
    assert database.run("select c from s where a = 1") == [(6,)]
    assert outcome(database, "create index y on s ('nosuch')") is None


def test_what_works_is_no_mistake() -> None:
    database = a_database()
    for text, answer in (
        ("alter table t rename to T", []),
        ("alter table t add column rowid ISA", []),
        ("select 7 from t having count(*) = 2", [(7,)]),
        ("select 'none' from t having max(a) > 5", []),
    ):
        assert database.run(text) == answer, text


@pytest.mark.parametrize(
    "change", ["delete from c where id = 0", "replace into c values (0, null)", "update c set id = 5"]
)
def test_a_cascade_past_its_limit_leaves_nothing_behind(tmp_path: Path, log: LogMaker, change: str) -> None:
    engine = open_compiled(tmp_path / "data")
    database = open_database(engine)
    rows = ", ".join(f"({number}, {number - 1})" for number in range(1, 1_200))
    actions = "on delete cascade on update cascade"
    texts = (
        f"create table c (id ISA primary key, up ISA references c(id) {actions})",
        f"insert into c values (0, null), {rows}",
        change,
        "insert into c values (2000, null)",
    )
    outcomes = database.apply(work(*(log.statement(split(text)) for text in texts)))
    found = list(database.reads.read(split("select count(*), max(id) from c"), (), START_MS).rows)
    engine.close()
    assert outcomes[2].sqlstate in ("54001", "23505")
    assert (outcomes[2].sqlstate == "54001") == (not change.startswith("update"))
    assert found == [(1_201, 2_000)]
