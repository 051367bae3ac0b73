"""A thread that interrupts a hub read which holds the hub too long.

SQLite's progress handler is not enough: one VM opcode (`count(*)`, a sort) can run 100 ms without calling it. A
read costs two attribute assignments; the thread looks every half limit while reads come, and sleeps otherwise.
"""

from __future__ import annotations

import threading
import time

import apsw

#: A hub read is interrupted when it has run at least this long (and at most half as long again).
LIMIT_SECONDS = 0.005
#: The thread falls asleep after so many looks without a read.
_IDLE_LOOKS = 40


class Watchdog:
    """Watches the one read that the hub runs at a time."""

    def __init__(self) -> None:
        self._running: apsw.Connection | None = None
        self._count = 0
        self._asleep = False
        self._stopping = False
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._watch, name="dirk-watchdog", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread and wait for it."""
        self._stopping = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    def begin(self, connection: apsw.Connection) -> None:
        """A read begins on `connection`."""
        self._count += 1
        self._running = connection
        if self._asleep:
            self._asleep = False
            self._wake.set()

    def end(self) -> None:
        """The read has ended."""
        self._running = None

    def _watch(self) -> None:
        looked_at, looks, idle = 0, 0, 0
        while not self._stopping:
            time.sleep(LIMIT_SECONDS / 2)
            count, running = self._count, self._running
            idle = idle + 1 if count == looked_at else 0
            looks = looks + 1 if count == looked_at and running is not None else 1
            looked_at = count
            if running is not None and looks > 2:
                self._interrupt(running, count)
                idle = 0
            elif running is None and idle > _IDLE_LOOKS:
                idle = 0
                self._sleep()

    def _interrupt(self, running: apsw.Connection, count: int) -> None:
        if self._count != count or self._running is not running:
            return
        try:
            running.interrupt()
        except apsw.ConnectionClosedError:
            return

    def _sleep(self) -> None:
        self._wake.clear()
        self._asleep = True
        if self._running is not None or self._stopping:
            self._asleep = False
            return
        self._wake.wait()
        self._asleep = False
