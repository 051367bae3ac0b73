"""The journal's rows as the rest of the log sees them: what one commit writes and what a reading finds."""

from __future__ import annotations

from dataclasses import dataclass, field

from dirk_gevent.log.entry import NO_CHAIN, DatabaseChange
from dirk_gevent.log.records import Head, Predecessor, SnapshotInfo

#: Head of a log before its first entry.
NO_HEAD = Head(0, NO_CHAIN, 0)


@dataclass(frozen=True, slots=True)
class EntryRow:
    """One entry as stored. `total_bytes` sums the encoded bytes of the log's entries up to and with this
    one.
    """

    log_id: int
    index: int
    time_ms: int
    total_bytes: int
    chain: bytes
    encoded: bytes


@dataclass(frozen=True, slots=True)
class LogRow:
    """One log. `base` is the place its entries begin behind (index 0, or where it was truncated or rebuilt).

    `sealed_at` is the last index of a dropped database's log and `sealed_ms` when it was dropped; None while
    open.
    """

    log_id: int
    name: str
    created_ms: int
    base: Head = NO_HEAD
    base_total_bytes: int = 0
    sealed_at: int | None = None
    sealed_ms: int = 0


@dataclass(frozen=True, slots=True)
class LogRecord:
    """A log as a reading of the journal finds it: its row and its end.

    `older_upto` is the last entry of earlier rules that it holds (`rules.older_upto`). `damage` are indexes whose
    entries were found damaged, with the reason. `doubt` is b"" unless the last entry is one of them: then it is the
    other chain hash that may be the right one at the head.
    """

    row: LogRow
    head: Head
    total_bytes: int
    older_upto: int = 0
    damage: tuple[tuple[int, str], ...] = ()
    doubt: bytes = b""


@dataclass(frozen=True, slots=True)
class FoundSnapshot:
    """A snapshot that the journal names, and `EntryRow.total_bytes` at its index."""

    info: SnapshotInfo
    total_bytes: int


@dataclass(frozen=True, slots=True)
class RequestRow:
    """A request that made or dropped a database; `index` is the system log's. Its retry gets the same
    answer.
    """

    request_id: str
    index: int
    change: DatabaseChange


@dataclass(slots=True)
class JournalCommit:
    """All that one transaction of the journal writes.

    Requests up to `expired_upto` of the system log are forgotten where their ids are older than `expired_before`.
    """

    entries: list[EntryRow] = field(default_factory=list)
    created: list[LogRow] = field(default_factory=list)
    sealed: list[LogRow] = field(default_factory=list)
    requests: list[RequestRow] = field(default_factory=list)
    expired_upto: int = 0
    expired_before: str = ""


@dataclass(frozen=True, slots=True)
class JournalContents:
    """The contents of a journal besides its entries. `is_copy`: its file is not the one that was written last.

    `skips` are log id and index of entries that a person had skipped, `requests` the latest that made or dropped a
    database, oldest first.

    `epochs` are those of the openings that appended, oldest first, each with the heads before it as JSON.
    """

    genesis: bytes
    predecessors: tuple[Predecessor, ...]
    logs: tuple[LogRecord, ...]
    snapshots: tuple[FoundSnapshot, ...]
    is_copy: bool = False
    skips: tuple[tuple[int, int], ...] = ()
    requests: tuple[RequestRow, ...] = ()
    epochs: tuple[tuple[bytes, str], ...] = ()

    def heads(self) -> dict[int, int]:
        """The last index of each log."""
        return {log.row.log_id: log.head.index for log in self.logs}
