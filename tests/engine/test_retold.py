"""Entries that come again after a broken connection: they are told as they ended, and change nothing."""

from __future__ import annotations

from dirk_gevent.engine.database import Database
from dirk_gevent.engine.engine import Engine
from tests.engine.plans import LogMaker, rows_of, shaped, work

INSERT = "insert into t values (?1, ?2)"


def test_every_kind_of_outcome_is_told_again_at_its_own_index(database: Database, log: LogMaker) -> None:
    """A first run, its retry, another statement under its id, an id too old: the host counts on each index."""
    old = log.request_id()
    log.time_ms += 13 * 3600 * 1000
    write = log.statement(shaped("create table t (a, b)"))
    entries = work(
        write,
        log.statement(shaped("create table t (a, b)"), request_id=write.request_id),
        log.statement(shaped(INSERT, 2, "x"), request_id=write.request_id),
        log.statement(shaped(INSERT, 3, "x"), request_id=old),
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
