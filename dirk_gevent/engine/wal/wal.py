"""How large a database's WAL may be, and how it begins anew.

SQLite begins a WAL anew only when a writer finds all of it in the database file and no reader holds a mark into it. A
reader that begins once all of it is in the file holds none. So a WAL that is read without a pause is begun anew by a
writer that stands still while the readers, one after the other, end what they began before:

- past `WalBounds.calm_bytes` the writer tries, for a moment, before each of its transactions: the hub's reader ends its
  own between two reads, long readers are let be;
- past `WalBounds.middle_bytes` streams of which the client has a part already are drained to a file (`hurry`);
- past `WalBounds.last_bytes` the writer goes no further, and no long reader begins until the WAL is empty: long readers
  are ended (`overtake`), those of which the client has a part after half a second in which they may be drained.

A batch adds at most `WalBounds.batch_bytes` and its last entry. So the file never takes more than
`WalBounds.most_bytes` and the pages of the one entry at work.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import apsw

from dirk_gevent.engine.errors.faults import StorageFault
from dirk_gevent.engine.sqlite_connection import BUSY_MS
from dirk_gevent.engine.wal.holders import holders

_CALM_PART, _MIDDLE_PART, _BATCH_PART = 4, 2, 16
#: Waits between two tries: a moment for readers that are let be, some two seconds for those that are ended.
_MOMENT_PAUSES = (0.001, 0.002, 0.005, 0.01, 0.01, 0.02)
_LAST_PAUSES = (*_MOMENT_PAUSES, *(0.02,) * 100)
#: For so long of it no reader is ended that can only be ended with a loss.
_DRAIN_SECONDS = 0.5


class EntriesWait(Exception):
    """The WAL is full, and what holds it back (a snapshot that has begun again twice) goes first: apply later."""


class Overtaken(Exception):
    """The WAL was full while this state was read: it is gone, and what was read of it has to be read anew."""


class WalHeld(Exception):
    """Somebody who can't be ended from here reads through a WAL that is full."""


class LongReader(Protocol):
    """A read transaction that lasts: a stream's, a pin's. Its methods are called by the writer's thread."""

    @property
    def is_first(self) -> bool:
        """True when the database's entries wait for it, rather than end it."""

    def hurry(self) -> None:
        """End the transaction soon, if that can be done without a loss."""

    def overtake(self, at_any_price: bool, /) -> None:
        """End the transaction: at once when nothing runs in it, else as soon as that can be interrupted.

        If that would lose something, only `at_any_price`; else `hurry`.
        """


@dataclass(frozen=True, slots=True)
class WalBounds:
    """Bounds that follow from `most_bytes`, the setting `limits.walBytes`."""

    most_bytes: int

    @property
    def calm_bytes(self) -> int:
        """Below it nobody looks."""
        return self.most_bytes // _CALM_PART

    @property
    def middle_bytes(self) -> int:
        """Past it streams are drained."""
        return self.most_bytes // _MIDDLE_PART

    @property
    def batch_bytes(self) -> int:
        """A batch that has written so much ends; and from one try to the next the WAL grows by so much."""
        return self.most_bytes // _BATCH_PART

    @property
    def last_bytes(self) -> int:
        """Past it no transaction begins: a batch, and what is recorded of it, must fit behind it."""
        return self.most_bytes - 2 * self.batch_bytes


class Wal:
    """The WAL of one database's file, and the long readers that may hold it back.

    `let_go` has the hub's reader end its transaction between two reads; `name` is the database's, for messages.
    """

    def __init__(self, path: Path, name: str, most_bytes: int, let_go: Callable[[], None]) -> None:
        self.bounds = WalBounds(most_bytes)
        #: Held while the WAL is begun anew at any price: long readers begin behind it.
        self.entrance = threading.Lock()
        #: Beginnings and ends of checkpoints, each of which may cut the database file: odd while one runs.
        self.checkpoints = 0
        #: The machine refused something, perhaps for want of room: what an empty WAL gives back is tried first.
        self.is_wanted_empty = False
        self._name = name
        self._path = path
        self._file = f"{path}-wal"
        self._let_go = let_go
        self._lock = threading.Lock()
        self._readers: set[LongReader] = set()

    @property
    def size_bytes(self) -> int:
        """The size of the file on the disk now; 0 without one."""
        try:
            return os.stat(self._file).st_size  # noqa: PTH116 - a Path costs more than the call
        except FileNotFoundError:
            return 0

    def admit(self, reader: LongReader) -> None:
        """A long reader has begun its transaction; its caller holds `entrance` or the writer's lock."""
        with self._lock:
            self._readers.add(reader)

    def leave(self, reader: LongReader) -> None:
        """It has ended. Safe to call twice."""
        with self._lock:
            self._readers.discard(reader)

    def replaced(self) -> None:
        """The file is another one: who reads the old one holds back nothing of this."""
        with self._lock:
            self._readers.clear()

    def begin_anew(self, connection: apsw.Connection) -> bool:
        """Try to empty the WAL while the writer, who calls, stands still for a moment; whether it is empty.

        Raises apsw errors, of a checkpoint that fails.
        """
        readers = self._known()
        pauses = () if readers else _MOMENT_PAUSES
        if self._tried(connection, pauses, lambda: None):
            return True
        if self.size_bytes > self.bounds.middle_bytes:
            for reader in readers:
                reader.hurry()
        return False

    def insist(self, connection: apsw.Connection) -> None:
        """Empty the WAL, ending the readers that hold it back. The writer calls.

        Raises EntriesWait, StorageFault (readers of another process don't end), apsw errors.
        """
        with self.entrance:
            until = time.monotonic() + _DRAIN_SECONDS
            if not self._tried(connection, _LAST_PAUSES, lambda: self._overtake_all(time.monotonic() > until)):
                raise StorageFault(WalHeld(self._held_by()), self._name)

    def _passed(self, connection: apsw.Connection) -> bool:
        """Move what is committed into the file; whether all of it is there. Raises apsw errors."""
        counted = self._checkpoint(connection, apsw.SQLITE_CHECKPOINT_PASSIVE)
        return counted is not None and counted[0] == counted[1]

    def _tried(
        self, connection: apsw.Connection, pauses: tuple[float, ...], between: Callable[[], None]
    ) -> bool:
        connection.set_busy_timeout(0)
        try:
            for pause in (*pauses, None):
                self._let_go()
                if self._passed(connection):
                    # Whoever reads from here on holds no mark: those that began before it must end once.
                    self._let_go()
                    if self._checkpoint(connection, apsw.SQLITE_CHECKPOINT_TRUNCATE) is not None:
                        return True
                between()
                if pause is not None:
                    time.sleep(pause)
            return False
        finally:
            connection.set_busy_timeout(BUSY_MS)

    @contextmanager
    def counted(self) -> Iterator[None]:
        """A checkpoint runs in the block."""
        with self._lock:
            self.checkpoints += 1
        try:
            yield
        finally:
            with self._lock:
                self.checkpoints += 1

    def _checkpoint(self, connection: apsw.Connection, mode: int) -> tuple[int, int] | None:
        """Frames there are, and those that are in the file; None when somebody is in the way."""
        try:
            with self.counted():
                counted: tuple[int, int] = connection.wal_checkpoint("main", mode)
                return counted
        except (apsw.BusyError, apsw.LockedError):
            return None

    def _overtake_all(self, at_any_price: bool) -> None:
        readers = self._known()
        if any(reader.is_first for reader in readers):
            raise EntriesWait(self._name)
        for reader in readers:
            reader.overtake(at_any_price)

    def _known(self) -> list[LongReader]:
        with self._lock:
            return list(self._readers)

    def _held_by(self) -> str:
        others = ", ".join(map(str, holders(self._path))) or "unknown"
        return f"another process reads the file and holds back its WAL (limits.walBytes): {others}"
