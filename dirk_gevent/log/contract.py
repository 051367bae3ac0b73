"""The log as the rest of DirkDB sees it: Protocols that every implementation keeps.

It has three faces: `appends` gives writes their places, `reads` tells what there is and lets followers read and watch,
`snapshots` holds states and what they let the log forget. What is not marked as blocking answers from memory at once;
what is not marked durable here has been fsynced before anybody can see it.

Errors common to all writing calls: `log_closed` (57P03), `log_unavailable` (57P03: the journal could not be reopened
after a fault), `disk_full_log` (53100, nothing was appended), `outcome_unknown` (08007: appended or not, only a retry
with the same request id can tell), `overloaded` (53300).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from dirk_gevent.log.clock import LogClock
from dirk_gevent.log.entry import Draft
from dirk_gevent.log.epochs import Epochs
from dirk_gevent.log.records import (
    Appended,
    Chunk,
    Damage,
    DatabaseChanged,
    DatabaseInfo,
    Head,
    Predecessor,
    Size,
    SnapshotInfo,
    SnapshotReader,
    Watch,
)


class LogAppends(Protocol):
    """Gives each write of each database its place, once and durably."""

    @property
    def is_in_doubt(self) -> bool:
        """True when a fault of the disk left open where the logs end, and they have not been read again yet.

        Entries whose writers were told `outcome_unknown` may then be there, beyond the heads that are told.
        """

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

    def skip(self, log_id: int, index: int) -> None:
        """Records that an entry which no master has applied ends with XX000 and changes nothing. *Blocks.*

        `read` tells so from now on. After SqlError `log_unavailable` nobody knows until the journal is read again.
        """


class LogReads(Protocol):
    """Tells what there is, and hands entries to followers."""

    def databases(self) -> tuple[DatabaseInfo, ...]:
        """The databases that exist, in order of creation, without the system database."""

    def find(self, name: str) -> DatabaseInfo | None:
        """The database of that name (any case, any Unicode form), the system database included; None if
        there is none.
        """

    def is_open(self, log_id: int) -> bool:
        """True when the log takes entries: its database exists."""

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

    def read(self, log_id: int, after_index: int, max_bytes: int) -> Chunk:
        """Entries after `after_index`, at least one if there is any, else up to `max_bytes`. *Blocks* at
        times.

        Level followers are served from memory; what comes from the disk is checked against its chain hashes. Raises
        `EntriesGoneError` when the log begins later (also for a dropped database that has been forgotten),
        `LogDamagedError` when the first of them is damaged.
        """

    def chain_at(self, log_id: int, index: int) -> bytes | None:
        """The chain hash at an index from `oldest` - 1 to head; None elsewhere, for an unknown log, and where damage
        leaves it in doubt. *Blocks* at times.
        """

    def index_at(self, log_id: int, time_ms: int) -> int:
        """The last index whose log time is not after `time_ms` (Unix). *Blocks.*

        Raises EntriesGoneError when that lies before what the log still holds, SqlError `unknown_database`.
        """

    def damage(self, log_id: int) -> Damage | None:
        """Damage of a log that is not yet behind its beginning; None when there is none."""

    def is_scrubbed(self, log_id: int) -> bool:
        """True when all of a log was read and checked since it was opened."""

    def vouch(self, log_id: int, index: int, chain: bytes) -> None:
        """A master stands at `index` with this chain hash: it says which hash is right if that of the head is in
        doubt. *Blocks.*
        """

    def watch(self) -> Watch:
        """A new subscription for one follower greenlet."""


class LogSnapshots(Protocol):
    """Holds the states that followers begin with, and forgets what lies behind them."""

    def store(self, info: SnapshotInfo, chunks: Iterable[bytes]) -> SnapshotInfo:
        """Takes a snapshot's file, durably; returns it as held. *Blocks*, and reads `chunks` in this
        greenlet.

        Raises `snapshot_refused` (chain hash or index not of this log, or not newer than what is held),
        `disk_full_log`. An exception out of `chunks` leaves nothing behind.
        """

    def latest(self, log_id: int) -> SnapshotInfo | None:
        """The newest confirmed snapshot whose entries onwards are all held: where a follower with nothing begins.

        Never one that a single node vouches for: what is wrong in it would be seeded to those that are right.
        """

    def all(self, log_id: int) -> tuple[SnapshotInfo, ...]:
        """All snapshots held of a log, oldest first; those not confirmed await a second master's digest."""

    def open(self, log_id: int, index: int) -> SnapshotReader:
        """Opens a snapshot that `all` named; raises SqlError `snapshot_gone`. *Blocks.*"""

    def confirm(self, log_id: int, index: int, digest: bytes) -> bool:
        """Records a master's content digest at a snapshot's index; False when it differs from the
        snapshot's. *Blocks.*

        True confirms the snapshot and deletes older ones (a file in a reader's hands goes when the reader
        closes). With one master live and the log past `retainBytes`, the caller confirms with the snapshot's
        own digest. Raises SqlError `snapshot_gone`.
        """

    def delete(self, log_id: int, index: int) -> None:
        """Deletes a snapshot that proved wrong (its author was fenced). Nothing happens if it is gone.
        *Blocks.*
        """

    def adopt(self, info: SnapshotInfo, chunks: Iterable[bytes]) -> SnapshotInfo:
        """Makes another state the log's next entry: a snapshot one past the head, which all followers must take.

        `info.chain` becomes the chain hash there. What lies before is forgotten. No append may be under way on this
        log: SqlError `snapshot_refused` when the head has moved meanwhile. *Blocks.*
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


class Log(Protocol):
    """One shared log of all databases."""

    @property
    def appends(self) -> LogAppends:
        """The face for writers."""

    @property
    def reads(self) -> LogReads:
        """The face for followers and for whoever asks what there is."""

    @property
    def snapshots(self) -> LogSnapshots:
        """The face for states."""

    @property
    def genesis(self) -> bytes:
        """16 random bytes, made with the log and never changed: another genesis is another history."""

    @property
    def clock(self) -> LogClock:
        """The log's clock; the log's host tells it the clocks of other parts."""

    def time_ms(self) -> int:
        """The time (Unix ms) of an entry appended now: what `clock` says, and never less than the last entry."""

    @property
    def epochs(self) -> Epochs:
        """Which openings of this log have appended to it: by that a log that went back is told."""

    @property
    def predecessors(self) -> tuple[Predecessor, ...]:
        """The logs that this one replaced by `dirk-admin rebuild-log`, oldest first."""

    @property
    def is_copy(self) -> bool:
        """True when what was opened is not where it was written last: a backup put back, perhaps, that lacks
        entries."""

    def trust(self) -> None:
        """Take what was opened for the log that was written last, from now on. *Blocks.*"""

    def close(self) -> None:
        """Ends waiting appends (`log_closed`), lets the running one finish, releases the directory.
        *Blocks.*
        """
