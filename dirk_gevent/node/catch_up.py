"""A node catches up with the log: it is level once it has applied what the log held when it connected."""

from __future__ import annotations

from collections.abc import Mapping

from gevent.event import Event

from dirk_gevent.engine.engine import Engine
from dirk_gevent.node.followed_log import FollowedLog
from dirk_gevent.node.log_link import LogLink
from dirk_gevent.node.progress import Progress


class CatchUp:
    """Decides when a node has applied what the log held as it connected."""

    def __init__(self, engine: Engine, progress: Progress, link: LogLink, followed: FollowedLog) -> None:
        #: Set once this node has applied all that the log held when it connected.
        self.level = Event()
        #: Logs of which something came on this connection though their database is not here.
        self.left_out: set[int] = set()
        #: The heads of the last welcome.
        self.target: dict[int, int] = {}
        self._engine = engine
        self._progress = progress
        self._link = link
        self._followed = followed

    def welcomed(self, heads: Mapping[int, int]) -> None:
        """A connection begins, to a log with these heads."""
        self.left_out.clear()
        self.target = dict(heads)

    def check(self) -> None:
        """Set `level` once the heads of the last welcome have all been applied, or are of databases that are gone."""
        if not self.left_out.isdisjoint(self._engine.logs()):
            # A database is here now of which something was left out: all of it is to be sent.
            self._link.reconnect()
        if self.level.is_set() and self._followed.is_kept:
            return
        if self._progress.has_all(self.target) and self._followed.keep():
            self.level.set()
