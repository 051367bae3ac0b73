"""A thread that interrupts a hub read which holds the hub too long.

SQLite's progress handler is not enough: one VM opcode (`count(*)`, a sort) can run 100 ms without calling it. A
read costs two attribute assignments; the thread looks every half limit while reads come, and sleeps otherwise.
It counts the hub's CPU time, so that a read which merely waits its turn on a busy machine is let be.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress

import apsw

#: CPU time after which a hub read is interrupted, counted from the first look at it (a look is half of this).
LIMIT_SECONDS = 0.005
#: The same in real time: for a read that waits for the disk.
_REAL_LIMIT_SECONDS = 0.03
#: The thread falls asleep after so many looks without a read.
_IDLE_LOOKS = 40


class Watchdog:
    """Watches the one read that the hub runs at a time."""

    def __init__(self) -> None:
        self._running: apsw.Connection | None = None
        self._count = 0
        self._clock = 0
        self._asleep = True
        self._is_held = False
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
        """A read begins on `connection`, in this thread."""
        self._count += 1
        self._running = connection
        if self._asleep:
            self._asleep = False
            self._clock = time.pthread_getcpuclockid(threading.get_ident())
            self._wake.set()

    def end(self) -> None:
        """The read has ended."""
        self._running = None

    def take_held(self) -> bool:
        """True when the read that was just interrupted had been waiting for the machine; False the next time."""
        is_held, self._is_held = self._is_held, False
        return is_held

    def _watch(self) -> None:
        while not self._stopping:
            self._sleep()
            idle = 0
            while idle < _IDLE_LOOKS and not self._stopping:
                count, running = self._count, self._running
                time.sleep(LIMIT_SECONDS / 2)
                if self._count != count:
                    idle = 0
                elif running is None:
                    idle += 1
                else:
                    try:
                        self._watch_read(running, count)
                    except OSError:
                        # The thread that read has ended, and its clock with it: the next read brings its own.
                        self._asleep = True
                    idle = 0

    def _watch_read(self, running: apsw.Connection, count: int) -> None:
        """Stay with the read number `count` to its end, and make it end."""
        clock = self._clock
        cpu_end = time.clock_gettime(clock) + LIMIT_SECONDS / 2
        real_end = time.monotonic() + _REAL_LIMIT_SECONDS
        while self._count == count and self._running is running:
            is_working = time.clock_gettime(clock) >= cpu_end
            if is_working or time.monotonic() >= real_end:
                self._is_held = not is_working
                with suppress(apsw.ConnectionClosedError):
                    running.interrupt()
            time.sleep(LIMIT_SECONDS / 2)

    def _sleep(self) -> None:
        self._wake.clear()
        self._asleep = True
        if self._running is None and not self._stopping:
            self._wake.wait()
        self._asleep = False
