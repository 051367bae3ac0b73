"""What a run of tests starts ends with it, however it ends: also when the run itself is killed.

The run's environment bears a mark, which all that it starts inherits. A watcher holds one end of a pipe whose other end
is the run's alone: when it closes the run is over, and the watcher kills whatever still bears the mark. So nothing is
left behind by a test that forgets a process, by a process in a session of its own, or by a `kill -9` of pytest.
Linux only: elsewhere there is no /proc to find the marked processes in.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")
_MARK = "TEST_RUN_OF"
#: So long the watcher goes on looking: what is being started while the run ends is found at the next look.
_ROUNDS = 5
_ROUND_SECONDS = 0.1

_watchers: dict[int, subprocess.Popen[bytes]] = {}


def watch() -> None:
    """Have everything that this process starts from now on end with it. Done once; a second call changes nothing."""
    if os.getpid() in _watchers or not PROC.is_dir():
        return
    unmarked = {name: value for name, value in os.environ.items() if name != _MARK}
    mark = f"{os.getpid()}-{secrets.token_hex(8)}"
    os.environ[_MARK] = mark
    _watchers[os.getpid()] = subprocess.Popen(
        [sys.executable, "-P", __file__, mark],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env=unmarked,
        start_new_session=True,
    )


def end() -> None:
    """End now whatever this process has started and left; nothing when it never watched."""
    watcher = _watchers.pop(os.getpid(), None)
    if watcher is not None:
        assert watcher.stdin is not None
        watcher.stdin.close()
        watcher.wait()


def parents() -> dict[int, int]:
    """The parent of each process of this machine, by process id."""
    found = {}
    for pid in _pids():
        with suppress(OSError):
            stat = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
            # The name stands in parentheses and may hold any sign; the state and the parent follow it.
            found[pid] = int(stat.rpartition(")")[2].split()[1])
    return found


def _pids() -> Iterator[int]:
    return (int(one.name) for one in PROC.iterdir() if one.name.isdecimal())


def _marked(mark: str) -> list[int]:
    wanted = f"{_MARK}={mark}".encode()
    found = []
    for pid in _pids():
        with suppress(OSError):
            if wanted in (PROC / str(pid) / "environ").read_bytes().split(b"\0"):
                found.append(pid)
    return found


def _kill_marked(mark: str) -> None:
    for _ in range(_ROUNDS):
        for pid in _marked(mark):
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_ROUND_SECONDS)
        if not _marked(mark):
            return


if __name__ == "__main__":
    # Only the end of the pipe tells: a signal to the run's terminal or group is none of the watcher's business.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    _kill_marked(sys.argv[1])
