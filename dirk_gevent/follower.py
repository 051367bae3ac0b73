"""A node's side of the log: receives entries, has them applied, acknowledges, and comes back by itself.

One greenlet receives, another sends heartbeats; entries are applied by a greenlet a log, on native threads."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
from gevent import socket
from gevent.event import Event

from dirk_gevent.answer_work import AnswersUnderWay
from dirk_gevent.base.logger import Logger
from dirk_gevent.base.startup import plain_reason
from dirk_gevent.beats import heartbeat
from dirk_gevent.engine.database import Database
from dirk_gevent.engine.engine import Engine
from dirk_gevent.engine.faults import StorageFault
from dirk_gevent.engine.position import NodeState
from dirk_gevent.file_watch import FileWatch
from dirk_gevent.introduction import introduce
from dirk_gevent.kept_states import settle_later
from dirk_gevent.lane_items import Batch, Fence, Mark, Restore
from dirk_gevent.lanes import Lane
from dirk_gevent.loop.frame_socket import FrameSocket
from dirk_gevent.loop.threads import NativeThreads
from dirk_gevent.progress import Progress
from dirk_gevent.protocol.frames import FOLLOW_STATEMENT, split_entries
from dirk_gevent.protocol.metadata import with_metadata
from dirk_gevent.replication import frame_types
from dirk_gevent.replication.frame_types import Hello, Welcome
from dirk_gevent.replication.genesis import HeardEpoch, followed_log, keep_followed_log
from dirk_gevent.replication.last_heard import Heard
from dirk_gevent.replication.precedence import Way
from dirk_gevent.replication.transfer import Arrivals
from dirk_gevent.sender import Sender

_CONNECT_SECONDS = 2.0
_SILENCE_SECONDS = 10.0
#: A proxy that was away takes writes again once a master has come back to it: that wait is all writers'.
_RETRY_FIRST_SECONDS, _RETRY_MAX_SECONDS = 0.1, 0.75
_APPLIER_THREADS, _SLOW_THREADS = 4, 2
_CHECKPOINT_SECONDS = 5.0
_LEAVE_SECONDS = 4.0
_REST_SECONDS = 1.0
_MOST_GONE = 4096


class Follower:
    """Keeps a node, which is asked at `listen_port` (0: unsaid), level with the log at `place`. `run` never ends."""

    def __init__(self, engine: Engine, progress: Progress, place: tuple[str, int], logger: Logger) -> None:
        self.engine, self.progress, self.logger = engine, progress, logger
        self.heard = Heard()
        self.listen_port = 0
        self.appliers = NativeThreads(_APPLIER_THREADS)
        self.slow = NativeThreads(_SLOW_THREADS)
        self.answers = AnswersUnderWay()
        self.is_connected = False
        #: Set once this node has applied all that the log held when it connected.
        self.level = Event()
        self._target: dict[int, int] = {}
        self._new_genesis, self._kept_genesis, self._forgets = b"", b"", False
        self._epoch = HeardEpoch(engine.directory.path)
        self._place = place
        self._frames: FrameSocket | None = None
        self._lanes: dict[int, Lane] = {}
        self._arrivals = Arrivals(engine.directory.path)
        #: Databases dropped since the connection began: what still comes of them is not for anybody.
        self._gone: set[int] = set()
        #: Logs of which something came on this connection though their database is not here.
        self.skipped: set[int] = set()
        self._told: dict[int, int] = {}
        #: Set when the host sends nothing new here and nothing is under way, or when there is no host.
        self._left = Event()
        self.files = FileWatch(engine)
        self._beat_seconds, self._said_waiting, self._said_refused = 0.5, False, ""
        self._process = f"{random.getrandbits(64):016x}"
        #: The disk took neither the node's name nor the log's: every database here counts as stalled.
        self._is_unwritten = False

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
        self.reconnect()
        for lane in self._lanes.values():
            lane.stop()
        self.appliers.join()

    def check_level(self) -> None:
        """Find out whether the heads of the last welcome have all been applied, or are of databases that are gone."""
        if not self.skipped.isdisjoint(self.engine.logs()):
            # A database is here now of which something was left out: all of it is to be sent.
            self.reconnect()
        if self.level.is_set() and self._new_genesis == self._kept_genesis:
            return
        if self.progress.has_all(self._target):
            try:
                self._keep_genesis(self._new_genesis)
            except OSError as error:
                self._cannot_write(error)
                return
            self.level.set()

    def leave(self) -> None:
        """Say that this node is about to end, and wait a moment until what the proxy has under way here is over."""
        if self._frames is not None:
            self.send({"t": "leaving"})
            self._left.wait(_LEAVE_SECONDS)

    def reconnect(self) -> None:
        """Break the connection: the next hello says where each database stands."""
        if self._frames is not None:
            self._frames.close()

    def send(self, content: dict[str, Any], body: bytes = b"") -> None:
        """Tell the host something; nothing happens while there is no host."""
        if (frames := self._frames) is not None:
            try:
                frames.send(content, body)
            except OSError:
                # Part of a frame may be out: nothing more can be said on this connection.
                frames.close()

    def damaged(self, database: Database, reason: str) -> None:
        """A file can't be read any more: say so once, and have the host shut it out. Nothing happens without a host."""
        if not self.is_connected:
            return
        if database.state is NodeState.LIVE:
            self.logger.error("damaged", log=database.log_id, index=database.applied_index, reason=reason)
        database.set_state(NodeState.STALLED, reason)
        self.send({"t": "damaged", "log": database.log_id, "index": database.applied_index})

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
            self._frames = frames
            self._left.clear()
            self._tell_moved(hello)
            beats = gevent.spawn(self._guarded, self._beat_all, frames)
            while (frame := frames.receive()) is not None:
                self.heard.now()
                self._receive(frame)
        except (OSError, ValueError, KeyError) as error:
            self.logger.debug("log_connection_lost", reason=str(error))
            if not self.is_connected:
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
                self.send(frame_types.stands(log_id, at.index, at.chain))

    def _disconnected(self, sock: socket.socket) -> None:
        self._frames = None
        self._left.set()
        sock.close()
        for lane in self._lanes.values():
            lane.cut()
        self._arrivals.drop_all()
        if self.is_connected:
            self.is_connected = False
            self._say_waiting("the connection ended")

    def _hello(self) -> Hello:
        return introduce(self.engine, self._genesis(), self._process, self.listen_port, self._epoch.kept)

    def _refused(self, frame: dict[str, Any] | None) -> None:
        # Nothing else that was said meanwhile (the host went away) says this.
        reason = str((frame.get("text") or frame.get("key", "unknown")) if frame else "closed")
        if reason != self._said_refused:
            self._said_refused, self._said_waiting = reason, True
            self.logger.error("log_refused", reason=reason)

    def _accepted(self, welcome: Welcome) -> None:
        # Until all of a log that replaced another is applied here, this node still counts as the other's follower:
        # what it has beyond the new log is then kept aside, not taken for proof that the log is old.
        self._new_genesis, self._forgets = welcome.genesis, welcome.forgets
        self._epoch.hear(welcome.genesis, welcome.epoch)
        self._write_down()
        self._beat_seconds = welcome.beat_seconds
        self.heard.expect(welcome.beat_seconds)
        self._told.clear()
        self._gone.clear()
        self.skipped.clear()
        self._hear(dict(welcome.heads))
        self._target = dict(welcome.heads)
        self.progress.welcomed(welcome.heads)
        settle_later(self)
        self.check_level()
        self._said_waiting, self._said_refused = False, ""
        self.is_connected = True
        self.logger.info("following", log=f"{self._place[0]}:{self._place[1]}")

    def _write_down(self) -> None:
        """Note whose the directory is and which log it follows; a disk that refuses is tried again at each beat."""
        followed = self._genesis()
        try:
            if self._forgets or (followed is not None and followed != self._new_genesis):
                for db in self.engine.logs().values():
                    self.slow.call(db.forget_heard)
            self._forgets = False
            # Now the log remembers what of another node's directory it does not trust.
            self.engine.directory.set_owner(self.engine.node)
            if followed is None:
                self._keep_genesis(self._new_genesis)
            self._epoch.keep()
        except (OSError, StorageFault) as fault:
            self._cannot_write(fault)
        else:
            was_unwritten, self._is_unwritten = self._is_unwritten, False
            if was_unwritten:
                self.logger.info("resumed", directory=str(self.engine.directory.path))
                self._hear(dict(self.progress.heads))

    def _cannot_write(self, fault: OSError | StorageFault) -> None:
        if not self._is_unwritten:
            self._is_unwritten = True
            self.logger.error("stalled", directory=str(self.engine.directory.path), reason=str(fault))

    def _say_waiting(self, reason: str) -> None:
        if not self._said_waiting:
            self._said_waiting = True
            self.logger.info("waiting", **{"for": "log"}, at=f"{self._place[0]}:{self._place[1]}", reason=reason)

    def _genesis(self) -> bytes | None:
        return followed_log(self.engine.directory.path)

    def _keep_genesis(self, genesis: bytes) -> None:
        keep_followed_log(self.engine.directory.path, genesis)
        self._kept_genesis = genesis

    # -- frames -----------------------------------------------------------------------------------------------

    def _receive(self, frame: dict[str, Any]) -> None:
        kind = frame["t"]
        if kind == "left":
            self._left.set()
            return
        # Before what it leads to is applied here: else this would seem to know more of an earlier epoch than there was.
        if self._epoch.hear(self._new_genesis, bytes.fromhex(frame.get("epoch", ""))):
            self._write_down()
        if kind == "beat":
            self.progress.log_time.heard(int(frame["clock"]))
            self._hear(frame_types.indexes_in(frame["heads"]))
            return
        log_id = int(frame["log"])
        if log_id in self._gone:
            return
        lane = self.open_lane(log_id)
        if kind == "entries":
            before, after = bytes.fromhex(frame["chain"]), bytes.fromhex(frame["after"])
            lane.put(Batch(int(frame["first"]), before, tuple(split_entries(frame["body"])), after))
        elif kind == "mark":
            lane.put(Mark(int(frame["index"]), bool(frame["upload"]), Way(frame["way"]), int(frame["ask"])))
        elif kind == "fence":
            lane.put(Fence())
        elif kind == "halt":
            self.send(frame_types.halted(log_id, lane.halt()))
        elif kind in ("snapshot", "chunk", "snapshot_end"):
            arrived = self._arrivals.take(frame)
            if arrived is not None:
                lane.put(Restore(arrived) if isinstance(arrived, Path) else arrived)
        elif kind == "refuse":
            self.logger.error("log_refused", log=log_id, reason=frame["key"])

    def _hear(self, heads: dict[int, int]) -> None:
        # An epoch that is not kept: heard of in the one before, they would speak against a log that is right.
        logs = {} if self._is_unwritten else self.engine.logs()
        self.progress.heads.update(heads)
        for log_id, head in heads.items():
            if log_id in logs:
                logs[log_id].set_heard(head)

    def forget(self, log_id: int) -> None:
        """A database was dropped: its lane ends."""
        self._gone.add(log_id)
        if len(self._gone) > _MOST_GONE:
            # Nothing comes any more of those that were made, and dropped, so long ago.
            self._gone = set(sorted(self._gone)[_MOST_GONE // 2 :])
        self._told.pop(log_id, None)
        lane = self._lanes.pop(log_id, None)
        if lane is not None:
            lane.stop()

    def open_lane(self, log_id: int) -> Lane:
        """The lane of a log, which there is from now on."""
        return self._lanes.get(log_id) or self._lanes.setdefault(log_id, Lane(self, log_id))

    def lane(self, log_id: int) -> Lane | None:
        """The lane of a log, if anything of it came on this connection or before."""
        return self._lanes.get(log_id)

    # -- beats and checkpoints --------------------------------------------------------------------------------

    def _beat_all(self, frames: FrameSocket) -> None:
        while True:
            unwritten = self._unwritten_states()
            with frames.turn():
                self.send(heartbeat(self.engine.logs(), self._told, unwritten, self.answers.counts()))
            gevent.sleep(self._beat_seconds)

    def _unwritten_states(self) -> dict[int, str]:
        """Every log as stalled while the directory takes nothing; nothing once it does."""
        if self._is_unwritten:
            self._write_down()
            self.check_level()
        return dict.fromkeys(self._target, str(NodeState.STALLED)) if self._is_unwritten else {}

    def _rest(self) -> None:
        while True:
            gevent.sleep(_REST_SECONDS)
            self._guarded(self.engine.end_idle_reads)

    def _checkpoint_all(self) -> None:
        """Checkpoint what has changed, busy or idle, so that the log learns what a power cut can't take back."""
        for db in self.engine.logs().values():
            self.files.note(db)  # Another program may write to one before the first checkpoint.
        while True:
            gevent.sleep(_CHECKPOINT_SECONDS)
            for log_id, db in self.engine.logs().items():
                if not db.is_loaded:
                    self.open_lane(log_id).retry()
                    continue
                if self.files.is_touched(db):
                    self.send({"t": "touched", "log": log_id})
                if db.wants_checkpoint and log_id in self.engine.logs():
                    self._guarded(self._checkpoint, db)
                    self.files.note(db)
            self.files.keep_only(self.engine.logs())

    def _checkpoint(self, database: Database) -> None:
        try:
            self.slow.call(database.checkpoint)
        except StorageFault as fault:
            if fault.is_damage:
                self.damaged(database, str(fault))
            else:
                self.logger.error("checkpoint_failed", log=database.log_id, reason=str(fault))

    def _tell_damage(self) -> None:
        """Reads find damage, too."""
        while True:
            database, fault = self.progress.damage.get()
            self.damaged(database, str(fault))

    def sender(self) -> Sender:
        """`send` over the connection there is now."""
        frames = self._frames
        return Sender(self.send, lambda: self._frames is frames)

    def _guarded(self, work: Callable[..., None], *arguments: Any) -> None:
        try:
            work(*arguments)
        except Exception as error:
            self.logger.exception("follower_failed", error)
