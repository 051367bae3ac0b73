"""What a database's file needs besides entries and reads: checkpoints, a WAL of bounded size, states that stay put."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from dirk_gevent.engine import checkpoints, records
from dirk_gevent.engine.connection import open_reader, open_writer
from dirk_gevent.engine.faults import storage_faults
from dirk_gevent.engine.functions import EntryContext
from dirk_gevent.engine.shared import Shared
from dirk_gevent.engine.snapshot import Pin, SnapshotInfo
from dirk_gevent.engine.wal import EntriesWait, Overtaken
from dirk_gevent.engine.writing import WriteSide

#: A snapshot or digest whose state was overtaken so often is made while the entries wait.
BEGUN_AGAIN = 2

Made = TypeVar("Made")


class Upkeep(WriteSide):
    """The upkeep of one database's file. Locks are taken in this order: checkpoint, writer, file."""

    def __init__(self, shared: Shared, log_id: int, name: str) -> None:
        super().__init__(shared, log_id, name)
        # A checkpoint never runs while the file is replaced: it would move one file's WAL into the other.
        self._checkpoint_lock = threading.Lock()

    @property
    def durable_index(self) -> int:
        """Index that a power cut cannot take back, as of the last `checkpoint`."""
        return self._durable

    # --- states that stay put --------------------------------------------------------------------------------

    def pin(self, is_first: bool = False) -> Pin:
        """A read transaction at exactly the applied index (native thread; between batches). Raises StorageFault.

        When the WAL is full the state is overtaken, unless `is_first`: then the entries wait.
        """
        with self._writer_lock, self._discarding_writer(), storage_faults("pin"):
            self._writer()
            connection = open_reader(self._path, EntryContext())
            try:
                connection.execute("BEGIN")
                meta = records.read_meta(connection)
                assert meta is not None
                pin = Pin(connection, meta, self._seen.position.schema, self._wal, is_first)
            except BaseException:
                connection.close(True)
                raise
            self._wal.admit(pin)
            return pin

    def snapshot(self, path: Path) -> SnapshotInfo:
        """Write a snapshot of the state now (slow thread; writes go on meanwhile). Raises StorageFault."""
        return self._of_one_state(lambda pin: pin.snapshot(path))

    def content_digest(self) -> tuple[int, bytes]:
        """The applied index and the hash of the content there (slow thread). Raises StorageFault."""
        return self._of_one_state(lambda pin: (pin.index, pin.content_digest()))

    def _of_one_state(self, make: Callable[[Pin], Made]) -> Made:
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
        """Whether something is not durable yet, or the WAL is larger than it needs to be."""
        return self._durable < self.applied_index or self._wal.size_bytes >= self._wal.bounds.calm_bytes

    def checkpoint(self) -> int:
        """Bring the file up to date with its WAL; the durable index (native thread). Raises StorageFault.

        The writer goes on meanwhile. If the WAL is large, and the writer at rest, it is emptied.
        """
        with self._checkpoint_lock, storage_faults("checkpoint"):
            if self._dropped or not self._path.exists() or not self.wants_checkpoint:
                return self._durable
            index = self.applied_index
            self.let_go()
            connection = open_writer(self._path, EntryContext())
            try:
                with self._wal.counted():
                    is_whole = checkpoints.checkpoint(connection, False)
                self._durable = max(self._durable, index if is_whole else 0)
                self.let_go()
            finally:
                connection.close()
            if self._wal.size_bytes >= self._wal.bounds.calm_bytes:
                self._empty_at_rest()
        return self._durable

    def _empty_at_rest(self) -> None:
        """Begin a large WAL anew when the writer has nothing to do: else it does so itself before its next batch."""
        if not self._writer_lock.acquire(blocking=False):
            return
        try:
            with self._discarding_writer():
                if self._applier is not None and self._applier.rehearsal.owner is not None:
                    # What it wrote may be all there is; an entry, or its idle limit, ends it.
                    return
                applier = self._writer()
                applier.room.rolled_back()
                if applier.room.before_transaction():
                    self._durable = self.applied_index
        except EntriesWait:
            return
        finally:
            self._writer_lock.release()
