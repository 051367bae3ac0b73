"""The present work of a database's writer, for those who wait behind it: the entry, since when, and how far it has
come.

Steps are SQLite's, counted while it runs. The thread's processor time is told too: a commit, a sort or a compilation
takes none of those steps, and is work all the same.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from dirk_gevent.engine.apply.step_limit import TICK_STEPS, StepCounter

#: The index of what is no entry: a statement of a transaction, which the entries wait for.
NO_ENTRY = 0


@dataclass(frozen=True, slots=True)
class Effort:
    """Entry `index` of a log (`NO_ENTRY`: a transaction's statement), worked on for `ms` so far.

    `steps` are those of the entry; `cpu_ms` is the thread's processor time. One of them grows while it gets on.
    """

    index: int
    ms: int
    steps: int
    cpu_ms: int


class AtWork:
    """One writer. `working` and `entry` are for its thread, `effort` for any."""

    def __init__(self, steps: StepCounter) -> None:
        self._steps = steps
        self._clock: int | None = None
        self._entry = NO_ENTRY, 0.0

    @contextmanager
    def working(self) -> Iterator[None]:
        """The time that this thread works in, on nothing that is an entry until `entry`."""
        self._entry = NO_ENTRY, time.monotonic()
        self._clock = time.pthread_getcpuclockid(threading.get_ident())
        try:
            yield
        finally:
            self._clock = None

    def entry(self, index: int) -> None:
        """An entry begins."""
        self._entry = index, time.monotonic()

    def effort(self) -> Effort | None:
        """The work in progress; None for nothing."""
        clock = self._clock
        if clock is None:
            return None
        index, since = self._entry
        try:
            cpu_ms = int(time.clock_gettime(clock) * 1000)
        except OSError:
            # The thread has ended.
            return None
        return Effort(index, int((time.monotonic() - since) * 1000), self._steps.ticks * TICK_STEPS, cpu_ms)
