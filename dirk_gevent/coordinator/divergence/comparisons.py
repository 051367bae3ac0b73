"""When masters are compared: pure choices by index and monotonic time, one line of memory a log.

A digest reads the whole database. So a database is compared when there is news (it was written, or a node came that has
not been compared): as soon as it is at rest, and when it does not come to rest, after `BUSY_SECONDS` all the same.
Without news it is compared every so often. Comparing never takes more than a twentieth of the time.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

#: A database is at rest when nothing was written for so long.
REST_SECONDS = 1.0
#: A database that is written all the time is compared so long after there was news.
BUSY_SECONDS = 10.0
#: From one comparison to the next at least so many times what its digest took, and `REST_SECONDS`.
_PAUSE_DURATIONS = 20.0
#: A comparison that not every node answered is made again after so long, then after twice as long, and so on.
_AGAIN_SECONDS = 5.0
_MOST_DOUBLINGS = 10


@dataclass(slots=True)
class _Memory:
    """One log: its head and since when it is there; the last comparison, and when the next may begin.

    `news_since`: since when there is something to compare, None when there is nothing. `nodes` were compared last.
    """

    head: int
    moved: float
    news_since: float | None = None
    compared_index: int = -1
    compared: float = 0.0
    nodes: frozenset[str] = frozenset()
    not_before: float = 0.0
    again_at: float = 0.0
    failures: int = 0
    is_urgent: bool = True

    def has_news(self, able: Collection[str]) -> bool:
        """True when a comparison of the nodes `able` would say something that the last one did not."""
        return self.is_urgent or self.compared_index != self.head or not self.nodes.issuperset(able)


class Comparisons:
    """The comparisons of one host. `every_seconds` is how long a database that is at rest stays uncompared."""

    def __init__(self, every_seconds: float) -> None:
        self._every_seconds = every_seconds
        self._known: dict[int, _Memory] = {}

    def is_due(self, log_id: int, head: int, now: float, able: Collection[str]) -> bool:
        """True when the nodes `able`, which can answer, should be compared now.

        Called regularly: it sees here that a head moves.
        """
        if head == 0:
            return False
        memory = self._known.get(log_id)
        if memory is None:
            memory = self._known[log_id] = _Memory(head, now)
        elif head != memory.head:
            memory.head, memory.moved = head, now
        if not memory.has_news(able):
            memory.news_since = None
        elif memory.news_since is None:
            memory.news_since = now
        if now < max(memory.not_before, memory.again_at):
            return False
        if memory.compared_index >= 0 and now - memory.compared > self._every_seconds:
            return True
        if memory.news_since is None:
            return False
        is_late = now - memory.news_since >= BUSY_SECONDS and len(able) > 1
        return now - memory.moved >= REST_SECONDS or is_late

    def ended(self, log_id: int, index: int, took_seconds: float, now: float, nodes: Collection[str]) -> None:
        """A comparison at `index` is over, and all nodes that were asked have answered: `nodes`."""
        memory = self._note(log_id, index, took_seconds, now)
        memory.compared_index, memory.compared, memory.nodes = index, now, frozenset(nodes)
        memory.is_urgent, memory.failures, memory.again_at = False, 0, 0.0
        memory.news_since = None

    def failed(self, log_id: int, index: int, took_seconds: float, now: float) -> None:
        """A comparison at `index` is over and a node did not answer: what was to be found out still is."""
        memory = self._note(log_id, index, took_seconds, now)
        memory.is_urgent = True
        pause = _AGAIN_SECONDS * 2 ** min(memory.failures, _MOST_DOUBLINGS)
        memory.again_at = now + min(pause, max(self._every_seconds, _AGAIN_SECONDS))
        memory.failures += 1

    def _note(self, log_id: int, index: int, took_seconds: float, now: float) -> _Memory:
        memory = self._known.setdefault(log_id, _Memory(index, now))
        memory.not_before = now + max(REST_SECONDS, took_seconds * _PAUSE_DURATIONS)
        return memory

    def hurry(self, log_id: int | None) -> None:
        """Compare a database, or (None) every one, once more: as soon as it is at rest, or after `BUSY_SECONDS`."""
        for other, memory in self._known.items():
            if log_id in (None, other):
                memory.is_urgent, memory.again_at, memory.failures = True, 0.0, 0

    def keep_only(self, logs: Collection[int]) -> None:
        """Forget the logs of databases that are gone."""
        if len(self._known) > len(logs):
            for gone in self._known.keys() - set(logs):
                del self._known[gone]
