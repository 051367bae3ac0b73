"""Files and directories: one lock, one way to write a file whole or not at all, one way to make names durable.

Everything here blocks the thread it runs on.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

#: The files that carry the locks, in a node's data directory and in the log's.
DATA_LOCK = "dirk.lock"
LOG_LOCK = "lock"

_DIGITS = 20


class FileLockedError(Exception):
    """Another process holds the lock; `process` is its id as the file says it, "" when the file says none."""

    def __init__(self, path: Path, process: str) -> None:
        super().__init__(f"{path} is locked{f' by process {process}' if process else ''}")
        self.process = process


class FileLock:
    """An exclusive lock (flock) on a file, which is made when it is not there and holds its holder's process id.

    The kernel lets the lock go when the process ends in whatever way. The file stays: unlinking it would let two
    hold it.
    """

    def __init__(self, path: Path) -> None:
        """Take the lock. Raises FileLockedError at once when another process holds it, OSError when the file can't be
        opened.
        """
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            process = _process_in(self._descriptor)
            self.release()
            raise FileLockedError(path, process) from error
        except OSError:
            self.release()
            raise
        # A disk that takes nothing loses the number, not the lock.
        with suppress(OSError):
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let the lock go. Safe to call twice."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def lock_holder(path: Path) -> str | None:
    """The id of the process that holds the `FileLock` at `path`, "" for one that says none; None when nobody does."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _process_in(descriptor)
    finally:
        os.close(descriptor)
    return None


def make_directory(directory: Path) -> None:
    """Make a directory, and those above it that are missing, so that a power cut takes none of their names.

    The parent of one that is there already is synced, too: whoever made it may have died before that.
    """
    missing = [above for above in directory.parents if not above.exists()]
    # `parents=True` calls itself for each of them, and a path has room for two thousand.
    for path in reversed((directory, *missing)):
        path.mkdir(exist_ok=True)
    for path in (directory, *missing):
        # Who may not read the parent can't sync it, and did not make the directory in it either.
        with suppress(PermissionError):
            sync_directory(path.parent)


def free_bytes(directory: Path) -> int:
    """Bytes that this process could still write on the directory's file system."""
    status = os.statvfs(directory)
    return status.f_bavail * status.f_frsize


def sync_directory(directory: Path) -> None:
    """Make renames and unlinks in a directory durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def put_in_place(partial: Path, path: Path) -> None:
    """Give a file that is whole and on the disk its name; survives a power cut when it returns. Raises OSError."""
    partial.rename(path)
    sync_directory(path.parent)


def write_durably(path: Path, content: bytes) -> None:
    """Write a file whole or not at all; survives a power cut when it returns. Raises OSError."""
    partial = path.with_name(path.name + ".partial")
    make_directory(path.parent)
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    put_in_place(partial, path)


def _process_in(descriptor: int) -> str:
    said = os.pread(descriptor, _DIGITS, 0).decode("ascii", "replace").strip()
    return said if said.isdecimal() else ""
