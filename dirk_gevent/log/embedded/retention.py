"""The entries that the embedded log may forget: snapshots, truncation behind them, and the logs of dropped
databases."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace

from dirk_gevent.base import logger
from dirk_gevent.config.settings import LogSettings
from dirk_gevent.log.embedded.found_damage import FoundDamage
from dirk_gevent.log.embedded.journal_rows import FoundSnapshot, JournalContents
from dirk_gevent.log.embedded.journal_threads import JournalThreads
from dirk_gevent.log.embedded.log_state import LogState, State
from dirk_gevent.log.embedded.snapshot_files import OpenSnapshot, SnapshotFiles
from dirk_gevent.log.entry import SYSTEM_LOG_ID
from dirk_gevent.log.records import Head, SnapshotInfo
from dirk_parser.errors import SqlError

#: A dropped database's entries stay so long (log time) for nodes that still work on them, if nobody says earlier.
KEEP_DROPPED_MS = 10 * 60 * 1000

#: A stored snapshot is checked in pieces of this size.
_PIECE_BYTES = 256 * 1024


class Retention:
    """Snapshots and truncation of one embedded log. `state` gives the log's current state, which a reopening
    replaces.

    The order that a crash cannot break: a file is durable before the journal names it, and out of the
    journal before it is deleted; entries go only behind a snapshot that the journal names as confirmed.
    """

    def __init__(
        self,
        settings: LogSettings,
        threads: JournalThreads,
        contents: JournalContents,
        state: Callable[[], State],
        damage: FoundDamage,
    ) -> None:
        self._threads = threads
        self._state = state
        self._damage = damage
        self._files = SnapshotFiles(settings.directory, settings.reserve_bytes)
        self._files.damaged = self.note_rotten
        self._held: dict[int, list[FoundSnapshot]] = {}
        #: Where a log begins since a state was adopted, and its total bytes there; the last of each log.
        self._adopted: dict[int, tuple[Head, int]] = {}
        self._storing: set[int] = set()
        for snapshot in contents.snapshots:
            self._held.setdefault(snapshot.info.log_id, []).append(snapshot)
        for info in self._files.tidy([snapshot.info for snapshot in contents.snapshots], self._is_over):
            logger.logger("log").error("snapshot_lost", log=info.log_id, index=info.index)
            self._remove(info.log_id, [info.index])
        for log_id, base in self._without_beginning():
            damage.note(log_id, base, "the log begins behind a snapshot that is not there")

    def _without_beginning(self) -> list[tuple[int, int]]:
        """The open logs that begin behind an index at which no snapshot is known, with that."""
        bases = {log_id: log.row.base.index for log_id, log in self._state().logs.items() if log.is_open}
        return [(log_id, base) for log_id, base in bases.items() if base and self.latest(log_id) is None]

    def _is_over(self, log_id: int, index: int) -> bool:
        """True when a snapshot's file that this journal does not name is of no use to any other journal of this log.

        This may be an old one that somebody has put in the place of a later, which a person puts back: what that names
        lies past what this one has confirmed, but not always past its end. What a crash has left stays until then, too.
        """
        log, system = self._state().logs.get(log_id), self._state().logs[SYSTEM_LOG_ID]
        if log is None:
            return log_id <= system.head.index
        confirmed = (snapshot.info.index for snapshot in self._held.get(log_id, ()) if snapshot.info.confirmed)
        return index <= max(log.row.base.index, *confirmed, 0)

    def latest(self, log_id: int) -> SnapshotInfo | None:
        """See `contract.LogSnapshots.latest`."""
        log = self._state().logs.get(log_id)
        for snapshot in reversed(self._held.get(log_id, ())):
            if log is not None and snapshot.info.confirmed and snapshot.info.index >= log.row.base.index:
                return snapshot.info
        return None

    def check(self, info: SnapshotInfo, rest: Callable[[float], bool]) -> None:
        """Read a stored snapshot through, and note it if it is not what was stored.

        `rest` is told how many seconds each piece took, and whether to go on.
        """
        with suppress(SqlError):
            reader = self.open(info.log_id, info.index)
            try:
                began = time.monotonic()
                while reader.read(_PIECE_BYTES) and rest(time.monotonic() - began):
                    began = time.monotonic()
            finally:
                reader.close()

    def note_rotten(self, info: SnapshotInfo, reason: str) -> None:
        """A snapshot's file is not what was stored: it is one no more. A log that begins with it is damaged there."""
        log = self._state().logs.get(info.log_id)
        if log is None or all(snapshot.info != info for snapshot in self._held.get(info.log_id, ())):
            return
        logger.logger("log").error("snapshot_damaged", log=info.log_id, index=info.index, reason=reason)
        with suppress(SqlError):
            # Else the next reading finds it again.
            self._remove(info.log_id, [info.index])
        if log.is_open and info.index <= log.row.base.index and self.latest(info.log_id) is None:
            self._damage.note(info.log_id, info.index, f"the snapshot that the log begins with: {reason}")

    def all(self, log_id: int) -> tuple[SnapshotInfo, ...]:
        """See `contract.LogSnapshots.snapshots`."""
        return tuple(snapshot.info for snapshot in self._held.get(log_id, ()))

    def store(self, info: SnapshotInfo, chunks: Iterable[bytes], chain: bytes | None) -> SnapshotInfo:
        """See `contract.LogSnapshots.store`; `chain` is the log's own hash at that index."""
        self._check(info, chain)
        self._storing.add(info.log_id)
        try:
            stored = self._files.store(info, chunks)
            log = self._state().log(info.log_id)
            is_newest = info.index == log.head.index
            total_bytes = log.total_bytes if is_newest else self._head_at(info.log_id, info.index)[1]
            snapshot = FoundSnapshot(stored, total_bytes)
            self._threads.alter(self._threads.journal.put_snapshot, snapshot)
        finally:
            self._storing.discard(info.log_id)
        self._held.setdefault(info.log_id, []).append(snapshot)
        self._note_newest(info.log_id)
        return stored

    def adopt(self, info: SnapshotInfo, chunks: Iterable[bytes], time_ms: int) -> SnapshotInfo:
        """See `contract.LogSnapshots.adopt`; `time_ms` is the log time of what it becomes."""
        self._check_next(info)
        self._storing.add(info.log_id)
        try:
            stored = replace(self._files.store(info, chunks), confirmed=True)
            self._check_next(info, is_storing=True)
            log = self._state().log(info.log_id)
            base = Head(info.index, info.chain, time_ms)
            snapshot = FoundSnapshot(stored, log.total_bytes)
            self._threads.alter(self._threads.journal.adopt, snapshot, base)
        finally:
            self._storing.discard(info.log_id)
        # The journal may have been read again while this waited for it, before or after what was written: the log's
        # state is, or will be, another object then.
        self._adopted[info.log_id] = base, snapshot.total_bytes
        self._bring_up(self._state())
        before = [held.info for held in self._held.get(info.log_id, ())]
        self._held[info.log_id] = [snapshot]
        self._note_newest(info.log_id)
        self._files.delete(before)
        self._damage.begins_behind(info.log_id, base.index)
        return stored

    def _bring_up(self, state: State) -> None:
        """Tell a state of an adopted snapshot, if it was read from the journal before that."""
        for log_id, (base, total_bytes) in self._adopted.items():
            log = state.logs.get(log_id)
            if log is not None and log.row.base.index < base.index:
                log.row = replace(log.row, base=base, base_total_bytes=total_bytes)
                log.head = base if log.head.index < base.index else log.head

    def reread(self, state: State, contents: JournalContents) -> None:
        """The journal was read again after a fault: a log may begin behind a state of which nobody knew that it was
        adopted.
        """
        self._bring_up(state)
        for log_id, _ in self._without_beginning():
            self._held[log_id] = [snapshot for snapshot in contents.snapshots if snapshot.info.log_id == log_id]
            self._note_newest(log_id)

    def discard(self, log_id: int) -> None:
        """Delete the entries that lie before the log's base, in small steps between appends."""
        step = self._threads.journal.discard_step
        while not self._threads.alter(step, log_id, self._state().log(log_id).row.base.index):
            continue

    def _check_next(self, info: SnapshotInfo, is_storing: bool = False) -> None:
        log = self._state().log(info.log_id)
        reason = ""
        if not log.is_open:
            reason = "the database was dropped"
        elif info.index != log.head.index + 1:
            reason = f"the log is at index {log.head.index}"
        elif info.log_id in self._storing and not is_storing:
            reason = "another is on its way"
        if reason:
            raise SqlError("snapshot_refused", log_id=info.log_id, index=info.index, reason=reason)

    def open(self, log_id: int, index: int) -> OpenSnapshot:
        """See `contract.LogSnapshots.open`."""
        return self._files.open(self._find(log_id, index).info)

    def confirm(self, log_id: int, index: int, digest: bytes) -> bool:
        """See `contract.LogSnapshots.confirm`."""
        snapshot = self._find(log_id, index)
        if snapshot.info.digest != digest:
            return False
        confirmed = replace(snapshot, info=replace(snapshot.info, confirmed=True))
        self._threads.alter(self._threads.journal.put_snapshot, confirmed)
        held = self._held[log_id]
        held[:] = [confirmed if held_snapshot.info.index == index else held_snapshot for held_snapshot in held]
        self._remove(log_id, [held_snapshot.info.index for held_snapshot in held if held_snapshot.info.index < index])
        return True

    def delete(self, log_id: int, index: int) -> None:
        """See `contract.LogSnapshots.delete`."""
        if any(snapshot.info.index == index for snapshot in self._held.get(log_id, ())):
            self._remove(log_id, [index])

    def truncate(self, log_id: int, upto: int) -> int:
        """See `contract.LogSnapshots.truncate`."""
        log = self._state().log(log_id)
        whole = [snapshot for snapshot in self._held.get(log_id, ()) if snapshot.info.confirmed]
        newest = max((snapshot.info.index for snapshot in whole), default=0)
        # Entries that are damaged are of use to nobody: they go as soon as a confirmed snapshot lies behind them.
        damage = self._damage.of(log_id)
        upto = newest if damage is not None and damage.last <= newest else min(upto, newest)
        # Where the first kept entry cannot be checked the log does not begin.
        if upto > log.row.base.index and (proven := self._proven(log_id, upto, whole)) is not None:
            base, total_bytes = proven
            self._threads.alter(self._threads.journal.rebase, log_id, base, total_bytes)
            log = self._state().log(log_id)
            log.row = replace(log.row, base=base, base_total_bytes=total_bytes)
            self.discard(log_id)
        if newest >= log.row.base.index > 0:
            self._damage.begins_behind(log_id, log.row.base.index)
        return log.row.base.index + 1

    def _proven(self, log_id: int, index: int, whole: list[FoundSnapshot]) -> tuple[Head, int] | None:
        """Where a log can begin: head and total bytes at an index, the chain that of the snapshot there or proven."""
        log = self._state().log(log_id)
        for snapshot in whole:
            if snapshot.info.index == index:
                # The entry itself may be what is damaged; its time then was not later than the head's.
                time_ms = log.head.time_ms
                with suppress(SqlError):
                    time_ms = self._head_at(log_id, index)[0].time_ms
                return Head(index, snapshot.info.chain, time_ms), snapshot.total_bytes
        head, total_bytes = self._head_at(log_id, index)
        chained = self._threads.read(self._threads.reader.chain_at, log_id, index, log.row.base)
        return None if chained is None else (replace(head, chain=chained), total_bytes)

    def forget(self, log_id: int) -> None:
        """See `contract.LogSnapshots.forget`."""
        log = self._state().logs.get(log_id)
        if log is None or log.is_open:
            return
        while not self._threads.alter(self._threads.journal.forget_step, log_id):
            continue
        self._state().logs.pop(log_id, None)
        self._damage.forget(log_id)
        self._files.delete(snapshot.info for snapshot in self._held.pop(log_id, ()))

    def forget_long_dropped(self) -> None:
        """Forgets the logs of databases that were dropped `KEEP_DROPPED_MS` ago, in log time."""
        state = self._state()
        before = state.last_time_ms - KEEP_DROPPED_MS
        for log_id in [
            dropped_id for dropped_id, log in state.logs.items() if not log.is_open and log.row.sealed_ms < before
        ]:
            self.forget(log_id)

    def close(self) -> None:
        """Ends the threads that work on files."""
        self._files.close()

    def _check(self, info: SnapshotInfo, chain: bytes | None) -> None:
        held = self._held.get(info.log_id)
        reason = ""
        if chain is None or chain != info.chain:
            reason = "its history is not this log's"
        elif not self._state().log(info.log_id).is_open:
            reason = "the database was dropped"
        elif held and held[-1].info.index >= info.index:
            reason = f"the log holds one at index {held[-1].info.index}"
        elif info.log_id in self._storing:
            reason = "another is on its way"
        if reason:
            raise SqlError("snapshot_refused", log_id=info.log_id, index=info.index, reason=reason)

    def _head_at(self, log_id: int, index: int) -> tuple[Head, int]:
        """Head and total bytes at an index that the log holds, its base included."""
        row = self._state().log(log_id).row
        if index == row.base.index:
            return row.base, row.base_total_bytes
        stored = self._threads.read(self._threads.reader.head_at, log_id, index)
        if stored is None:
            raise SqlError("log_unavailable", reason=f"entry {index} of log {log_id} is not in the journal")
        return stored

    def _find(self, log_id: int, index: int) -> FoundSnapshot:
        for snapshot in self._held.get(log_id, ()):
            if snapshot.info.index == index:
                return snapshot
        raise SqlError("snapshot_gone", log_id=log_id, index=index)

    def _remove(self, log_id: int, indexes: list[int]) -> None:
        if not indexes:
            return
        self._threads.alter(self._threads.journal.delete_snapshots, log_id, indexes)
        held = self._held[log_id]
        gone = [snapshot.info for snapshot in held if snapshot.info.index in indexes]
        held[:] = [snapshot for snapshot in held if snapshot.info.index not in indexes]
        self._note_newest(log_id)
        self._files.delete(gone)

    def _note_newest(self, log_id: int) -> None:
        log: LogState | None = self._state().logs.get(log_id)
        held = self._held.get(log_id)
        if log is not None:
            log.snapshot_index = held[-1].info.index if held else 0
            log.snapshot_total_bytes = held[-1].total_bytes if held else 0
