"""How far the nodes are with their answers to the questions of rounds, and which of them hang in one.

A node that is connected and live, and whose answer does not get on, is awaited for `STILL_SECONDS`. Then it is not
asked about that log again before its answer moves, it connects anew, or `AGAIN_SECONDS` are over: else every next round
would wait for it, and a snapshot that it is to make never be made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dirk_gevent.coordinator.cluster import Cluster
from dirk_gevent.coordinator.divergence.digest_round import Question
from dirk_gevent.coordinator.links import FollowingNode

#: A node that is connected and live, and does not get on with its answer, is awaited for so long.
STILL_SECONDS = 30.0
#: One that was left is asked again after so long, whatever it says.
AGAIN_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class _Left:
    """A node was left over `link` at `at` (monotonic s), its answer being as far as `count`."""

    link: FollowingNode | None
    count: int | None
    at: float


class Answering:
    """The work that the nodes of one host are at. All times are monotonic seconds."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._counts: dict[str, Mapping[int, int]] = {}
        self._left: dict[tuple[str, int], _Left] = {}

    def told(self, node: str, counts: Mapping[int, int]) -> None:
        """A node's heartbeat said how far its answers are, by log."""
        self._counts[node] = counts

    def stands_still(self, question: Question, node: str, log_id: int, index: int, now: float) -> bool:
        """True when a node has not got on with its answer for too long, nor with what stands before it; it is left
        then.

        Called regularly: it sees here that a node gets on.
        """
        progress = self._progress(node, log_id, index)
        if question.moved_at is None or progress != question.progress:
            question.progress, question.moved_at = progress, now
        if now - question.moved_at <= STILL_SECONDS:
            return False
        self._left[node, log_id] = _Left(question.link, self._count(node, log_id), now)
        return True

    def hangs(self, node: str, log_id: int, link: FollowingNode | None, now: float) -> bool:
        """True when a node was left and there is no sign that it would answer now."""
        left = self._left.get((node, log_id))
        if left is None:
            return False
        if left.link is link and left.count == self._count(node, log_id) and now - left.at < AGAIN_SECONDS:
            return True
        del self._left[node, log_id]
        return False

    def _count(self, node: str, log_id: int) -> int | None:
        return self._counts.get(node, {}).get(log_id)

    def _progress(self, node: str, log_id: int, index: int) -> object:
        applied = min(self._cluster.nodes[node].applied_index(log_id), index)
        effort = self._cluster.efforts.of(node, log_id) if applied < index else None
        work = (effort.index, effort.steps, effort.cpu_ms) if effort is not None else None
        return applied, work, self._count(node, log_id)
