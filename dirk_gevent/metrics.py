"""How long the hub was kept from its greenlets: the one figure that says whether something blocks a process."""

from __future__ import annotations

import time

import gevent

_LOOK_SECONDS = 0.02


class HubWatch:
    """Measures how late a timer comes. `worst_ms` is the longest the hub was held, in milliseconds.

    That counts time in which the process was not given a processor, or the hub not the interpreter's lock: on a busy
    machine it is an upper bound. `worked_ms` is the longest that the hub's own thread worked past a timer: a lower one.
    """

    def __init__(self) -> None:
        self.worst_ms = 0.0
        self.worked_ms = 0.0

    def run(self) -> None:
        """Measure until killed."""
        while True:
            due, worked = time.monotonic() + _LOOK_SECONDS, time.thread_time()
            gevent.sleep(_LOOK_SECONDS)
            late_ms = (time.monotonic() - due) * 1000
            worked_ms = (time.thread_time() - worked) * 1000
            self.worst_ms = max(self.worst_ms, late_ms)
            self.worked_ms = max(self.worked_ms, min(late_ms, worked_ms))
