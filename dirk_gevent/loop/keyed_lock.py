"""Turns at a database's writer: greenlets wait here, so that no native thread waits for the writer's lock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gevent.lock import Semaphore

from dirk_parser.errors import SqlError


class _Queue:
    """Who is at one database, and how many want to be."""

    __slots__ = ("lock", "wanted")

    def __init__(self) -> None:
        self.lock = Semaphore(1)
        self.wanted = 0


class KeyedLock:
    """One at a time, in the order they came, for each log."""

    def __init__(self) -> None:
        self._queues: dict[int, _Queue] = {}

    @contextmanager
    def acquire(self, log_id: int, wait_seconds: float | None = None) -> Iterator[None]:
        """Wait for the turn at a log's database, and have it inside the block. Blocks this greenlet alone.

        SqlError too_many_requests when it has not come after `wait_seconds`.
        """
        queue = self._queues.get(log_id)
        if queue is None:
            queue = self._queues[log_id] = _Queue()
        queue.wanted += 1
        try:
            if not queue.lock.acquire(timeout=wait_seconds):
                raise SqlError("too_many_requests", limit=queue.wanted)
            try:
                yield
            finally:
                queue.lock.release()
        finally:
            queue.wanted -= 1
            if not queue.wanted:
                self._queues.pop(log_id, None)
