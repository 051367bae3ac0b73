"""Frames that the log's host sends a node, over one connection after the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gevent.event import Event

from dirk_gevent.node.apply_context import ApplyContext
from dirk_gevent.node.apply_queue import ApplyQueue
from dirk_gevent.node.apply_queues import ApplyQueues
from dirk_gevent.node.followed_log import FollowedLog
from dirk_gevent.node.queue_items import Batch, Fence, Mark, Restore
from dirk_gevent.protocol.frames import split_entries
from dirk_gevent.replication import frame_types
from dirk_gevent.replication.precedence import Way
from dirk_gevent.replication.transfer import IncomingSnapshots


class IncomingFrames:
    """Hands each frame to the apply queue of its log, and what is about the whole log to those who keep it."""

    def __init__(self, context: ApplyContext, followed: FollowedLog, queues: ApplyQueues) -> None:
        #: Set when the host sends nothing new here and nothing is under way, or when there is no host.
        self.left = Event()
        self.snapshots = IncomingSnapshots(context.engine.directory.path)
        self._context = context
        self._followed = followed
        self._queues = queues

    def receive(self, frame: dict[str, Any]) -> None:
        """Take the next frame. Raises ValueError and KeyError when it is none."""
        kind = frame["t"]
        if kind == "left":
            self.left.set()
            return
        self._followed.hear_epoch(bytes.fromhex(frame.get("epoch", "")))
        if kind == "beat":
            self._context.progress.log_time.heard(int(frame["clock"]))
            self._followed.hear_heads(frame_types.indexes_in(frame["heads"]))
            return
        log_id = int(frame["log"])
        if not self._queues.is_gone(log_id):
            self._receive_of_log(kind, self._queues.open(log_id), frame)

    def _receive_of_log(self, kind: str, queue: ApplyQueue, frame: dict[str, Any]) -> None:
        if kind == "entries":
            before, after = bytes.fromhex(frame["chain"]), bytes.fromhex(frame["after"])
            queue.put(Batch(int(frame["first"]), before, tuple(split_entries(frame["body"])), after))
        elif kind == "mark":
            queue.put(Mark(int(frame["index"]), bool(frame["upload"]), Way(frame["way"]), int(frame["ask"])))
        elif kind == "fence":
            queue.put(Fence())
        elif kind == "halt":
            self._context.link.send(frame_types.halted(queue.log_id, queue.halt()))
        elif kind in ("snapshot", "chunk", "snapshot_end"):
            arrived = self.snapshots.take(frame)
            if arrived is not None:
                queue.put(Restore(arrived) if isinstance(arrived, Path) else arrived)
        elif kind == "refuse":
            self._context.logger.error("log_refused", log=queue.log_id, reason=frame["key"])

    def begin(self) -> None:
        """A connection begins."""
        self.left.clear()

    def end(self) -> None:
        """The connection is gone, and the rest of what was on its way."""
        self.left.set()
        self._queues.cut_all()
        self.snapshots.drop_all()
