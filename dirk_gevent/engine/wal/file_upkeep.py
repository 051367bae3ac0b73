"""Upkeep of a database's file besides entries and reads: checkpoints, a WAL of bounded size, states that stay put."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from dirk_gevent.engine import stored_records
from dirk_gevent.engine.apply.database_writer import DatabaseWriter
from dirk_gevent.engine.database_file import DatabaseFile
from dirk_gevent.engine.errors.faults import storage_faults
from dirk_gevent.engine.functions import EntryContext
from dirk_gevent.engine.snapshot.snapshot import PinnedState, SnapshotHeader
from dirk_gevent.engine.sqlite_connection import open_reader, open_writer
from dirk_gevent.engine.wal import checkpoints
from dirk_gevent.engine.wal.wal import EntriesWait, Overtaken

#: A snapshot or digest whose state was overtaken so often is made while the entries wait.
BEGUN_AGAIN = 2

Made = TypeVar("Made")


class FileUpkeep:
    """The upkeep of one database's file. Locks are taken in this order: checkpoint, writer, file."""

    def __init__(self, file: DatabaseFile, writer: DatabaseWriter) -> None:
        #: A checkpoint never runs while the file is replaced: it would move one file's WAL into the other.
        self.checkpoint_lock = threading.Lock()
        self._file = file
        self._writer = writer

    # --- states that stay put --------------------------------------------------------------------------------

    def pin(self, is_first: bool = False) -> PinnedState:
        """A read transaction at exactly the applied index (native thread; between batches). Raises StorageFault.

        When the WAL is full the state is overtaken, unless `is_first`: then the entries wait.
        """
        file = self._file
        with self._writer.used("pin"):
            self._writer.take()
            connection = open_reader(file.path, EntryContext())
            try:
                connection.execute("BEGIN")
                meta = stored_records.read_meta(connection)
                assert meta is not None
                pin = PinnedState(connection, meta, file.committed.position.schema, file.wal, is_first)
            except BaseException:
                connection.close(True)
                raise
            file.wal.admit(pin)
            return pin

    def snapshot(self, path: Path) -> SnapshotHeader:
        """Write a snapshot of the state now (slow thread; writes go on meanwhile). Raises StorageFault."""
        return self._of_one_state(lambda pin: pin.snapshot(path))

    def content_digest(self) -> tuple[int, bytes]:
        """The applied index and the hash of the content there (slow thread). Raises StorageFault."""
        return self._of_one_state(lambda pin: (pin.index, pin.content_digest()))

    def _of_one_state(self, make: Callable[[PinnedState], Made]) -> Made:
        for again in range(BEGUN_AGAIN + 1):
            pin = self.pin(is_first=again == BEGUN_AGAIN)
            try:
                return make(pin)
            except Overtaken:
                continue
            finally:
                pin.close()
        raise AssertionError("a state that the entries wait for was overtaken")

    # --- checkpoints -----------------------------------------------------------------------------------------

    @property
    def wants_checkpoint(self) -> bool:
        """True when something is not durable yet, or the WAL is larger than it needs to be."""
        file = self._file
        return file.durable_index < file.committed.position.index or file.wal.size_bytes >= file.wal.bounds.calm_bytes

    def checkpoint(self) -> int:
        """Bring the file up to date with its WAL; the durable index (native thread). Raises StorageFault.

        The writer goes on meanwhile. If the WAL is large, and the writer at rest, it is emptied.
        """
        file = self._file
        with self.checkpoint_lock, storage_faults("checkpoint"):
            if file.is_dropped or not file.path.exists() or not self.wants_checkpoint:
                return file.durable_index
            index = file.committed.position.index
            file.let_go()
            connection = open_writer(file.path, EntryContext())
            try:
                with file.wal.counted():
                    is_whole = checkpoints.checkpoint(connection, False)
                file.durable_index = max(file.durable_index, index if is_whole else 0)
                file.let_go()
            finally:
                connection.close()
            if file.wal.size_bytes >= file.wal.bounds.calm_bytes:
                self._empty_at_rest()
        return file.durable_index

    def _empty_at_rest(self) -> None:
        """Begin a large WAL anew when the writer has nothing to do: else it does so itself before its next batch."""
        if not self._writer.lock.acquire(blocking=False):
            return
        try:
            with self._writer.discarding():
                rested = self._writer.rested()
                if rested is None:
                    return
                room = rested.applier.room
                room.rolled_back()
                if room.before_transaction():
                    self._file.durable_index = self._file.committed.position.index
        except EntriesWait:
            return
        finally:
            self._writer.lock.release()
