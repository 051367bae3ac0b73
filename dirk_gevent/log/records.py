"""The records that the log hands over: heads, chunks of entries, snapshots, and what it raises."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from dirk_gevent.log.entry import SKIP_MARK, DatabaseChange, Entry, chain
from dirk_parser.errors import SqlError


class EntriesGoneError(Exception):
    """A follower asked for entries that the log no longer holds: it needs a snapshot first.

    `oldest` is the first index still held (one past the last when none is).
    """

    def __init__(self, log_id: int, oldest: int) -> None:
        super().__init__(f"log {log_id} begins at index {oldest}")
        self.log_id = log_id
        self.oldest = oldest


class LogDamagedError(SqlError):
    """The entry at `index` is not the one that was appended there, so the log gives neither it nor anything behind
    it."""

    def __init__(self, log_id: int, index: int, reason: str) -> None:
        super().__init__("log_entry_damaged", log_id=log_id, index=index, reason=reason)
        self.log_id = log_id
        self.index = index
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Damage:
    """The part of one log that cannot be given any more: a node goes on only with a state of index `last` or later.

    `first` is the first index known to be damaged. `end_in_doubt`: the hash at the head itself is in question, so that
    nothing can be appended until a node that stands there has told its own (`Log.vouch`).
    """

    first: int
    last: int
    reason: str
    end_in_doubt: bool = False


@dataclass(frozen=True, slots=True)
class DatabaseInfo:
    """A database that exists: its name as created, its log id, and when it was created (Unix ms, log time)."""

    name: str
    log_id: int
    created_ms: int


@dataclass(frozen=True, slots=True)
class Head:
    """The last durable entry of a log: its index, the chain hash there, and its log time (Unix ms)."""

    index: int
    chain: bytes
    time_ms: int


@dataclass(frozen=True, slots=True)
class Appended:
    """An entry that is durable: the entry, its exact bytes, and the chain hash at it."""

    entry: Entry
    encoded: bytes
    chain: bytes


@dataclass(frozen=True, slots=True)
class DatabaseChanged:
    """The answer to create_database and drop_database.

    `index` is the system log's index of the change (wait for nodes to apply it before answering the client),
    and `change` what it did. `change` is None and `index` the system log's head when there was nothing to do
    (IF EXISTS, IF NOT EXISTS). The same for a retried request id, whatever happened to the database since.
    """

    index: int
    change: DatabaseChange | None


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive encoded entries of one log, from `first_index` on; `chain_before` is the hash at
    first_index - 1, `chain_after` that at the last of them: they lead from one to the other. `Log.read` marks those
    that are skipped (see `skipped`).

    Empty when the log has nothing after the index asked for.
    """

    log_id: int
    first_index: int
    entries: tuple[bytes, ...]
    chain_before: bytes
    chain_after: bytes

    @property
    def last_index(self) -> int:
        """Index of the last entry; `first_index` - 1 when there is none."""
        return self.first_index + len(self.entries) - 1

    def cut(self, count: int) -> Chunk:
        """The first `count` of its entries."""
        if count >= len(self.entries):
            return self
        entries, before = self.entries[:count], self.chain_before
        return Chunk(self.log_id, self.first_index, entries, before, chain_through(before, entries))


def chain_through(before: bytes, entries: Iterable[bytes]) -> bytes:
    """The chain hash after encoded entries that follow the hash `before`."""
    for encoded in entries:
        before = chain(before, encoded.removeprefix(SKIP_MARK))
    return before


@dataclass(frozen=True, slots=True)
class SnapshotInfo:
    """A database's content at one index. The log holds the engine's compressed file as it is.

    `chain` is the chain hash at `index`, `digest` the content digest that the node computed; `size_bytes`
    and `checksum` (blake2b-16) are of that file and are filled in by the log when it stores it.
    `confirmed`: a second master had the same digest at that index, so the log may forget what lies before.
    """

    log_id: int
    index: int
    chain: bytes
    digest: bytes
    size_bytes: int = 0
    checksum: bytes = b""
    confirmed: bool = False


@dataclass(frozen=True, slots=True)
class Predecessor:
    """A log that a person's rebuild replaced: its genesis, and the index of each log (by id) that was
    carried over.

    A node whose history comes from `genesis` follows the new log where its applied index and chain hash
    agree with `Log.chain_at`; where it is ahead of the index given here, its state is kept aside and it
    takes a snapshot.
    """

    genesis: bytes
    indexes: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Size:
    """How much a log holds: entries and their bytes since the newest snapshot (of any kind), and in all."""

    entries_since_snapshot: int
    bytes_since_snapshot: int
    entries: int
    bytes: int


class SnapshotReader(Protocol):
    """An open snapshot; the file stays as long as a reader holds it."""

    @property
    def info(self) -> SnapshotInfo:
        """The snapshot's facts."""

    def read(self, max_bytes: int) -> bytes:
        """The next bytes of the file, b"" at the end, when all of it was what was stored. *Blocks.*

        Raises SqlError `snapshot_damaged`: what was read is worth nothing.
        """

    def close(self) -> None:
        """Lets the log delete the file when a newer snapshot has replaced it. Safe to call twice."""


class Watch(Protocol):
    """A follower's subscription: rings when a log has new durable entries, or a database came or went."""

    def wait(self, timeout_seconds: float | None = None) -> frozenset[int]:
        """Log ids that changed since the last call; empty after the timeout. *Blocks.*

        The pattern that misses nothing: make the watch first, then read up to the heads, then wait. When the
        log closes, every wait returns empty at once.
        """

    def close(self) -> None:
        """Stops listening. Safe to call twice."""
