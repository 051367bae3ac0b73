"""The log as the rest of DirkDB sees it: a Protocol that every implementation keeps, and what it hands over.

All methods are called from greenlets. Those marked *blocks* give the hub to others while they wait; the rest
answer from memory at once. What is not marked durable here has been fsynced before anybody can see it.

Indexes count from 1 in each log; index 0 means "nothing yet", with the chain hash `entry.NO_CHAIN`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from dirk_gevent.log.clock import LogClock
from dirk_gevent.log.entry import SKIP_MARK, DatabaseChange, Draft, Entry, chain
from dirk_gevent.log.epochs import Epochs
from parser.errors import SqlError


class EntriesGoneError(Exception):
    """A follower asked for entries that the log no longer holds: it needs a snapshot first.

    `oldest` is the first index still held (one past the last when none is).
    """

    def __init__(self, log_id: int, oldest: int) -> None:
        super().__init__(f"log {log_id} begins at index {oldest}")
        self.log_id = log_id
        self.oldest = oldest


class LogDamagedError(SqlError):
    """What the log holds at `index` is not what was appended there, so it gives neither it nor anything behind it."""

    def __init__(self, log_id: int, index: int, reason: str) -> None:
        super().__init__("log_entry_damaged", log_id=log_id, index=index, reason=reason)
        self.log_id = log_id
        self.index = index
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Damage:
    """What of one log cannot be given any more: a node goes on only with a state of index `last` or later.

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
        """What the snapshot is."""

    def read(self, max_bytes: int) -> bytes:
        """The next bytes of the file, b"" at the end, when all of it was what was stored. *Blocks.*

        Raises SqlError `snapshot_damaged`: what was read is worth nothing.
        """

    def close(self) -> None:
        """Lets the log delete the file when a newer snapshot has replaced it. Safe to call twice."""


class Watch(Protocol):
    """A follower's bell: rings when a log has new durable entries, or a database came or went."""

    def wait(self, timeout_seconds: float | None = None) -> frozenset[int]:
        """Log ids that changed since the last call; empty after the timeout. *Blocks.*

        The pattern that misses nothing: make the watch first, then read up to the heads, then wait. When the
        log closes, every wait returns empty at once.
        """

    def close(self) -> None:
        """Stops listening. Safe to call twice."""


class Log(Protocol):
    """One shared log: gives each write of each database its place, once and durably, and hands entries to
    followers.

    Errors common to all writing calls: `log_closed` (57P03), `log_unavailable` (57P03: the journal could not
    be reopened after a fault), `disk_full_log` (53100, nothing was appended), `outcome_unknown` (08007:
    appended or not, only a retry with the same request id can tell), `overloaded` (53300).
    """

    @property
    def genesis(self) -> bytes:
        """16 random bytes, made with the log and never changed: another genesis is another history."""

    @property
    def clock(self) -> LogClock:
        """What time it is; told by the log's host what other parts' clocks say."""

    def time_ms(self) -> int:
        """What an entry appended now is dated (Unix ms): what `clock` says, and never less than the last entry."""

    @property
    def epochs(self) -> Epochs:
        """Which openings of this log have appended to it: by that a log that went back is told."""

    @property
    def predecessors(self) -> tuple[Predecessor, ...]:
        """The logs that this one replaced by `dirk-admin rebuild-log`, oldest first."""

    @property
    def is_copy(self) -> bool:
        """Whether what was opened is not where it was written last: a backup put back, perhaps, that lacks entries."""

    @property
    def is_in_doubt(self) -> bool:
        """Whether a fault of the disk left open where the logs end, and they have not been read again yet.

        Entries whose writers were told `outcome_unknown` may then be there, beyond the heads that are told.
        """

    def trust(self) -> None:
        """Take what was opened for the log that was written last, from now on. *Blocks.*"""

    def databases(self) -> tuple[DatabaseInfo, ...]:
        """The databases that exist, in order of creation, without the system database."""

    def find(self, name: str) -> DatabaseInfo | None:
        """The database of that name (any case, any Unicode form), the system database included; None if
        there is none.
        """

    def is_open(self, log_id: int) -> bool:
        """Whether the log takes entries: its database exists."""

    def heads(self) -> Mapping[int, Head]:
        """Head of every open log by log id (dropped databases are not in it). A copy, to be kept if you
        like.
        """

    def head(self, log_id: int) -> Head:
        """Head of one log, a dropped one's too until it is forgotten; raises SqlError `unknown_database`."""

    def oldest(self, log_id: int) -> int:
        """First index still held; head + 1 when no entry is. Raises SqlError `unknown_database`."""

    def older_upto(self, log_id: int) -> int:
        """The last entry held that was appended under other rules than `entry.RULES`; 0 when none is."""

    def size(self, log_id: int) -> Size:
        """How much the log holds, for deciding on snapshots; raises SqlError `unknown_database`."""

    def append(self, log_id: int, draft: Draft) -> Appended:
        """Gives the draft its place; returns when it is durable. *Blocks.*

        Raises `unknown_database` (no such log, or dropped), `request_id_invalid`, `not_loggable`.
        Exactly-once is the nodes' part (they know the outcomes): a retried draft is a new entry, which they
        skip.
        """

    def create_database(self, name: str, request_id: str, optional: bool = False) -> DatabaseChanged:
        """Makes a database and its log, whose id is the index of this change in the system log. *Blocks.*

        Raises `duplicate_database` unless `optional`, `request_id_invalid`, `request_id_expired` (over 12 h
        older than log time), `request_id_reused` (the id belongs to another change).
        """

    def drop_database(self, name: str, request_id: str, optional: bool = False) -> DatabaseChanged:
        """Seals the database's log and takes it out of the system, in one step. *Blocks.*

        Raises `unknown_database` unless `optional`, `not_droppable` for the system database, and as
        create_database.
        """

    def read(self, log_id: int, after_index: int, max_bytes: int) -> Chunk:
        """Entries after `after_index`, at least one if there is any, else up to `max_bytes`. *Blocks* at
        times.

        Level followers are served from memory; what comes from the disk is checked against its chain hashes. Raises
        `EntriesGoneError` when the log begins later (also for a dropped database that has been forgotten),
        `LogDamagedError` when the first of them is damaged.
        """

    def skip(self, log_id: int, index: int) -> None:
        """Records that an entry which no master has applied ends with XX000 and changes nothing. *Blocks.*

        `read` tells so from now on. After SqlError `log_unavailable` nobody knows until the journal is read again.
        """

    def chain_at(self, log_id: int, index: int) -> bytes | None:
        """The chain hash at an index from `oldest` - 1 to head; None elsewhere, for an unknown log, and where damage
        leaves it in doubt. *Blocks* at times.
        """

    def damage(self, log_id: int) -> Damage | None:
        """What of a log is known to be damaged and not yet behind its beginning; None when nothing is."""

    def is_scrubbed(self, log_id: int) -> bool:
        """Whether all of a log was read and checked since it was opened."""

    def vouch(self, log_id: int, index: int, chain: bytes) -> None:
        """A master stands at `index` with this chain hash: it says which hash is right if that of the head is in
        doubt. *Blocks.*
        """

    def watch(self) -> Watch:
        """A new bell for one follower greenlet."""

    def store_snapshot(self, info: SnapshotInfo, chunks: Iterable[bytes]) -> SnapshotInfo:
        """Takes a snapshot's file, durably; returns it as held. *Blocks*, and reads `chunks` in this
        greenlet.

        Raises `snapshot_refused` (chain hash or index not of this log, or not newer than what is held),
        `disk_full_log`. An exception out of `chunks` leaves nothing behind.
        """

    def latest_snapshot(self, log_id: int) -> SnapshotInfo | None:
        """The newest confirmed snapshot whose entries onwards are all held: where a follower with nothing begins.

        Never one that a single node vouches for: what is wrong in it would be seeded to those that are right.
        """

    def snapshots(self, log_id: int) -> tuple[SnapshotInfo, ...]:
        """All snapshots held of a log, oldest first; those not confirmed await a second master's digest."""

    def open_snapshot(self, log_id: int, index: int) -> SnapshotReader:
        """Opens a snapshot that `snapshots` named; raises SqlError `snapshot_gone`. *Blocks.*"""

    def confirm_snapshot(self, log_id: int, index: int, digest: bytes) -> bool:
        """Records a master's content digest at a snapshot's index; False when it differs from the
        snapshot's. *Blocks.*

        True confirms the snapshot and deletes older ones (a file in a reader's hands goes when the reader
        closes). With one master live and the log past `retainBytes`, the caller confirms with the snapshot's
        own digest. Raises SqlError `snapshot_gone`.
        """

    def delete_snapshot(self, log_id: int, index: int) -> None:
        """Deletes a snapshot that proved wrong (its author was fenced). Nothing happens if it is gone.
        *Blocks.*
        """

    def adopt_snapshot(self, info: SnapshotInfo, chunks: Iterable[bytes]) -> SnapshotInfo:
        """Makes another state the log's next entry: a snapshot one past the head, which all followers must take.

        `info.chain` becomes the chain hash there. What lies before is forgotten. No append may be under way on this
        log: SqlError `snapshot_refused` when the head has moved meanwhile. *Blocks.*
        """

    def index_at(self, log_id: int, time_ms: int) -> int:
        """The last index whose log time is not after `time_ms` (Unix). *Blocks.*

        Raises EntriesGoneError when that lies before what the log still holds, SqlError `unknown_database`.
        """

    def truncate(self, log_id: int, upto: int) -> int:
        """Forgets entries up to `upto`, never beyond the newest confirmed snapshot; returns `oldest`.
        *Blocks.*

        Works in small steps between appends. Raises SqlError `unknown_database`.
        """

    def forget(self, log_id: int) -> None:
        """Deletes a dropped database's entries and snapshots: call it when all nodes applied the drop.
        *Blocks.*

        Nothing happens for a log that is open or already forgotten.
        """

    def close(self) -> None:
        """Ends waiting appends (`log_closed`), lets the running one finish, releases the directory.
        *Blocks.*
        """
