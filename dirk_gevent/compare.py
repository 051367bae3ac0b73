"""When masters are compared: pure choices by index and monotonic time, one line of memory a log.

A digest reads the whole database. So a database is compared when there is news (a node came, or it was written and is
at rest now), else only every so often; and never so often that comparing takes more than a twentieth of the time.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

#: A database is at rest when nothing was written for so long.
REST_SECONDS = 1.0
#: From one comparison to the next at least so many times its duration, and `REST_SECONDS`.
_PAUSE_DURATIONS = 20.0


@dataclass(slots=True)
class _Memory:
    """One log: its head and since when it is there; the last comparison, and when the next may begin."""

    head: int
    moved: float
    compared_index: int = -1
    compared: float = 0.0
    not_before: float = 0.0
    is_urgent: bool = True


class Comparisons:
    """The comparisons of one host. `every_seconds` is how long a database that is at rest stays uncompared."""

    def __init__(self, every_seconds: float) -> None:
        self._every_seconds = every_seconds
        self._known: dict[int, _Memory] = {}

    def is_due(self, log_id: int, head: int, now: float) -> bool:
        """Whether the masters should be compared now; called regularly, since it sees here that a head moves."""
        if head == 0:
            return False
        known = self._known.get(log_id)
        if known is None:
            known = self._known[log_id] = _Memory(head, now)
        elif head != known.head:
            known.head, known.moved = head, now
        if now < known.not_before:
            return False
        if now - known.compared > self._every_seconds and known.compared_index >= 0:
            return True
        is_at_rest = now - known.moved >= REST_SECONDS
        return is_at_rest and (known.is_urgent or known.compared_index != head)

    def ended(self, log_id: int, index: int, took_seconds: float, now: float) -> None:
        """A comparison at `index` is over."""
        known = self._known.setdefault(log_id, _Memory(index, now))
        known.compared_index, known.compared, known.is_urgent = index, now, False
        known.not_before = now + max(REST_SECONDS, took_seconds * _PAUSE_DURATIONS)

    def hurry(self, log_id: int | None) -> None:
        """Compare a database, or (None) every one, once more as soon as it is at rest."""
        for one, known in self._known.items():
            known.is_urgent = known.is_urgent or log_id in (None, one)

    def keep_only(self, logs: Collection[int]) -> None:
        """Forget the logs of databases that are gone."""
        if len(self._known) > len(logs):
            for gone in self._known.keys() - set(logs):
                del self._known[gone]
