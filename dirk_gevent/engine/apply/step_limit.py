"""The step limit of writes: work counted in SQLite's VM steps, never in time, so that all nodes agree."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import apsw

#: SQLite calls the handler once in so many VM steps of a statement: a short statement never pays for it.
TICK_STEPS = 10_000


class StepCounter:
    """Counts progress ticks of a writer's connection against an entry's limit.

    A prepared statement keeps its step counter over resets, so a cached one may tick at most once more than a
    fresh one: `reached` on a cached run only means that the entry must run again on fresh statements, whose ticks
    are the same on every node. An entry that stays under its limit on a cached run stays under it on a fresh one.
    """

    def __init__(self, connection: apsw.Connection) -> None:
        self.reached = False
        #: Ticks counted since `begin`.
        self.ticks = 0
        self._limit = 0
        self._armed = False
        connection.set_progress_handler(self._tick, TICK_STEPS)

    def begin(self, step_limit: int, ticks: int = 0) -> None:
        """Start counting an entry, of which `ticks` are counted already; 0 is no limit.

        A limit counts in whole ticks, two at the least.
        """
        self.ticks = ticks
        self._limit = max(2, step_limit // TICK_STEPS) if step_limit else 0
        self.reached = False
        self._armed = bool(step_limit)

    def end(self) -> None:
        """Stop counting: the engine's own statements cost an entry nothing."""
        self._armed = False

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Run the body without cost to the entry."""
        was_armed, self._armed = self._armed, False
        try:
            yield
        finally:
            self._armed = was_armed

    def _tick(self) -> bool:
        if not self._armed:
            return False
        self.ticks += 1
        self.reached = self.ticks >= self._limit
        return self.reached
