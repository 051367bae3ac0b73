"""The log's clock: for the log, as far as a majority of the parts agree; for other parts, as the log says.

No machine's wall clock is believed alone: one that is a day ahead would date an entry, and with it all later ones, a
day ahead; one that is a day behind would make every request look a day ahead.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

#: What clocks of machines that are set may differ by.
BOUND_MS: Final = 60_000


def clock_ms() -> int:
    """This machine's wall clock, Unix time in milliseconds."""
    return time.time_ns() // 1_000_000


def _monotonic_ms() -> int:
    return time.monotonic_ns() // 1_000_000


class LogClock:
    """The clock of the log's host, held within `BOUND_MS` of what a majority of the connected parts has.

    `heard` notes what another part's clock says; between two words its clock is thought to go on as ours does.
    Invariant: `now_ms` is at most `BOUND_MS` past a time that a majority of the parts has reached.
    """

    def __init__(self, own: Callable[[], int] = clock_ms, monotonic: Callable[[], int] = _monotonic_ms) -> None:
        self._own = own
        self._monotonic = monotonic
        self._ahead_ms: dict[str, int] = {}

    def heard(self, part: str, now_ms: int) -> None:
        """A connected part said what its clock is."""
        self._ahead_ms[part] = now_ms - self._monotonic()

    def lost(self, part: str) -> None:
        """A part is not connected any more: its clock has no say."""
        self._ahead_ms.pop(part, None)

    def now_ms(self) -> int:
        """The time (Unix ms). May go back when clocks do: whoever dates entries takes the last one's time then."""
        own = self._own()
        if not self._ahead_ms:
            return own
        monotonic = self._monotonic()
        clocks = sorted([own, *(monotonic + ahead for ahead in self._ahead_ms.values())])
        # With an even number of parts a majority is more than half: `latest` may lie before `earliest`, and counts.
        majority = len(clocks) // 2 + 1
        latest, earliest = clocks[-majority] + BOUND_MS, clocks[majority - 1] - BOUND_MS
        return min(max(own, earliest), latest)


class HeardTime:
    """The log's time as another part heard it last, going on since; this machine's clock until the first word."""

    def __init__(self, own: Callable[[], int] = clock_ms, monotonic: Callable[[], int] = _monotonic_ms) -> None:
        self._own = own
        self._monotonic = monotonic
        self._ahead_ms: int | None = None

    def heard(self, log_ms: int) -> None:
        """The log's host said what time it is."""
        self._ahead_ms = log_ms - self._monotonic()

    def now_ms(self) -> int:
        """The log's time (Unix ms), as far as it is known here."""
        return self._own() if self._ahead_ms is None else self._monotonic() + self._ahead_ms
