"""How long the hub was kept from its greenlets: the one figure that says whether something blocks a process."""

from __future__ import annotations

import time

import gevent

_LOOK_SECONDS = 0.02


class HubWatch:
    """Measures how late a timer comes. `worst_ms` is the longest the hub was held, in milliseconds.

    It counts time in which the process was not given a processor too, so on a busy machine it is an upper bound.
    """

    def __init__(self) -> None:
        self.worst_ms = 0.0

    def run(self) -> None:
        """Measure until killed."""
        while True:
            due = time.monotonic() + _LOOK_SECONDS
            gevent.sleep(_LOOK_SECONDS)
            late_ms = (time.monotonic() - due) * 1000
            self.worst_ms = max(self.worst_ms, late_ms)
