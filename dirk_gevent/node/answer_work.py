"""How far a node's answers to marks are, for the log's host: numbers that grow while a node gets on with an answer.

Counted are the processor time of the native thread that works on it, and the pieces of a snapshot that were sent.
Neither grows in an answer that hangs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

_Made = TypeVar("_Made")


class AnswerWork:
    """One answer. `timed` is for native threads, `sent` and `count` for the hub."""

    def __init__(self) -> None:
        self._clock: int | None = None
        self._began = 0.0
        self._count = 0
        #: Whether a thread has begun with it; before, it waits for one.
        self.has_begun = False

    def timed(self, function: Callable[..., _Made], *arguments: object) -> _Made:
        """Run `function` on this thread, whose time counts."""
        self._clock = time.pthread_getcpuclockid(threading.get_ident())
        self._began, self.has_begun = time.clock_gettime(self._clock), True
        try:
            return function(*arguments)
        finally:
            self._count, self._clock = self.count, None

    def sent(self) -> None:
        """One more piece has gone out."""
        self._count += 1

    @property
    def count(self) -> int:
        """The work done so far, in milliseconds and pieces."""
        clock = self._clock
        if clock is None:
            return self._count
        return self._count + int((time.clock_gettime(clock) - self._began) * 1000)


class AnswersUnderWay:
    """The answers that a node is at, at most one a log (hub)."""

    def __init__(self) -> None:
        self._of: dict[int, AnswerWork] = {}
        self._ended = 0

    @contextmanager
    def of(self, log_id: int) -> Iterator[AnswerWork]:
        """The time in which a log's mark is answered."""
        work = self._of[log_id] = AnswerWork()
        try:
            yield work
        finally:
            del self._of[log_id]
            self._ended += work.count

    def counts(self) -> dict[int, int]:
        """The work done for each answer. One that waits for a thread gets on as those do that have the threads."""
        counts = {log_id: work.count for log_id, work in self._of.items()}
        all_of_them = self._ended + sum(counts.values())
        return {
            log_id: count if self._of[log_id].has_begun else all_of_them for log_id, count in counts.items()
        }
