"""What a disk would lose in a power cut, written down beside the files so that a test can make them lose it.

A process under `tests.disk.shim` writes its files at once, as into the kernel's cache, and notes here before each
change how to take it back. A sync lets the notes of its file or directory go. After a kill -9, `cut` takes back what
was not synced: all of it, or some 512-byte sectors and some of the newest renames, as a torn write would.

Without `cut` a kill -9 is only that: the kernel's cache survives, and the notes go on counting as not yet synced.
"""

from __future__ import annotations

import os
import shutil
import struct
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from random import Random

SECTOR_BYTES = 512
#: Notes are rewritten without those that no longer count once they are this many bytes.
COMPACT_BYTES = 32 << 20

#: kind, inode, offset or size after, size before, bytes the change covers, length of the rest.
_HEAD = struct.Struct("<BQQQQI")


class Kind(IntEnum):
    """What a note is about."""

    WRITE = 1
    TRUNCATE = 2
    SYNC = 3
    #: A sync that failed: the kernel forgets that the pages were dirty, a later sync does not write them.
    SYNC_FAILED = 4
    CREATE = 5
    RENAME = 6
    UNLINK = 7
    SYNC_DIRECTORY = 8


_OF_DIRECTORIES = (Kind.CREATE, Kind.RENAME, Kind.UNLINK)


@dataclass(frozen=True, slots=True)
class Note:
    """One change. WRITE: `old` is what the `length` bytes at `offset` were, as far as the file went then.

    TRUNCATE: `old` is what was cut off behind `offset`. Changes of directories carry paths in `old`.
    """

    kind: Kind
    inode: int = 0
    offset: int = 0
    old_size: int = 0
    length: int = 0
    old: bytes = b""

    def encode(self) -> bytes:
        """The note as it stands in the file."""
        head = _HEAD.pack(self.kind, self.inode, self.offset, self.old_size, self.length, len(self.old))
        return head + self.old

    @property
    def paths(self) -> list[Path]:
        """The paths of a directory's change: what it is about, then where it went and where the old one is kept."""
        return [Path(os.fsdecode(part)) for part in self.old.split(b"\0") if part]

    @staticmethod
    def of_paths(kind: Kind, *paths: Path, inode: int = 0) -> Note:
        """A note about directory entries."""
        return Note(kind, inode, old=b"\0".join(os.fsencode(path) for path in paths))


@dataclass(frozen=True, slots=True)
class _Placed:
    """A note and its place among all."""

    number: int
    note: Note


class UndoNotes:
    """The notes of one process, in `folder`: a file that is only appended to, and old files that lost their name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.kept = folder / "kept"
        self.kept.mkdir(parents=True, exist_ok=True)
        self._path = folder / "notes"
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._size_bytes = os.fstat(self._descriptor).st_size
        self._kept_count = len(list(self.kept.iterdir()))

    def add(self, note: Note) -> None:
        """Write a note; it survives this process from now on."""
        encoded = note.encode()
        os.write(self._descriptor, encoded)
        self._size_bytes += len(encoded)
        if self._size_bytes > COMPACT_BYTES:
            self._compact()

    def keep(self, path: Path) -> Path:
        """Another name for the file at `path`, so that it outlives this one."""
        self._kept_count += 1
        kept = self.kept / f"{os.getpid()}-{self._kept_count}"
        os.link(path, kept)
        return kept

    def _compact(self) -> None:
        partial = self._path.with_suffix(".new")
        with open(partial, "wb") as file:  # noqa: PTH123 - not through the shim's pathlib
            file.writelines(note.encode() for note in unsynced(read_notes(self._path)))
        os.replace(partial, self._path)  # noqa: PTH105
        os.close(self._descriptor)
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND)
        self._size_bytes = os.fstat(self._descriptor).st_size


def read_notes(path: Path) -> Iterator[Note]:
    """All notes; a last one that a kill cut short is none: what it spoke of has not happened."""
    data = path.read_bytes() if path.exists() else b""
    at = 0
    while at + _HEAD.size <= len(data):
        kind, inode, offset, old_size, length, rest = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        if at + rest > len(data):
            return
        yield Note(Kind(kind), inode, offset, old_size, length, data[at : at + rest])
        at += rest


def unsynced(notes: Iterable[Note]) -> list[Note]:
    """The changes that no sync has made durable, in order.

    What a failed sync forgot stays, less what was written again and synced since.
    """
    changed: dict[int, list[_Placed]] = defaultdict(list)
    doomed: dict[int, list[_Placed]] = defaultdict(list)
    entries: dict[Path, list[_Placed]] = defaultdict(list)
    for number, note in enumerate(notes):
        if note.kind is Kind.SYNC:
            done = [placed.note for placed in changed.pop(note.inode, ())]
            doomed[note.inode] = _not_rewritten(doomed[note.inode], done)
        elif note.kind is Kind.SYNC_FAILED:
            doomed[note.inode] += changed.pop(note.inode, ())
        elif note.kind is Kind.SYNC_DIRECTORY:
            entries.pop(note.paths[0], None)
        elif note.kind in _OF_DIRECTORIES:
            entries[_folder(note)].append(_Placed(number, note))
        else:
            changed[note.inode].append(_Placed(number, note))
    left = [placed for held in (changed, doomed, entries) for each in held.values() for placed in each]
    return [placed.note for placed in sorted(left, key=lambda placed: placed.number)]


def cut(folder: Path, root: Path, chance: Random | None = None) -> int:
    """The power cut, after the process of `folder` is dead: files under `root` lose what was not synced.

    Without `chance` all of it, else what `chance` says. Shared-memory files go too. How many changes were at stake.
    """
    notes = unsynced(read_notes(folder / "notes"))
    share = 0.0 if chance is None else chance.choice([0.0, 0.0, 0.3, 0.7, 1.0])
    places = {path.stat().st_ino: path for one in (root, folder / "kept") for path in one.rglob("*") if path.is_file()}
    for note in reversed(notes):
        if note.kind not in _OF_DIRECTORIES and note.inode in places:
            _take_back_bytes(note, places[note.inode], chance, share)
    for note in reversed(_lost_entries(notes, chance, share)):
        _take_back_entry(note)
    for path in root.rglob("*-shm"):
        path.unlink()
    shutil.rmtree(folder)
    return len(notes)


def _lost_entries(notes: list[Note], chance: Random | None, share: float) -> list[Note]:
    """The changes of directories that are lost: in each the newest so many, for a file system keeps their order."""
    folders: dict[Path, int] = {}
    lost = []
    entries = [note for note in notes if note.kind in _OF_DIRECTORIES]
    counts = Counter(_folder(note) for note in entries)
    lasting = {folder: chance.randint(0, count) if chance and share else 0 for folder, count in counts.items()}
    for note in entries:
        number = folders[_folder(note)] = folders.get(_folder(note), 0) + 1
        if number > lasting[_folder(note)]:
            lost.append(note)
    return lost


def _folder(note: Note) -> Path:
    return note.paths[0].parent


def _not_rewritten(doomed: list[_Placed], done: list[Note]) -> list[_Placed]:
    """Lost changes less what later writes that reached the disk cover: nothing of those is to be taken back."""
    if not doomed or not done:
        return doomed
    spans = _merged([(note.offset, note.offset + note.length) for note in done if note.kind is Kind.WRITE])
    carved = (_Placed(placed.number, _without(placed.note, spans)) for placed in doomed)
    return [placed for placed in carved if placed.note.length]


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((start, end))
    return found


def _without(note: Note, spans: list[tuple[int, int]]) -> Note:
    first, last = note.offset, note.offset + note.length
    for start, end in spans:
        if start <= first < end:
            first = min(end, last)
        if start < last <= end:
            last = max(start, first)
    old = note.old[first - note.offset : last - note.offset]
    return Note(note.kind, note.inode, first, max(note.old_size, first), last - first, old)


def _take_back_bytes(note: Note, path: Path, chance: Random | None, share: float) -> None:
    with path.open("r+b") as file:
        if note.kind is Kind.TRUNCATE:
            if chance is None or chance.random() >= share:
                file.seek(note.offset)
                file.write(note.old)
            return
        size = path.stat().st_size
        end = 0
        for first, last in _sectors(note.offset, note.length):
            if chance is not None and chance.random() < share:
                end = last
                continue
            old = note.old[first - note.offset : last - note.offset]
            file.seek(first)
            file.write(old.ljust(last - first, b"\0"))
        if note.offset + note.length >= size > note.old_size:
            file.truncate(max(note.old_size, end))


def _sectors(offset: int, length: int) -> Iterator[tuple[int, int]]:
    """The parts of a write that lie in one sector each."""
    first, end = offset, offset + length
    while first < end:
        last = min(end, (first // SECTOR_BYTES + 1) * SECTOR_BYTES)
        yield first, last
        first = last


def _take_back_entry(note: Note) -> None:
    paths = note.paths
    if note.kind is Kind.CREATE:
        paths[0].unlink(missing_ok=True)
    elif note.kind is Kind.UNLINK:
        if not paths[0].exists():
            os.link(paths[1], paths[0])
    elif paths[1].exists() and paths[1].stat().st_ino == note.inode:
        paths[1].rename(paths[0])
        if len(paths) > 2:
            os.link(paths[2], paths[1])
