"""Entries into SQLite: a batch is one transaction and one COMMIT; an outcome is data, a fault is not.

Atomicity. SQLite undoes a failed statement by itself, so an entry of one plain statement needs no savepoint (one
costs as much as the insert); entries of several statements, of several rows run one by one, and DDL have one, and so
have changes that foreign keys pass on: SQLite leaves half of one that goes on for more than 1,000 levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import apsw

from dirk_gevent.base import logger
from dirk_gevent.engine import stored_records
from dirk_gevent.engine.apply.at_work import AtWork
from dirk_gevent.engine.apply.executor import MISTAKES, Executor, Result
from dirk_gevent.engine.apply.recorded_outcomes import decode_outcome, encode_outcome, failed, repeated, succeeded
from dirk_gevent.engine.apply.room import Room
from dirk_gevent.engine.committed_state import CommittedState
from dirk_gevent.engine.compiler import CompiledSchema
from dirk_gevent.engine.errors.failures import DATA_ERRORS, statement_failure
from dirk_gevent.engine.errors.faults import ForeignHistory, OutOfOrder, StorageFault
from dirk_gevent.engine.position import Position
from dirk_gevent.engine.results import Outcome
from dirk_gevent.engine.transaction.conflict import EVERY_TABLE, conflict
from dirk_gevent.log.entry import BURN_HASH, CREATE_DATABASE, Entry, chain, check_request_time
from dirk_gevent.log.skipped import is_skipped, own_bytes
from dirk_parser.errors import SqlError
from dirk_parser.plan.plan import CatalogChange

_log = logger.logger("engine")


@dataclass(slots=True)
class Work:
    """An entry and its exact bytes, as they came from the log (the chain is over the bytes).

    `is_skipped`: a person decided that it ends with XX000 and changes nothing.
    """

    entry: Entry
    encoded: bytes
    is_skipped: bool = False

    @staticmethod
    def of(told: bytes) -> Work:
        """An entry as `Log.read` tells it; raises EntryDamagedError."""
        encoded = own_bytes(told)
        return Work(Entry.decode(encoded), encoded, is_skipped(told))


@dataclass(slots=True)
class _Batch:
    """The effects of a batch so far, inside its transaction."""

    index: int
    chain: bytes
    time_ms: int
    schema: CompiledSchema
    known: dict[str, stored_records.RecordedRequest]
    changed: dict[str, int] = field(default_factory=dict)
    requests: list[stored_records.RecordedRequest] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)


class _StepsReached(Exception):
    """The entry at `offset` of the batch ticked to its limit; SQLite has rolled the whole transaction back."""

    def __init__(self, offset: int) -> None:
        super().__init__(offset)
        self.offset = offset


class Applier:
    """The one writer of a database. Its methods run on one native thread at a time (the caller holds the lock)."""

    def __init__(self, executor: Executor, committed: CommittedState, room: Room) -> None:
        self.connection = executor.connection
        #: Asked before each transaction, whoever begins it.
        self.room = room
        #: What the connection is used for now.
        self.at_work = AtWork(executor.steps)
        #: The state that it moves on.
        self.committed = committed
        self._executor = executor
        self._steps = executor.steps

    def apply(self, work: Sequence[Work], expected_chain: bytes | None = None) -> list[Outcome]:
        """Apply what is new of `work` and commit; the outcomes in order.

        Entries applied before give their recorded outcome (none when its record has expired). `expected_chain` is
        the log's hash after the last entry. Raises StorageFault, OutOfOrder, ForeignHistory, EntriesWait: then nothing
        of the part that failed is applied, and `CommittedState.position` says how far the file is.
        """
        start = self.committed.position.index
        fresh = [item for item in work if item.entry.index > start]
        outcomes = self._recorded([item.entry for item in work if item.entry.index <= start])
        while fresh:
            try:
                outcomes += self._commit(fresh, expected_chain)
                fresh = self._left(fresh)
            except _StepsReached as reached:
                before, item, fresh = fresh[: reached.offset], fresh[reached.offset], fresh[reached.offset + 1 :]
                while before:
                    outcomes += self._commit(before, None)
                    before = self._left(before)
                outcomes += self._counted(item, None if fresh else expected_chain)
        return outcomes

    def _left(self, work: list[Work]) -> list[Work]:
        """The entries of `work` that are not committed: a batch may have ended before its last entry."""
        return work[self.committed.position.index - work[0].entry.index + 1 :]

    def _counted(self, item: Work, expected_chain: bytes | None) -> list[Outcome]:
        """Apply one entry on fresh statements, whose step count is exact; past its limit it does nothing."""
        try:
            return self._commit([item], expected_chain, exact=True)
        except _StepsReached:
            return self._commit([item], expected_chain, refused=SqlError("step_limit"))

    def try_out(self, item: Work) -> None:
        """Run the next entry as `apply` would, and undo it: for whoever wants to know whether it can be survived.

        Raises as `apply`.
        """
        for exact, refused in ((False, None), (True, None), (False, SqlError("step_limit"))):
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                self._record(self._run([item], exact, refused))
                return
            except _StepsReached:
                continue
            finally:
                self._roll_back()

    def _recorded(self, entries: list[Entry]) -> list[Outcome]:
        if not entries:
            return []
        recorded = stored_records.read_requests(self.connection, [entry.request_id for entry in entries])
        outcomes = [_told_again(entry, recorded.get(entry.request_id)) for entry in entries]
        return [outcome for outcome in outcomes if outcome is not None]

    def _commit(
        self, work: list[Work], expected: bytes | None, exact: bool = False, refused: SqlError | None = None
    ) -> list[Outcome]:
        connection, committed, room = self.connection, self.committed, self.room
        room.before_transaction()
        try:
            connection.execute("BEGIN IMMEDIATE")
            batch = self._run(work, exact, refused)
            if expected is not None and batch.index == work[-1].entry.index and batch.chain != expected:
                raise ForeignHistory(work[-1].entry.log_id, batch.index)
            self._record(batch)
            position = Position(batch.index, batch.chain, batch.time_ms, batch.schema)
            room.before_commit()
            with committed.lock:
                connection.execute("COMMIT")
                committed.tables.update(batch.changed)
                committed.position = position
        except BaseException as error:
            self._roll_back()
            room.rolled_back(isinstance(error, (apsw.Error, StorageFault)))
            if isinstance(error, (apsw.Error, OSError, MemoryError)):
                raise StorageFault(error, f"entry {self.committed.position.index + 1}") from error
            raise
        room.after_commit()
        return batch.outcomes

    def _roll_back(self) -> None:
        self._steps.end()
        if self.connection.in_transaction:
            self.connection.execute("ROLLBACK")

    def _run(self, work: list[Work], exact: bool, refused: SqlError | None) -> _Batch:
        position = self.committed.position
        recorded = stored_records.read_requests(self.connection, [item.entry.request_id for item in work])
        batch = _Batch(position.index, position.chain, position.time_ms, position.schema, recorded)
        for offset, item in enumerate(work):
            entry = item.entry
            if entry.index != batch.index + 1:
                raise OutOfOrder(entry.log_id, batch.index + 1, entry.index)
            self.at_work.entry(entry.index)
            try:
                ends = SqlError("entry_skipped") if item.is_skipped else refused
                batch.outcomes.append(self._entry(batch, entry, exact, ends))
            except apsw.InterruptError:
                if not self._steps.reached:
                    raise
                raise _StepsReached(offset) from None
            batch.index, batch.time_ms = entry.index, entry.time_ms
            batch.chain = chain(batch.chain, item.encoded)
            if self.room.ends_batch():
                break
        return batch

    def _entry(self, batch: _Batch, entry: Entry, exact: bool, refused: SqlError | None) -> Outcome:
        record = batch.known.get(entry.request_id)
        if record is not None and not record.expired(entry.index, entry.time_ms):
            return _known_request(entry, record)
        unfit = _unfit_request(entry)
        if unfit is not None:
            return unfit
        outcome = self._first_run(batch, entry, exact, refused)
        request = stored_records.RecordedRequest(
            entry.request_id, entry.request_hash, entry.index, entry.time_ms, encode_outcome(outcome)
        )
        batch.known[entry.request_id] = request
        batch.requests.append(request)
        return outcome

    def _first_run(self, batch: _Batch, entry: Entry, exact: bool, refused: SqlError | None) -> Outcome:
        try:
            if refused is not None:
                raise refused
            if entry.is_burn:
                raise SqlError("no_transaction")
            self._check_reads(batch, entry)
            if entry.change is not None:
                result = self._change_databases(entry)
            else:
                self._steps.begin(entry.step_limit)
                result = self._executor.run(entry, batch.schema, exact)
        except DATA_ERRORS as error:
            if not self.connection.in_transaction:
                raise StorageFault(error, f"entry {entry.index} ended the transaction") from error
            return failed(entry, statement_failure(error, self._executor.table))
        except MISTAKES as error:
            # Every node of this build makes it, so it is a result and stops no database; what was done is undone.
            _log.exception("entry_failed", error, log=entry.log_id, index=entry.index)
            return failed(entry, SqlError("internal", detail=type(error).__name__))
        finally:
            self._steps.end()
        batch.schema = result.schema or batch.schema
        batch.changed.update(dict.fromkeys(result.tables, entry.index))
        return succeeded(entry, result)

    def _check_reads(self, batch: _Batch, entry: Entry) -> None:
        """A transaction that touched a table which has changed since does nothing (first committer wins)."""
        if entry.base_index is None:
            return
        error = conflict(entry.tables_read, entry.base_index, batch.changed, self.committed.tables)
        if error is not None:
            raise error

    def _change_databases(self, entry: Entry) -> Result:
        change = entry.change
        assert change is not None
        key = self._executor.compiler.key(change.name)
        record = stored_records.find_object(self.connection, stored_records.DATABASE_KIND, key)
        if change.verb == CREATE_DATABASE and record is not None:
            raise SqlError("duplicate_database", name=change.name)
        if change.verb != CREATE_DATABASE and record is None:
            raise SqlError("unknown_database", name=change.name)
        source = str(change.log_id) if change.verb == CREATE_DATABASE else None
        row = CatalogChange(stored_records.DATABASE_KIND, key, change.name, source)
        stored_records.write_catalog(self.connection, [row])
        return Result(verb=change.verb, name=change.name, rows=0, tables=(EVERY_TABLE,))

    def _record(self, batch: _Batch) -> None:
        connection, start = self.connection, self.committed.position.index
        if batch.requests:
            stored_records.write_requests(connection, batch.requests)
        if batch.changed:
            stored_records.write_tables(connection, batch.changed)
        connection.execute(
            "UPDATE dirk_meta SET applied_index = ?1, chain = ?2, time_ms = ?3, schema_version = ?4,"
            " heard_head = max(heard_head, ?1, ?5)",
            (batch.index, batch.chain, batch.time_ms, batch.schema.version, self.committed.heard_head),
        )
        if start // stored_records.PRUNE_EVERY_ENTRIES != batch.index // stored_records.PRUNE_EVERY_ENTRIES:
            stored_records.prune_requests(connection, batch.index, batch.time_ms)


def _known_request(entry: Entry, record: stored_records.RecordedRequest) -> Outcome:
    """The outcome of an entry whose request id ran, or was burnt, at an earlier index.

    What burns an id asks how the request ended, whatever it was; a transaction's entry that comes later ends as it did.
    """
    is_burnt = record.request_hash == BURN_HASH and entry.base_index is not None
    if record.request_hash != entry.request_hash and not entry.is_burn and not is_burnt:
        return failed(entry, SqlError("request_id_reused", request_id=entry.request_id))
    return repeated(entry, decode_outcome(record))


def _unfit_request(entry: Entry) -> Outcome | None:
    """The outcome of an entry whose request id is none, or dated too far from log time; None when it may run."""
    try:
        check_request_time(entry.request_id, entry.index, entry.time_ms, stored_records.KEPT_ENTRIES)
    except SqlError as error:
        return failed(entry, error)
    return None


def _told_again(entry: Entry, record: stored_records.RecordedRequest | None) -> Outcome | None:
    """The recorded outcome of an entry that was applied before; None when its record is gone."""
    if record is None or record.index > entry.index:
        return _unfit_request(entry)
    return decode_outcome(record) if record.index == entry.index else _known_request(entry, record)


def as_work(entries: Sequence[Entry]) -> list[Work]:
    """Entries that were made here, with the bytes they encode to."""
    return [Work(entry, entry.encode()) for entry in entries]
