"""The journal's file: its tables, how a row is read and written, and what a whole reading finds.

An entry's row has the integer key ``log_id << INDEX_BITS | index``: SQLite appends such rows to a B+tree's
right edge, which costs 40 % fewer bytes a commit than a primary key of two columns. A journal so has room
for 2²⁴ databases ever made and 5·10¹¹ entries in each.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import apsw
import orjson

from dirk_gevent.log.embedded.journal_rows import (
    EntryRow,
    FoundSnapshot,
    JournalContents,
    LogRecord,
    LogRow,
    RequestRow,
)
from dirk_gevent.log.embedded.older_rules import older_upto
from dirk_gevent.log.entry import HASH_BYTES, NO_CHAIN, SYSTEM_DATABASE, SYSTEM_LOG_ID, DatabaseChange, chain
from dirk_gevent.log.records import Head, Predecessor, SnapshotInfo
from dirk_gevent.sqlite.journal_mode import set_journal_mode
from dirk_gevent.sqlite.shared_memory import vfs_for
from dirk_parser.errors import SqlError

#: Name of the journal's file in the log's directory.
JOURNAL_FILE = "journal.sqlite"
#: Bits of an entry's key that hold its index; the rest hold the log id.
INDEX_BITS = 39
MAX_INDEX = (1 << INDEX_BITS) - 1
MAX_LOG_ID = (1 << (63 - INDEX_BITS)) - 1
#: Entries at each log's end whose chain is checked when the journal is opened.
VERIFIED_ENTRIES = 64

#: The WAL's file keeps this size when it starts anew: to write over blocks and sync them takes some two thirds of the
#: time of growing a file.
WAL_KEPT_BYTES = 8 << 20

#: Raised when an earlier release could not read the file, or would run its entries by its own rules: 2.1.0 (format 2)
#: looks at the rules of a log's first entry, and takes those of a later release for its own or an earlier one's; 2.2.0
#: (format 3) takes them for an earlier one's. A release refuses a journal of a later format with a sentence, and takes
#: over one of an earlier format as it opens it.
_FORMAT, _EARLIER_FORMATS = b"4", (b"1", b"2", b"3")
#: System requests that are kept in memory; older ones are looked up in the journal.
RECENT_REQUESTS = 10_000
#: What is said of an entry that is not what was appended, and of one that is not there.
ALTERED = "its bytes do not match its chain hash"
MISSING = "it is not in the journal"

_BUSY_MS = 10_000
#: The journal's tables.
SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS predecessors (
  ordinal INTEGER PRIMARY KEY, genesis BLOB NOT NULL, indexes TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS epochs (ordinal INTEGER PRIMARY KEY, epoch BLOB NOT NULL, heads TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS entries (position INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL,
  total_bytes INTEGER NOT NULL, chain BLOB NOT NULL, encoded BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS logs (log_id INTEGER PRIMARY KEY, name TEXT NOT NULL, created_ms INTEGER NOT NULL,
  base_index INTEGER NOT NULL, base_chain BLOB NOT NULL, base_time_ms INTEGER NOT NULL,
  base_total_bytes INTEGER NOT NULL, sealed_at INTEGER, sealed_ms INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS requests (request_id TEXT PRIMARY KEY, idx INTEGER NOT NULL, verb TEXT NOT NULL,
  name TEXT NOT NULL, log_id INTEGER NOT NULL, sealed_at INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS requests_by_index ON requests (idx);
CREATE TABLE IF NOT EXISTS snapshots (log_id INTEGER, idx INTEGER, chain BLOB NOT NULL, digest BLOB NOT NULL,
  size_bytes INTEGER NOT NULL, checksum BLOB NOT NULL, confirmed INTEGER NOT NULL, total_bytes INTEGER NOT NULL,
  PRIMARY KEY (log_id, idx)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS skips (log_id INTEGER, idx INTEGER, PRIMARY KEY (log_id, idx)) WITHOUT ROWID;
"""


def position(log_id: int, index: int) -> int:
    """The key of an entry's row."""
    return log_id << INDEX_BITS | index


def connect(directory: Path, vfs: str | None) -> apsw.Connection:
    """A connection to the directory's journal, fsyncing at each commit and leaving checkpoints to us. Raises apsw
    errors.
    """
    path = directory / JOURNAL_FILE
    connection = apsw.Connection(str(path), vfs=vfs or vfs_for(path))
    connection.set_busy_timeout(_BUSY_MS)
    kept = f"journal_size_limit={WAL_KEPT_BYTES}"
    try:
        set_journal_mode(connection, "wal")
        for pragma in ("synchronous=FULL", "wal_autocheckpoint=0", kept):
            connection.execute(f"PRAGMA {pragma}")
    except BaseException:
        connection.close(True)
        raise
    return connection


def follows(before: bytes, encoded: object, chained: object) -> bool:
    """True when an entry as stored has the chain hash that is stored with it, behind the hash `before`."""
    return _computed(before, encoded) == chained


def _computed(before: object, encoded: object) -> bytes:
    """The chain hash at an entry that is stored behind a stored hash; `NO_CHAIN` when either can be none."""
    is_whole = isinstance(encoded, bytes) and isinstance(before, bytes) and len(before) == HASH_BYTES
    return chain(before, encoded) if is_whole else NO_CHAIN  # type: ignore[arg-type]


def fetch(connection: apsw.Connection, sql: str, values: Sequence[int | str] = ()) -> list[tuple[Any, ...]]:
    """All rows of a query whose columns hold what the tables say. Raises apsw errors, also for a text that is none."""
    try:
        return connection.execute(sql, values).fetchall()
    except UnicodeDecodeError as error:
        raise apsw.CorruptError(str(error)) from error


def blob(column: str) -> str:
    """The SQL for a column of bytes; empty bytes for any other value, of which not every text can be read."""
    return f"iif(typeof({column}) = 'blob', {column}, x'')"


def write_rebuilt(
    directory: Path,
    predecessors: tuple[Predecessor, ...],
    logs: list[LogRow],
    snapshots: list[FoundSnapshot],
    requests: list[RequestRow],
) -> bytes:
    """Makes a fresh journal whose logs begin behind snapshots, in a directory without one; returns its
    genesis. `requests` are those whose retry must not run again.
    """
    connection = connect(directory, None)
    with connection:
        connection.execute(SCHEMA)
        genesis = secrets.token_bytes(HASH_BYTES)
        connection.execute("INSERT INTO meta VALUES ('format', ?), ('genesis', ?)", (_FORMAT, genesis))
        for predecessor in predecessors:
            connection.execute(
                "INSERT INTO predecessors (genesis, indexes) VALUES (?, ?)",
                (predecessor.genesis, _index_text(predecessor)),
            )
        connection.executemany("INSERT INTO logs VALUES (?,?,?,?,?,?,?,?,?)", map(log_values, logs))
        connection.executemany("INSERT INTO requests VALUES (?,?,?,?,?,?)", map(request_values, requests))
        for snapshot in snapshots:
            put_snapshot(connection, snapshot)
    connection.close()
    return genesis


def read_identity(directory: Path) -> tuple[bytes, tuple[Predecessor, ...]]:
    """Genesis and predecessors of a journal that may be of no other use; apsw.Error when it cannot be read.

    Raises SqlError as `check_format`: a later release can read it.
    """
    connection = apsw.Connection(str(directory / JOURNAL_FILE), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        check_format(connection, directory)
        return _identity(connection)
    finally:
        connection.close(True)


def damaged(directory: Path, reason: str) -> SqlError:
    """The error for a journal that cannot be what this program wrote."""
    return SqlError("log_damaged", path=str(directory / JOURNAL_FILE), reason=reason)


def check_format(connection: apsw.Connection, directory: Path) -> None:
    """SqlError `later_release` when a later release has written the journal: nothing else of it is to be read."""
    if not fetch(connection, "SELECT 1 FROM sqlite_schema WHERE name='meta'"):
        return
    for (version,) in fetch(connection, "SELECT value FROM meta WHERE key='format'"):
        if version not in (_FORMAT, *_EARLIER_FORMATS):
            raise _of_another_format(directory, version)


def _of_another_format(directory: Path, version: object) -> SqlError:
    if isinstance(version, bytes) and version.isdigit():
        path, version_text = str(directory / JOURNAL_FILE), version.decode()
        return SqlError("later_release", path=path, format=version_text, known=_FORMAT.decode())
    return damaged(directory, f"its format is {version!r}, this program reads {_FORMAT!r}")


def put_snapshot(connection: apsw.Connection, snapshot: FoundSnapshot) -> None:
    """Writes a snapshot's row, in the caller's transaction."""
    info = snapshot.info
    connection.execute(
        "INSERT OR REPLACE INTO snapshots VALUES (?,?,?,?,?,?,?,?)",
        (
            info.log_id,
            info.index,
            info.chain,
            info.digest,
            info.size_bytes,
            info.checksum,
            info.confirmed,
            snapshot.total_bytes,
        ),
    )


def claim(connection: apsw.Connection, directory: Path) -> None:
    """Writes down the inode of the journal's file, in the caller's transaction: a copy has another."""
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('inode', ?)", (_inode(directory),))


def _inode(directory: Path) -> bytes:
    return str((directory / JOURNAL_FILE).stat().st_ino).encode()


def initialise(connection: apsw.Connection, directory: Path) -> None:
    """Gives a new journal its genesis and the system database's log; one that knows no inode of its own, this one."""
    if connection.execute("SELECT 1 FROM meta WHERE key='inode'").fetchone() is None:
        claim(connection, directory)
    for earlier in _EARLIER_FORMATS:
        connection.execute("UPDATE meta SET value = ? WHERE key = 'format' AND value = ?", (_FORMAT, earlier))
    if connection.execute("SELECT 1 FROM meta WHERE key='genesis'").fetchone() is None:
        genesis = secrets.token_bytes(HASH_BYTES)
        connection.execute("INSERT INTO meta VALUES ('format', ?), ('genesis', ?)", (_FORMAT, genesis))
        system = LogRow(SYSTEM_LOG_ID, SYSTEM_DATABASE, 0)
        connection.execute("INSERT INTO logs VALUES (?,?,?,?,?,?,?,?,?)", log_values(system))


def contents(connection: apsw.Connection, directory: Path) -> JournalContents:
    """All that the journal says besides its entries, each log's end verified; SqlError `log_damaged`."""
    try:
        return _contents(connection, directory)
    except (ValueError, TypeError, LookupError) as error:
        # A column holds what this program writes nowhere.
        raise damaged(directory, f"{type(error).__name__}: {error}") from error


def _contents(connection: apsw.Connection, directory: Path) -> JournalContents:
    version = fetch(connection, "SELECT value FROM meta WHERE key='format'")
    if version != [(_FORMAT,)]:
        raise _of_another_format(directory, version[0][0] if version else b"")
    genesis, predecessors = _identity(connection)
    rows = fetch(connection, "SELECT * FROM logs ORDER BY log_id")
    snapshots = fetch(connection, "SELECT * FROM snapshots ORDER BY log_id, idx")
    return JournalContents(
        genesis=genesis,
        predecessors=predecessors,
        logs=tuple(_found_log(connection, _log_row(row)) for row in rows),
        snapshots=tuple(_found_snapshot(row) for row in snapshots),
        is_copy=fetch(connection, "SELECT value FROM meta WHERE key='inode'") != [(_inode(directory),)],
        skips=tuple(fetch(connection, "SELECT log_id, idx FROM skips")),
        requests=_latest_requests(connection),
        epochs=tuple(fetch(connection, "SELECT epoch, heads FROM epochs ORDER BY ordinal")),
    )


def _latest_requests(connection: apsw.Connection) -> tuple[RequestRow, ...]:
    rows = fetch(
        connection,
        "SELECT request_id, idx, verb, name, log_id, sealed_at FROM requests ORDER BY idx DESC LIMIT ?",
        (RECENT_REQUESTS,),
    )
    return tuple(RequestRow(request_id, index, DatabaseChange(*rest)) for request_id, index, *rest in reversed(rows))


def _log_row(row: tuple[Any, ...]) -> LogRow:
    log_id, name, created_ms, index, chained, time_ms, total_bytes, sealed_at, sealed_ms = row
    base = Head(index, chained, time_ms)
    if not isinstance(name, str):
        raise TypeError(f"the name of log {log_id} is {name!r}")
    return LogRow(log_id, name, created_ms, base, total_bytes, sealed_at=sealed_at, sealed_ms=sealed_ms)


def _found_snapshot(row: tuple[Any, ...]) -> FoundSnapshot:
    log_id, index, chained, digest, size_bytes, checksum, confirmed, total_bytes = row
    info = SnapshotInfo(log_id, index, chained, digest, size_bytes, checksum=checksum, confirmed=bool(confirmed))
    return FoundSnapshot(info, total_bytes)


def _identity(connection: apsw.Connection) -> tuple[bytes, tuple[Predecessor, ...]]:
    genesis = fetch(connection, "SELECT value FROM meta WHERE key='genesis'")
    rows = fetch(connection, "SELECT genesis, indexes FROM predecessors ORDER BY ordinal")
    predecessors = tuple(
        Predecessor(before, {int(log_id): index for log_id, index in orjson.loads(indexes).items()})
        for before, indexes in rows
    )
    return (genesis[0][0] if genesis else b""), predecessors


def _found_log(connection: apsw.Connection, row: LogRow) -> LogRecord:
    """The log's end, with the chain of its first and of its last entries checked.

    A dropped database's log ends where it was sealed, whatever of it is forgotten already or damaged.
    """
    base, damage = row.base, _damage_at_base(connection, row)
    tail, unreadable = _newest(connection, row)
    head, total_bytes = base, row.base_total_bytes
    if unreadable:
        damage += (((tail[-1][0] & MAX_INDEX) - 1, unreadable),)
    if unreadable or len(tail) > VERIFIED_ENTRIES:
        key, time_ms, total_bytes, chained, _ = tail.pop()
        head = Head(key & MAX_INDEX, chained, time_ms)
    doubt = b""
    for key, time_ms, total, chained, encoded in reversed(tail):
        index = key & MAX_INDEX
        gap = index > head.index + 1
        if gap:
            damage += tuple((missing, MISSING) for missing in sorted({head.index + 1, index - 1}))
        # The hash of the entry before may be what is damaged; then the one that was computed leads on.
        is_right = gap or any(follows(before, encoded, chained) for before in (head.chain, doubt) if before)
        doubt = b""
        if not is_right:
            damage += ((index, ALTERED),)
            doubt = _computed(head.chain, encoded)
        head, total_bytes = Head(index, chained, time_ms), total
    if row.sealed_at is not None:
        head, damage, doubt = replace(head, index=row.sealed_at), (), b""
    older = older_upto(row.log_id, row.base.index + 1, head.index, partial(_encoded, connection, row.log_id))
    return LogRecord(row=row, head=head, total_bytes=total_bytes, older_upto=older, damage=damage, doubt=doubt)


def _newest(connection: apsw.Connection, row: LogRow) -> tuple[list[tuple[Any, ...]], str]:
    """The last entries of a log, the newest first, and why SQLite could not read more of them, if so.

    Raises apsw errors when it can't read the very last.
    """
    newest: list[tuple[Any, ...]] = []
    rows = connection.execute(
        f"SELECT position, time_ms, total_bytes, {blob('chain')}, {blob('encoded')} FROM entries"
        " WHERE position BETWEEN ? AND ? ORDER BY position DESC LIMIT ?",
        (position(row.log_id, row.base.index + 1), position(row.log_id, MAX_INDEX), VERIFIED_ENTRIES + 1),
    )
    with closing(rows):
        try:
            newest.extend(rows)
        except apsw.CorruptError as error:
            if not newest:
                raise
            return newest, str(error)
    return newest, ""


def _encoded(connection: apsw.Connection, log_id: int, index: int) -> bytes:
    try:
        rows = fetch(connection, "SELECT encoded FROM entries WHERE position = ?", (position(log_id, index),))
    except apsw.CorruptError:
        return b""
    return rows[0][0] if rows and isinstance(rows[0][0], bytes) else b""


def _damage_at_base(connection: apsw.Connection, row: LogRow) -> tuple[tuple[int, str], ...]:
    """Damage where the hash that a log begins behind neither leads to its first entry nor is that of the snapshot
    there."""
    base = row.base
    where = position(row.log_id, base.index + 1)
    try:
        first = fetch(connection, "SELECT chain, encoded FROM entries WHERE position=?", (where,))
    except apsw.CorruptError as error:
        return ((base.index + 1, str(error)),)
    if first and not follows(base.chain, first[0][1], first[0][0]):
        return ((base.index + 1, ALTERED),)
    held = fetch(connection, "SELECT chain FROM snapshots WHERE log_id=? AND idx=?", (row.log_id, base.index))
    if not first and held and held[0][0] != base.chain:
        return ((base.index, ALTERED),)
    return ()


def checkpoint(connection: apsw.Connection, mode: int) -> bool:
    """Moves the WAL into the file; False when a reader or another checkpoint was in the way."""
    try:
        connection.wal_checkpoint(mode=mode)
    except (apsw.BusyError, apsw.LockedError):
        return False
    return True


def _index_text(predecessor: Predecessor) -> str:
    return orjson.dumps({str(key): value for key, value in predecessor.indexes.items()}).decode()


def entry_values(row: EntryRow) -> tuple[int, int, int, bytes, bytes]:
    """An entry as the row of table entries."""
    return position(row.log_id, row.index), row.time_ms, row.total_bytes, row.chain, row.encoded


def log_values(row: LogRow) -> tuple[object, ...]:
    """A log as the row of table logs."""
    base = row.base.index, row.base.chain, row.base.time_ms, row.base_total_bytes
    return row.log_id, row.name, row.created_ms, *base, row.sealed_at, row.sealed_ms


def request_values(row: RequestRow) -> tuple[str, int, str, str, int, int]:
    """A request as the row of table requests."""
    change = row.change
    return row.request_id, row.index, change.verb, change.name, change.log_id, change.sealed_at
