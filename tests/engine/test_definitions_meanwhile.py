"""Definitions that come while a connection reads the schema: they never end a read, nor hold the hub for good."""

from __future__ import annotations

from contextlib import closing

import apsw
import pytest

from dirk_gevent.engine.database import Database
from dirk_gevent.engine.functions import EntryContext
from dirk_gevent.engine.read import short_reads
from dirk_gevent.engine.sqlite_connection import open_reader, open_writer
from tests.engine.plans import LogMaker, rows_of, work


def test_a_connection_opens_though_a_definition_comes_whenever_it_reads_the_schema(
    database: Database, log: LogMaker
) -> None:
    """SQLite gives up after fifty: here a table comes or goes every few steps."""
    database.apply(work(*(log.sql(f"create table t{number} (a)") for number in range(30))))
    with closing(open_writer(database.file.path, EntryContext())) as writer:
        made = 0

        def define() -> bool:
            nonlocal made
            made += 1
            verb = f"CREATE TABLE other{made // 2} (a)" if made % 2 else f"DROP TABLE other{made // 2 - 1}"
            writer.execute(verb).fetchall()
            return False

        def watch(connection: apsw.Connection) -> None:
            connection.set_progress_handler(define, 20)

        apsw.connection_hooks.append(watch)
        try:
            open_reader(database.file.path, EntryContext()).close()
        finally:
            apsw.connection_hooks.remove(watch)
        assert made > 1


@pytest.mark.timeout(60)
def test_the_hub_reads_a_large_schema_anew_whatever_that_takes(
    database: Database, log: LogMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is no client's read, so no budget ends it: else it would be begun, and ended, for ever."""
    monkeypatch.setattr(short_reads, "TICK_STEPS", 10)
    database.apply(work(*(log.sql(f"create table t{number} (a)") for number in range(30))))
    assert rows_of(database, "select a from t1") == []
    monkeypatch.setattr(short_reads, "_TICKS", 0)
    database.apply(work(log.sql("create table another (a)")))
    database.reads.close()
    reader = database.reads._open_reader(database.file.committed)
    database.apply(work(log.sql("create table third (a)")))
    assert reader.hold(database.position, database.applied_index)
