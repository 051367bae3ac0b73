"""A run of tests that is killed leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster import clean_environ, wait_for
from tests.leftovers import PROC, parents

_CHILD = "import time; time.sleep(600)"
#: Starts a process in a session of its own, and prints its id.
_START = f"""
import subprocess, sys
one = subprocess.Popen([sys.executable, "-c", {_CHILD!r}], stdout=subprocess.DEVNULL, start_new_session=True)
print(one.pid)
"""
#: Starts two processes, one of them by a parent that is gone; prints their ids.
_RUN = f"""
import subprocess, sys, time
from tests import leftovers

leftovers.watch()
leftovers.watch()
near = subprocess.Popen([sys.executable, "-c", {_CHILD!r}], stdout=subprocess.DEVNULL)
far = subprocess.run([sys.executable, "-c", {_START!r}], stdout=subprocess.PIPE).stdout
print(near.pid, int(far), flush=True)
sys.argv[1] == "ends" and sys.exit(0)
time.sleep(600)
"""


@pytest.mark.skipif(not PROC.is_dir(), reason="there is no /proc")
@pytest.mark.parametrize("how", ["killed", "interrupted", "ends"])
def test_what_a_run_starts_ends_with_it(how: str, tmp_path: Path) -> None:
    words = [sys.executable, "-P", "-c", _RUN, how]
    with subprocess.Popen(words, stdout=subprocess.PIPE, env=clean_environ(), cwd=tmp_path) as run:
        assert run.stdout is not None
        pids = [int(word) for word in run.stdout.readline().split()]
        assert len(pids) == 2
        if how == "killed":
            run.kill()
        elif how == "interrupted":
            run.send_signal(signal.SIGINT)
    wait_for(lambda: not set(pids) & parents().keys() - _ended(pids), 30, f"{pids} to be gone")


def _ended(pids: list[int]) -> set[int]:
    """Those that have ended and that nobody has asked for their status yet."""
    found = set()
    for pid in pids:
        stat = PROC / str(pid) / "stat"
        if stat.exists() and stat.read_text(errors="replace").rpartition(")")[2].split()[0] == "Z":
            found.add(pid)
    return found


def test_parents_are_told_as_they_are() -> None:
    assert parents()[os.getpid()] == os.getppid()
