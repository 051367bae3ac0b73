"""Sends one node the entries and snapshots of the logs, as far as their windows allow."""

from __future__ import annotations

import gevent
from gevent.lock import Semaphore

from dirk_gevent.coordinator.link_parts import LinkParts
from dirk_gevent.coordinator.node_connection import NodeConnection
from dirk_gevent.coordinator.send_window import SendWindow
from dirk_gevent.log.records import EntriesGoneError, LogDamagedError
from dirk_gevent.replication import frame_types
from dirk_gevent.replication.transfer import and_then, send_file
from dirk_parser.errors import SqlError

#: Snapshots on their way to one node at one time: each is an open file and a piece in memory.
_MOST_SEEDS = 4
CHUNK_MAX_BYTES = 1024 * 1024
#: A log whose journal is being opened anew is read again after so long.
_READ_AGAIN_SECONDS = 0.02


class LogSender:
    """Sends what the node of one connection lacks. `run` blocks for as long as the connection stands."""

    def __init__(self, parts: LinkParts, connection: NodeConnection) -> None:
        self._parts = parts
        self._state = parts.state
        self._log = parts.state.log
        self._node = connection.node
        self._frames = connection.frames
        self._queue = connection.queue
        self._epoch = connection.epoch
        self._spawn = connection.spawn
        self._seeds = Semaphore(_MOST_SEEDS)

    def run(self) -> None:
        """Send whatever has its turn."""
        for log_id, window in self._queue.turns():
            if self._send_some(log_id, window):
                self._queue.poke(log_id)

    def go_on(self, log_id: int, window: SendWindow) -> None:
        """Send what follows where the node stands: entries, or a snapshot where it must begin with one."""
        is_gone = window.sent + 1 < self._log.reads.oldest(log_id)
        if is_gone or self._parts.older.is_seeded(self._node, log_id, window.sent):
            self._seed(log_id, window)
        else:
            self._queue.poke(log_id)

    def fence(self, log_id: int) -> None:
        """Tell the node that its state of this log is wrong: it keeps it aside and starts from a snapshot."""
        window = self._queue.windows.get(log_id)
        if window is None or window.is_seeding:
            # Nothing of this log goes there now, or what does would mix with what follows: it hears when it is back.
            self._frames.close()
        else:
            window.restart(0)
            window.mark = None
            window.ask_anew()
            window.is_seeding = window.is_fencing = True
            self._spawn(self._send_fence, log_id, window)

    def _send_fence(self, log_id: int, window: SendWindow) -> None:
        self._frames.send({"t": "fence", "log": log_id})
        self._send_snapshot(log_id, window)

    def _send_some(self, log_id: int, window: SendWindow) -> bool:
        """Send the next entries or the mark of a log; whether there may be more to send at once."""
        if window.mark is not None and window.sent >= window.mark:
            asked, window.mark = window.mark, None
            how = {"upload": window.mark_uploads, "way": window.mark_way, "ask": window.ask}
            self._frames.send({"t": "mark", "log": log_id, "index": asked, **how})
        if window.is_full or self._queue.holds_back(log_id, window):
            return False
        after = window.sent
        if not self._parts.older.may_send(self._node, log_id, after):
            if self._parts.older.is_seeded(self._node, log_id, after):
                self._seed(log_id, window)
            return False
        try:
            chunk = self._log.reads.read(log_id, after, CHUNK_MAX_BYTES)
        except EntriesGoneError:
            if self._state.head_index(log_id) > window.sent and not window.is_seeding:
                self._seed(log_id, window)
            return False
        except LogDamagedError as error:
            return self._go_round(error, window)
        except SqlError as error:
            return self._is_read_again(log_id, error)
        if window.is_seeding or window.sent != after:
            # Fenced while the journal was read: what comes next depends on the snapshot.
            return False
        if window.mark is not None:
            chunk = chunk.cut(max(0, window.mark - window.sent))
        if not chunk.entries:
            return window.mark is not None and window.sent >= window.mark
        frame = self._parts.entry_frames.of(chunk, self._epoch.current)
        self._queue.on_sent(window, len(chunk.entries), frame.body_bytes, chunk.chain_after)
        self._frames.send_frame(frame.encoded)
        return True

    def _is_read_again(self, log_id: int, error: SqlError) -> bool:
        """True when a log that could not be read can be at once: later, if its journal is opened anew after a fault."""
        if error.key == "log_unavailable":
            gevent.spawn_later(_READ_AGAIN_SECONDS, self._queue.poke, log_id)
        elif (window := self._queue.windows.pop(log_id, None)) is not None and window.mark is not None:
            self._parts.rounds.failed(self._node, log_id, window.mark)
        return False

    def _go_round(self, error: LogDamagedError, window: SendWindow) -> bool:
        """Damage in the node's next entry: a snapshot behind it helps, else it waits; whether more can be sent."""
        if (applied := self._parts.integrity.past(self._node, error)) is not None:
            window.jump(applied, self._log.reads.chain_at(error.log_id, applied) or b"")
        elif not window.is_seeding and self._parts.integrity.is_covered(error):
            self._seed(error.log_id, window)
        else:
            self._parts.integrity.held(self._node, error.log_id)
        return applied is not None

    def _seed(self, log_id: int, window: SendWindow) -> None:
        if self._parts.integrity.can_seed(self._node, log_id):
            window.is_seeding = True
            self._spawn(self._send_snapshot, log_id, window)

    def _send_snapshot(self, log_id: int, window: SendWindow) -> None:
        try:
            with self._seeds:
                self._send_latest(log_id, window)
            self._state.cluster.nodes[self._node].databases.let_go(log_id)
        except SqlError as error:
            self._state.logger.info("seeding_broken", node=self._node, log=log_id, reason=str(error))
            gevent.sleep(self._state.beat_seconds)
        window.is_seeding = False
        self._queue.poke(log_id)

    def _send_latest(self, log_id: int, window: SendWindow) -> None:
        info = self._log.snapshots.latest(log_id)
        if info is None:
            window.restart(0)
        else:
            self._state.logger.info("seeding", node=self._node, log=log_id, index=info.index, bytes=info.size_bytes)
            reader = self._log.snapshots.open(log_id, info.index)
            try:
                fields = {**frame_types.snapshot_fields("snapshot", info), "epoch": self._epoch.current.hex()}
                # Before the end is sent: the node may have it, and say so, before this goes on.
                read = and_then(reader.read, lambda: window.jump(info.index, info.chain))
                send_file(self._frames.send, fields, read, {"t": "snapshot_end", "log": log_id})
            finally:
                reader.close()
