"""The work that the masters are at, as they tell it: whether it gets on, and what SHOW SERVERS says of it.

Pure state of the log's host, fed by heartbeats and acknowledgements.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from dirk_gevent.config.settings import Limits
from dirk_gevent.engine.apply.at_work import Effort


class Efforts:
    """The efforts of all nodes. `clock` is monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._by_node: dict[str, Mapping[int, Effort]] = {}
        self._moved_at: dict[int, float] = {}

    def told(self, node: str, efforts: Mapping[int, Effort], counts: Callable[[int], bool]) -> None:
        """A heartbeat came. What `counts` (the node is a live master of the log) and has got on is progress."""
        before = self._by_node.get(node, {})
        for log_id, effort in efforts.items():
            if counts(log_id) and _has_moved(before.get(log_id), effort):
                self.moved(log_id)
        self._by_node[node] = efforts

    def moved(self, log_id: int) -> None:
        """A live master has got on with a log."""
        self._moved_at[log_id] = self._clock()

    def forget_node(self, node: str) -> None:
        """Nothing is known of it any more."""
        self._by_node.pop(node, None)

    def forget_log(self, log_id: int) -> None:
        """The log is gone."""
        self._moved_at.pop(log_id, None)

    def of(self, node: str, log_id: int) -> Effort | None:
        """The work of a node in a log, as of its last heartbeat."""
        return self._by_node.get(node, {}).get(log_id)

    def patience(self, log_id: int, limits: Limits) -> Callable[[], float]:
        """How many seconds more a write that is in the log now waits for its outcome; 0 or less for no more.

        While a master gets on with what stands before it, up to the statement's own limit; `limits.waitMs` from when
        nothing moves.
        """
        still_seconds, began = limits.wait_ms / 1000, self._clock()
        last = began + max(still_seconds, limits.statement_seconds)

        def left_seconds() -> float:
            moved_at = max(began, self._moved_at.get(log_id, began))
            return min(last, moved_at + still_seconds) - self._clock()

        return left_seconds


def _has_moved(before: Effort | None, now: Effort) -> bool:
    if before is None or before.index != now.index:
        return True
    return now.steps > before.steps or now.cpu_ms > before.cpu_ms
