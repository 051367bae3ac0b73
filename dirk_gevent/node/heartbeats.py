"""A node's heartbeat: where its databases are, and what they are at."""

from __future__ import annotations

from typing import Any

import gevent

from dirk_gevent.engine.status import DatabaseState
from dirk_gevent.loop.frame_socket import FrameSocket
from dirk_gevent.node.apply_context import ApplyContext
from dirk_gevent.node.catch_up import CatchUp
from dirk_gevent.node.followed_log import FollowedLog
from dirk_gevent.replication import frame_types


class Heartbeats:
    """Says how the node is, at the times that the host asked for. It waits behind nobody."""

    def __init__(self, context: ApplyContext, followed: FollowedLog, catch_up: CatchUp) -> None:
        self._context = context
        self._followed = followed
        self._catch_up = catch_up
        self._seconds = 0.5
        #: The durable indexes that the host has heard of, by log.
        self._told: dict[int, int] = {}

    def welcomed(self, beat_seconds: float) -> None:
        """A connection begins: this host has heard of nothing yet."""
        self._seconds = beat_seconds
        self._told.clear()

    def run(self, frames: FrameSocket) -> None:
        """Send a heartbeat from time to time, over one connection, until killed. Blocks."""
        while True:
            unwritten = self.unwritten_states()
            with frames.turn():
                self._context.link.send(self._heartbeat(unwritten))
            gevent.sleep(self._seconds)

    def unwritten_states(self) -> dict[int, str]:
        """Every log as stalled while the directory takes nothing; nothing once it does."""
        if self._followed.is_unwritten:
            self._followed.write_down()
            self._catch_up.check()
        return dict.fromkeys(self._catch_up.target, str(DatabaseState.STALLED)) if self._followed.is_unwritten else {}

    def _heartbeat(self, more_states: dict[int, str]) -> dict[str, Any]:
        databases, indexes = self._context.engine.logs(), self._told
        durable, states, efforts = {}, {}, {}
        for gone in indexes.keys() - databases.keys():
            del indexes[gone]
        for log_id, database in databases.items():
            if indexes.get(log_id) != (now := database.file.durable_index):
                indexes[log_id] = durable[log_id] = now
            if (state := database.status.told) is not DatabaseState.LIVE:
                states[log_id] = str(state)
            efforts[log_id] = database.writer.effort()
        answers = self._context.answers.counts()
        return frame_types.node_beat(durable, {**states, **more_states}, efforts, answers)
