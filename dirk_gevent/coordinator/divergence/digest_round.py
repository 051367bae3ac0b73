"""One round: at which index, which nodes were asked over which connections, and what they said.

A question belongs to the connection it was asked on. When that ends the answer may be lost with it, so the question is
asked again over the node's next connection, or withdrawn when none comes soon or the node can't answer any more.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from gevent.event import Event

from dirk_gevent.coordinator.links import FollowingNode
from dirk_gevent.log.records import SnapshotInfo
from dirk_gevent.replication.precedence import Way

#: A node whose connection has ended is awaited for so long: most come back within a second.
RECONNECT_SECONDS = 2.0


@dataclass(slots=True)
class Question:
    """A question put to one node over `link`; `lost_at` (monotonic s): since when that is gone, None while it stands.

    `progress` is how far the node was with the answer when that changed last, at `moved_at` (monotonic s).
    """

    link: FollowingNode
    lost_at: float | None = None
    progress: object = None
    moved_at: float | None = None

    def is_lost_for_good(self, now: float) -> bool:
        """True when the connection has been gone for too long, as of `now`."""
        if self.lost_at is None:
            self.lost_at = now
        return now - self.lost_at > RECONNECT_SECONDS


@dataclass(slots=True)
class DigestRound:
    """One round on its way. `author` makes the snapshot (None: only digests are asked for).

    `asked` are the nodes that take part, `digests` what they have said, `worked_seconds` what the slowest of them
    needed for it; `ended` is set when the round is over, however it ended.
    `is_decisive`: a person takes the author's state for the right one, whatever the others say.
    """

    index: int
    author: str | None
    started: float
    is_decisive: bool = False
    #: The node whose entries wait, when there is one.
    first: str | None = None
    asked: dict[str, Question] = field(default_factory=dict)
    #: Nodes that were asked and will not answer.
    withdrawn: set[str] = field(default_factory=set)
    digests: dict[str, bytes] = field(default_factory=dict)
    worked_seconds: float = 0.0
    stored: SnapshotInfo | None = None
    ended: Event = field(default_factory=Event)

    def way(self, node: str) -> Way:
        """How a node is to answer."""
        if self.first is None:
            return Way.BESIDE
        return Way.FIRST if node == self.first else Way.COPY

    @property
    def awaited(self) -> list[str]:
        """The nodes that have not given all that they were asked for."""
        return [
            node
            for node in self.asked
            if node not in self.digests or (node == self.author and self.stored is None)
        ]

    def withdraw(self, node: str) -> bool:
        """Await nothing more of a node; whether anything was awaited of it."""
        if node not in self.awaited:
            return False
        del self.asked[node]
        self.withdrawn.add(node)
        return True


class Rounds(Protocol):
    """Those who begin rounds, as who needs a snapshot asks them."""

    def begin(self, log_id: int, uploads: bool = True, author: str | None = None) -> int | None:
        """Ask for digests at the log's head, and for a snapshot if `uploads`; the index, None when nobody can answer.

        An `author` that is named decides: its state is taken for the right one.
        """

    def running(self, log_id: int) -> DigestRound | None:
        """The round of a log that is on its way."""
