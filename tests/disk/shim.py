"""A disk for one process of a test: it can lose what was not synced, refuse to sync, be full, and stop the process.

`install` makes it the default of SQLite (an apsw VFS over SQLite's own) and of Python (`open`, `os.rename` and their
like) for everything under one directory. Nothing is really synced, so tests on it are quick.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw

from tests.disk.undo import Kind, Note, UndoNotes

#: Exit status of a process that stopped at its step.
STOPPED = 137
#: Markers and locks are not part of what must survive: their loss says nothing.
_UNTRACKED = (".applying", ".lock", ".running")
#: They count as steps all the same, where they are made and taken away.
_MARKERS = (".running",)
_WRITES = set("wax+")
_NAME = "shim"


class Disk:
    """What the disk of this process does. `stop_at` is the step (counted from 1) at which the process ends, unrun;
    `fails_at` the one that fails with EIO, alone.

    Steps are writes, truncations, syncs, and changes of directories. `before_stop` is called when it comes to that.
    """

    def __init__(self, root: Path, notes: UndoNotes, stop_at: int = 0, fails_at: int = 0) -> None:
        self.root = root.resolve()
        self.notes = notes
        self.is_full = False
        self.fails_sync = False
        self.steps = 0
        self.before_stop: Callable[[str], None] = lambda _: None
        self.lock = threading.RLock()
        self._stop_at = stop_at
        self._fails_at = fails_at

    def holds(self, path: Any) -> bool:
        """Whether the disk looks after `path`."""
        if isinstance(path, int) or path is None:
            return False
        found = Path(os.fsdecode(path)).absolute()
        return found.is_relative_to(self.root) and not found.name.endswith(_UNTRACKED) and found.name != "lock"

    def mark(self, path: Any) -> None:
        """A marker is about to be made or taken away."""
        if isinstance(path, str | Path) and str(path).endswith(_MARKERS) and Path(path).is_relative_to(self.root):
            with self.lock:
                self.step(f"mark {Path(path).name}")

    def step(self, what: str) -> None:
        """One change of the disk is about to happen. OSError EIO when it is the one that fails."""
        self.steps += 1
        if self.steps == self._fails_at:
            raise OSError(errno.EIO, "the disk failed", what)
        if self.steps == self._stop_at:
            self.before_stop(what)
            os._exit(STOPPED)

    def add_entry(self, path: Path) -> None:
        """`path` is about to be made."""
        if not path.exists():
            self.step(f"create {path.name}")
            self.check_room()
            self.notes.add(Note.of_paths(Kind.CREATE, path))

    def move(self, source: Path, target: Path, rename: Callable[[Path, Path], None]) -> None:
        """Rename."""
        with self.lock:
            self.step(f"rename {source.name} {target.name}")
            kept = [self.notes.keep(target)] if target.exists() else []
            self.notes.add(Note.of_paths(Kind.RENAME, source, target, *kept, inode=source.stat().st_ino))
            rename(source, target)

    def remove(self, path: Path, unlink: Callable[[], None]) -> None:
        """Unlink; the notes keep the file until the cut."""
        with self.lock:
            if path.exists():
                self.step(f"unlink {path.name}")
                self.notes.add(Note.of_paths(Kind.UNLINK, path, self.notes.keep(path)))
            unlink()

    def sync(self, inode: int, name: str) -> None:
        """Sync a file; OSError EIO when that fails."""
        with self.lock:
            self.step(f"sync {name}")
            if self.fails_sync:
                self.notes.add(Note(Kind.SYNC_FAILED, inode))
                raise OSError(errno.EIO, "the disk failed to sync", name)
            self.notes.add(Note(Kind.SYNC, inode))

    def sync_directory(self, path: Path) -> None:
        """Make a directory's entries durable; OSError EIO when that fails."""
        with self.lock:
            self.step(f"sync {path.name}/")
            if self.fails_sync:
                raise OSError(errno.EIO, "the disk failed to sync", str(path))
            self.notes.add(Note.of_paths(Kind.SYNC_DIRECTORY, path))

    def check_room(self) -> None:
        """OSError ENOSPC when the disk is full."""
        if self.is_full:
            raise OSError(errno.ENOSPC, "the disk is full")


class _SqliteDisk(apsw.VFS):
    """SQLite's files on a `Disk`."""

    def __init__(self, disk: Disk) -> None:
        super().__init__(_NAME, "unix", makedefault=True)
        self._disk = disk

    def excepthook(self, *_: object) -> None:
        """What SQLite hides from Python, as it does an error at a close, apsw would print."""

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        if not self._disk.holds(path):
            return apsw.VFSFile("unix", name, flags)
        with self._disk.lock:
            if flags[0] & apsw.SQLITE_OPEN_CREATE:
                _as_sqlite(self._disk.add_entry, Path(path))
            return _SqliteFile(self._disk, name, flags, Path(path))

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        if not self._disk.holds(filename):
            super().xDelete(filename, syncdir)
            return
        path = Path(filename)
        _as_sqlite(self._disk.remove, path, lambda: super(_SqliteDisk, self).xDelete(filename, False))
        if syncdir:
            _as_sqlite(self._disk.sync_directory, path.parent)


class _SqliteFile(apsw.VFSFile):
    def __init__(self, disk: Disk, name: Any, flags: list[int], path: Path) -> None:
        super().__init__("unix", name, flags)
        self._disk = disk
        self._path = path
        self._inode = path.stat().st_ino
        # As SQLite itself does: a journal's first sync through a connection is one of the directory too.
        self._has_new_entry = bool(flags[0] & (apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL))

    def excepthook(self, *_: object) -> None:
        """As the disk's."""

    def xWrite(self, data: Any, offset: int) -> None:  # noqa: N802
        disk = self._disk
        with disk.lock:
            _as_sqlite(disk.step, f"write {self._path.name} {offset}+{len(data)}")
            _as_sqlite(disk.check_room)
            size = super().xFileSize()
            old = super().xRead(min(len(data), size - offset), offset) if offset < size else b""
            disk.notes.add(Note(Kind.WRITE, self._inode, offset, size, len(data), bytes(old)))
            super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        disk = self._disk
        with disk.lock:
            size = super().xFileSize()
            if newsize < size:
                _as_sqlite(disk.step, f"truncate {self._path.name} {newsize}")
                old = bytes(super().xRead(size - newsize, newsize))
                disk.notes.add(Note(Kind.TRUNCATE, self._inode, newsize, size, size - newsize, old))
            super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802
        _as_sqlite(self._disk.sync, self._inode, self._path.name)
        if self._has_new_entry:
            _as_sqlite(self._disk.sync_directory, self._path.parent)
            self._has_new_entry = False


def _as_sqlite(work: Callable[..., None], *words: Any) -> None:
    """Run `work`; its OSError is the one that SQLite would meet."""
    try:
        work(*words)
    except OSError as error:
        raise (apsw.FullError if error.errno == errno.ENOSPC else apsw.IOError)(str(error)) from error


class _PythonFile(io.FileIO):
    """A file that Python writes on a `Disk`."""

    def __init__(self, disk: Disk, path: Path, mode: str) -> None:
        disk.add_entry(path)
        if "w" in mode and path.exists() and (size := path.stat().st_size):
            disk.step(f"truncate {path.name} 0")
            disk.notes.add(Note(Kind.TRUNCATE, path.stat().st_ino, 0, size, size, path.read_bytes()))
        super().__init__(path, mode)
        self._disk = disk
        self._shown = path.name

    def write(self, data: Any) -> int:
        disk, length = self._disk, memoryview(data).nbytes
        with disk.lock:
            found = os.fstat(self.fileno())
            offset = found.st_size if "a" in self.mode else self.tell()
            disk.step(f"write {self._shown} {offset}+{length}")
            disk.check_room()
            old = b"" if offset >= found.st_size else _read_at(self.fileno(), length, offset)
            disk.notes.add(Note(Kind.WRITE, found.st_ino, offset, found.st_size, length, old))
            written = super().write(data)
        assert written is not None
        return written


def _read_at(descriptor: int, length: int, offset: int) -> bytes:
    try:
        return os.pread(descriptor, length, offset)
    except OSError:
        return b""  # opened for writing only: nothing here writes over itself


def install(disk: Disk) -> _SqliteDisk:
    """Put `disk` under this process's SQLite and Python; keep what is returned as long as it is to hold."""
    _install_open(disk)
    _install_entries(disk)
    _install_syncs(disk)
    return _SqliteDisk(disk)


def _install_open(disk: Disk) -> None:
    plain_open, plain_os_open = io.open, os.open

    def opened(file: Any, mode: str = "r", buffering: int = -1, *rest: Any, **named: Any) -> Any:
        if not _WRITES.intersection(mode) or not disk.holds(file):
            return plain_open(file, mode, buffering, *rest, **named)
        with disk.lock:
            raw = _PythonFile(disk, Path(os.fsdecode(file)).absolute(), mode.replace("b", "").replace("t", ""))
        if buffering == 0:
            return raw
        buffered = io.BufferedWriter(raw) if "+" not in mode else io.BufferedRandom(raw)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, *rest, **named)

    def os_opened(path: Any, flags: int, *rest: Any, **named: Any) -> int:
        if flags & os.O_CREAT and disk.holds(path) and "dir_fd" not in named:
            with disk.lock:
                disk.add_entry(Path(os.fsdecode(path)).absolute())
        elif flags & os.O_CREAT:
            disk.mark(path)
        return plain_os_open(path, flags, *rest, **named)

    builtins.open = io.open = opened
    os.open = os_opened


def _install_entries(disk: Disk) -> None:
    for name in ("rename", "replace"):
        setattr(os, name, _mover(disk, getattr(os, name)))
    for name in ("unlink", "remove"):
        setattr(os, name, _remover(disk, getattr(os, name)))


def _mover(disk: Disk, plain: Callable[..., None]) -> Callable[..., None]:
    def moved(source: Any, target: Any, **named: Any) -> None:
        if disk.holds(source) and disk.holds(target) and Path(source).exists():
            disk.move(Path(source).absolute(), Path(target).absolute(), plain)
        else:
            plain(source, target, **named)

    return moved


def _remover(disk: Disk, plain: Callable[..., None]) -> Callable[..., None]:
    def removed(path: Any, **named: Any) -> None:
        if disk.holds(path):
            disk.remove(Path(path).absolute(), lambda: plain(path, **named))
        else:
            disk.mark(path)
            plain(path, **named)

    return removed


def _install_syncs(disk: Disk) -> None:
    plain_statvfs = os.statvfs

    def synced(descriptor: Any) -> None:
        number = descriptor if isinstance(descriptor, int) else descriptor.fileno()
        found, path = os.fstat(number), Path(os.readlink(f"/proc/self/fd/{number}"))  # noqa: PTH115
        if not disk.holds(path):
            return
        if stat.S_ISDIR(found.st_mode):
            disk.sync_directory(path)
        else:
            disk.sync(found.st_ino, path.name)

    def free(path: Any) -> os.statvfs_result:
        found = plain_statvfs(path)
        if not (disk.is_full and disk.holds(path)):
            return found
        return os.statvfs_result((*found[:3], 0, 0, *found[5:]))

    for name in ("fsync", "fdatasync"):
        setattr(os, name, synced)
    os.statvfs = free
