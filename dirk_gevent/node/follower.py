"""A node's side of the log: receives entries, has them applied, acknowledges, and comes back by itself.

One greenlet receives; each log has an apply queue whose entries one greenlet at a time has applied on a native thread;
the heartbeat has its own greenlet and waits behind nobody.
"""

from __future__ import annotations

import random
import time
from typing import Any

import gevent
from gevent import socket

from dirk_gevent.base.backoff import Backoff
from dirk_gevent.base.logger import Logger
from dirk_gevent.base.startup import plain_reason
from dirk_gevent.engine.engine import Engine
from dirk_gevent.loop.frame_socket import FrameSocket
from dirk_gevent.loop.threads import NativeThreads
from dirk_gevent.node.answer_work import AnswersUnderWay
from dirk_gevent.node.apply_context import ApplyContext
from dirk_gevent.node.apply_queues import ApplyQueues
from dirk_gevent.node.catch_up import CatchUp
from dirk_gevent.node.file_watch import FileWatch
from dirk_gevent.node.followed_log import FollowedLog
from dirk_gevent.node.heartbeats import Heartbeats
from dirk_gevent.node.incoming_frames import IncomingFrames
from dirk_gevent.node.introduction import introduce
from dirk_gevent.node.kept_states import KeptStates
from dirk_gevent.node.log_link import LogLink
from dirk_gevent.node.node_upkeep import NodeUpkeep
from dirk_gevent.node.progress import Progress
from dirk_gevent.protocol.frames import FOLLOW_STATEMENT
from dirk_gevent.protocol.metadata import with_metadata
from dirk_gevent.replication import frame_types
from dirk_gevent.replication.frame_types import Hello, Welcome
from dirk_gevent.replication.last_heard import Heard

_CONNECT_SECONDS = 2.0
_SILENCE_SECONDS = 10.0
#: A proxy that was away takes writes again once a master has come back to it: that wait is all writers'.
_RETRY_FIRST_SECONDS, _RETRY_MAX_SECONDS = 0.1, 0.75
_APPLIER_THREADS, _SLOW_THREADS = 4, 2
_LEAVE_SECONDS = 4.0


class Follower:
    """Keeps a node, which is asked at `listen_port` (0: unsaid), level with the log at `address`. `run` never ends."""

    def __init__(self, engine: Engine, progress: Progress, address: tuple[str, int], logger: Logger) -> None:
        self.heard = Heard()
        self.listen_port = 0
        self.context = context = ApplyContext(
            engine=engine,
            progress=progress,
            appliers=NativeThreads(_APPLIER_THREADS),
            slow=NativeThreads(_SLOW_THREADS),
            link=LogLink(),
            files=FileWatch(engine),
            answers=AnswersUnderWay(),
            logger=logger,
        )
        self._followed = FollowedLog(engine, progress, context.slow, logger)
        self.catch_up = CatchUp(engine, progress, context.link, self._followed)
        self.queues = ApplyQueues(context, self.catch_up, KeptStates(context, self.catch_up))
        self.incoming = IncomingFrames(context, self._followed, self.queues)
        self.heartbeats = Heartbeats(context, self._followed, self.catch_up)
        self._address = address
        self._notices = _Notices(f"{address[0]}:{address[1]}", logger)
        self._process = f"{random.getrandbits(64):016x}"

    def run(self) -> None:
        """Connect, follow, and connect again with jittered back-off, for ever."""
        helpers = NodeUpkeep(self.context, self.queues).start()
        backoff = Backoff(_RETRY_FIRST_SECONDS, _RETRY_MAX_SECONDS)
        try:
            while True:
                began = time.monotonic()
                self.context.log_errors(self._attempt)
                if time.monotonic() - began > _RETRY_MAX_SECONDS:
                    backoff.reset()
                gevent.sleep(backoff.next_seconds())
        finally:
            gevent.killall(helpers)

    def stop(self) -> None:
        """End the connection, let what is being applied be finished."""
        self.context.link.reconnect()
        self.queues.stop_all()
        self.context.appliers.join()

    def leave(self) -> None:
        """Say that this node is about to end, and wait a moment until what the proxy has under way here is over."""
        if self.context.link.is_open:
            self.context.link.send({"t": "leaving"})
            self.incoming.left.wait(_LEAVE_SECONDS)

    def _attempt(self) -> None:
        try:
            sock = socket.create_connection(self._address, timeout=_CONNECT_SECONDS)
        except OSError as error:
            self._notices.waiting(plain_reason(error))
            return
        beats = None
        try:
            # The host is heard at every beat: one that is silent for so long is gone, whatever TCP still believes.
            sock.settimeout(_SILENCE_SECONDS)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            hello = self._hello()
            metadata = {"follow": hello.encode()}
            sock.sendall(with_metadata(metadata, FOLLOW_STATEMENT))
            frames = FrameSocket(sock)
            first = frames.receive()
            self.heard.now()
            if first is None or first["t"] != "welcome":
                self._notices.refused(first)
                return
            self._accepted(Welcome.decode(first))
            self.context.link.begin(frames)
            self.incoming.begin()
            self._tell_moved(hello)
            beats = gevent.spawn(self.context.log_errors, self.heartbeats.run, frames)
            while (frame := frames.receive()) is not None:
                self.heard.now()
                self.incoming.receive(frame)
        except (OSError, ValueError, KeyError) as error:
            self.context.logger.debug("log_connection_lost", reason=str(error))
            if not self.context.link.is_connected:
                self._notices.waiting(f"what listens there does not answer as DirkDB: {error}")
        finally:
            if beats is not None:
                beats.kill()
            self._disconnected(sock)

    def _hello(self) -> Hello:
        followed = self._followed
        return introduce(self.context.engine, followed.genesis, self._process, self.listen_port, followed.epoch)

    def _accepted(self, welcome: Welcome) -> None:
        self._followed.welcomed(welcome)
        self.heartbeats.welcomed(welcome.beat_seconds)
        self.heard.expect(welcome.beat_seconds)
        self.catch_up.welcomed(welcome.heads)
        self._followed.hear_heads(dict(welcome.heads))
        self.context.progress.welcomed(welcome.heads)
        self.queues.welcomed()
        self.catch_up.check()
        self._notices.connected()
        self.context.link.is_connected = True
        self.context.logger.info("following", log=self._notices.address)

    def _tell_moved(self, hello: Hello) -> None:
        """Say where databases are that what came on the connection before has moved since the hello was made."""
        for log_id, database in self.context.engine.logs().items():
            said, at = hello.standings.get(log_id), database.position
            if at.index if said is None else (said.applied, said.chain) != (at.index, at.chain):
                self.context.link.send(frame_types.stands(log_id, at.index, at.chain))

    def _disconnected(self, sock: socket.socket) -> None:
        link = self.context.link
        link.end()
        sock.close()
        self.incoming.end()
        if link.is_connected:
            link.is_connected = False
            self._notices.waiting("the connection ended")


class _Notices:
    """Says once why the node does not follow the log at `address`, until it does."""

    def __init__(self, address: str, logger: Logger) -> None:
        self.address = address
        self._logger = logger
        self._is_waiting_said = False
        self._refusal_said = ""

    def waiting(self, reason: str) -> None:
        """No connection can be made, or there was one."""
        if not self._is_waiting_said:
            self._is_waiting_said = True
            self._logger.info("waiting", **{"for": "log"}, at=self.address, reason=reason)

    def refused(self, frame: dict[str, Any] | None) -> None:
        """The host does not take this node in."""
        # Nothing else that was said meanwhile (the host went away) says this.
        reason = str((frame.get("text") or frame.get("key", "unknown")) if frame else "closed")
        if reason != self._refusal_said:
            self._refusal_said, self._is_waiting_said = reason, True
            self._logger.error("log_refused", reason=reason)

    def connected(self) -> None:
        """The host has taken this node in: what is in the way the next time is said again."""
        self._is_waiting_said, self._refusal_said = False, ""
