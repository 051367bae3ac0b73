"""A database's file replaced while something else is at work on it."""

from __future__ import annotations

import threading

import pytest

from dirk_gevent.engine.database import Database
from dirk_gevent.engine.wal import checkpoints
from tests.engine.plans import LogMaker, rows_of, work


def test_a_file_is_not_replaced_under_a_checkpoint(
    database: Database, log: LogMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checkpoint is of the old file: it says nothing of what is durable in the new one."""
    database.apply(work(log.sql("create table t (a)")))
    begun, may_end = threading.Event(), threading.Event()
    checkpoint = checkpoints.checkpoint

    def slow(*arguments: object) -> bool:
        begun.set()
        assert may_end.wait(10)
        return checkpoint(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(checkpoints, "checkpoint", slow)
    first = threading.Thread(target=database.upkeep.checkpoint)
    second = threading.Thread(target=database.set_aside, args=("fenced",))
    first.start()
    assert begun.wait(10)
    second.start()
    second.join(0.2)
    assert second.is_alive()
    may_end.set()
    for thread in (first, second):
        thread.join(10)
    assert (database.applied_index, database.file.durable_index) == (0, 0)
    assert rows_of(database, "select count(*) from dirk_tables") == [(0,)]
