"""What the engine remembers in a file, and for how long."""

from __future__ import annotations

import pytest

from dirk_gevent.engine import stored_records
from dirk_gevent.engine.database import Database
from dirk_gevent.engine.engine import Engine
from dirk_parser.errors import SqlError
from tests.engine.plans import LogMaker, normalized, open_database, rows_of, work


def test_records_expire_by_index_and_log_time_alone(
    database: Database, log: LogMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_records, "KEPT_ENTRIES", 100)
    monkeypatch.setattr(stored_records, "PRUNE_EVERY_ENTRIES", 10)
    database.apply(work(log.sql("create table t (a, b)")))
    first = log.sql("insert into t values (1, 1)")
    database.apply(work(first))
    database.apply(work(*(log.sql("update t set b = ?1", n) for n in range(150))))
    assert rows_of(database, "select count(*) from dirk_requests") == [(152,)]
    log.time_ms += stored_records.KEPT_MS
    database.apply(work(*(log.sql("update t set b = ?1", n) for n in range(20))))
    # At entry 172 those of entries 1 to 71 have expired: a hundred entries and a day behind.
    assert rows_of(database, "select min(entry) from dirk_requests") == [(72,)]


def test_a_record_that_is_still_in_the_file_but_expired_counts_no_more(
    database: Database, log: LogMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nodes prune at different times; what a retry gets must not depend on that."""
    monkeypatch.setattr(stored_records, "KEPT_ENTRIES", 3)
    monkeypatch.setattr(stored_records, "KEPT_MS", 3)
    database.apply(work(log.sql("create table t (a)")))
    first = log.sql("insert into t values (1)")
    database.apply(work(first, *(log.sql("insert into t values (?1)", n) for n in range(2, 8))))
    retry = log.statement(normalized("insert into t values (1)"), request_id=first.request_id)
    assert database.apply(work(retry))[0].repeats == 0
    assert rows_of(database, "select count(*) from t where a = 1") == [(2,)]


def test_an_unknown_database_names_the_nearest(engine: Engine) -> None:
    open_database(engine)
    engine.create(2, "fianarana")
    with pytest.raises(SqlError) as unknown:
        engine.get("fianaran")
    assert unknown.value.params == {"name": "fianaran", "nearest": "fianarana"}


def test_a_checkpoint_makes_all_of_it_durable(database: Database, log: LogMaker) -> None:
    assert database.upkeep.checkpoint() == 0
    database.apply(work(log.sql("create table t (a)"), log.sql("insert into t values (1)")))
    assert database.file.durable_index == 0
    assert database.upkeep.checkpoint() == 2
