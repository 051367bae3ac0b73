"""The snapshot files beside the journal: written aside, checksummed, fsynced, renamed; deleted when nobody
reads.

A file is what a node's engine made, compressed; the log does not look inside. The journal names those that count;
a file that it does not name is left over from a crash, and goes at a start-up from which on nobody can miss it.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path

from dirk_gevent.base.files import free_bytes, make_directory, put_in_place
from dirk_gevent.log.entry import HASH_BYTES
from dirk_gevent.log.records import SnapshotInfo
from dirk_gevent.loop.threads import NativeThreads
from dirk_gevent.loop.throttle import IncrementalFsyncFile, remove
from dirk_parser.errors import SqlError

#: Name of the folder in the log's directory.
SNAPSHOT_FOLDER = "snapshots"

#: A snapshot's file: log and index.
_NAME = re.compile(r"([0-9]+)-([0-9]+)\.zst")
_THREADS = 2
_PIECE_BYTES = 1024 * 1024


class SnapshotFiles:
    """The files of one log directory; file work runs on native threads of its own, never behind an append."""

    def __init__(self, directory: Path, reserve_bytes: int) -> None:
        self._folder = directory / SNAPSHOT_FOLDER
        self._reserve_bytes = reserve_bytes
        self._threads = NativeThreads(_THREADS)
        #: Told of a snapshot whose file is not what was stored, with the reason.
        self.damaged: Callable[[SnapshotInfo, str], None] = lambda _info, _reason: None
        self._readers: dict[Path, int] = {}
        self._unwanted: set[Path] = set()

    def tidy(self, wanted: Iterable[SnapshotInfo], is_over: Callable[[int, int], bool]) -> list[SnapshotInfo]:
        """Deletes files that are none of `wanted`, snapshots only if they are over (by log and index); returns those of
        `wanted` that have no whole file.
        """
        make_directory(self._folder)
        expected = {snapshot_file(self._folder, info.log_id, info.index): info for info in wanted}
        for path in self._folder.iterdir():
            named = _NAME.fullmatch(path.name)
            if path not in expected and (named is None or is_over(int(named[1]), int(named[2]))):
                path.unlink()
        return [info for path, info in expected.items() if not path.exists() or path.stat().st_size != info.size_bytes]

    def store(self, info: SnapshotInfo, chunks: Iterable[bytes]) -> SnapshotInfo:
        """Writes a snapshot durably; returns `info` with size and checksum. Nothing is left behind on any
        error.

        SqlError `disk_full_log`; `snapshot_refused` when `info.checksum` is given and is not that of the
        bytes.
        """
        writer = self._threads.call(_Writer, self._folder, info, self._reserve_bytes)
        try:
            for chunk in chunks:
                self._threads.call(writer.write, chunk)
            return self._threads.call(writer.finish)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise SqlError("disk_full_log", path=str(self._folder)) from error
            raise
        finally:
            self._threads.call(writer.abandon)

    def open(self, info: SnapshotInfo) -> OpenSnapshot:
        """A reader of a stored snapshot; SqlError `snapshot_gone` when the file is not there."""
        path = snapshot_file(self._folder, info.log_id, info.index)
        try:
            file = self._threads.call(_Checked, path, info)
        except FileNotFoundError as error:
            if self._threads.call(self._folder.exists):
                self.damaged(info, "its file is gone")
            raise SqlError("snapshot_gone", log_id=info.log_id, index=info.index) from error
        self._readers[path] = self._readers.get(path, 0) + 1
        return OpenSnapshot(self, info, path, file)

    def read(self, file: _Checked, max_bytes: int) -> bytes:
        """The next bytes of an open file, read on a native thread; SqlError `snapshot_damaged`."""
        info = file.info
        try:
            return self._threads.call(file.read, max_bytes)
        except OSError as error:
            if not self._threads.call(file.is_whole):
                self.damaged(info, str(error))
            raise SqlError("snapshot_damaged", log_id=info.log_id, index=info.index, reason=str(error)) from error

    def delete(self, infos: Iterable[SnapshotInfo]) -> None:
        """Deletes files that the journal no longer names, now or when their last reader closes."""
        for info in infos:
            path = snapshot_file(self._folder, info.log_id, info.index)
            if path in self._readers:
                self._unwanted.add(path)
            else:
                self._threads.call(remove, path)

    def closed(self, path: Path) -> None:
        """A reader of `path` is done."""
        self._readers[path] -= 1
        if self._readers[path] == 0:
            del self._readers[path]
            if path in self._unwanted:
                self._unwanted.discard(path)
                self._threads.call(remove, path)

    def close(self) -> None:
        """Ends the threads once they are done."""
        self._threads.end()


class OpenSnapshot:
    """A `contract.SnapshotReader` on a file of `SnapshotFiles`."""

    def __init__(self, files: SnapshotFiles, info: SnapshotInfo, path: Path, file: _Checked) -> None:
        self._files = files
        self._info = info
        self._path = path
        self._file: _Checked | None = file

    @property
    def info(self) -> SnapshotInfo:
        """The snapshot's facts."""
        return self._info

    def read(self, max_bytes: int) -> bytes:
        """See `contract.SnapshotReader.read`."""
        if self._file is None:
            raise ValueError("the snapshot is closed")
        return self._files.read(self._file, max_bytes)

    def close(self) -> None:
        """See `contract.SnapshotReader.close`."""
        file, self._file = self._file, None
        if file is not None:
            file.close()
            self._files.closed(self._path)


class _Checked:
    """A stored snapshot being read; at its end it must have been what was stored. Runs on native threads."""

    def __init__(self, path: Path, info: SnapshotInfo) -> None:
        self.info = info
        self._file = path.open("rb")
        self._hash = blake2b(digest_size=HASH_BYTES)
        self._size_bytes = 0

    def read(self, max_bytes: int) -> bytes:
        """The next bytes; OSError, also for a file that was altered."""
        piece = self._file.read(max_bytes)
        self._hash.update(piece)
        self._size_bytes += len(piece)
        if not piece and (self._size_bytes, self._hash.digest()) != (self.info.size_bytes, self.info.checksum):
            raise OSError(errno.EBADMSG, "its bytes do not match its checksum")
        return piece

    def is_whole(self) -> bool:
        """True when a second reading finds what was stored: then the first met a disk that only hesitated."""
        self._file.seek(0)
        self._hash, self._size_bytes = blake2b(digest_size=HASH_BYTES), 0
        try:
            while self.read(_PIECE_BYTES):
                continue
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class _Writer:
    """One snapshot being written under a temporary name. Runs on native threads."""

    def __init__(self, folder: Path, info: SnapshotInfo, reserve_bytes: int) -> None:
        self._info = info
        self._target = snapshot_file(folder, info.log_id, info.index)
        self._temporary = self._target.with_suffix(".part")
        self._reserve_bytes = reserve_bytes
        self._hash = blake2b(digest_size=HASH_BYTES)
        self._size_bytes = 0
        self._file = self._temporary.open("wb")
        self._steady = IncrementalFsyncFile(self._file)

    def write(self, chunk: bytes) -> None:
        """Adds bytes, as long as the appends' reserve of free space stays whole."""
        if free_bytes(self._target.parent) - len(chunk) < self._reserve_bytes:
            raise SqlError("disk_full_log", path=str(self._target.parent))
        self._steady.write(chunk)
        self._hash.update(chunk)
        self._size_bytes += len(chunk)

    def finish(self) -> SnapshotInfo:
        """Makes the file durable under its name."""
        if self._info.checksum and self._info.checksum != self._hash.digest():
            raise SqlError(
                "snapshot_refused",
                log_id=self._info.log_id,
                index=self._info.index,
                reason="checksum differs",
            )
        self._steady.finish()
        self._file.close()
        put_in_place(self._temporary, self._target)
        return replace(self._info, size_bytes=self._size_bytes, checksum=self._hash.digest(), confirmed=False)

    def abandon(self) -> None:
        """Leaves nothing of an unfinished file; nothing happens to a finished one."""
        self._file.close()
        self._temporary.unlink(missing_ok=True)


def snapshot_file(folder: Path, log_id: int, index: int) -> Path:
    """Where a snapshot lies."""
    return folder / f"{log_id}-{index}.zst"


def file_checksum(path: Path) -> tuple[int, bytes]:
    """Size and checksum of a snapshot's file, as `SnapshotInfo` has them. Blocks: for native threads and programs."""
    checksum = blake2b(digest_size=HASH_BYTES)
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            checksum.update(piece)
        return file.tell(), checksum.digest()
