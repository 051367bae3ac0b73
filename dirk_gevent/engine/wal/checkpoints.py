"""Checkpoints: the WAL's pages into the database file, fsynced, so that the node may say what it will never lose."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import apsw

from dirk_gevent.engine.functions import EntryContext
from dirk_gevent.engine.sqlite_connection import BUSY_MS, open_writer

#: Past this a checkpoint also stops the writer for a moment and cuts the WAL file back to nothing.
LARGE_WAL_BYTES = 64 << 20
#: The first to open a file reads through its WAL. Past this size that is too long for the hub.
SLOW_TO_OPEN_BYTES = 1 << 20
_TRUNCATE_WAIT_MS = 50


def wal_bytes(path: Path) -> int:
    """Size of a database's WAL file, 0 without one."""
    try:
        return path.with_name(path.name + "-wal").stat().st_size
    except FileNotFoundError:
        return 0


def checkpoint(connection: apsw.Connection, truncate: bool) -> bool:
    """Move the WAL into the file; whether all of it that this call saw is there, fsynced. Raises apsw errors.

    PASSIVE waits for nobody: a reader of an old state makes it partial. TRUNCATE needs the writer to stand still.
    """
    try:
        frames, moved = connection.wal_checkpoint("main", apsw.SQLITE_CHECKPOINT_PASSIVE)
    except (apsw.BusyError, apsw.LockedError):
        return False
    if truncate and frames == moved:
        _truncate(connection)
    return frames == moved


def bring_together(path: Path) -> None:
    """Move a file's WAL into it. What can't be (a damaged file, a full disk) stays in two parts."""
    if not path.exists():
        return
    with suppress(apsw.Error):
        connection = open_writer(path, EntryContext())
        try:
            checkpoint(connection, True)
        finally:
            connection.close()


def _truncate(connection: apsw.Connection) -> None:
    """Cut the WAL file to nothing if no reader is in it for a moment; there will be another time."""
    connection.set_busy_timeout(_TRUNCATE_WAIT_MS)
    try:
        connection.wal_checkpoint("main", apsw.SQLITE_CHECKPOINT_TRUNCATE)
    except (apsw.BusyError, apsw.LockedError):
        return
    finally:
        connection.set_busy_timeout(BUSY_MS)
