"""A long query at work on its connection: how long SQLite works for it, and what may end it before it is done."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import apsw

from dirk_gevent.engine.errors.failures import DATA_ERRORS, statement_failure
from dirk_gevent.engine.errors.faults import StorageFault
from dirk_gevent.engine.wal.wal import Overtaken
from dirk_parser.errors import SqlError

_TICK_STEPS = 10_000


class Execution:
    """One query. `attach`, `working` and what they guard belong to its thread; `cancel` and `interrupt` are for any.

    `is_overtaken`: its transaction has to end, for the sake of the WAL. `is_hurried`: it has to end soon.
    """

    def __init__(self) -> None:
        self.is_overtaken = self.is_hurried = False
        #: Seconds that SQLite worked for it, all told; waiting for a processor is no work, waiting for the disk is.
        self.busy_seconds = 0.0
        self._connection: apsw.Connection | None = None
        self._deadline = float("inf")
        self._is_cancelled = self._has_timed_out = False

    @property
    def is_running(self) -> bool:
        """True while a connection works for it."""
        return self._connection is not None

    def limit(self, seconds: float) -> None:
        """End it so many seconds after it was first limited; 0 = never."""
        if seconds and self._deadline == float("inf"):
            self._deadline = time.monotonic() + seconds

    def attach(self, connection: apsw.Connection) -> None:
        """Run on `connection`: cancellation and the time limit end what it does."""
        self._connection = connection
        connection.set_progress_handler(self._tick, _TICK_STEPS)

    def detach(self) -> None:
        """Nothing runs for it any more."""
        self._connection = None

    def cancel(self) -> None:
        """End it for good: the client is gone or asked for it."""
        self._is_cancelled = True
        self.interrupt()

    def interrupt(self) -> None:
        """Stop what runs at this moment."""
        connection = self._connection
        if connection is not None:
            with suppress(apsw.ConnectionClosedError):
                connection.interrupt()

    def _tick(self) -> bool:
        self._has_timed_out = time.monotonic() > self._deadline
        return self._has_timed_out or self._is_cancelled or self.is_overtaken

    @contextmanager
    def working(self) -> Iterator[None]:
        """The time in which SQLite works for it, in this thread."""
        began = _Worked()
        try:
            yield
        finally:
            self.busy_seconds += began.seconds

    def failure(self, error: BaseException) -> BaseException:
        """The error that the client is to see, for one that was met inside."""
        if isinstance(error, apsw.InterruptError):
            if self.is_overtaken and not (self._has_timed_out or self._is_cancelled):
                return Overtaken()
            return SqlError("statement_timeout" if self._has_timed_out else "cancelled")
        if isinstance(error, DATA_ERRORS):
            assert isinstance(error, Exception)
            return statement_failure(error)
        return StorageFault(error, "read") if isinstance(error, (apsw.Error, OSError)) else error


class _Worked:
    """Time that this thread has worked since this was made.

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
