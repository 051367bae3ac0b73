"""Long reads: pages from a reader thread, spooled to a nameless file when the client is slow."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import apsw

from dirk_gevent.engine.read.execution import Execution
from dirk_gevent.engine.read.pages import PageEncoder
from dirk_gevent.engine.read.spool import Spool
from dirk_gevent.engine.results import EncodedPage, Row, columns_json
from dirk_gevent.engine.wal.wal import Overtaken
from dirk_parser.errors import SqlError
from dirk_parser.plan.plan import Output

_PRIORITY = 10
_SPOOL_PAGES = 16
#: Pages that take so much together are enough for one `fetch`, however many were asked for.
_FETCH_BYTES = 8 * 1024 * 1024
#: How long whoever ends its transaction waits each time for what runs in it.
_YIELD_SECONDS = 0.005
_thread = threading.local()

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class StreamHead:
    """The head of an answer, which comes before its rows. The fields mean what they do in `Relation`."""

    name: str = ""
    columns: tuple[Output, ...] = ()
    index: int = 0
    tables: tuple[str, ...] = ()
    repeatable: bool = True
    columns_json: bytes = b"[]"

    @staticmethod
    def of(name: str, columns: tuple[Output, ...], index: int, tables: tuple[str, ...], repeatable: bool) -> StreamHead:
        """The head of an answer of these columns."""
        return StreamHead(name, columns, index, tables, repeatable, columns_json=columns_json(columns))


@dataclass(frozen=True, slots=True)
class Opened:
    """A query that has begun: its connection inside a read transaction, its rows to come, the state it sees."""

    connection: apsw.Connection
    cursor: Iterator[Row]
    head: StreamHead


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """Rows a page, bytes of JSON a result, seconds a statement (0 = no limit for the last two); where to spool."""

    page_rows: int
    result_bytes: int
    statement_seconds: float
    spool_directory: Path


def lower_priority() -> None:
    """Make this native thread give way to the hub (once a thread)."""
    if getattr(_thread, "lowered", False):
        return
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _PRIORITY)
    _thread.lowered = True


class RelationStream:
    """An answer of any length. `open`, `fetch` and `spool` block: call them on a reader thread, one at a time.

    `head` is known after `open` (the first `fetch` opens too). `finished` is exact after each `fetch` or `spool` that
    ended well: no page is left. (A failure closes the stream, which finishes it too.) Close it always.

    When the WAL is full (`wal/wal.py`) its state is overtaken: it then begins again on the newer one, if no page was
    given away; the head's `index` is that state's.
    """

    #: Entries never wait for it.
    is_first = False

    def __init__(
        self,
        begin: Callable[[RelationStream], Opened],
        finish: Callable[[RelationStream, Opened], None],
        limits: StreamLimits,
    ) -> None:
        self.finished = False
        self.head = StreamHead()
        self.execution = Execution()
        self._begin, self._finish = begin, finish
        self._limits = limits
        self._opened: Opened | None = None
        self._pages = PageEncoder(limits.page_rows, limits.result_bytes)
        self._has_given = False
        # Held while it works: the writer's thread ends a transaction in which nothing runs.
        self._lock = threading.RLock()
        # Held while it is settled which comes first, that pages are given away or that the state is overtaken.
        self._giving = threading.Lock()
        self._spool: Spool | None = None

    def open(self) -> None:
        """Plan, begin the transaction and the query. Raises SqlError, StorageFault."""
        with self._lock:
            self._again(self._open)

    def _open(self) -> None:
        lower_priority()
        self.execution.limit(self._limits.statement_seconds)
        with _Failures(self):
            opened = self._opened = self._begin(self)
        self.head = opened.head
        self._pages.begin(opened.head.columns)

    def fetch(self, pages: int) -> list[EncodedPage]:
        """The next pages, at most `pages`, fewer of large rows.

        An empty relation is one page without rows, after that none.
        Raises SqlError (result_too_large, statement_timeout, cancelled, read_overtaken, and what the query meets),
        StorageFault; the stream is then closed.
        """
        with self._lock:
            if self.execution.is_hurried and self._has_given:
                self._again(self._drain)
            return self._again(lambda: self._given(pages))

    def _given(self, pages: int) -> list[EncodedPage]:
        taken = self._fetch(pages)
        with self._giving:
            is_lost = self.execution.is_overtaken and self._opened is not None and not self._has_given
            self._has_given = not is_lost
        if is_lost:
            self._end()
            raise Overtaken
        return taken

    def _fetch(self, pages: int) -> list[EncodedPage]:
        if self._opened is None and self._spool is None and not self.finished:
            self._open()
        if self._spool is not None:
            with _Failures(self):
                taken = self._spool.take(pages)
                self.finished = self._spool.empty
            return taken
        lower_priority()
        encoded = self._encode(pages)
        self.finished = not self._pages.has_more
        return encoded

    def spool(self) -> None:
        """Drain what is left into an unlinked temporary file and end the SQLite transaction. Raises as `fetch`."""
        with self._lock:
            self._again(self._drain)

    def _drain(self) -> None:
        if self._spool is not None or self.finished:
            return
        if self._opened is None:
            self._open()
        lower_priority()
        with _Failures(self):
            spool = Spool(self._limits.spool_directory)
            try:
                is_over = False
                while not is_over:
                    spool.add(self._encode(_SPOOL_PAGES))
                    is_over = not self._pages.has_more
            except BaseException:
                spool.close()
                raise
        self._spool = spool
        self.finished = spool.empty

    def cancel(self) -> None:
        """Interrupt it from any thread (the client is gone or asked for it): a running `fetch` raises SqlError."""
        self.execution.cancel()

    def hurry(self) -> None:
        """Ask the next `fetch` to drain what is left (any thread): the transaction is soon to be ended."""
        self.execution.is_hurried = True

    def overtake(self, at_any_price: bool, /) -> None:
        """End the transaction (any thread): at once between two calls, else as soon as the query can be stopped.

        One that has given pages away can't begin again: unless `at_any_price` it is hurried.
        """
        with self._giving:
            if self._has_given and not at_any_price:
                self.hurry()
                return
            self.execution.is_overtaken = True
        self.execution.interrupt()
        if self._lock.acquire(timeout=_YIELD_SECONDS):
            try:
                self._end()
            finally:
                self._lock.release()

    def close(self) -> None:
        """End the transaction and drop the spool. A `fetch` in another thread is waited for: `cancel` it first."""
        with self._lock:
            self._end()
            if self._spool is not None:
                self._spool.close()
                self._spool = None
            self.finished = True

    def _again(self, work: Callable[[], Found]) -> Found:
        """Do `work`; on the newer state when its own was overtaken and nothing of it was given away."""
        execution = self.execution
        while True:
            try:
                if execution.is_overtaken and self._opened is None and self._spool is None and not self.finished:
                    raise Overtaken
                return work()
            except Overtaken:
                if self._has_given:
                    self.close()
                    raise SqlError("read_overtaken") from None
                self._pages.begin_again()
                execution.is_overtaken = self.finished = False

    def _encode(self, pages: int) -> list[EncodedPage]:
        opened = self._opened
        if opened is None:
            return []
        with _Failures(self):
            encoded: list[EncodedPage] = []
            taken_bytes = 0
            # Counted before its end, at which it is judged.
            with self.execution.working():
                while len(encoded) < pages and taken_bytes < _FETCH_BYTES and (self._pages.has_more or not encoded):
                    encoded.append(self._pages.page(opened.cursor))
                    taken_bytes += len(encoded[-1].rows_json)
            if not self._pages.has_more:
                self._end()
        return encoded

    def _end(self) -> None:
        opened = self._opened
        if opened is not None:
            self._finish(self, opened)
        self._opened = None
        self.execution.detach()


class _Failures:
    """Closes a stream on any error and raises what the caller is to see."""

    def __init__(self, stream: RelationStream) -> None:
        self._stream = stream

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if error is None:
            return
        self._stream.close()
        seen = self._stream.execution.failure(error)
        if seen is not error:
            raise seen from error
