"""The engine on the real compiler: a few statements from text to rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dirk_gevent.engine.database import Database
from dirk_gevent.engine.engine import Engine
from dirk_gevent.engine.results import Outcome
from dirk_parser.normalize.normalizer import split
from tests.engine.plans import START_MS, LogMaker, open_compiled, open_database, work

pytestmark = pytest.mark.usefixtures("unwatched")

SETUP = """manamboara efitra naoty (ISA(0,20));
manamboara tabilao etudiant (id LAHATSORATRA(null,5) fanalahidy, anarana LAHATSORATRA, n naoty, ok BOOLEAN);
manampia ao@ etudiant sanda ('E1','Rabe',12,marina),('E2','Soa',12.50,diso),('E3','Be',null,null)"""


@pytest.fixture
def school(tmp_path: Path) -> Iterator[Engine]:
    """An engine on the real compiler whose database holds three students."""
    engine = open_compiled(tmp_path / "data")
    run(open_database(engine), LogMaker(1), *SETUP.split(";\n"))
    yield engine
    engine.close()


def run(database: Database, log: LogMaker, *texts: str) -> list[Outcome]:
    """Apply statements, an entry each."""
    log.index = database.applied_index
    log.time_ms = max(log.time_ms, database.position.time_ms)
    return database.apply(work(*(log.statement(split(text)) for text in texts)))


def answer(database: Database, text: str) -> list[tuple[object, ...]]:
    """The rows of a query."""
    return list(database.reads.read(split(text), (), START_MS).rows)


def test_rows_domains_and_booleans(school: Engine, log: LogMaker) -> None:
    database = school.logs()[1]
    rows = [("E1", 12, True), ("E2", 12.5, False), ("E3", None, None)]
    assert answer(database, "alaivo id, n, ok ao@ etudiant alaharo (id)") == rows
    refused, kept = run(
        database,
        log,
        "manampia ao@ etudiant (id, n) sanda ('E4', 3), ('E5', 21)",
        "havaozy etudiant ova n = n / (n - 12) rehefa id = 'E1'",
    )
    assert (refused.sqlstate, refused.params) == ("23514", {"column": "n", "value": 21, "domain": "naoty"})
    assert kept.sqlstate == "22012"
    assert answer(database, "alaivo id, n, ok ao@ etudiant alaharo (id)") == rows


def test_definitions_last_and_bring_their_plans_up_to_date(school: Engine, log: LogMaker) -> None:
    database = school.logs()[1]
    assert answer(database, "alaivo * ao@ etudiant rehefa id = 'E1'") == [("E1", "Rabe", 12, True)]
    outcomes = run(
        database,
        log,
        "ravao ny tabilao etudiant",
        "manamboara tabilao etudiant (x ISA)",
        "insert into etudiant values (7)",
    )
    assert [outcome.sqlstate for outcome in outcomes] == ["", "", ""]
    assert answer(database, "alaivo * ao@ etudiant") == [(7,)]
    school.close()
    again = open_compiled(school.directory.path)
    try:
        assert answer(again.logs()[1], "asehoy ny tabilao") == [("etudiant",)]
        assert run(again.logs()[1], log, "ravao ny tabilao nisy")[0].sqlstate == "42P01"
    finally:
        again.close()


def test_the_step_limit_ends_what_must_be_whole(school: Engine, log: LogMaker) -> None:
    """A statement with RETURNING and a transaction's statements have a savepoint, which SQLite ends with them."""
    database = school.logs()[1]
    others = ", ".join(f"etudiant b{at}" for at in range(9))
    total = " + ".join(f"b{at}.n" for at in range(9))
    many = f"insert into etudiant (id) select a.id from etudiant a, {others} where {total} > 999"
    log.index = database.applied_index
    entries = [
        log.statement(split(f"{many} returning id"), step_limit=20_000),
        log.statement(split("insert into etudiant values ('E9', 'Vao', 1, true)"), split(many), step_limit=20_000),
        log.statement(split("insert into etudiant values ('E8', 'Vao', 1, true)"), step_limit=20_000),
    ]
    assert [outcome.sqlstate for outcome in database.apply(work(*entries))] == ["57014", "57014", ""]
    assert answer(database, "alaivo count(*) ao@ etudiant") == [(4,)]


def test_a_long_read_of_real_text_streams(school: Engine) -> None:
    database = school.logs()[1]
    stream = database.reads.stream(split("alaivo id, n > 12 ao@ etudiant alaharo (id)"), (), START_MS)
    page = stream.fetch(1)[0]
    assert (page.rows_json, stream.finished) == (b'[["E1",false],["E2",true],["E3",null]]', True)
    assert [column.name for column in stream.head.columns] == ["id", "n > 12"]
    stream.close()


def test_on_conflict_names_a_key_of_the_table(school: Engine, log: LogMaker) -> None:
    database = school.logs()[1]
    make = "manamboara tabilao k (id integer primary key, u text unique, a isa, b isa, c isa, unique (a, b))"
    insert = "insert into k values (1, 'x', 2, 3, 4)"
    good = [
        "on conflict (id) do update set c = 5",
        "on conflict (u) do nothing",
        "on conflict (b, a) do nothing",
        "on conflict (u) do nothing on conflict (id) do update set c = 6",
        "on conflict do nothing",
    ]
    assert [one.sqlstate for one in run(database, log, make, *[f"{insert} {each}" for each in good])] == [""] * 6
    bad = ["(c) do update set a = 1", "(a) do nothing", "(id, u) do nothing"]
    bad.append("(id) do nothing on conflict (b) do nothing")
    refused = run(database, log, *[f"{insert} on conflict {each}" for each in bad])
    assert [(one.sqlstate, one.params) for one in refused] == [("42P10", {"table": "k"})] * 4


def test_a_unique_index_made_later_is_a_key_for_on_conflict(school: Engine, log: LogMaker) -> None:
    database = school.logs()[1]
    whole = "insert into k values (1, 2) on conflict (a) do update set b = b + 1"
    some = "insert into k values (1, 2) on conflict (b) where a > 0 do nothing"
    outcomes = run(
        database, log, "create table k (a isa, b isa)",
        whole, "create unique index i on k (a)", whole, whole, "drop index i", whole,
        some, "create unique index i on k (b) where a > 0", some, some.replace("> 0", "> 1"),
    )  # fmt: skip
    states = ["", "42P10", "", "", "", "", "42P10", "42P10", "", "", "42P10"]
    assert [one.sqlstate for one in outcomes] == states
    assert answer(database, "alaivo * ao@ k") == [(1, 3), (1, 2)]
