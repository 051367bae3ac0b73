"""The log's side of one node's subscription: a greenlet receives, one sends, one sends heartbeats."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import gevent

from dirk_gevent.coordinator.announced_epoch import AnnouncedEpoch
from dirk_gevent.coordinator.link_parts import LinkParts
from dirk_gevent.coordinator.log_opening import LogOpening
from dirk_gevent.coordinator.log_sender import LogSender
from dirk_gevent.coordinator.mark_replies import MarkReplies
from dirk_gevent.coordinator.node_connection import NodeConnection
from dirk_gevent.coordinator.send_queue import SendQueue
from dirk_gevent.loop.frame_socket import FrameSocket
from dirk_gevent.replication import frame_types
from dirk_gevent.replication.frame_types import Acks, Halted, Hello
from dirk_gevent.replication.precedence import Way

#: A node that is about to end is looked at so often, until nothing is under way there.
_LOOK_SECONDS = 0.02


class NodeLink:
    """One node's subscription, from its hello to the end of the connection. `run` blocks for all that time."""

    def __init__(self, parts: LinkParts, frames: FrameSocket, hello: Hello) -> None:
        self.node = hello.node
        self.halt_answers: dict[int, Halted] = {}
        self._parts = parts
        self._state = parts.state
        self._frames = frames
        self._hello = hello
        self._queue = SendQueue()
        self._epoch = AnnouncedEpoch(parts, hello)
        spawn = partial(gevent.spawn, self._guarded)
        connection = NodeConnection(self.node, frames, self._queue, self._epoch, spawn)
        self._sender = LogSender(parts, connection)
        self._opening = LogOpening(parts, connection, self._sender, hello)
        self._replies = MarkReplies(parts.state, parts.rounds, self.node, self._queue.windows, spawn)

    @property
    def is_open(self) -> bool:
        """True when it is settled where the node goes on in each log."""
        return self._epoch.is_settled

    def run(self) -> None:
        """Serve the node until either side ends. Raises OSError or ValueError from the connection."""
        log = self._state.log
        # Watched first, so that no log that begins meanwhile is missed.
        watch = log.reads.watch()
        self._epoch.check_hello()
        heads = {log_id: head.index for log_id, head in log.reads.heads().items()}
        helpers: list[gevent.Greenlet[..., None]] = []
        try:
            self._frames.send(self._parts.evidence.welcome(self._hello, heads, self._epoch.current).encode())
            for log_id in sorted(heads):
                self._opening.open(log_id)
            self._epoch.is_settled = True
            helpers.append(gevent.spawn(self._guarded, self._opening.listen, watch))
            helpers += [gevent.spawn(self._guarded, run) for run in (self._sender.run, self._beat_all)]
            while (frame := self._frames.receive()) is not None:
                self._receive(frame)
        finally:
            watch.close()
            gevent.killall(helpers)
            self._replies.uploads.cut_all()

    def close(self) -> None:
        """End the connection; `run` returns."""
        self._frames.close()

    def _guarded(self, work: Callable[..., None], *arguments: Any) -> None:
        """The top of a helper greenlet: when it fails the link ends, and the node comes back by itself."""
        try:
            work(*arguments)
        except (OSError, ValueError) as error:
            if not self._frames.is_closed:
                self._state.logger.info("link_broken", node=self.node, reason=str(error))
            self.close()
        except Exception as error:
            self._state.logger.exception("link_failed", error)
            self.close()

    def carries(self, log_id: int) -> bool:
        """True when entries of a log go to the node: not while what it has speaks against the log."""
        return log_id in self._queue.windows

    def mark(self, log_id: int, index: int, uploads: bool, way: Way = Way.BESIDE) -> bool:
        """Ask for the content digest at exactly `index`, and the snapshot itself if `uploads`.

        False, and nothing is asked, when more than that was sent already, or nothing of this log goes to the node.
        """
        window = self._queue.windows.get(log_id)
        if window is None or window.sent > index:
            return False
        window.mark, window.mark_uploads, window.mark_way = index, uploads, way
        window.ask_anew()
        self._queue.poke(log_id)
        return True

    def fence(self, log_id: int) -> None:
        """The node's state of this log is wrong: it keeps it aside and starts from a snapshot."""
        self._sender.fence(log_id)

    def poke(self, log_id: int) -> None:
        """There may be more of a log to send."""
        self._queue.poke(log_id)

    def halt(self, log_id: int) -> None:
        """Ask the node to begin nothing more of a log on this connection; its answer comes into `halt_answers`."""
        self.halt_answers.pop(log_id, None)
        self._frames.send({"t": "halt", "log": log_id})

    def stands_at(self, log_id: int) -> int | None:
        """Up to which index the node is known to have applied a log; None while a snapshot is on its way there."""
        window = self._queue.windows.get(log_id)
        return None if window is None or window.is_seeding else window.applied

    def forget(self, log_id: int) -> None:
        """A database was dropped, and the node knows it."""
        self._queue.windows.pop(log_id, None)

    def _beat_all(self) -> None:
        announced: dict[int, int] = {}
        while True:
            heads = {log_id: head.index for log_id, head in self._state.log.reads.heads().items()}
            changed = {log_id: index for log_id, index in heads.items() if announced.get(log_id) != index}
            self._frames.send(frame_types.host_beat(changed, self._state.log.time_ms(), self._epoch.current))
            announced = heads
            gevent.sleep(self._state.beat_seconds)

    def _receive(self, frame: dict[str, Any]) -> None:
        kind = frame["t"]
        if kind == "acks":
            self._receive_acks(Acks.decode(frame))
        elif kind == "stands":
            self._receive_standing(int(frame["log"]), int(frame["at"]), bytes.fromhex(frame["chain"]))
        elif kind == "beat":
            self._parts.reports.node_beat(self.node, frame)
        elif kind in ("digest", "undone", "upload"):
            self._replies.receive(kind, frame)
        elif kind == "damaged":
            self._parts.reports.damaged(self.node, int(frame["log"]), int(frame["index"]))
        elif kind == "chunk":
            self._replies.uploads.piece(int(frame["log"]), frame["body"])
        elif kind == "upload_end":
            self._replies.uploads.end(int(frame["log"]))
        elif kind == "fenced":
            self._receive_fenced(int(frame["log"]), str(frame.get("kept") or ""))
        elif kind == "dumped":
            self._parts.fences.dumped(self.node, int(frame["log"]), str(frame["kept"]), str(frame["sql"]))
        elif kind == "halted":
            self.halt_answers[int(frame["log"])] = frame_types.halted_in(frame)
        elif kind == "touched":
            self._parts.rounds.hurry(int(frame["log"]))
        elif kind == "leaving":
            gevent.spawn(self._guarded, self._let_go)

    def _let_go(self) -> None:
        """The node is about to end: send it nothing new, and tell it once what is under way there has ended."""
        cluster = self._state.cluster
        cluster.nodes[self.node].is_drained = True
        while any(cluster.under_way(self.node)):
            gevent.sleep(_LOOK_SECONDS)
        self._frames.send({"t": "left"})

    def _receive_fenced(self, log_id: int, kept: str) -> None:
        window = self._queue.windows.get(log_id)
        if window is not None and window.is_fencing:
            window.is_fencing = False
            self._parts.fences.done(self.node, log_id, kept)

    def _receive_standing(self, log_id: int, index: int, chain: bytes) -> None:
        """A frame that came on the connection before moved the node behind its hello: the hello is made anew if it must
        be."""
        window = self._queue.windows.get(log_id)
        if window is None or self._state.is_shut_out(self.node, log_id):
            return
        if index < window.began or self._state.log.reads.chain_at(log_id, index) != chain:
            self._state.logger.info("hello_overtaken", node=self.node, log=log_id, index=index)
            self.close()
        else:
            self._parts.reports.applied(self.node, log_id, index)

    def _receive_acks(self, acks: Acks) -> None:
        log_id = acks.log_id
        window = self._queue.windows.get(log_id)
        if window is None or self._state.is_shut_out(self.node, log_id):
            return
        if not window.is_answer(acks, self._state.log.reads.chain_at):
            # The node comes again, and says where it stands.
            self._state.logger.info("acks_refused", node=self.node, log=log_id, index=acks.upto)
            self.close()
            return
        self._parts.reports.outcomes_came(self.node, log_id, acks.outcomes)
        if self._state.is_shut_out(self.node, log_id):
            return
        self._parts.reports.applied(self.node, log_id, acks.applied)
        self._queue.on_acked(window, acks.applied)
        if window.sent < self._state.head_index(log_id):
            self._queue.poke(log_id)
