"""Long reads: pages from a reader thread, spooled to a nameless file when the client is slow."""

from __future__ import annotations

import os
import resource
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

import apsw
import orjson

from dirk_gevent.engine.errors.failures import DATA_ERRORS, statement_failure
from dirk_gevent.engine.errors.faults import StorageFault
from dirk_gevent.engine.read.spool import Spool
from dirk_gevent.engine.results import PAGE_BYTES, Page, Row, boolean_positions, columns_json, converted
from dirk_gevent.engine.wal.wal import Overtaken
from parser.errors import SqlError
from parser.plan.plan import Output

_TICK_STEPS = 10_000
_PRIORITY = 10
_SPOOL_PAGES = 16
#: Pages that take so much together are enough for one `fetch`, however many were asked for.
_FETCH_BYTES = 8 * 1024 * 1024
#: How long whoever ends its transaction waits each time for what runs in it.
_YIELD_SECONDS = 0.005
#: Rows taken from SQLite at once while so many are lighter than that together, as JSON.
_ROWS_AT_ONCE = 8
_LIGHT_BYTES = 1024 * 1024
_thread = threading.local()

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Opened:
    """A query that has begun: its connection inside a read transaction, its rows to come, the state it sees."""

    connection: apsw.Connection
    cursor: Iterator[Row]
    name: str
    columns: tuple[Output, ...]
    index: int
    tables: tuple[str, ...]
    repeatable: bool


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """Rows a page, bytes of JSON a result, seconds a statement (0 = no limit for the last two)."""

    page_rows: int
    result_bytes: int
    statement_seconds: float


def lower_priority() -> None:
    """Make this native thread give way to the hub (once a thread)."""
    if getattr(_thread, "lowered", False):
        return
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _PRIORITY)
    _thread.lowered = True


class _Worked:
    """How long this thread has worked since this was made.

    Reader threads give way to all others: beside a long write a read that takes a moment takes many of them. Counted in
    real time it would look slow as long as the write lasts, and so never come back to the hub.
    """

    def __init__(self) -> None:
        self._cpu_seconds, self._real_seconds, self._disk_reads = _clocks()

    @property
    def seconds(self) -> float:
        """Processor time; real time when the thread has read from the disk."""
        cpu_seconds, real_seconds, disk_reads = _clocks()
        if disk_reads != self._disk_reads:
            return real_seconds - self._real_seconds
        return cpu_seconds - self._cpu_seconds


def _clocks() -> tuple[float, float, int]:
    return time.thread_time(), time.monotonic(), resource.getrusage(resource.RUSAGE_THREAD).ru_inblock


class RelationStream:
    """An answer of any length. `open`, `fetch` and `spool` block: call them on a reader thread, one at a time.

    `columns`, `name`, `index`, `tables`, `repeatable` and `columns_json` mean what they do in `Relation`, after
    `open` (the first `fetch` opens too). `finished` is exact after each `fetch` or `spool` that ended well: no page is
    left. (A failure closes the stream, which finishes it too.) Close it always.

    When the WAL is full (`wal/wal.py`) its state is overtaken: it then begins again on the newer one, if no page was
    given away; `index` is that state's.
    """

    #: Entries never wait for it.
    is_first = False

    def __init__(
        self,
        begin: Callable[[RelationStream], Opened],
        finish: Callable[[RelationStream], None],
        limits: StreamLimits,
        directory: Path,
    ) -> None:
        self.finished = False
        self.name = ""
        self.columns: tuple[Output, ...] = ()
        self.columns_json = b"[]"
        self.index = 0
        self.tables: tuple[str, ...] = ()
        self.repeatable = True
        #: Seconds that SQLite worked for it, all told; waiting for a processor is no work, waiting for the disk is.
        self.busy_seconds = 0.0
        self._begin, self._finish = begin, finish
        self._limits = limits
        self._directory = directory
        self._booleans: tuple[int, ...] = ()
        self._opened: Opened | None = None
        self._connection: apsw.Connection | None = None
        self._ahead: list[Row] = []
        self._bytes = 0
        self._cancelled = self._timed_out = False
        self._is_overtaken = self._is_hurried = self._has_given = False
        # Held while it works: the writer's thread ends a transaction in which nothing runs.
        self._lock = threading.RLock()
        # Held while it is settled which comes first, that pages are given away or that the state is overtaken.
        self._giving = threading.Lock()
        self._deadline = float("inf")
        self._spool: Spool | None = None

    def open(self) -> None:
        """Plan, begin the transaction and the query. Raises SqlError, StorageFault."""
        with self._lock:
            self._again(self._open)

    def _open(self) -> None:
        lower_priority()
        if self._limits.statement_seconds and self._deadline == float("inf"):
            self._deadline = time.monotonic() + self._limits.statement_seconds
        with _Failures(self):
            opened = self._opened = self._begin(self)
        self.name, self.columns, self.index = opened.name, opened.columns, opened.index
        self.tables, self.repeatable = opened.tables, opened.repeatable
        self.columns_json = columns_json(self.columns)
        self._booleans = boolean_positions(self.columns)

    def fetch(self, pages: int) -> list[Page]:
        """The next pages, at most `pages`, fewer of large rows.

        An empty relation is one page without rows, after that none.
        Raises SqlError (result_too_large, statement_timeout, cancelled, read_overtaken, and what the query meets),
        StorageFault; the stream is then closed.
        """
        with self._lock:
            if self._is_hurried and self._has_given:
                self._again(self._drain)
            return self._again(lambda: self._given(pages))

    def _given(self, pages: int) -> list[Page]:
        taken = self._fetch(pages)
        with self._giving:
            is_lost = self._is_overtaken and self._opened is not None and not self._has_given
            self._has_given = not is_lost
        if is_lost:
            self._end()
            raise Overtaken
        return taken

    def _fetch(self, pages: int) -> list[Page]:
        if self._opened is None and self._spool is None and not self.finished:
            self._open()
        if self._spool is not None:
            with _Failures(self):
                taken = self._spool.take(pages)
                self.finished = self._spool.empty
            return taken
        lower_priority()
        encoded = self._encode(pages)
        self.finished = not self._ahead
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
            spool = Spool(self._directory)
            try:
                is_over = False
                while not is_over:
                    spool.add(self._encode(_SPOOL_PAGES))
                    is_over = not self._ahead
            except BaseException:
                spool.close()
                raise
        self._spool = spool
        self.finished = spool.empty

    def cancel(self) -> None:
        """Interrupt it from any thread (the client is gone or asked for it): a running `fetch` raises SqlError."""
        self._cancelled = True
        self._interrupt()

    def _interrupt(self) -> None:
        connection = self._connection
        if connection is not None:
            with suppress(apsw.ConnectionClosedError):
                connection.interrupt()

    def hurry(self) -> None:
        """Have the next `fetch` drain what is left (any thread): the transaction is soon to be ended."""
        self._is_hurried = True

    def overtake(self, at_any_price: bool, /) -> None:
        """End the transaction (any thread): at once between two calls, else as soon as the query can be stopped.

        One that has given pages away can't begin again: unless `at_any_price` it is hurried.
        """
        with self._giving:
            if self._has_given and not at_any_price:
                self.hurry()
                return
            self._is_overtaken = True
        self._interrupt()
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

    def tick(self) -> bool:
        """The progress handler: whether to stop the query now."""
        self._timed_out = time.monotonic() > self._deadline
        return self._timed_out or self._cancelled or self._is_overtaken

    def _again(self, work: Callable[[], Found]) -> Found:
        """Do `work`; on the newer state when its own was overtaken and nothing of it was given away."""
        while True:
            try:
                if self._is_overtaken and self._opened is None and self._spool is None and not self.finished:
                    raise Overtaken
                return work()
            except Overtaken:
                if self._has_given:
                    self.close()
                    raise SqlError("read_overtaken") from None
                self._ahead, self._bytes = [], 0
                self._is_overtaken = self.finished = False

    @property
    def running(self) -> bool:
        """Whether a connection works for it."""
        return self._connection is not None

    @property
    def opened(self) -> Opened | None:
        """The query as it runs; None before `open` and after its end."""
        return self._opened

    def attach(self, connection: apsw.Connection) -> None:
        """Run on `connection`: cancellation and the time limit end what it does."""
        self._connection = connection
        connection.set_progress_handler(self.tick, _TICK_STEPS)

    @contextmanager
    def working(self) -> Iterator[None]:
        """The time in which SQLite works for it, in this thread."""
        began = _Worked()
        try:
            yield
        finally:
            self.busy_seconds += began.seconds

    def _encode(self, pages: int) -> list[Page]:
        opened = self._opened
        if opened is None:
            return []
        with _Failures(self):
            encoded: list[Page] = []
            taken_bytes = 0
            # Counted before its end, at which it is judged.
            with self.working():
                while len(encoded) < pages and taken_bytes < _FETCH_BYTES and (self._ahead or not encoded):
                    encoded.append(self._page(opened.cursor))
                    taken_bytes += len(encoded[-1].rows_json)
            if not self._ahead:
                self._end()
        return encoded

    def _page(self, cursor: Iterator[Row]) -> Page:
        """The next page; `_ahead` then holds rows that come after it, none at the end.

        Rows are taken a few at a time, and weighed; one at a time where they are large. No more than that is ever here
        beside a page's JSON.
        """
        rows: list[Row] = []
        taken_bytes, room = 0, self._limits.page_rows
        ahead = self._ahead or list(islice(cursor, 1))
        while ahead and room and taken_bytes < PAGE_BYTES:
            weight_bytes = len(orjson.dumps(ahead, default=_no_json))
            taken_bytes += weight_bytes
            rows += ahead[:room]
            ahead, room = ahead[room:], self._limits.page_rows - len(rows)
            if not ahead:
                ahead = list(islice(cursor, _ROWS_AT_ONCE if weight_bytes < _LIGHT_BYTES else 1))
        self._ahead = ahead
        encoded = orjson.dumps(converted(rows, self._booleans))
        self._bytes += len(encoded)
        if self._limits.result_bytes and self._bytes > self._limits.result_bytes:
            raise SqlError("result_too_large", limit=self._limits.result_bytes)
        return Page(encoded, len(rows))

    def failure(self, error: BaseException) -> BaseException:
        """What the caller is to see of an error inside."""
        if isinstance(error, apsw.InterruptError):
            if self._is_overtaken and not (self._timed_out or self._cancelled):
                return Overtaken()
            return SqlError("statement_timeout" if self._timed_out else "cancelled")
        if isinstance(error, DATA_ERRORS):
            assert isinstance(error, Exception)
            return statement_failure(error)
        return StorageFault(error, "read") if isinstance(error, (apsw.Error, OSError)) else error

    def _end(self) -> None:
        if self._opened is not None:
            self._finish(self)
        self._opened = self._connection = None


def _no_json(value: bytes) -> str:
    """Stands for a blob while rows are weighed."""
    return value.decode("latin-1")


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
        seen = self._stream.failure(error)
        if seen is not error:
            raise seen from error
