"""Databases that a list of databases named which was replaced: the log's own, or another history's.

Which of them a database is, is known once the log's list names it, or its log comes. One that is not the log's is set
aside, never unlinked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dirk_gevent.base import logger
from dirk_gevent.engine.database import Database
from dirk_gevent.engine.errors.faults import StorageFault, storage_faults
from dirk_gevent.engine.files.data_directory import DataDirectory
from dirk_gevent.log.entry import SYSTEM_LOG_ID

_log = logger.logger("engine")

_UNLISTED = "unlisted"


@dataclass(frozen=True, slots=True)
class Unlisted:
    """The state of a database that was set aside because the catalog does not list it."""

    log_id: int
    name: str
    kept: Path


class FormerList:
    """The databases of which it is not known yet. `listed` gives those that the list names now, by log.

    `is_replaced`: a list was replaced, and what only that named has not been set aside yet; known across processes.
    """

    def __init__(self, directory: DataDirectory, listed: Callable[[], dict[int, str]]) -> None:
        self.is_replaced = False
        #: States that were set aside since these were last taken: no list names them any more.
        self.unlisted: list[Unlisted] = []
        #: Logs that a list which was replaced named, or whose files none named.
        self.logs: set[int] = set()
        self._directory = directory
        self._listed = listed

    def open(self, known: set[int], enacted_index: int) -> None:
        """Find out at the start what a process before left, and unlink orphans. Raises StorageFault."""
        # Who died before all of a list that was replaced had been set aside unlinks nothing of it now.
        self.is_replaced = self._directory.notes.is_catalog_replaced
        left = self._directory.remove_orphans(known, 0 if self.is_replaced else enacted_index)
        self.logs = left if self.is_replaced else left - known

    @property
    def is_settled(self) -> bool:
        """True once nothing is left of what a list that was replaced named."""
        return not self.logs and not self.is_replaced

    def confirm(self, log_id: int) -> None:
        """A database has taken what the log holds: it is the log's, whatever named it."""
        self.logs.discard(log_id)

    def begin(self, known: Iterable[int]) -> None:
        """Count what the list named as not of the log, until a new list names it or its log comes."""
        self.logs |= set(known) - {SYSTEM_LOG_ID}
        self.is_replaced = True

    def note(self) -> None:
        """Note on disk that the list was replaced, for the next process. Raises OSError."""
        self._directory.notes.note_catalog(is_replaced=True)

    def note_if_possible(self) -> None:
        """As `note`, for one that is lost whatever the disk says."""
        with suppress(StorageFault), storage_faults("note"):
            self.note()

    def add_unlisted(self, known: Iterable[int]) -> None:
        """The new list is whole. What came of one just when the former list went, came by that."""
        if self.is_replaced:
            self.logs |= set(known) - {SYSTEM_LOG_ID} - self._listed().keys()

    def unlisted_up_to(self, last: int) -> list[int]:
        """The logs up to `last` that the list does not name."""
        passed = {log_id for log_id in self.logs.copy() if log_id <= last}
        return sorted(passed - self._listed().keys()) if passed else []

    def end(self) -> None:
        """All of it is set aside. Raises StorageFault."""
        if self.is_replaced:
            with storage_faults("settle"):
                self._directory.notes.note_catalog(is_replaced=False)
            self.is_replaced = False

    def set_aside(self, database: Database) -> None:
        """Keep a database's state under another name: no list names it. Raises StorageFault."""
        log_id, index, kept = database.log_id, database.applied_index, database.set_aside(_UNLISTED)
        self.logs.discard(log_id)
        if kept is not None:
            _log.error("set_aside", log=log_id, database=database.name, index=index, kept=str(kept))
            self.unlisted.append(Unlisted(log_id, database.name, kept))
