"""Upkeep of the embedded log while nobody asks: checkpoints, recovery after a fault, forgetting what was dropped."""

from __future__ import annotations

import time
from collections.abc import Callable

from gevent.event import Event

from dirk_gevent.base import logger
from dirk_gevent.log.embedded.journal_threads import WAL_SOFT_PAGES, CommitFailedError, JournalThreads
from dirk_gevent.log.embedded.retention import Retention
from dirk_parser.errors import SqlError

_HOUSEKEEPING_SECONDS = 1.0


class Housekeeping:
    """The housekeeping of one log. `rouse_appender` wakes the appender, which reads the journal again after a fault."""

    def __init__(self, threads: JournalThreads, retention: Retention, rouse_appender: Callable[[], None]) -> None:
        self._threads = threads
        self._retention = retention
        self._rouse_appender = rouse_appender
        self._logger = logger.logger("log")
        self._rouse = Event()
        self._is_closed = False
        self._appended_at = 0.0

    def published(self) -> None:
        """Entries were committed."""
        self._appended_at = time.monotonic()
        if self._threads.wal_pages > WAL_SOFT_PAGES:
            self._rouse.set()

    def run(self) -> None:
        """Keep house until `close`. *Blocks.*"""
        while not self._is_closed:
            self._rouse.wait(_HOUSEKEEPING_SECONDS)
            self._rouse.clear()
            if self._threads.is_faulty:
                # Who asks how a write ended can be told only when the journal has been read again.
                self._rouse_appender()
            try:
                self._checkpoint()
                self._retention.forget_long_dropped()
            except (CommitFailedError, SqlError) as error:
                self._logger.error("housekeeping_failed", reason=error)
            except Exception as error:
                self._logger.exception("housekeeping_failed", error)

    def close(self) -> None:
        """End `run`."""
        self._is_closed = True
        self._rouse.set()

    def _checkpoint(self) -> None:
        if self._is_closed or self._threads.is_faulty or not self._threads.wal_pages:
            return
        if time.monotonic() - self._appended_at > _HOUSEKEEPING_SECONDS:
            self._threads.checkpoint_now()
        elif self._threads.wal_pages > WAL_SOFT_PAGES:
            self._threads.checkpoint_beside()
