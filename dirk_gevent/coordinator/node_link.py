"""The log's side of one node's subscription: a greenlet receives, one sends, one sends heartbeats."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import gevent
from gevent.event import Event
from gevent.lock import Semaphore

from dirk_gevent.coordinator.divergence.registry import Cause
from dirk_gevent.coordinator.link_parts import LinkParts
from dirk_gevent.coordinator.mark_replies import MarkReplies
from dirk_gevent.coordinator.send_lane import SendLane
from dirk_gevent.log.contract import EntriesGoneError, LogDamagedError, Watch
from dirk_gevent.loop.frame_socket import FrameSocket
from dirk_gevent.replication import frame_types
from dirk_gevent.replication.frame_types import Acks, Halted, Hello
from dirk_gevent.replication.precedence import Way
from dirk_gevent.replication.transfer import and_then, send_file
from parser.errors import SqlError

#: What may be on its way over all logs: past it a log has one message on its way, so that a stalled one stops no other.
LINK_WINDOW_BYTES = 256 * 1024 * 1024
#: Snapshots on their way to one node at one time: each is an open file and a piece in memory.
_MOST_SEEDS = 4
CHUNK_MAX_BYTES = 1024 * 1024
_LOOK_SECONDS = 0.02


class NodeLink:
    """One node's subscription, from its hello to the end of the connection. `run` blocks for all that time."""

    def __init__(self, parts: LinkParts, frames: FrameSocket, hello: Hello) -> None:
        self.node = hello.node
        self._parts = parts
        self._state = parts.state
        self._log = parts.state.log
        self._frames = frames
        self._hello = hello
        self._lanes: dict[int, SendLane] = {}
        self._refused: dict[int, int] = {}
        self._pending: set[int] = set()
        #: Logs that have more to send once the node has applied some of what is on its way.
        self._held_back: set[int] = set()
        self._flying_bytes = 0
        self._seeds = Semaphore(_MOST_SEEDS)
        self._wake = Event()
        self._told_heads: dict[int, int] = {}
        self.halt_answers: dict[int, Halted] = {}
        self._replies = MarkReplies(
            parts.state, parts.rounds, self.node, self._lanes, partial(gevent.spawn, self._guarded)
        )
        #: Whether it is settled where the node goes on in each log.
        self.is_open = False
        # A person's rebuild replaced the log that this node followed: what it has beyond is kept aside, not obeyed.
        self._from_predecessor, self._speaks_against = parts.evidence.is_given_up(hello), False

    def run(self) -> None:
        """Serve the node until either side ends. Raises OSError or ValueError from the connection."""
        # The bell first, so that no log that begins meanwhile is missed.
        watch = self._log.watch()
        self._speaks_against = self._parts.evidence.speaks_against(self._hello)
        heads = {log_id: head.index for log_id, head in self._log.heads().items()}
        helpers: list[gevent.Greenlet[..., None]] = []
        try:
            self._frames.send(self._parts.evidence.welcome(self._hello, heads, self._epoch).encode())
            for log_id in sorted(heads):
                self.open_lane(log_id)
            self.is_open = True
            helpers.append(gevent.spawn(self._guarded, self._listen, watch))
            helpers += [gevent.spawn(self._guarded, one) for one in (self._send_all, self._beat_all)]
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
        """Whether entries of a log go to the node: not while what it has speaks against the log."""
        return log_id in self._lanes

    def mark(self, log_id: int, index: int, uploads: bool, way: Way = Way.BESIDE) -> bool:
        """Ask for the content digest at exactly `index`, and the snapshot itself if `uploads`.

        False, and nothing is asked, when more than that was sent already, or nothing of this log goes to the node.
        """
        lane = self._lanes.get(log_id)
        if lane is None or lane.sent > index:
            return False
        lane.mark, lane.mark_uploads, lane.mark_way = index, uploads, way
        lane.ask_anew()
        self.poke(log_id)
        return True

    def fence(self, log_id: int) -> None:
        """The node's state of this log is wrong: it keeps it aside and starts from a snapshot."""
        lane = self._lanes.get(log_id)
        if lane is None or lane.is_seeding:
            # Nothing of this log goes there now, or what does would mix with what follows: it hears when it is back.
            self.close()
        else:
            lane.restart(0)
            lane.mark = None
            lane.ask_anew()
            lane.is_seeding = lane.is_fencing = True
            gevent.spawn(self._guarded, self._send_fence, log_id, lane)

    def _send_fence(self, log_id: int, lane: SendLane) -> None:
        self._frames.send({"t": "fence", "log": log_id})
        self._send_snapshot(log_id, lane)

    def open_lane(self, log_id: int) -> None:
        """Decide where the node goes on in one log: from where it is, from a snapshot, fenced, or not at all."""
        if self._state.cluster.nodes[self.node].is_evicted(log_id):
            return
        standing = self._hello.standings.get(log_id)
        head = self._log.head(log_id).index
        if standing is None:
            if self._state.is_shut_out(self.node, log_id):
                self._parts.fences.done(self.node, log_id, "")
            self._parts.fences.follows(self.node, log_id)
            self._lanes[log_id] = lane = SendLane(0, 0)
            self._continue(log_id, lane)
            return
        if self._state.is_shut_out(self.node, log_id):
            # What is shut out does not speak against the log either.
            self._lanes[log_id] = SendLane(standing.applied, standing.applied)
            self.fence(log_id)
            return
        if not self._from_predecessor and (lacks := self._parts.evidence.lacks(self._hello, log_id, head)):
            self._refuse(log_id, lacks)
            return
        self._lanes[log_id] = lane = SendLane(standing.applied, standing.applied)
        self._parts.integrity.vouch(self.node, log_id, standing)
        if (hashes := self._parts.fences.apart(log_id, standing)) is not None:
            if self._parts.evidence.is_believed(self.node):
                self._refused[log_id] = self._lanes.pop(log_id).applied
            else:
                self._parts.fences.fence(self.node, log_id, standing.applied, Cause.HISTORY, hashes)
            return
        self._parts.fences.follows(self.node, log_id)
        self._parts.reports.applied(self.node, log_id, standing.applied)
        # What was applied while no connection stood is sent again: writers and headers wait for the recorded outcomes.
        untold = self._parts.reports.unreported_index(self.node, log_id, standing.applied)
        if self._log.oldest(log_id) <= untold + 1 <= standing.applied:
            lane.restart(untold)
        self._continue(log_id, lane)

    @property
    def _epoch(self) -> bytes:
        """The epoch as this node is told it: none as long as what it has from another may still have to speak."""
        is_fenced = bool(self._state.cluster.nodes[self.node].databases.fenced)
        is_given_up = self._from_predecessor and self.is_open and not is_fenced
        return b"" if self._speaks_against and not is_given_up else self._log.epochs.current

    def _refuse(self, log_id: int, lacks: tuple[int, int]) -> None:
        self._refused[log_id] = lacks[1]
        self._parts.evidence.is_older(self.node, log_id, lacks, self._hello.epoch)
        self._frames.send({"t": "refuse", "log": log_id, "key": "log_older_than_node"})

    def _continue(self, log_id: int, lane: SendLane) -> None:
        if lane.sent + 1 < self._log.oldest(log_id) or self._parts.older.is_seeded(self.node, log_id, lane.sent):
            self._seed(log_id, lane)
        else:
            self.poke(log_id)

    def poke(self, log_id: int) -> None:
        """There may be more of a log to send."""
        self._pending.add(log_id)
        self._wake.set()

    def halt(self, log_id: int) -> None:
        """Have the node begin nothing more of a log on this connection; its answer comes into `halt_answers`."""
        self.halt_answers.pop(log_id, None)
        self._frames.send({"t": "halt", "log": log_id})

    def stands_at(self, log_id: int) -> int | None:
        """Up to which index the node is known to have applied a log; None while a snapshot is on its way there."""
        lane = self._lanes.get(log_id)
        return None if lane is None or lane.is_seeding else lane.applied

    def _listen(self, watch: Watch) -> None:
        fences, is_evicted = self._parts.fences, self._state.cluster.nodes[self.node].is_evicted
        while changed := watch.wait():
            for log_id in changed | fences.taken_places(self._hello, changed, self._lanes):
                if log_id not in self._lanes and log_id not in self._refused and not is_evicted(log_id):
                    self._lanes[log_id] = SendLane(0, 0)
                    fences.begun(self._hello, log_id)
                self._pending.add(log_id)
            self._wake.set()

    def _send_all(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            # The system log goes first: it makes the databases that the others belong to.
            for log_id in sorted(self._pending):
                self._pending.discard(log_id)
                lane = self._lanes.get(log_id)
                if lane is not None and not lane.is_seeding and self._send_some(log_id, lane):
                    self.poke(log_id)

    def _send_some(self, log_id: int, lane: SendLane) -> bool:
        """Send the next entries or the mark of a log; whether there may be more to send at once."""
        if lane.mark is not None and lane.sent >= lane.mark:
            asked, lane.mark = lane.mark, None
            how = {"upload": lane.mark_uploads, "way": lane.mark_way, "ask": lane.ask}
            self._frames.send({"t": "mark", "log": log_id, "index": asked, **how})
        if lane.is_full:
            return False
        if lane.flying and self._is_full():
            self._held_back.add(log_id)
            return False
        after = lane.sent
        if not self._parts.older.may_send(self.node, log_id, after):
            if self._parts.older.is_seeded(self.node, log_id, after):
                self._seed(log_id, lane)
            return False
        try:
            chunk = self._log.read(log_id, after, CHUNK_MAX_BYTES)
        except EntriesGoneError:
            if self._state.head_index(log_id) > lane.sent and not lane.is_seeding:
                self._seed(log_id, lane)
            return False
        except LogDamagedError as error:
            return self._go_round(error, lane)
        except SqlError as error:
            return self._is_read_again(log_id, error)
        if lane.is_seeding or lane.sent != after:
            # Fenced while the journal was read: what comes next depends on the snapshot.
            return False
        if lane.mark is not None:
            chunk = chunk.cut(max(0, lane.mark - lane.sent))
        if not chunk.entries:
            return lane.mark is not None and lane.sent >= lane.mark
        frame = self._parts.entry_frames.of(chunk, self._epoch)
        lane.took_off(len(chunk.entries), frame.body_bytes, chunk.chain_after)
        self._flying_bytes += frame.body_bytes
        self._frames.send_frame(frame.encoded)
        return True

    def _is_read_again(self, log_id: int, error: SqlError) -> bool:
        """Whether a log that could not be read can be at once: later, if its journal is opened anew after a fault."""
        if error.key == "log_unavailable":
            gevent.spawn_later(_LOOK_SECONDS, self.poke, log_id)
        elif (lane := self._lanes.pop(log_id, None)) is not None and lane.mark is not None:
            self._parts.rounds.failed(self.node, log_id, lane.mark)
        return False

    def _go_round(self, error: LogDamagedError, lane: SendLane) -> bool:
        """What the node needs next is damaged: a snapshot behind it helps, else it waits; whether more can be sent."""
        if (applied := self._parts.integrity.past(self.node, error)) is not None:
            lane.jump(applied, self._log.chain_at(error.log_id, applied) or b"")
        elif not lane.is_seeding and self._parts.integrity.is_covered(error):
            self._seed(error.log_id, lane)
        else:
            self._parts.integrity.held(self.node, error.log_id)
        return applied is not None

    def _seed(self, log_id: int, lane: SendLane) -> None:
        if self._parts.integrity.can_seed(self.node, log_id):
            lane.is_seeding = True
            gevent.spawn(self._guarded, self._send_snapshot, log_id, lane)

    def _send_snapshot(self, log_id: int, lane: SendLane) -> None:
        try:
            with self._seeds:
                self._send_latest(log_id, lane)
            self._state.cluster.nodes[self.node].databases.let_go(log_id)
        except SqlError as error:
            self._state.logger.info("seeding_broken", node=self.node, log=log_id, reason=str(error))
            gevent.sleep(self._state.beat_seconds)
        lane.is_seeding = False
        self.poke(log_id)

    def _send_latest(self, log_id: int, lane: SendLane) -> None:
        info = self._log.latest_snapshot(log_id)
        if info is None:
            lane.restart(0)
        else:
            self._state.logger.info("seeding", node=self.node, log=log_id, index=info.index, bytes=info.size_bytes)
            reader = self._log.open_snapshot(log_id, info.index)
            try:
                fields = {**frame_types.snapshot_fields("snapshot", info), "epoch": self._epoch.hex()}
                # Before the end is sent: the node may have it, and say so, before this goes on.
                read = and_then(reader.read, lambda: lane.jump(info.index, info.chain))
                send_file(self._frames.send, fields, read, {"t": "snapshot_end", "log": log_id})
            finally:
                reader.close()

    def _beat_all(self) -> None:
        while True:
            heads = {log_id: head.index for log_id, head in self._log.heads().items()}
            changed = {i: at for i, at in heads.items() if self._told_heads.get(i) != at}
            self._frames.send(frame_types.host_beat(changed, self._log.time_ms(), self._epoch))
            self._told_heads = heads
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
        elif kind == "fenced" and (lane := self._lanes.get(int(frame["log"]))) is not None and lane.is_fencing:
            lane.is_fencing = False
            self._parts.fences.done(self.node, int(frame["log"]), str(frame.get("kept") or ""))
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

    def _receive_standing(self, log_id: int, index: int, chain: bytes) -> None:
        """What came on the connection before moved the node behind its hello: the hello is made anew if it must be."""
        lane = self._lanes.get(log_id)
        if lane is None or self._state.is_shut_out(self.node, log_id):
            return
        if index < lane.began or self._log.chain_at(log_id, index) != chain:
            self._state.logger.info("hello_overtaken", node=self.node, log=log_id, index=index)
            self.close()
        else:
            self._parts.reports.applied(self.node, log_id, index)

    def _receive_acks(self, acks: Acks) -> None:
        lane = self._lanes.get(acks.log_id)
        if lane is None or self._state.is_shut_out(self.node, acks.log_id):
            return
        if not lane.is_answer(acks, self._log.chain_at):
            # The node comes again, and says where it stands.
            self._state.logger.info("acks_refused", node=self.node, log=acks.log_id, index=acks.upto)
            self.close()
            return
        self._parts.reports.outcomes_came(self.node, acks.log_id, acks.outcomes)
        if not self._state.is_shut_out(self.node, acks.log_id):
            self._advance(acks.log_id, acks.applied, lane)

    def _advance(self, log_id: int, index: int, lane: SendLane) -> None:
        self._parts.reports.applied(self.node, log_id, index)
        self._flying_bytes -= lane.flying_bytes
        lane.landed(index)
        self._flying_bytes += lane.flying_bytes
        if self._held_back and not self._is_full():
            self._pending |= self._held_back
            self._held_back.clear()
            self._wake.set()
        if lane.sent < self._state.head_index(log_id):
            self.poke(log_id)

    def _is_full(self) -> bool:
        """Whether as much is on its way as may be; what lanes that began anew had sent is found out only here."""
        if self._flying_bytes >= LINK_WINDOW_BYTES:
            self._flying_bytes = sum(lane.flying_bytes for lane in self._lanes.values())
        return self._flying_bytes >= LINK_WINDOW_BYTES

    def forget(self, log_id: int) -> None:
        """A database was dropped, and the node knows it."""
        self._lanes.pop(log_id, None)
