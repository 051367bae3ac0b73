"""Starts one of DirkDB's programs on a disk and a clock that a test has in its hand.

    python -P tests/disk/launch.py --root DIR --undo DIR [--control FILE] [--mutant NAME] [--fails-at STEP] -- \
        server m1 --config FILE

`--control` is a JSON file, read again whenever it changes: `{"is_full": …, "fails_sync": …, "clock_seconds": …}`.
What it says holds across restarts. How many steps the disk took is in DIR.steps, beside the undo notes, at the end.
"""

from __future__ import annotations

import argparse
import ctypes
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from tests import mutants
from tests.disk.shim import Disk, install
from tests.disk.undo import UndoNotes

_LOOK_SECONDS = 0.02
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Control:
    """What a test wants of a process: its disk full or failing to sync, its clock ahead by so much."""

    is_full: bool = False
    fails_sync: bool = False
    clock_seconds: int = 0

    def write(self, path: Path) -> None:
        """Tell the process of `path`; it hears within some 20 ms, or when it starts."""
        partial = path.with_suffix(".new")
        partial.write_bytes(orjson.dumps(asdict(self)))
        partial.replace(path)

    @staticmethod
    def read(path: Path) -> Control:
        """What was told last."""
        return Control(**orjson.loads(path.read_bytes())) if path.exists() else Control()


class _Clock:
    """Stands in for `time.time` and `time.time_ns`. Monotonic clocks stay what they are, as on a real machine."""

    def __init__(self) -> None:
        self.ahead_seconds = 0
        self._time: Callable[[], float] = time.time
        self._time_ns: Callable[[], int] = time.time_ns
        time.time, time.time_ns = self.time, self.time_ns

    def time(self) -> float:
        """Seconds since 1970, wrongly."""
        return self._time() + self.ahead_seconds

    def time_ns(self) -> int:
        """Nanoseconds since 1970, wrongly."""
        return self._time_ns() + self.ahead_seconds * 1_000_000_000


def _obey(path: Path, disk: Disk, clock: _Clock) -> None:
    control = Control.read(path)
    disk.is_full, disk.fails_sync = control.is_full, control.fails_sync
    clock.ahead_seconds = control.clock_seconds


def _watch(path: Path, disk: Disk, clock: _Clock) -> None:
    seen = 0
    while True:
        time.sleep(_LOOK_SECONDS)
        found = path.stat().st_mtime_ns if path.exists() else 0
        if found != seen:
            seen = found
            _obey(path, disk, clock)


def main() -> int:
    """Run the program; its exit status. It ends with whoever started it."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--undo", type=Path, required=True)
    parser.add_argument("--control", type=Path)
    parser.add_argument("--mutant", choices=mutants.NAMES)
    parser.add_argument("--fails-at", type=int, default=0)
    parser.add_argument("words", nargs="+")
    options = parser.parse_args()
    disk, clock = Disk(options.root, UndoNotes(options.undo), fails_at=options.fails_at), _Clock()
    if options.control is not None:
        _obey(options.control, disk, clock)
        threading.Thread(target=_watch, args=(options.control, disk, clock), daemon=True).start()
    shim = install(disk)
    if options.mutant:
        mutants.apply(options.mutant)
    from dirk_gevent import cli

    status = cli.main(options.words)
    options.undo.with_suffix(".steps").write_text(str(disk.steps))
    del shim
    return status


if __name__ == "__main__":
    sys.exit(main())
