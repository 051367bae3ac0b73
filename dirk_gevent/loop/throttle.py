"""Large files beside other people's small, urgent commits: a bounded part at a time, with rests between.

A commit waits for what the disk was given before it, and on ext4 also for the new blocks of other files. A gigabyte
that is written first and synced at the end makes every commit beside it wait for seconds. So a large file goes to the
disk in steps, and whoever makes, sends or unpacks one leaves processor and disk to others for about half the time.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

#: How much of a file may be unsynced; how much is worked on between two rests.
STEP_BYTES = 4 * 1024 * 1024
#: How much space is given back at once. Nothing is written for it, so it is more than a step.
FREED_BYTES = 16 * 1024 * 1024
#: What rests never slow a piece of work below: an empty disk must not take all day to be filled.
LEAST_BYTES_A_SECOND = 100 * 1024 * 1024


class Throttle:
    """The rests of one piece of work on many bytes: each as long as the step before it, shorter when there is no time.

    There is no time below `LEAST_BYTES_A_SECOND`, counted from the first byte. `sleep` (seconds) blocks the native
    thread as it is; a greenlet gives gevent's.
    """

    def __init__(
        self, sleep: Callable[[float], object] = time.sleep, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._sleep = sleep
        self._clock = clock
        self._began = self._resumed = clock()
        self._done_bytes = 0
        self._step_bytes = 0

    def worked(self, size_bytes: int) -> None:
        """`size_bytes` more are done. Rests at the end of each step."""
        self._step_bytes += size_bytes
        if self._step_bytes < STEP_BYTES:
            return
        self._done_bytes += self._step_bytes
        self._step_bytes = 0
        now = self._clock()
        ahead_seconds = self._done_bytes / LEAST_BYTES_A_SECOND - (now - self._began)
        rest_seconds = min(now - self._resumed, ahead_seconds)
        if rest_seconds > 0:
            self._sleep(rest_seconds)
        self._resumed = self._clock()


class IncrementalFsyncFile:
    """Writes to a new file of which at most `STEP_BYTES` and one piece are ever unsynced. Blocks: for native threads.

    The file stays the caller's to close. Raises OSError.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._unsynced_bytes = 0

    def write(self, piece: bytes) -> None:
        """Add a piece."""
        self._file.write(piece)
        self._unsynced_bytes += len(piece)
        if self._unsynced_bytes >= STEP_BYTES:
            self._file.flush()
            os.fdatasync(self._file.fileno())
            self._unsynced_bytes = 0

    def finish(self) -> None:
        """All of it, and its size, are on the disk when this returns."""
        self._file.flush()
        os.fsync(self._file.fileno())


def remove(path: Path) -> None:
    """Unlink a file that nobody reads any more, if it is there. Blocks: for native threads. Raises OSError.

    Its space goes back in pieces of `FREED_BYTES`: the disk is told of free space (`discard`), and takes its time.
    """
    with suppress(OSError):
        _shorten(path)
    path.unlink(missing_ok=True)


def _shorten(path: Path) -> None:
    with path.open("r+b") as file:
        pace, size_bytes = Throttle(), file.seek(0, os.SEEK_END)
        while size_bytes > FREED_BYTES:
            size_bytes -= FREED_BYTES
            file.truncate(size_bytes)
            os.fsync(file.fileno())
            pace.worked(FREED_BYTES)
