"""The log's directory belongs to one process at a time: an exclusive lock on it, held for life."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dirk_gevent.in_use import LOG_LOCK
from parser.errors import SqlError


class DirectoryLock:
    """An exclusive lock (flock) on a directory, which is made when it is not there.

    The kernel lets it go when the process ends in whatever way. The file stays: unlinking it would let two
    hold it.
    """

    def __init__(self, directory: Path) -> None:
        """Takes the lock; SqlError `log_locked` naming the directory and the holder's process id when it is
        taken. OSError when the disk fails.
        """
        make_directory(directory)
        self._descriptor = os.open(directory / LOG_LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)
        except BlockingIOError as error:
            holder = os.pread(self._descriptor, 20, 0).decode(errors="replace").strip()
            self.release()
            raise SqlError("log_locked", path=str(directory), process=holder) from error
        except OSError:
            self.release()
            raise

    def release(self) -> None:
        """Lets the lock go. Safe to call twice."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


@contextmanager
def said_unavailable() -> Iterator[None]:
    """The system's errors in the block become SqlError `log_unavailable`."""
    try:
        yield
    except OSError as error:
        raise SqlError("log_unavailable", reason=str(error)) from error


def make_directory(directory: Path) -> None:
    """Makes a directory, and those above it that are missing, so that a power cut takes none of their names.

    The parent of one that is there already is synced, too: whoever made it may have died before that.
    """
    missing = [above for above in directory.parents if not above.exists()]
    # `parents=True` calls itself for each of them, and a path has room for two thousand.
    for made in reversed((directory, *missing)):
        made.mkdir(exist_ok=True)
    for made in (directory, *missing):
        # Who may not read the parent can't sync it, and did not make the directory in it either.
        with suppress(PermissionError):
            sync_directory(made.parent)


def free_bytes(directory: Path) -> int:
    """Bytes that this process could still write on the directory's file system."""
    found = os.statvfs(directory)
    return found.f_bavail * found.f_frsize


def sync_directory(directory: Path) -> None:
    """Makes renames and unlinks in a directory durable."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_durably(path: Path, content: bytes) -> None:
    """Write a file whole or not at all; survives a power cut when it returns. Raises OSError."""
    partial = path.with_name(path.name + ".partial")
    make_directory(path.parent)
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.rename(path)
    sync_directory(path.parent)
