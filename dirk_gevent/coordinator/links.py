"""Requests of the coordinator's parts to a node that follows the log now, over its connection."""

from __future__ import annotations

from typing import Protocol

from dirk_gevent.replication.frame_types import Halted
from dirk_gevent.replication.precedence import Way


class FollowingNode(Protocol):
    """A node that follows the log over one connection (`NodeLink`)."""

    @property
    def is_open(self) -> bool:
        """True when it is settled where the node goes on in each log."""

    @property
    def halt_answers(self) -> dict[int, Halted]:
        """The node's answers to `halt`, by log id."""

    def carries(self, log_id: int) -> bool:
        """True when entries of a log go to the node."""

    def stands_at(self, log_id: int) -> int | None:
        """Up to which index the node is known to have applied a log; None while a snapshot is on its way there."""

    def mark(self, log_id: int, index: int, uploads: bool, way: Way = Way.BESIDE) -> bool:
        """Ask for the content digest at exactly `index`, and the snapshot itself if `uploads`; whether it is asked."""

    def fence(self, log_id: int) -> None:
        """Tell the node to keep its state of a log aside and to start from a snapshot."""

    def poke(self, log_id: int) -> None:
        """Look again whether there is more of a log to send."""

    def halt(self, log_id: int) -> None:
        """Tell the node to begin nothing more of a log on this connection."""

    def forget(self, log_id: int) -> None:
        """Forget a database that was dropped, and that the node knows to be."""

    def close(self) -> None:
        """End the connection."""
