"""The writing half of a database: its one writer's connection, which entries and transactions take in turn."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import apsw

from dirk_gevent.engine import checkpoints, records
from dirk_gevent.engine.apply import Applier
from dirk_gevent.engine.at_work import Effort
from dirk_gevent.engine.connection import limit_values, open_writer
from dirk_gevent.engine.execute import Result
from dirk_gevent.engine.faults import StorageFault, storage_faults
from dirk_gevent.engine.functions import EntryContext
from dirk_gevent.engine.position import NodeState
from dirk_gevent.engine.reading import ReadSide
from dirk_gevent.engine.rehearsal import Spool
from dirk_gevent.engine.results import Relation
from dirk_gevent.engine.room import Room
from dirk_gevent.engine.shared import Shared
from dirk_gevent.engine.stream import RelationStream, StreamLimits
from dirk_gevent.engine.transaction import Transaction, Written
from dirk_gevent.engine.wal import EntriesWait
from dirk_gevent.log.entry import NO_CHAIN, LoggedStatement
from parser.errors import SqlError


class WriteSide(ReadSide):
    """A database and its writer, which is opened at its first use and closed when others need its place.

    Whoever uses the writer holds `_writer_lock`, on a native thread. `state` says what the node does with the database.
    """

    def __init__(self, shared: Shared, log_id: int, name: str) -> None:
        super().__init__(shared, log_id, name)
        self.state = NodeState.LIVE
        self._writer_lock = threading.Lock()
        self._applier: Applier | None = None
        self._durable = 0

    def load(self) -> None:
        """Read its place from its file. Raises StorageFault."""
        raise NotImplementedError

    def _writer(self) -> Applier:
        """The applier for use by anything but a transaction; as `_lent`."""
        self._end_rehearsal()
        return self._lent()

    def _lent(self) -> Applier:
        """The applier, opened if need be; the caller holds the writer lock. Raises apsw errors, OSError."""
        if not self.is_loaded:
            self.load()
        if self._applier is None:
            with self._file_lock:
                self._make_file()
            context = EntryContext()
            connection = open_writer(self._path, context)
            limit_values(connection)
            try:
                if records.read_meta(connection) is None:
                    records.write_meta(connection, self._fresh_meta())
                room = Room(connection, self._wal)
            except BaseException:
                connection.close(True)
                raise
            self._applier = Applier(connection, context, self._compiler, self._seen, room)
        self._shared.writers.touch(self)
        return self._applier

    def _end_rehearsal(self) -> None:
        """Take the connection back from transactions; one that can't be rolled back is closed, which does it too."""
        if self._applier is None:
            return
        try:
            self._applier.rehearsal.end()
        except apsw.Error:
            self._close_writer()

    def _fresh_meta(self) -> records.Meta:
        return records.Meta(self.log_id, self.name, 0, NO_CHAIN, 0, self.heard_head, 0, self.state.value)

    def _close_writer(self) -> None:
        applier, self._applier = self._applier, None
        if applier is not None:
            # Whatever it has met: what a commit did not end is no part of the file.
            applier.connection.close(True)

    def close_writer_if_idle(self) -> bool:
        """Close the writer unless it works at this moment; whether it is closed now.

        Whoever asks does so for another database, which a fault of this one's file is nothing to.
        """
        if not self._writer_lock.acquire(blocking=False):
            return False
        try:
            with suppress(apsw.Error, OSError):
                if checkpoints.wal_bytes(self._path) > checkpoints.SLOW_TO_OPEN_BYTES:
                    self._empty_wal()
            self._close_writer()
        finally:
            self._writer_lock.release()
        return True

    def _empty_wal(self) -> None:
        """Bring the WAL into the file, so that whoever opens it next (the hub) has none to read through."""
        self._end_rehearsal()
        if self._applier is not None and checkpoints.checkpoint(self._applier.connection, truncate=True):
            self._durable = self.applied_index

    @contextmanager
    def _discarding_writer(self) -> Iterator[None]:
        """A connection that met a fault of the machine may not outlive it: what follows opens another, reads too."""
        try:
            yield
        except StorageFault:
            self._close_writer()
            self._retire_reader(self._seen)
            raise

    # --- transactions ---------------------------------------------------------------------------------------------

    def change_in(self, transaction: Transaction, written: Written) -> Result:
        """Make a transaction's change, for it alone to see (native thread).

        Raises SqlError (40001 when the transaction is lost, 53300 while something goes first), StorageFault.
        """
        with self._writer_lock, self._discarding_writer(), storage_faults("transaction"):
            applier = self._rehearsing(transaction)
            with applier.at_work.working():
                return applier.rehearsal.change(transaction, written, self._seen.position)

    def read_in(self, transaction: Transaction, statement: LoggedStatement) -> Relation | RelationStream:
        """Answer a query of a transaction that has made changes (native thread); raises as `change_in`."""
        limits = self._shared.limits
        wanted = StreamLimits(limits.page_rows, limits.result_bytes, 0)
        spool = Spool(self._hub_rows, wanted, self._shared.spool_directory)
        with self._writer_lock, self._discarding_writer(), storage_faults("transaction"):
            applier = self._rehearsing(transaction)
            with applier.at_work.working():
                return applier.rehearsal.read(transaction, statement, self._seen.position, spool)

    def forget_changes(self, transaction: Transaction) -> None:
        """A transaction is over: what the writer holds of it is undone (native thread; when it is free)."""
        if self._writer_lock.acquire(blocking=False):
            try:
                if self._applier is not None and self._applier.rehearsal.owner is transaction:
                    self._end_rehearsal()
            finally:
                self._writer_lock.release()

    def _rehearsing(self, transaction: Transaction) -> Applier:
        transaction.renew()
        if self._applier is None or self._applier.rehearsal.owner is not transaction:
            try:
                self._writer().room.before_transaction()
            except EntriesWait as error:
                raise SqlError("entries_wait", name=self.name) from error
        return self._lent()

    def effort(self) -> Effort | None:
        """What its writer is at, None for nothing (any thread)."""
        return applier.at_work.effort() if (applier := self._applier) is not None else None
