"""The parts that all databases of one node share: the directory, the compiler, limits, the watchdog, how many files are
open."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from dirk_gevent.engine.compiler import Compiler
from dirk_gevent.engine.files.data_directory import DataDirectory
from dirk_gevent.engine.read.watchdog import Watchdog

#: Databases whose writer (and, apart, whose hub reader) is open at one time; the least recently used are closed.
#: A database with both open takes five file descriptors.
OPEN_DATABASES = 64


class EngineLimits(Protocol):
    """The limits of the configuration that the engine honours."""

    @property
    def page_rows(self) -> int:
        """Rows a page."""

    @property
    def result_bytes(self) -> int:
        """Most bytes of JSON in one result; 0 = no limit."""

    @property
    def statement_seconds(self) -> float:
        """Most seconds of one read; 0 = no limit."""

    @property
    def wal_bytes(self) -> int:
        """Most bytes of a database's WAL, the pages of the one entry at work aside."""


class Closable(Protocol):
    """A connection of the hub's."""

    def close(self) -> None:
        """Close it."""


class ClosableReader(Protocol):
    """A database as `OpenReaders` sees it."""

    @property
    def log_id(self) -> int:
        """Its log."""

    def keep_reader(self) -> bool:
        """True when the hub reader was used since the last time it was asked; if not, it is closed now."""

    def rest_reader(self) -> None:
        """End the hub reader's transaction unless it was used since the last call."""


class ClosableWriter(Protocol):
    """A database as `OpenWriters` sees it."""

    @property
    def log_id(self) -> int:
        """Its log."""

    def close_if_idle(self) -> bool:
        """Close the writer unless it works at this moment; whether it is closed now."""


class OpenReaders:
    """The databases whose hub reader is open. On the hub only (but for `retire`), so none is closed while it reads."""

    def __init__(self, most: int = OPEN_DATABASES) -> None:
        self._most = most
        self._open: OrderedDict[int, ClosableReader] = OrderedDict()
        self._retired: deque[Closable] = deque()

    def retire(self, reader: Closable) -> None:
        """Nothing will read from `reader` any more, whose state was replaced: close it soon (any thread)."""
        self._retired.append(reader)

    def admit(self, database: ClosableReader) -> None:
        """`database` has just opened its reader; one unused since the last round makes room if there is none."""
        self._open[database.log_id] = database
        while len(self._open) > self._most:
            log_id, candidate = self._open.popitem(last=False)
            if candidate.keep_reader():
                self._open[log_id] = candidate

    def rest(self) -> None:
        """End the read transactions that no read has used since the last call, and close what was retired."""
        while self._retired:
            self._retired.popleft().close()
        for database in list(self._open.values()):
            database.rest_reader()

    def forget(self, log_id: int) -> None:
        """The database closed its reader by itself."""
        self._open.pop(log_id, None)


class OpenWriters:
    """The databases whose writer is open, least recently used first."""

    def __init__(self, most: int = OPEN_DATABASES) -> None:
        self._most = most
        self._open: OrderedDict[int, ClosableWriter] = OrderedDict()
        self._lock = threading.Lock()

    def touch(self, database: ClosableWriter) -> None:
        """`database` uses its writer now (its caller holds its writer lock); others may be closed for it."""
        with self._lock:
            self._open[database.log_id] = database
            self._open.move_to_end(database.log_id)
            excess = len(self._open) - self._most
            oldest = list(self._open.values())[:excess] if excess > 0 else []
        for candidate in oldest:
            # None of them raises for a fault of its own file: it is nothing to `database`.
            if candidate is not database and candidate.close_if_idle():
                self.forget(candidate.log_id)

    def forget(self, log_id: int) -> None:
        """The database's writer is closed."""
        with self._lock:
            self._open.pop(log_id, None)


@dataclass(slots=True)
class Shared:
    """One node's common parts."""

    directory: DataDirectory
    compiler: Compiler
    limits: EngineLimits
    watchdog: Watchdog = field(default_factory=Watchdog)
    readers: OpenReaders = field(default_factory=OpenReaders)
    writers: OpenWriters = field(default_factory=OpenWriters)

    @property
    def spool_directory(self) -> Path:
        """Where the temporary files of long results live."""
        return self.directory.path
