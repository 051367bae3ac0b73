"""SQLite connections as DirkDB uses them, and the empty file every database begins as."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

import apsw

from dirk_gevent.engine.files.file_format import FORMAT
from dirk_gevent.engine.functions import EntryContext, register
from dirk_gevent.sqlite.shared_memory import vfs_for

#: Prepared statements kept a connection (apsw keys them by text; statements over 16 KiB are not kept).
_STATEMENTS_KEPT = 200
BUSY_MS = 5_000
#: A WAL file is cut back to this after a checkpoint has emptied it.
_WAL_KEPT_BYTES = 8 << 20
#: Longest text or blob that a statement may make, store or answer with. What is longer is `value_too_big` (54000), on
#: every node alike; `limits.maxStatementBytes` keeps what a client sends below it.
MOST_VALUE_BYTES = 64 * 1024 * 1024
_OPEN_EXISTING = apsw.SQLITE_OPEN_READWRITE

_SCHEMA = """
CREATE TABLE dirk_meta (
    one INTEGER PRIMARY KEY CHECK (one = 1), log_id INTEGER NOT NULL, name TEXT NOT NULL,
    applied_index INTEGER NOT NULL, chain BLOB NOT NULL, time_ms INTEGER NOT NULL,
    heard_head INTEGER NOT NULL, schema_version INTEGER NOT NULL, state TEXT NOT NULL);
CREATE TABLE dirk_requests (
    request_id TEXT PRIMARY KEY, request_hash TEXT NOT NULL, entry INTEGER NOT NULL, time_ms INTEGER NOT NULL,
    outcome BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE dirk_tables (name TEXT PRIMARY KEY, changed_at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE dirk_catalog (
    kind TEXT, key TEXT, name TEXT, source TEXT, PRIMARY KEY (kind, key)) WITHOUT ROWID;
"""


@lru_cache(maxsize=1)
def _empty_image() -> bytes:
    """An empty database as bytes: writing it out is ten times as fast as running its DDL and needs no fsync.

    A power cut may lose the file. That is no loss: the log holds every entry, and a file that cannot be read is
    set aside and replayed.
    """
    with apsw.Connection(":memory:") as memory:
        memory.execute(_SCHEMA)
        memory.pragma("user_version", FORMAT)
        image = bytearray(memory.serialize("main"))
    memory.close()
    image[18] = image[19] = 2  # the file format's "read and write through a WAL"
    return bytes(image)


def create_file(path: Path) -> None:
    """Write an empty database at `path`, through a temporary file so that it is whole or absent. Raises OSError.

    A WAL that a death left behind when the file it belonged to was put aside goes first: SQLite would replay it.
    """
    for companion in ("-wal", "-shm"):
        path.with_name(path.name + companion).unlink(missing_ok=True)
    partial = path.with_suffix(".partial")
    try:
        partial.write_bytes(_empty_image())
        partial.rename(path)
    except OSError:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise


def open_writer(path: Path, context: EntryContext) -> apsw.Connection:
    """The applier's connection; raises apsw errors.

    Checkpoints are never a side effect of a commit here (they fsync): `checkpoints` makes them.
    """
    first = "PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; PRAGMA wal_autocheckpoint = 0"
    return _opened(path, context, f"{first}; PRAGMA journal_size_limit = {_WAL_KEPT_BYTES}")


def limit_values(connection: apsw.Connection) -> None:
    """Limit values that clients ask for on `connection` to `MOST_VALUE_BYTES`.

    Not for connections that copy or compare whole databases: an earlier release stored longer ones.
    """
    connection.limit(apsw.SQLITE_LIMIT_LENGTH, MOST_VALUE_BYTES)


@contextmanager
def savepoint(connection: apsw.Connection) -> Iterator[None]:
    """All that is done within, or nothing of it when it raises; may be nested.

    apsw's own way of it fails when the step limit has ended a statement: SQLite has then undone the whole transaction,
    and there is no savepoint left to go back to.
    """
    connection.execute("SAVEPOINT dirk")
    try:
        yield
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK TO dirk; RELEASE dirk")
        raise
    connection.execute("RELEASE dirk")


def open_reader(path: Path, context: EntryContext) -> apsw.Connection:
    """A connection that can only read, of a file that DirkDB has made; raises apsw errors.

    SQLite opens the WAL by its name at the first read. That is made here: the caller keeps the file from being
    replaced meanwhile. Inside a transaction the schema is read twice for it at most. Outside SQLite begins again for
    each definition that comes meanwhile, and ends with "database schema has changed" after fifty: with thousands of
    tables they come fast enough.
    """
    first_read = "BEGIN; SELECT one FROM dirk_meta; COMMIT"
    return _opened(path, context, f"PRAGMA query_only = ON; PRAGMA wal_autocheckpoint = 0; {first_read}")


def _opened(path: Path, context: EntryContext, first: str) -> apsw.Connection:
    """A connection on which `first` was run; none is left open when that fails."""
    connection = _open(path, context)
    try:
        connection.execute(first).fetchall()
    except BaseException:
        connection.close(True)
        raise
    return connection


def _open(path: Path, context: EntryContext) -> apsw.Connection:
    connection = apsw.Connection(
        str(path), flags=_OPEN_EXISTING, vfs=vfs_for(path), statementcachesize=_STATEMENTS_KEPT
    )
    connection.set_busy_timeout(BUSY_MS)
    # Pages of the file are never mapped: a disk that fails would kill the process.
    connection.execute("PRAGMA mmap_size = 0").fetchall()
    for option, value in (
        (apsw.SQLITE_DBCONFIG_DQS_DML, 0),
        (apsw.SQLITE_DBCONFIG_DQS_DDL, 0),
        (apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0),
        (apsw.SQLITE_DBCONFIG_DEFENSIVE, 1),
        (apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1),
    ):
        connection.config(option, value)
    register(connection, context)
    return connection
