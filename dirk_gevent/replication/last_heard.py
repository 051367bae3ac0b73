"""When a follower of the log last heard from its host: whether it is worth waiting for."""

from __future__ import annotations

import time
from collections.abc import Callable

#: A host of the log that is not heard for so long stands still: what was asked of it will not be answered.
SILENT_SECONDS = 5.0
_BEATS = 3


class Heard:
    """The last sign of life. Heartbeats and echoes come whatever the host is at: a long statement is no silence.

    `clock` gives seconds, without those in which this process itself heard nobody (`HubWatch.listening_seconds`).
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._at = clock()
        self._after_seconds = SILENT_SECONDS

    def now(self) -> None:
        """Something came."""
        self._at = self._clock()

    def expect(self, beat_seconds: float) -> None:
        """Heartbeats come so often."""
        self._after_seconds = max(SILENT_SECONDS, _BEATS * beat_seconds)

    def is_silent(self) -> bool:
        """True when nothing came for so long that its host stands still, or is gone."""
        return self._clock() - self._at > self._after_seconds
