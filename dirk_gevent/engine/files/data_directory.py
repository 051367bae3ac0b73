"""The data directory: its lock, the names in it, what is left over from databases that are gone.

Files are named by log id alone, never by a user's text.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from dirk_gevent.base.files import DATA_LOCK, FileLock, FileLockedError, make_directory, write_durably
from dirk_gevent.engine.errors.faults import DirectoryInUse, storage_faults
from dirk_gevent.engine.files.first_files import look_for_first_files
from dirk_gevent.engine.files.takeover import SYSTEM_FILE, take_over
from dirk_gevent.log.entry import SYSTEM_LOG_ID

_DATABASE_FILE = re.compile(r"db-([0-9]{8,})\.(?:sqlite|applying).*")
_RUNNING = "dirk.running"
_OWNER = "dirk.node"
_REPLACED = "dirk.replaced"


class DirectoryNotes:
    """Notes that a node keeps in its directory beside the databases."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def owner(self) -> str | None:
        """The node that this directory belongs to; None when nobody has put a name in it."""
        try:
            return (self._path / _OWNER).read_text(encoding="utf-8", errors="replace").strip() or None
        except FileNotFoundError:
            return None

    def set_owner(self, node: str) -> None:
        """Put a node's name in it; survives a power cut when it returns."""
        if self.owner() == node:
            return
        write_durably(self._path / _OWNER, f"{node}\n".encode())

    @property
    def is_catalog_replaced(self) -> bool:
        """True when files of databases may be another history's than that of the catalog here."""
        return (self._path / _REPLACED).exists()

    def note_catalog(self, *, is_replaced: bool) -> None:
        """Note that they may be, or are not any more; survives a power cut when it returns. Raises OSError."""
        if is_replaced and not self.is_catalog_replaced:
            write_durably(self._path / _REPLACED, b"")
        elif not is_replaced:
            (self._path / _REPLACED).unlink(missing_ok=True)


class DataDirectory:
    """A node's directory, held by one process at a time through an exclusive lock on `dirk.lock`.

    `was_unclean` tells, after `lock`, whether the process before this one died without `unlock`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notes = DirectoryNotes(path)
        self.was_unclean = False
        self._lock: FileLock | None = None

    def is_there(self) -> bool:
        """True when the directory is the one that was locked, and not what is left where its disk was."""
        return (self.path / _RUNNING).exists()

    @storage_faults("lock")
    def lock(self) -> None:
        """Make the directory, take its lock, and take over what an earlier release left in it.

        Raises `DirectoryInUse`; StorageFault for what cannot be taken over or is of a later release, and when
        the disk fails.
        """
        look_for_first_files(self.path)
        make_directory(self.path)
        try:
            lock = FileLock(self.path / DATA_LOCK)
        except FileLockedError as error:
            raise DirectoryInUse(str(self.path), error.process) from None
        try:
            take_over(self.path)
            running = self.path / _RUNNING
            self.was_unclean = running.exists()
            running.touch()
        except BaseException:
            lock.release()
            raise
        self._lock = lock

    @storage_faults("unlock")
    def unlock(self, is_clean: bool = True) -> None:
        """Give the lock back and note that the end was clean; does nothing when the lock is not held.

        StorageFault when the disk fails: the next start takes it for one after a death.
        """
        if self._lock is None:
            return
        lock, self._lock = self._lock, None
        try:
            if is_clean:
                (self.path / _RUNNING).unlink(missing_ok=True)
        finally:
            lock.release()

    def database(self, log_id: int) -> Path:
        """The SQLite file of a database."""
        return self.path / (SYSTEM_FILE if log_id == SYSTEM_LOG_ID else f"db-{log_id:08d}.sqlite")

    def marker(self, log_id: int) -> Path:
        """Where careful application notes the entry it is in."""
        return self.database(log_id).with_suffix(".applying")

    def outgoing(self, log_id: int) -> Path:
        """Where a database's snapshot lies on its way to the log. What a death leaves of it goes at the next start."""
        return self.path / f"outgoing-{log_id}.partial"

    def remove(self, log_id: int) -> None:
        """Unlink everything a database has here; open connections keep reading what they had."""
        remove_file(self.database(log_id))
        self.marker(log_id).unlink(missing_ok=True)

    def set_aside(self, log_id: int, why: str) -> Path | None:
        """Rename a database's file (its WAL with it) so that a new one can begin; the kept path, None without one.

        A WAL that can't follow is left: it goes when the next file begins. Raises OSError: nothing was renamed then.
        """
        path = self.database(log_id)
        if not path.exists():
            return None
        kept = _free_name(path.with_name(f"kept-{path.stem}-{why}.sqlite"))
        path.rename(kept)
        for old, new in zip(_companions(path), _companions(kept), strict=True):
            with suppress(OSError):
                old.rename(new)
        return kept

    def signature(self, log_id: int) -> tuple[int, ...]:
        """Sizes and times of change of a database's file and its WAL: other ones mean that something was written."""
        path = self.database(log_id)
        numbers: list[int] = []
        for file in (path, _companions(path)[0]):
            try:
                status = file.stat()
            except OSError:
                continue
            numbers += (status.st_size, status.st_mtime_ns)
        return tuple(numbers)

    def newest_kept(self, log_id: int, why: str) -> Path | None:
        """The state of a database that was set aside last for this reason."""
        kept = self.path.glob(f"kept-{self.database(log_id).stem}-{why}*.sqlite")
        return max(kept, key=lambda path: path.stat().st_mtime, default=None)

    def put(self, log_id: int, image: Path) -> None:
        """Put a whole database file where the one there has been unlinked; `sync_directory` makes it last.

        The old WAL goes between the two: beside the new file it would be replayed into it. A death before the rename
        leaves no file, and the database is fetched again.
        """
        path = self.database(log_id)
        for name in _companions(path):
            name.unlink(missing_ok=True)
        image.rename(path)

    @storage_faults("unlink")
    def remove_orphans(self, known: set[int], up_to: int) -> set[int]:
        """Unlink files of databases that are gone, and unfinished temporary files; the logs of the databases whose
        files stay.

        Gone: not in `known` though the system log, applied up to `up_to`, is past their creation. A file of a later
        one is kept: the system database may have lost its last entries in a power cut, and will get them again.
        Raises StorageFault.
        """
        left = set()
        for path in self.path.iterdir():
            match = _DATABASE_FILE.fullmatch(path.name)
            gone = match and int(match[1]) not in known and int(match[1]) <= up_to
            if gone or path.suffix.startswith(".partial"):
                path.unlink(missing_ok=True)
            elif match:
                left.add(int(match[1]))
        return left


def remove_file(path: Path) -> None:
    """Unlink a database file and what SQLite has put beside it, as far as it is there. Raises OSError."""
    for name in (path, *_companions(path), path.with_name(path.name + "-journal")):
        name.unlink(missing_ok=True)


def _companions(path: Path) -> tuple[Path, Path]:
    return path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")


def _free_name(path: Path) -> Path:
    number, candidate = 1, path
    while candidate.exists():
        number += 1
        candidate = path.with_stem(f"{path.stem}-{number}")
    return candidate
