"""Entries that come again after a broken connection: they are told as they ended, and change nothing."""

from __future__ import annotations

import random

from dirk_gevent.engine.database import Database
from dirk_gevent.engine.engine import Engine
from dirk_gevent.log.entry import Entry
from tests.engine.plans import LogMaker, normalized, rows_of, work
from tests.seeds import chosen_seed

INSERT = "insert into t values (?1, ?2)"


def test_every_kind_of_outcome_is_told_again_at_its_own_index(database: Database, log: LogMaker) -> None:
    """A first run, its retry, another statement under its id, an id dated ahead: the host counts on each index."""
    ahead = f"{log.time_ms + 13 * 3600 * 1000:013d}-{'0' * 20}"
    write = log.statement(normalized("create table t (a, b)"))
    entries = work(
        write,
        log.statement(normalized("create table t (a, b)"), request_id=write.request_id),
        log.statement(normalized(INSERT, 2, "x"), request_id=write.request_id),
        log.statement(normalized(INSERT, 3, "x"), request_id=ahead),
        log.sql(INSERT, 4, "x"),
    )
    first = database.apply(entries)
    assert [outcome.sqlstate for outcome in first] == ["", "", "22023", "22023", ""]
    assert database.apply(entries) == first
    assert rows_of(database, "select a from t") == [(4,)]


def test_databases_told_of_again_stay_as_they_are(engine: Engine) -> None:
    """One made, dropped and made anew under its name: the old CREATE that comes again does not hide the new one."""
    system = LogMaker(0)
    made = system.database("create_database", "x")
    entries = work(made, system.database("drop_database", "x", made.index), system.database("create_database", "x"))
    engine.apply_system(entries)
    for again in ([entries[0]], entries):
        engine.apply_system(again)
        assert engine.get("x").log_id == 3
        assert sorted(engine.logs()) == [0, 3]


def test_an_id_that_is_burnt_has_one_outcome_in_every_order(database: Database, log: LogMaker) -> None:
    """Commits, other statements and burns of some ids, in any order and in any batches: each id ends one way."""
    source = random.Random(chosen_seed())
    database.apply(work(log.sql("create table t (a, b)")))
    ids = [log.request_id() for _ in range(20)]
    asked = [(source.randrange(len(ids)), source.choice(("commit", "burn", "burn", "single"))) for _ in range(120)]
    items = work(*(_of_kind(log, kind, ids[number], number) for number, kind in asked))
    outcomes = []
    while items:
        size = source.randint(1, 8)
        outcomes += database.apply(items[:size])
        items = items[size:]
    told = [(*one, outcome.sqlstate) for one, outcome in zip(asked, outcomes, strict=True)]
    for number in range(len(ids)):
        _judge([(kind, sqlstate) for one, kind, sqlstate in told if one == number])
    there = sorted(row[0] for row in rows_of(database, "select a from t"))
    assert there == sorted({one for one, kind, sqlstate in told if not sqlstate and kind != "burn"})


def _of_kind(log: LogMaker, kind: str, request_id: str, number: int) -> Entry:
    statements = () if kind == "burn" else (normalized(INSERT, number, kind),)
    return log.statement(*statements, request_id=request_id, base=log.index if kind == "commit" else None)


def _judge(told: list[tuple[str, str]]) -> None:
    """All that one id was told: what came first decides."""
    for kind, sqlstate in told:
        if told[0][0] == "burn":
            assert sqlstate == ("22023" if kind == "single" else "25P01"), told
        else:
            assert sqlstate == ("" if kind in (told[0][0], "burn") else "22023"), told
