"""The log in memory: where each log stands, and how a batch of drafts becomes one commit on top of it.

A `CommitPlan` only plans. Nothing in the `State` changes before the commit is durable and `CommitPlan.publish` is
called, so followers, heads and later batches never see what a failed commit would have written.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from random import SystemRandom

from dirk_gevent.log.embedded.journal_file import MAX_LOG_ID, RECENT_REQUESTS
from dirk_gevent.log.embedded.journal_rows import EntryRow, JournalCommit, JournalContents, LogRow, RequestRow
from dirk_gevent.log.entry import (
    CREATE_DATABASE,
    KEPT_ENTRIES,
    REQUEST_AGE_MS,
    SYSTEM_LOG_ID,
    DatabaseChange,
    Draft,
    Entry,
    chain,
    check_request_time,
    hash_statements,
)
from dirk_gevent.log.records import Appended, DatabaseChanged, DatabaseInfo, Head, Size
from dirk_parser.errors import SqlError
from dirk_parser.names import key as name_key

_random = SystemRandom()


@dataclass(slots=True)
class LogState:
    """Where one log stands; `head` and `total_bytes` are of its last durable entry.

    Entries up to `older_upto` are of earlier rules, as far as they are held; those in `skips` are skipped.
    """

    row: LogRow
    head: Head
    total_bytes: int
    older_upto: int = 0
    skips: set[int] = field(default_factory=set)
    snapshot_index: int = 0
    snapshot_total_bytes: int = 0

    @property
    def is_open(self) -> bool:
        """True when the database exists: a sealed log takes no entry."""
        return self.row.sealed_at is None

    def size(self) -> Size:
        """See `contract.Log.size`; what a truncation took counts as snapshotted."""
        base = self.row.base.index, self.row.base_total_bytes
        index, total = max(base, (self.snapshot_index, self.snapshot_total_bytes))
        return Size(
            self.head.index - index,
            self.total_bytes - total,
            self.head.index - base[0],
            self.total_bytes - base[1],
        )


class State:
    """All logs of a journal, the names of databases, and the latest system requests."""

    def __init__(self, contents: JournalContents) -> None:
        self.logs = {
            record.row.log_id: LogState(record.row, record.head, record.total_bytes, record.older_upto)
            for record in contents.logs
        }
        self.names = {name_key(log.row.name): log_id for log_id, log in self.logs.items() if log.is_open}
        self.requests = OrderedDict((request.request_id, request) for request in contents.requests)
        self.last_time_ms = max((log.head.time_ms for log in self.logs.values()), default=0)
        for log_id, index in contents.skips:
            if log_id in self.logs:
                self.logs[log_id].skips.add(index)
        for snapshot in contents.snapshots:
            log = self.logs[snapshot.info.log_id]
            log.snapshot_index, log.snapshot_total_bytes = snapshot.info.index, snapshot.total_bytes

    def log(self, log_id: int) -> LogState:
        """A log by id, sealed ones too; SqlError `unknown_database`."""
        log = self.logs.get(log_id)
        if log is None:
            raise SqlError("unknown_database", name=f"#{log_id}")
        return log

    def info(self, log_id: int) -> DatabaseInfo:
        """The database of a log."""
        row = self.logs[log_id].row
        return DatabaseInfo(row.name, log_id, row.created_ms)

    def remember(self, request: RequestRow) -> None:
        """Keeps a system request for its retries."""
        self.requests[request.request_id] = request
        if len(self.requests) > RECENT_REQUESTS:
            self.requests.popitem(last=False)


@dataclass(frozen=True, slots=True)
class Write:
    """A draft on its way into the log `log_id`, its statements encoded already."""

    log_id: int
    draft: Draft
    statements: bytes


@dataclass(frozen=True, slots=True)
class ChangeRequest:
    """A CREATE or DROP DATABASE on its way; `verb` as in `DatabaseChange`."""

    verb: str
    name: str
    request_id: str
    optional: bool


@dataclass(slots=True)
class CommitPlan:
    """One batch on top of a `State`: takes items in order, holds the rows to commit, then changes the state."""

    state: State
    time_ms: int
    commit: JournalCommit = field(default_factory=JournalCommit)
    _heads: dict[int, tuple[Head, int]] = field(default_factory=dict)
    _rows: dict[int, LogRow] = field(default_factory=dict)
    _appended: list[tuple[bytes, Appended]] = field(default_factory=list)

    def write(self, write: Write) -> Appended:
        """Gives a write its place; SqlError `unknown_database` when its log is sealed or unknown."""
        row = self._row(write.log_id)
        if row is None or row.sealed_at is not None:
            raise SqlError("unknown_database", name=row.name if row else f"#{write.log_id}")
        return self._add(write.log_id, write.draft, write.statements, None)

    def change(self, request: ChangeRequest) -> DatabaseChanged:
        """Makes or drops a database, or says what the same request did before; errors as in `contract.Log`."""
        done = self._done(request.request_id) or self.state.requests.get(request.request_id)
        if done is not None:
            return answer_again(request, done)
        check_request_time(request.request_id, self._head(SYSTEM_LOG_ID)[0].index + 1, self.time_ms)
        existing = self._find(request.name)
        creates = request.verb == CREATE_DATABASE
        if (existing is not None) == creates:
            return self._nothing_to_do(request, existing)
        row = self._created(request) if existing is None else self._sealed(existing)
        change = DatabaseChange(request.verb, row.name, row.log_id, row.sealed_at or 0)
        appended = self._add(SYSTEM_LOG_ID, Draft(request.request_id, ()), b"[]", change)
        self._rows[row.log_id] = row
        (self.commit.created if existing is None else self.commit.sealed).append(row)
        self.commit.requests.append(RequestRow(request.request_id, appended.entry.index, change))
        self.commit.expired_upto = appended.entry.index - KEPT_ENTRIES
        self.commit.expired_before = f"{max(0, self.time_ms - 2 * REQUEST_AGE_MS):013d}"
        return DatabaseChanged(appended.entry.index, change)

    def publish(self) -> list[tuple[bytes, Appended]]:
        """Makes the batch part of the state once it is durable; returns (chain before, entry) in order."""
        state = self.state
        for row in self._rows.values():
            self._publish_row(row)
        for log_id, (head, total_bytes) in self._heads.items():
            log = state.logs[log_id]
            log.head, log.total_bytes = head, total_bytes
        for request in self.commit.requests:
            state.remember(request)
        state.last_time_ms = self.time_ms
        return self._appended

    def _publish_row(self, row: LogRow) -> None:
        state, key = self.state, name_key(row.name)
        log = state.logs.get(row.log_id)
        if log is None:
            state.logs[row.log_id] = LogState(row, row.base, 0)
        else:
            # Its base may have moved while the commit ran.
            log.row = replace(log.row, sealed_at=row.sealed_at, sealed_ms=row.sealed_ms)
        if row.sealed_at is None:
            state.names[key] = row.log_id
        elif state.names.get(key) == row.log_id:
            del state.names[key]

    def _add(self, log_id: int, draft: Draft, statements: bytes, change: DatabaseChange | None) -> Appended:
        head, total_bytes = self._head(log_id)
        entry = Entry(
            log_id=log_id,
            index=head.index + 1,
            time_ms=self.time_ms,
            seed=_random.getrandbits(64),
            request_id=draft.request_id,
            request_hash=draft.request_hash or hash_statements(statements),
            statements=draft.statements,
            step_limit=draft.step_limit,
            base_index=draft.base_index,
            tables_read=draft.tables_read,
            change=change,
        )
        encoded = entry.encode(statements)
        appended = Appended(entry, encoded, chain(head.chain, encoded))
        total_bytes += len(encoded)
        self.commit.entries.append(EntryRow(
            log_id=log_id,
            index=entry.index,
            time_ms=self.time_ms,
            total_bytes=total_bytes,
            chain=appended.chain,
            encoded=encoded,
        ))
        self._heads[log_id] = Head(entry.index, appended.chain, self.time_ms), total_bytes
        self._appended.append((head.chain, appended))
        return appended

    def _created(self, request: ChangeRequest) -> LogRow:
        log_id = self._head(SYSTEM_LOG_ID)[0].index + 1
        if log_id > MAX_LOG_ID:
            raise SqlError("log_unavailable", reason=f"no room for more than {MAX_LOG_ID} databases ever made")
        return LogRow(log_id, request.name, self.time_ms)

    def _sealed(self, existing: LogRow) -> LogRow:
        sealed_at = self._head(existing.log_id)[0].index
        return replace(existing, sealed_at=sealed_at, sealed_ms=self.time_ms)

    def _nothing_to_do(self, request: ChangeRequest, existing: LogRow | None) -> DatabaseChanged:
        if not request.optional:
            key = "unknown_database" if existing is None else "duplicate_database"
            raise SqlError(key, name=request.name if existing is None else existing.name)
        return DatabaseChanged(self._head(SYSTEM_LOG_ID)[0].index, None)

    def _head(self, log_id: int) -> tuple[Head, int]:
        staged = self._heads.get(log_id)
        if staged is not None:
            return staged
        log = self.state.logs.get(log_id)
        return (self._rows[log_id].base, 0) if log is None else (log.head, log.total_bytes)

    def _row(self, log_id: int) -> LogRow | None:
        log = self.state.logs.get(log_id)
        return self._rows.get(log_id) or (None if log is None else log.row)

    def _find(self, name: str) -> LogRow | None:
        key = name_key(name)
        for row in reversed(self._rows.values()):
            if name_key(row.name) == key:
                return row if row.sealed_at is None else None
        log_id = self.state.names.get(key)
        return None if log_id is None else self.state.logs[log_id].row

    def _done(self, request_id: str) -> RequestRow | None:
        return next((row for row in self.commit.requests if row.request_id == request_id), None)


def answer_again(request: ChangeRequest, done: RequestRow) -> DatabaseChanged:
    """The answer to a retried CREATE or DROP DATABASE; SqlError `request_id_reused` when it asks for
    another.
    """
    change = done.change
    if (change.verb, name_key(change.name)) != (request.verb, name_key(request.name)):
        raise SqlError("request_id_reused", request_id=request.request_id)
    return DatabaseChanged(done.index, change)


class CurrentState:
    """The state in use: another one takes its place when the journal has been read again."""

    def __init__(self, state: State) -> None:
        self._state = state

    def get(self) -> State:
        """The state of now; nothing may block between this and its use."""
        return self._state

    def replace(self, state: State) -> None:
        """The journal was read again."""
        self._state = state
