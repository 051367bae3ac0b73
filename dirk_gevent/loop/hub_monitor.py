"""How long the hub was kept from its greenlets, and a clock that leaves that time out."""

from __future__ import annotations

import time

import gevent

_LOOK_SECONDS = 0.02
#: A timer that is late by less is one on a busy machine; what is more, the process stood still.
_LATE_SECONDS = 0.25


class HubWatch:
    """Measures how late a timer comes. `worst_ms` is the longest the hub was held, in milliseconds.

    That counts time in which the process was not given a processor, or the hub not the interpreter's lock: on a busy
    machine it is an upper bound. `worked_ms` is the longest that the hub's own thread worked past a timer: a lower one.
    """

    def __init__(self) -> None:
        self.worst_ms = 0.0
        self.worked_ms = 0.0
        self._stood_seconds = 0.0
        self._due = float("inf")

    def listening_seconds(self) -> float:
        """Monotonic seconds without those in which this process stood still: it heard nobody then, and what came
        meanwhile is read after the timers that ran out. Silence of others is measured by it.
        """
        now = time.monotonic()
        return now - self._stood_seconds - self._standing_seconds(now)

    def _standing_seconds(self, now: float) -> float:
        return max(0.0, now - self._due - _LATE_SECONDS)

    def run(self) -> None:
        """Measure until killed."""
        while True:
            due, worked = time.monotonic() + _LOOK_SECONDS, time.thread_time()
            self._due = due
            gevent.sleep(_LOOK_SECONDS)
            now = time.monotonic()
            self._stood_seconds += self._standing_seconds(now)
            self._due = float("inf")
            late_ms = (now - due) * 1000
            worked_ms = (time.thread_time() - worked) * 1000
            self.worst_ms = max(self.worst_ms, late_ms)
            self.worked_ms = max(self.worked_ms, min(late_ms, worked_ms))
