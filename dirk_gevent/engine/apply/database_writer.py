"""The writer of a database: its one connection, which entries and transactions take in turn."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import apsw

from dirk_gevent.engine import stored_records
from dirk_gevent.engine.apply.applier import Applier
from dirk_gevent.engine.apply.at_work import Effort
from dirk_gevent.engine.apply.executor import Executor, Result
from dirk_gevent.engine.apply.room import Room
from dirk_gevent.engine.apply.step_limit import StepCounter
from dirk_gevent.engine.database_file import DatabaseFile
from dirk_gevent.engine.errors.faults import StorageFault, storage_faults
from dirk_gevent.engine.functions import EntryContext
from dirk_gevent.engine.read.long_reads import RelationStream, StreamLimits
from dirk_gevent.engine.read.short_reads import HUB_PAGES
from dirk_gevent.engine.results import Relation
from dirk_gevent.engine.sqlite_connection import limit_values, open_writer
from dirk_gevent.engine.transaction.open_transaction import Transaction, Written
from dirk_gevent.engine.transaction.speculative_executor import SpeculativeExecutor, SpoolBounds
from dirk_gevent.engine.wal import checkpoints
from dirk_gevent.engine.wal.wal import EntriesWait
from dirk_gevent.log.entry import NO_CHAIN, LoggedStatement
from dirk_parser.errors import SqlError


@dataclass(frozen=True, slots=True)
class OpenWriter:
    """The writer's connection: what applies entries on it, and what runs transactions on it between two batches."""

    connection: apsw.Connection
    applier: Applier
    speculative: SpeculativeExecutor


class DatabaseWriter:
    """A database's writer, which is opened at its first use and closed when others need its place.

    Whoever uses what is open holds `lock`, on a native thread.
    """

    def __init__(self, file: DatabaseFile) -> None:
        self.lock = threading.Lock()
        self._file = file
        self._open: OpenWriter | None = None

    @property
    def log_id(self) -> int:
        """The log of the database."""
        return self._file.log_id

    def take(self) -> OpenWriter:
        """Take the open writer, opened if need be, for anything but a transaction. Raises apsw errors, OSError."""
        self.end_speculation()
        return self._lent()

    def rested(self) -> OpenWriter | None:
        """As `take`, None when a transaction has made changes: they may be all there is of them.

        An entry, or the transaction's idle limit, ends it.
        """
        if self._open is not None and self._open.speculative.owner is not None:
            return None
        return self.take()

    def _lent(self) -> OpenWriter:
        file = self._file
        if not file.is_loaded:
            file.load()
        if self._open is None:
            with file.lock:
                file.make()
            self._open = self._opened()
        file.shared.writers.touch(self)
        return self._open

    def _opened(self) -> OpenWriter:
        file, context = self._file, EntryContext()
        connection = open_writer(file.path, context)
        limit_values(connection)
        try:
            if stored_records.read_meta(connection) is None:
                stored_records.write_meta(connection, self._fresh_meta())
            room = Room(connection, file.wal)
        except BaseException:
            connection.close(True)
            raise
        state = file.committed
        executor = Executor(connection, context, file.shared.compiler, state.plans, StepCounter(connection))
        return OpenWriter(connection, Applier(executor, state, room), SpeculativeExecutor(executor))

    def _fresh_meta(self) -> stored_records.FileMeta:
        file = self._file
        return stored_records.FileMeta(
            log_id=file.log_id,
            name=file.name,
            applied_index=0,
            chain=NO_CHAIN,
            time_ms=0,
            heard_head=file.heard_head,
            schema_version=0,
            state="live",
        )

    def end_speculation(self) -> None:
        """Take the connection back from transactions; one that can't be rolled back is closed, which does it too."""
        if self._open is None:
            return
        try:
            self._open.speculative.end()
        except apsw.Error:
            self.close()

    def close(self) -> None:
        """Close the connection, whatever it has met: what a commit did not end is no part of the file."""
        is_open, self._open = self._open, None
        if is_open is not None:
            is_open.connection.close(True)

    def close_if_idle(self) -> bool:
        """Close the writer unless it works at this moment; whether it is closed now.

        Whoever asks does so for another database, which a fault of this one's file is nothing to.
        """
        if not self.lock.acquire(blocking=False):
            return False
        try:
            with suppress(apsw.Error, OSError):
                if checkpoints.wal_bytes(self._file.path) > checkpoints.SLOW_TO_OPEN_BYTES:
                    self.empty_wal()
            self.close()
        finally:
            self.lock.release()
        return True

    def close_at_end(self) -> None:
        """Write down what was heard, make a last checkpoint, close. Raises StorageFault."""
        file = self._file
        with self.lock, storage_faults("close"):
            try:
                if self._open is not None or file.heard_head > file.committed.position.index:
                    self.take().connection.execute("UPDATE dirk_meta SET heard_head = ?", (file.heard_head,))
                self.empty_wal()
            finally:
                self.close()

    def empty_wal(self) -> None:
        """Bring the WAL into the file, so that whoever opens it next (the hub) has none to read through."""
        self.end_speculation()
        if self._open is not None and checkpoints.checkpoint(self._open.connection, truncate=True):
            self._file.durable_index = self._file.committed.position.index

    def probe(self) -> None:
        """Try the machine: open the file, read it and write to it, as an entry would (native thread).

        Raises StorageFault.
        """
        with self.used("probe"):
            connection = self.take().connection
            with connection:
                connection.execute("UPDATE dirk_meta SET heard_head = ?", (self._file.heard_head,))

    @contextmanager
    def used(self, what: str) -> Iterator[None]:
        """Hold the writer's lock, and use what is open. Raises StorageFault for what the machine refuses."""
        with self.lock, self.discarding(), storage_faults(what):
            yield

    @contextmanager
    def discarding(self) -> Iterator[None]:
        """A connection that met a fault of the machine may not outlive it: what follows opens another, reads too."""
        try:
            yield
        except StorageFault:
            self.close()
            self._file.retire_reader(self._file.committed)
            raise

    # --- transactions ---------------------------------------------------------------------------------------------

    def change_in(self, transaction: Transaction, written: Written) -> Result:
        """Make a transaction's change, for it alone to see (native thread).

        Raises SqlError (40001 when the transaction is lost, 53300 while something goes first), StorageFault.
        """
        with self.used("transaction"):
            lent = self._rehearsing(transaction)
            with lent.applier.at_work.working():
                return lent.speculative.change(transaction, written, self._file.committed.position)

    def read_in(self, transaction: Transaction, statement: LoggedStatement) -> Relation | RelationStream:
        """Answer a query of a transaction that has made changes (native thread); raises as `change_in`."""
        limits = self._file.shared.limits
        wanted = StreamLimits(limits.page_rows, limits.result_bytes, 0, self._file.shared.spool_directory)
        spool = SpoolBounds(HUB_PAGES * limits.page_rows, wanted)
        with self.used("transaction"):
            lent = self._rehearsing(transaction)
            with lent.applier.at_work.working():
                return lent.speculative.read(transaction, statement, self._file.committed.position, spool)

    def forget_changes(self, transaction: Transaction) -> None:
        """A transaction is over: what the writer holds of it is undone (native thread; when it is free)."""
        if self.lock.acquire(blocking=False):
            try:
                if self._open is not None and self._open.speculative.owner is transaction:
                    self.end_speculation()
            finally:
                self.lock.release()

    def _rehearsing(self, transaction: Transaction) -> OpenWriter:
        transaction.renew()
        if self._open is None or self._open.speculative.owner is not transaction:
            try:
                self.take().applier.room.before_transaction()
            except EntriesWait as error:
                raise SqlError("entries_wait", name=self._file.name) from error
        return self._lent()

    def effort(self) -> Effort | None:
        """The work that the writer does now, None for none (any thread)."""
        return is_open.applier.at_work.effort() if (is_open := self._open) is not None else None
