"""The known facts of the process at the other end of connections, for those who decide how long to wait for it."""

from __future__ import annotations

from dirk_gevent.replication.last_heard import Heard


class Peer:
    """One of which nothing is known but what its connections show."""

    def may_move(self) -> bool:
        """True when it is known to be away while others can answer reads in its place."""
        return False

    def is_silent(self) -> bool:
        """True when it has said nothing for so long that no request need wait for it."""
        return False

    def reached(self, is_up: bool) -> None:
        """A connection to it was made, or could not be made."""


class LogHostPeer(Peer):
    """The process that hosts the log, as one of its followers hears it."""

    def __init__(self, heard: Heard) -> None:
        self._heard = heard

    def is_silent(self) -> bool:
        """Nothing came from it on the subscription for some seconds."""
        return self._heard.is_silent()
