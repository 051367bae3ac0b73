"""Statements of transactions take turns at a database's writer, with each other and with the log's entries."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from gevent.lock import Semaphore

from dirk_gevent.loop.keyed_lock import KeyedLock
from dirk_gevent.loop.threads import NativeThreads
from dirk_parser.errors import SqlError


class WriterTurns:
    """Runs statements on `threads` native threads, one at a time of each database.

    `turns` are those at each database's writer, which the log's entries take, too. A statement waits `queue_ms` in all.
    """

    def __init__(self, threads: int, turns: KeyedLock, queue_ms: int) -> None:
        self._most = threads
        self._turns = turns
        self._queue_ms = queue_ms
        self._waiting = KeyedLock()
        self._free = Semaphore(threads)
        self._threads = NativeThreads(threads)

    def run(self, log_id: int, work: Callable[..., Any], *arguments: object) -> Any:
        """Run `work` on a native thread in the database's turn; whoever waits for the turn holds no thread.

        It waits for other sessions and for an entry that is being applied; SqlError too_many_requests when its time is
        over, and nothing was done.
        """
        deadline = time.monotonic() + self._queue_ms / 1000
        with (
            self._waiting.acquire(log_id, self._queue_ms / 1000),
            self._thread(deadline),
            self._turns.acquire(log_id, max(0.0, deadline - time.monotonic())),
        ):
            return self._threads.call(work, *arguments)

    def begin(self, work: Callable[..., object], *arguments: object) -> None:
        """Run on a thread what waits for no turn, and forget it."""
        self._threads.begin(work, *arguments)

    @contextmanager
    def _thread(self, deadline: float) -> Iterator[None]:
        """One of the threads; SqlError too_many_requests when none is free before `deadline`."""
        if not self._free.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise SqlError("too_many_requests", limit=self._most)
        try:
            yield
        finally:
            self._free.release()
