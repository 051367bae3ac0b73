"""Room for what a writer is about to do: in the WAL, and in the database file for when the WAL goes into it.

A checkpoint writes pages of the WAL into the database file. Were that file to grow then, a full disk could not be
helped: emptying the WAL would need the room that only an emptied WAL gives. So a transaction's new pages are given
their blocks in the database file before it commits; the disk refuses it then, or never.
"""

from __future__ import annotations

import ctypes

import apsw

from dirk_gevent.engine.errors.faults import StorageFault
from dirk_gevent.engine.wal.wal import Wal

#: A frame of the WAL is a page and so much.
_FRAME_BYTES = 24
#: Changed pages of a transaction that are not in the WAL yet take no more; half of a batch when that is less.
_CACHE_BYTES = 2000 * 1024
#: After a commit that began the WAL anew without cutting it, at most this part of `limits.walBytes` stays.
_KEPT_PART = 16
_KEPT_BYTES = 8 << 20
_SPILL = apsw.SQLITE_DBSTATUS_CACHE_SPILL
_FULL_RESULTS = (apsw.FullError, apsw.IOError)


class Room:
    """The room of one writer's connection. Used by whoever holds the writer lock."""

    def __init__(self, connection: apsw.Connection, wal: Wal) -> None:
        self._connection = connection
        self._wal = wal
        self._cursor = connection.cursor()
        self._page_bytes = self._number("PRAGMA page_size")
        #: The WAL's size as of the last commit, or (`_must_guard`) to be asked of the disk.
        self._wal_bytes = 0
        self._must_guard = True
        #: No try to begin the WAL anew before it has this size.
        self._next_bytes = wal.bounds.calm_bytes
        self._status = connection.status
        #: Pages that SQLite had written for want of memory when the transaction began; how many more end the batch.
        self._spilled = 0
        self._reserved = 0, -1
        self._wanted = ctypes.c_int64(0)
        chunk = ctypes.c_int(self._page_bytes)
        # Without a chunk size SQLite takes hints of a size for nothing.
        connection.file_control("main", apsw.SQLITE_FCNTL_CHUNK_SIZE, ctypes.addressof(chunk))
        kept_bytes = min(_KEPT_BYTES, wal.bounds.most_bytes // _KEPT_PART)
        connection.execute(f"PRAGMA journal_size_limit = {kept_bytes}").fetchall()
        cache_bytes = min(_CACHE_BYTES, wal.bounds.batch_bytes // 2)
        connection.execute(f"PRAGMA cache_size = -{cache_bytes // 1024}").fetchall()
        self._most_spills = (wal.bounds.batch_bytes - cache_bytes) // self._page_bytes
        connection.set_wal_hook(self._committed)

    def before_transaction(self) -> bool:
        """Shrink the WAL so far that a transaction may begin; return True when it was begun anew just now.

        Raises EntriesWait, StorageFault.
        """
        if self._must_guard:
            self._must_guard = False
            self._wal_bytes = self._wal.size_bytes
        is_large = self._wal_bytes >= self._next_bytes or (self._wal.is_wanted_empty and self._wal_bytes > 0)
        is_new = is_large and self._made_small()
        self._spilled = self._status(_SPILL)[0]
        return is_new

    def ends_batch(self) -> bool:
        """True when the transaction at work has written so much that no further entry should join it."""
        return self._status(_SPILL)[0] - self._spilled > self._most_spills

    def before_commit(self) -> None:
        """Give every page of the transaction its blocks in the database file. Raises StorageFault on a full disk."""
        pages = self._number("PRAGMA page_count")
        if self._reserved != (pages, self._wal.checkpoints):
            self._reserve(pages)

    def after_commit(self) -> None:
        """A checkpoint beside the commit may have cut the file to what was committed before: see to it again."""
        pages, checkpoints = self._reserved
        if checkpoints % 2 or checkpoints != self._wal.checkpoints:
            try:
                self._reserve(pages)
            except StorageFault:
                # The commit is made; the next one is refused until there is room.
                self._reserved = 0, -1

    def rolled_back(self, by_the_machine: bool = False) -> None:
        """Shrink a WAL that is larger than its content after a roll-back.

        `by_the_machine`: for want of room, perhaps; what an empty WAL gives back is tried first.
        """
        self._must_guard = True
        self._next_bytes = min(self._next_bytes, self._wal.bounds.calm_bytes)
        if by_the_machine:
            self._wal.is_wanted_empty = True

    def _made_small(self) -> bool:
        wal, bounds = self._wal, self._wal.bounds
        wal.is_wanted_empty = False
        try:
            if not wal.begin_anew(self._connection):
                if self._wal_bytes < bounds.last_bytes:
                    self._next_bytes = min(self._wal_bytes + bounds.batch_bytes, bounds.last_bytes)
                    return False
                wal.insist(self._connection)
        except apsw.Error as error:
            raise StorageFault(error, "checkpoint") from error
        self._wal_bytes, self._next_bytes = 0, bounds.calm_bytes
        return True

    def _reserve(self, pages: int) -> None:
        checkpoints = self._wal.checkpoints
        self._wanted.value = pages * self._page_bytes
        try:
            self._connection.file_control("main", apsw.SQLITE_FCNTL_SIZE_HINT, ctypes.addressof(self._wanted))
        except _FULL_RESULTS as error:
            raise StorageFault(apsw.FullError(str(error)), "room in the file") from error
        self._reserved = pages, checkpoints

    def _committed(self, _connection: apsw.Connection, _name: str, frames: int) -> int:
        self._wal_bytes = frames * (self._page_bytes + _FRAME_BYTES)
        return apsw.SQLITE_OK

    def _number(self, sql: str) -> int:
        return int(self._cursor.execute(sql).get)
