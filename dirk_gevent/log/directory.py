"""The log's directory: it belongs to one process at a time, and a disk that fails there is `log_unavailable`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dirk_gevent.base.files import LOG_LOCK, FileLock, FileLockedError, make_directory
from dirk_parser.errors import SqlError


def lock_directory(directory: Path) -> FileLock:
    """The exclusive lock on the log's directory, which is made when it is not there; held until it is released.

    SqlError `log_locked` naming the directory and the holder's process id when another process holds it. OSError when
    the disk fails.
    """
    make_directory(directory)
    try:
        return FileLock(directory / LOG_LOCK)
    except FileLockedError as error:
        raise SqlError("log_locked", path=str(directory), process=error.process) from error


@contextmanager
def said_unavailable() -> Iterator[None]:
    """The system's errors in the block become SqlError `log_unavailable`."""
    try:
        yield
    except OSError as error:
        raise SqlError("log_unavailable", reason=str(error)) from error
