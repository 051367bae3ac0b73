"""A scratch replay: what one database must be at an index, from a log or a backup of one alone.

It settles a disagreement of two masters where no third can outvote one of them, and makes the state of an earlier
index anew. It runs in a directory of its own, on native threads, a piece at a time, and touches no node.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from dirk_gevent.config.settings import Limits
from dirk_gevent.engine.apply.applier import Work
from dirk_gevent.engine.database import Database
from dirk_gevent.engine.engine import Engine
from dirk_gevent.engine.snapshot.reissue import LogPosition, reissue
from dirk_gevent.engine.snapshot.snapshot import SnapshotHeader
from dirk_gevent.log.contract import Log
from dirk_gevent.log.entry import RULES
from dirk_gevent.log.records import EntriesGoneError
from dirk_gevent.loop.threads import NativeThreads
from dirk_gevent.loop.throttle import IncrementalFsyncFile

#: So much of a log, or of a snapshot, is in memory at a time.
PIECE_BYTES = 4 * 1024 * 1024
_BATCH_ENTRIES = 512


class ReplaySource(Protocol):
    """Where a replay takes its snapshot and its entries from. Its methods block this greenlet alone."""

    def snapshot(self, index: int) -> tuple[int, Iterator[bytes]] | None:
        """The newest trusted snapshot at or before `index`: its index, and its file in pieces; None without one."""

    def entries(self, after: int, upto: int) -> Iterator[Sequence[bytes]]:
        """The encoded entries from `after` + 1 to `upto`, in pieces; raises EntriesGoneError."""


class LogSource:
    """One log as the source of a replay."""

    def __init__(self, log: Log, log_id: int, piece_bytes: int = PIECE_BYTES) -> None:
        self._log = log
        self._log_id = log_id
        self._piece_bytes = piece_bytes

    def snapshot(self, index: int) -> tuple[int, Iterator[bytes]] | None:
        """See `ReplaySource.snapshot`: only one that a second master has confirmed is trusted."""
        held = [
            snapshot
            for snapshot in self._log.snapshots.all(self._log_id)
            if snapshot.confirmed and snapshot.index <= index
        ]
        return (held[-1].index, self._pieces(held[-1].index)) if held else None

    def _pieces(self, index: int) -> Iterator[bytes]:
        reader = self._log.snapshots.open(self._log_id, index)
        try:
            while piece := reader.read(self._piece_bytes):
                yield piece
        finally:
            reader.close()

    def entries(self, after: int, upto: int) -> Iterator[Sequence[bytes]]:
        """See `ReplaySource.entries`."""
        while after < upto:
            chunk = self._log.reads.read(self._log_id, after, self._piece_bytes)
            if not chunk.entries:
                raise EntriesGoneError(self._log_id, after + 1)
            entries = chunk.entries[: upto - after]
            after += len(entries)
            yield entries


class Scratch:
    """One database made anew in `directory`. Its methods block this greenlet alone; the work is done on `threads`.

    After `run`, `outcome_digest` is how the entry at that index ended (b"" when a snapshot stands at it), and
    `older_entries` how many entries were appended under earlier rules: they were run by those of now.
    """

    def __init__(self, directory: Path, log_id: int, limits: Limits, threads: NativeThreads) -> None:
        self.outcome_digest = b""
        self.older_entries = 0
        self._is_closed = False
        self._directory = directory
        self._threads = threads
        self._engine = Engine(directory, "replay", limits)
        threads.call(self._engine.open)
        try:
            self.database: Database = threads.call(self._engine.create, log_id, "replay")
        except BaseException:
            self.close()
            raise

    def run(self, source: ReplaySource, index: int) -> None:
        """Bring the database to `index`. Raises EntriesGoneError when the source does not reach back so far."""
        snapshot = source.snapshot(index)
        if snapshot is not None:
            path = self._directory / "begin.zst"
            with path.open("wb") as file:
                steady = IncrementalFsyncFile(file)
                for piece in snapshot[1]:
                    self._threads.call(steady.write, piece)
            self._threads.call(self.database.restore, path)
            path.unlink()
        for entries in source.entries(self.database.applied_index, index):
            for start in range(0, len(entries), _BATCH_ENTRIES):
                self._threads.call(self._apply, entries[start : start + _BATCH_ENTRIES], index)

        if not self.database.applied_index:
            # Nothing has made the file of a database that nothing was written to.
            self.content_digest()

    def older_remark(self) -> str:
        """The remark on entries that ran by other rules than they were appended under; "" without any."""
        if not self.older_entries:
            return ""
        what = "1 entry" if self.older_entries == 1 else f"{self.older_entries} entries"
        were = "was" if self.older_entries == 1 else "were"
        return f"{what} of an earlier release {were} ended by the rules of this one"

    def content_digest(self) -> bytes:
        """The digest of the whole content."""
        return self._threads.call(self.database.upkeep.content_digest)[1]

    def reissue(self, position: LogPosition, target: Path) -> SnapshotHeader:
        """Close it, and write what it is as a snapshot of another place to `target`."""
        self.close()
        return self._threads.call(reissue, self.database.file.path, position, target)

    def close(self) -> None:
        """Give the directory back. Safe to call twice."""
        if not self._is_closed:
            self._is_closed = True
            self._threads.call(self._engine.close)

    def _apply(self, entries: Sequence[bytes], wanted: int) -> None:
        work = [Work.of(encoded) for encoded in entries]
        self.older_entries += sum(item.entry.rules != RULES for item in work)
        for outcome in self.database.apply(work):
            if outcome.index == wanted:
                self.outcome_digest = outcome.digest
