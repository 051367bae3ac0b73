"""The disks under SQLite: what was written, what is safe, and what breaks.

An apsw VFS over the ordinary one. Each file remembers what a power cut leaves of it: the content at its last
successful fsync, and the writes since, each of which may or may not have reached the platter. A disk can be full, its
fsync can fail (the pages are then clean and lost, as Linux has it), and it can stop at its n-th operation from now,
in the middle of a commit: whoever writes afterwards is dead.

Files are told apart by the directory they lie in: one directory is one machine's disk in one life of its process.
What Python writes by itself (the genesis, snapshot files, markers) counts as safe at once.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import apsw

NAME = "simulated"
_SHARED_MEMORY = "-shm"


@dataclass(slots=True)
class Content:
    """One file: what is safe, and the writes (offset, bytes) or cuts (size, None) that are not yet."""

    safe: bytearray
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)

    def sync(self) -> None:
        """All that was written is safe."""
        for change in self.pending:
            _change(self.safe, change)
        self.pending.clear()

    def after_power_cut(self, chance: Random) -> bytes:
        """What is left: the safe content, and of the rest nothing, everything, or some."""
        content = bytearray(self.safe)
        fate = chance.random()
        for change in self.pending:
            if fate < 0.4 or (fate < 0.8 and chance.random() < 0.5):
                continue
            _change(content, change)
        return bytes(content)


def _change(content: bytearray, change: tuple[int, bytes | None]) -> None:
    offset, data = change
    if data is None:
        del content[offset:]
        return
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data


@dataclass(frozen=True, slots=True)
class Image:
    """What a disk holds, by name: its directories, outer ones first, and its files."""

    directories: tuple[str, ...] = ()
    files: tuple[tuple[str, bytes], ...] = ()

    @classmethod
    def of(cls, directory: Path) -> Image:
        """The image of a directory that nobody writes in."""
        found = [path for path in sorted(directory.rglob("*")) if not path.name.endswith(_SHARED_MEMORY)]
        names = [(path, str(path.relative_to(directory))) for path in found]
        return cls(
            tuple(name for path, name in names if path.is_dir()),
            tuple((name, path.read_bytes()) for path, name in names if path.is_file()),
        )

    def write_to(self, directory: Path) -> None:
        """Make the directory and everything in it."""
        for name in ("", *self.directories):
            Path(directory, name).mkdir()
        for name, content in self.files:
            with Path(directory, name).open("wb", buffering=0) as file:
                file.write(content)


class Disk:
    """One machine's disk in one life of its process: a directory of real files, and what is safe of them."""

    def __init__(self, directory: Path, identity: str) -> None:
        self.directory = directory
        #: What stays the same from life to life, as an inode does; files put back from a copy have another.
        self.identity = identity
        self.contents: dict[tuple[int, int], Content] = {}
        self.is_full = False
        self.sync_fails = False
        self.is_dead = False
        #: Operations until the disk stops; None for never. `on_stop` is told.
        self.stops_in: int | None = None
        self.on_stop: Callable[[], None] | None = None

    def content(self, path: Path) -> Content:
        """The account of a file, begun with what it holds now."""
        found = path.stat()
        identity = found.st_dev, found.st_ino
        content = self.contents.get(identity)
        if content is None:
            content = self.contents[identity] = Content(bytearray(path.read_bytes()))
        return content

    def operation(self) -> None:
        """An operation that changes something; raises apsw.IOError once the disk has stopped."""
        if self.stops_in is not None and not self.is_dead:
            self.stops_in -= 1
            if self.stops_in < 0:
                self.is_dead = True
                if self.on_stop is not None:
                    self.on_stop()
        if self.is_dead:
            raise apsw.IOError("the disk has stopped")

    def copy_to(self, target: Path, chance: Random | None) -> None:
        """The files as the next life finds them: after a power cut if `chance` says what is left of unsafe writes."""
        target.mkdir(parents=True)
        for path in sorted(self.directory.rglob("*")):
            copy = target / path.relative_to(self.directory)
            if path.is_dir():
                copy.mkdir(exist_ok=True)
                continue
            if path.name.endswith(_SHARED_MEMORY):
                continue
            found = path.stat()
            content = self.contents.get((found.st_dev, found.st_ino))
            if chance is None or content is None:
                shutil.copyfile(path, copy)
            else:
                copy.write_bytes(content.after_power_cut(chance))


class SimDisks(apsw.VFS):
    """The VFS of all simulated machines, the default one while a simulation runs."""

    def __init__(self) -> None:
        super().__init__(NAME, "unix", makedefault=True)
        self._disks: dict[str, Disk] = {}

    def add(self, disk: Disk) -> None:
        """Files under this disk's directory are its own."""
        self._disks[str(disk.directory)] = disk

    def disk_of(self, name: str) -> Disk | None:
        """The disk that a path lies on; None for a file of nobody's."""
        folder = name.rpartition("/")[0]
        while folder:
            disk = self._disks.get(folder)
            if disk is not None:
                return disk
            folder = folder.rpartition("/")[0]
        return None

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        """Open a file; one of a disk that has stopped cannot be opened."""
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        disk = self.disk_of(path) if path else None
        if disk is None:
            return apsw.VFSFile("unix", name, flags)
        if disk.is_dead:
            raise apsw.CantOpenError("the disk has stopped")
        file = SimFile(name, flags, disk)
        file.content = disk.content(Path(path))
        return file

    def xSleep(self, microseconds: int) -> int:  # noqa: N802
        """Waiting for a lock takes no time: whoever holds it will not let go meanwhile."""
        return microseconds


class SimFile(apsw.VFSFile):
    """One open file: every write is remembered until it is synced."""

    content: Content

    def __init__(self, name: Any, flags: list[int], disk: Disk) -> None:
        super().__init__("unix", name, flags)
        self._disk = disk

    def xWrite(self, data: Any, offset: int) -> None:  # noqa: N802
        """Write; FullError when there is no room."""
        disk = self._disk
        disk.operation()
        if disk.is_full:
            raise apsw.FullError("no room")
        piece = bytes(data)
        super().xWrite(piece, offset)
        self.content.pending.append((offset, piece))

    def xTruncate(self, size: int) -> None:  # noqa: N802
        """Cut."""
        self._disk.operation()
        super().xTruncate(size)
        self.content.pending.append((size, None))

    def xSync(self, flags: int) -> None:  # noqa: N802
        """Make safe what was written. When it fails, what was pending will never be."""
        disk = self._disk
        disk.operation()
        if disk.sync_fails:
            self.content.pending.clear()
            raise apsw.IOError("fsync failed")
        self.content.sync()
