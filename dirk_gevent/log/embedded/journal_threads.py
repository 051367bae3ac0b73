"""The journal as greenlets use it: each connection on a native thread of its own, and the way back after a
fault.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import apsw
from gevent.event import Event

from dirk_gevent.base import logger
from dirk_gevent.base.files import free_bytes
from dirk_gevent.log.embedded.found_damage import FoundDamage
from dirk_gevent.log.embedded.journal import Journal, JournalView
from dirk_gevent.log.embedded.journal_rows import JournalCommit, JournalContents
from dirk_gevent.log.epochs import Epochs
from dirk_gevent.loop.threads import NativeThreads
from dirk_parser.errors import SqlError

#: WAL pages (4 KiB each) after which a checkpoint runs beside the appends.
WAL_SOFT_PAGES = 1024
#: WAL pages after which an append finishes the checkpoint itself, so that the WAL starts anew: little is left to do.
WAL_HARD_PAGES = 8192

_Result = TypeVar("_Result")


class CommitFailedError(Exception):
    """A commit ended in an error that does not say whether it is on the disk; the journal must be read
    again.
    """


class NoRoomError(Exception):
    """A commit was not begun: less than the reserve is free on the disk."""


class JournalThreads:
    """One writer, one reader and one checkpointer of a journal.

    After a fault (`is_faulty`) nothing is written until `reopen` closed all connections, which makes SQLite
    forget its picture of the WAL, and read the files again. Readers wait meanwhile.
    """

    def __init__(self, directory: Path, reserve_bytes: int, vfs: str | None = None) -> None:
        self._directory = directory
        self._reserve_bytes = reserve_bytes
        self._journal = Journal(directory, vfs)
        self._reader = JournalView(directory, vfs)
        self._checkpointer = JournalView(directory, vfs)
        self._threads = NativeThreads(1), NativeThreads(1), NativeThreads(1)
        self._readable = Event()
        self.is_faulty = False
        #: What the last opening found, and what came to light since.
        self.damage = FoundDamage(logger.logger("log"))
        self.epochs = Epochs(
            self._journal.epoch,
            lambda: self._journal.has_begun,
            lambda epoch: self.alter(self._journal.disown_epoch, epoch),
        )

    @property
    def wal_pages(self) -> int:
        """Pages in the WAL after the last commit."""
        return self._journal.wal_pages

    def open(self) -> JournalContents:
        """Opens the journal; SqlError `log_damaged`, or `log_unavailable` when the files cannot be used now."""
        try:
            contents = self._threads[0].call(self._journal.open)
        except (apsw.Error, OSError) as error:
            raise SqlError("log_unavailable", reason=str(error)) from error
        self.is_faulty = False
        self.damage.opened(contents)
        self.epochs.opened(contents.epochs, contents.heads())
        self._readable.set()
        return contents

    def commit(self, commit: JournalCommit, may_use_reserve: bool = False) -> None:
        """Makes a commit durable. NoRoomError and SqlError `disk_full_log`: nothing was written.

        CommitFailedError: nobody knows, and `is_faulty` is set.
        """
        self.write(self._commit, commit, 0 if may_use_reserve else self._reserve_bytes)

    def write(self, function: Callable[..., _Result], *args: object) -> _Result:
        """Runs a method of `journal` on the writer's thread; errors as `commit`."""
        try:
            return self._threads[0].call(function, *args)
        except apsw.FullError as error:
            raise SqlError("disk_full_log", path=str(self._directory)) from error
        except apsw.Error as error:
            self.is_faulty = True
            raise CommitFailedError(str(error)) from error

    def alter(self, function: Callable[..., _Result], *args: object) -> _Result:
        """Runs a method of `journal` that appends nothing. SqlError `disk_full_log`: nothing was written;
        `log_unavailable`: nothing was, as the journal must be opened again first, or nobody knows, and `is_faulty` is
        set.
        """
        if self.is_faulty:
            raise SqlError("log_unavailable", reason="the journal is being opened again")
        try:
            return self.write(function, *args)
        except (CommitFailedError, OSError) as error:
            raise SqlError("log_unavailable", reason=str(error)) from error

    @property
    def journal(self) -> Journal:
        """The writer, whose methods `write` and `alter` run."""
        return self._journal

    @property
    def reader(self) -> JournalView:
        """The reader, whose methods `read` runs."""
        return self._reader

    def read(self, function: Callable[..., _Result], *args: object) -> _Result:
        """Runs a method of `reader` on its thread; SqlError `log_unavailable` when the journal cannot be
        read.
        """
        self._readable.wait()
        try:
            return self._threads[1].call(function, *args)
        except apsw.Error as error:
            raise SqlError("log_unavailable", reason=str(error)) from error

    def scrub(self, function: Callable[..., _Result], *args: object) -> _Result:
        """Runs a method of `scrubber` on the checkpoints' thread, in nobody's way; errors as `read`, which it is not
        made to wait for: while the journal is opened again it is `log_unavailable` at once.
        """
        if not self._readable.is_set():
            raise SqlError("log_unavailable", reason="the journal is being opened again")
        try:
            return self._threads[2].call(function, *args)
        except apsw.Error as error:
            raise SqlError("log_unavailable", reason=str(error)) from error

    @property
    def scrubber(self) -> JournalView:
        """The reader whose methods `scrub` runs."""
        return self._checkpointer

    def checkpoint_beside(self) -> None:
        """Moves what it can of the WAL into the file while appends go on."""
        self._readable.wait()
        self._threads[2].call(self._checkpointer.checkpoint)

    def checkpoint_now(self) -> None:
        """Moves the whole WAL into the file; appends wait."""
        self.write(self._journal.checkpoint)

    def reopen(self) -> JournalContents:
        """Closes everything and opens it again; errors as `open`, and it may be tried again."""
        self._close_connections()
        return self.open()

    def close(self) -> None:
        """Closes the journal and ends its threads. Readers that wait get `log_unavailable`."""
        self._close_connections()
        self._readable.set()
        for thread in self._threads:
            thread.end()

    def _close_connections(self) -> None:
        self._readable.clear()
        closings = self._journal.close, self._reader.close, self._checkpointer.close
        for thread, close in zip(self._threads, closings, strict=True):
            try:
                thread.call(close)
            except apsw.Error:
                # The last connection's own checkpoint failed. What it could not move is still in the WAL, and the
                # next opening moves it or fails.
                continue

    def _commit(self, commit: JournalCommit, reserve_bytes: int) -> None:
        if reserve_bytes and free_bytes(self._directory) < reserve_bytes:
            raise NoRoomError
        self._journal.commit(commit)
        if self._journal.wal_pages > WAL_HARD_PAGES:
            self._journal.checkpoint()
