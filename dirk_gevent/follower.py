"""A node's side of the log: receives entries, has them applied, acknowledges, and comes back by itself.

One greenlet receives; each log has a lane whose entries one greenlet at a time has applied on a native thread;
the heartbeat has its own greenlet and waits behind nobody.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
from gevent import socket
from gevent.event import Event

from dirk_gevent import replication
from dirk_gevent.answer_work import AnswersUnderWay
from dirk_gevent.apply_context import ApplyContext
from dirk_gevent.base.logger import Logger
from dirk_gevent.base.startup import plain_reason
from dirk_gevent.beats import heartbeat
from dirk_gevent.catch_up import CatchUp
from dirk_gevent.engine.database import Database
from dirk_gevent.engine.engine import Engine
from dirk_gevent.engine.faults import StorageFault
from dirk_gevent.engine.position import NodeState
from dirk_gevent.file_watch import FileWatch
from dirk_gevent.followed import FollowedLog
from dirk_gevent.heard import Heard
from dirk_gevent.introduction import introduce
from dirk_gevent.kept_states import KeptStates
from dirk_gevent.lane_items import Batch, Fence, Mark, Restore
from dirk_gevent.log_link import LogLink
from dirk_gevent.loop.frame_socket import FrameSocket
from dirk_gevent.loop.threads import NativeThreads
from dirk_gevent.open_lanes import OpenLanes
from dirk_gevent.pieces import Arrivals
from dirk_gevent.precedence import Way
from dirk_gevent.progress import Progress
from dirk_gevent.protocol.frames import FOLLOW_STATEMENT, split_entries
from dirk_gevent.protocol.metadata import with_metadata
from dirk_gevent.replication import Hello, Welcome

_CONNECT_SECONDS = 2.0
_SILENCE_SECONDS = 10.0
#: A proxy that was away takes writes again once a master has come back to it: that wait is all writers'.
_RETRY_FIRST_SECONDS, _RETRY_MAX_SECONDS = 0.1, 0.75
_APPLIER_THREADS, _SLOW_THREADS = 4, 2
_CHECKPOINT_SECONDS = 5.0
_LEAVE_SECONDS = 4.0
_REST_SECONDS = 1.0


class Follower:
    """Keeps a node, which is asked at `listen_port` (0: unsaid), level with the log at `place`. `run` never ends."""

    def __init__(self, engine: Engine, progress: Progress, place: tuple[str, int], logger: Logger) -> None:
        self.engine, self.progress, self.logger = engine, progress, logger
        self.heard = Heard()
        self.listen_port = 0
        self.link = LogLink()
        self.appliers = NativeThreads(_APPLIER_THREADS)
        self.slow = NativeThreads(_SLOW_THREADS)
        self._files = FileWatch(engine)
        self._answers = AnswersUnderWay()
        self._context = ApplyContext(
            engine=engine,
            progress=progress,
            appliers=self.appliers,
            slow=self.slow,
            link=self.link,
            files=self._files,
            answers=self._answers,
            logger=logger,
        )
        self._followed = FollowedLog(engine, progress, self.slow, logger)
        self.catch_up = CatchUp(engine, progress, self.link, self._followed)
        self.lanes = OpenLanes(self._context, self.catch_up, KeptStates(self._context, self.catch_up))
        self._place = place
        self._arrivals = Arrivals(engine.directory.path)
        #: The durable indexes that the host has heard of, by log.
        self._told: dict[int, int] = {}
        #: Set when the host sends nothing new here and nothing is under way, or when there is no host.
        self._left = Event()
        self._beat_seconds, self._said_waiting, self._said_refused = 0.5, False, ""
        self._process = f"{random.getrandbits(64):016x}"

    def run(self) -> None:
        """Connect, follow, and connect again with jittered back-off, for ever."""
        helpers = [gevent.spawn(self._guarded, one) for one in (self._checkpoint_all, self._rest, self._tell_damage)]
        pause = _RETRY_FIRST_SECONDS
        try:
            while True:
                began = time.monotonic()
                self._guarded(self._attempt)
                pause = _RETRY_FIRST_SECONDS if time.monotonic() - began > _RETRY_MAX_SECONDS else pause
                gevent.sleep(pause * random.uniform(0.5, 1.0))
                pause = min(pause * 2, _RETRY_MAX_SECONDS)
        finally:
            gevent.killall(helpers)

    def stop(self) -> None:
        """End the connection, let what is being applied be finished."""
        self.link.reconnect()
        self.lanes.stop_all()
        self.appliers.join()

    def leave(self) -> None:
        """Say that this node is about to end, and wait a moment until what the proxy has under way here is over."""
        if self.link.is_open:
            self.link.send({"t": "leaving"})
            self._left.wait(_LEAVE_SECONDS)

    # -- one connection ---------------------------------------------------------------------------------------

    def _attempt(self) -> None:
        try:
            sock = socket.create_connection(self._place, timeout=_CONNECT_SECONDS)
        except OSError as error:
            self._say_waiting(plain_reason(error))
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
                self._refused(first)
                return
            self._accepted(Welcome.decode(first))
            self.link.begin(frames)
            self._left.clear()
            self._tell_moved(hello)
            beats = gevent.spawn(self._guarded, self._beat_all, frames)
            while (frame := frames.receive()) is not None:
                self.heard.now()
                self._receive(frame)
        except (OSError, ValueError, KeyError) as error:
            self.logger.debug("log_connection_lost", reason=str(error))
            if not self.link.is_connected:
                self._say_waiting(f"what listens there does not answer as DirkDB: {error}")
        finally:
            if beats is not None:
                beats.kill()
            self._disconnected(sock)

    def _tell_moved(self, hello: Hello) -> None:
        """Say where databases are that what came on the connection before has moved since the hello was made."""
        for log_id, database in self.engine.logs().items():
            said, at = hello.standings.get(log_id), database.position
            if at.index if said is None else (said.applied, said.chain) != (at.index, at.chain):
                self.link.send(replication.stands(log_id, at.index, at.chain))

    def _disconnected(self, sock: socket.socket) -> None:
        self.link.end()
        self._left.set()
        sock.close()
        self.lanes.cut_all()
        self._arrivals.drop_all()
        if self.link.is_connected:
            self.link.is_connected = False
            self._say_waiting("the connection ended")

    def _hello(self) -> Hello:
        return introduce(self.engine, self._followed.genesis, self._process, self.listen_port, self._followed.epoch)

    def _refused(self, frame: dict[str, Any] | None) -> None:
        # Nothing else that was said meanwhile (the host went away) says this.
        reason = str((frame.get("text") or frame.get("key", "unknown")) if frame else "closed")
        if reason != self._said_refused:
            self._said_refused, self._said_waiting = reason, True
            self.logger.error("log_refused", reason=reason)

    def _accepted(self, welcome: Welcome) -> None:
        self._followed.welcomed(welcome)
        self._beat_seconds = welcome.beat_seconds
        self.heard.expect(welcome.beat_seconds)
        self._told.clear()
        self.catch_up.welcomed(welcome.heads)
        self._followed.hear_heads(dict(welcome.heads))
        self.progress.welcomed(welcome.heads)
        self.lanes.welcomed()
        self.catch_up.check()
        self._said_waiting, self._said_refused = False, ""
        self.link.is_connected = True
        self.logger.info("following", log=f"{self._place[0]}:{self._place[1]}")

    def _say_waiting(self, reason: str) -> None:
        if not self._said_waiting:
            self._said_waiting = True
            self.logger.info("waiting", **{"for": "log"}, at=f"{self._place[0]}:{self._place[1]}", reason=reason)

    # -- frames -----------------------------------------------------------------------------------------------

    def _receive(self, frame: dict[str, Any]) -> None:
        kind = frame["t"]
        if kind == "left":
            self._left.set()
            return
        self._followed.hear_epoch(bytes.fromhex(frame.get("epoch", "")))
        if kind == "beat":
            self.progress.log_time.heard(int(frame["clock"]))
            self._followed.hear_heads(replication.indexes_in(frame["heads"]))
            return
        log_id = int(frame["log"])
        if self.lanes.is_gone(log_id):
            return
        lane = self.lanes.open(log_id)
        if kind == "entries":
            before, after = bytes.fromhex(frame["chain"]), bytes.fromhex(frame["after"])
            lane.put(Batch(int(frame["first"]), before, tuple(split_entries(frame["body"])), after))
        elif kind == "mark":
            lane.put(Mark(int(frame["index"]), bool(frame["upload"]), Way(frame["way"]), int(frame["ask"])))
        elif kind == "fence":
            lane.put(Fence())
        elif kind == "halt":
            self.link.send(replication.halted(log_id, lane.halt()))
        elif kind in ("snapshot", "chunk", "snapshot_end"):
            arrived = self._arrivals.take(frame)
            if arrived is not None:
                lane.put(Restore(arrived) if isinstance(arrived, Path) else arrived)
        elif kind == "refuse":
            self.logger.error("log_refused", log=log_id, reason=frame["key"])

    # -- beats and checkpoints --------------------------------------------------------------------------------

    def _beat_all(self, frames: FrameSocket) -> None:
        while True:
            unwritten = self._unwritten_states()
            with frames.turn():
                self.link.send(heartbeat(self.engine.logs(), self._told, unwritten, self._answers.counts()))
            gevent.sleep(self._beat_seconds)

    def _unwritten_states(self) -> dict[int, str]:
        """Every log as stalled while the directory takes nothing; nothing once it does."""
        if self._followed.is_unwritten:
            self._followed.write_down()
            self.catch_up.check()
        return dict.fromkeys(self.catch_up.target, str(NodeState.STALLED)) if self._followed.is_unwritten else {}

    def _rest(self) -> None:
        while True:
            gevent.sleep(_REST_SECONDS)
            self._guarded(self.engine.end_idle_reads)

    def _checkpoint_all(self) -> None:
        """Checkpoint what has changed, busy or idle, so that the log learns what a power cut can't take back."""
        for db in self.engine.logs().values():
            self._files.note(db)  # Another program may write to one before the first checkpoint.
        while True:
            gevent.sleep(_CHECKPOINT_SECONDS)
            for log_id, db in self.engine.logs().items():
                if not db.is_loaded:
                    self.lanes.open(log_id).retry()
                    continue
                if self._files.is_touched(db):
                    self.link.send({"t": "touched", "log": log_id})
                if db.wants_checkpoint and log_id in self.engine.logs():
                    self._guarded(self._checkpoint, db)
                    self._files.note(db)
            self._files.keep_only(self.engine.logs())

    def _checkpoint(self, database: Database) -> None:
        try:
            self.slow.call(database.checkpoint)
        except StorageFault as fault:
            if fault.is_damage:
                self._context.report_damage(database, str(fault))
            else:
                self.logger.error("checkpoint_failed", log=database.log_id, reason=str(fault))

    def _tell_damage(self) -> None:
        """Reads find damage, too."""
        while True:
            database, fault = self.progress.damage.get()
            self._context.report_damage(database, str(fault))

    def _guarded(self, work: Callable[..., None], *arguments: Any) -> None:
        try:
            work(*arguments)
        except Exception as error:
            self.logger.exception("follower_failed", error)
