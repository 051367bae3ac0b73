"""The engine on the real compiler: a few statements from text to rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dirk_gevent.engine.database import Database
from dirk_gevent.engine.engine import Engine
from dirk_gevent.engine.results import Outcome
from parser.shape import split
from tests.engine.plans import START_MS, LogMaker, TestLimits, open_database, work

SETUP = """manamboara efitra naoty (ISA(0,20));
manamboara tabilao etudiant (id LAHATSORATRA(null,5) fanalahidy, anarana LAHATSORATRA, n naoty, ok BOOLEAN);
manampia ao@ etudiant sanda ('E1','Rabe',12,marina),('E2','Soa',12.50,diso),('E3','Be',null,null)"""


@pytest.fixture
def school(tmp_path: Path) -> Iterator[Engine]:
    """An engine on the real compiler whose database holds three students."""
    engine = Engine(tmp_path / "data", "m1", TestLimits())
    engine.open()
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
    return list(database.read(split(text), (), START_MS).rows)


def test_rows_domains_and_booleans(school: Engine, log: LogMaker) -> None:
    database = school.by_log(1)
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
    database = school.by_log(1)
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
    again = Engine(school.directory.path, "m1", TestLimits())
    again.open()
    try:
        assert answer(again.by_log(1), "asehoy ny tabilao") == [("etudiant",)]
        assert run(again.by_log(1), log, "ravao ny tabilao nisy")[0].sqlstate == "42P01"
    finally:
        again.close()


def test_a_long_read_of_real_text_streams(school: Engine) -> None:
    database = school.by_log(1)
    stream = database.stream(split("alaivo id, n > 12 ao@ etudiant alaharo (id)"), (), START_MS)
    page = stream.fetch(1)[0]
    assert (page.rows_json, stream.finished) == (b'[["E1",false],["E2",true],["E3",null]]', True)
    assert [column.name for column in stream.columns] == ["id", "n > 12"]
    stream.close()
