"""A suspected entry is tried out in a process of its own before this one runs it: does it kill whoever runs it?

Two deaths inside an entry say little: somebody may have killed the process twice while a long entry ran. So a child
process runs the entry on the same file, inside a transaction that it rolls back, and the kernel tells the parent how
the child ended:

- by itself, whatever the entry did: this process runs the entry now, and its own outcome alone counts;
- by a signal that a process brings on itself (SIGSEGV and its like), or by the kernel's want of memory: the entry
  kills. This database stops before it, and every other one goes on;
- by another signal, or because its parent died: it was killed from outside. Nothing is remembered of it.
"""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import orjson

from dirk_gevent.engine.errors.faults import PoisonedEntry, StorageFault
from dirk_gevent.log.entry import Entry

#: What a process brings on itself.
_OWN_SIGNALS = frozenset(
    (signal.SIGSEGV, signal.SIGABRT, signal.SIGILL, signal.SIGFPE, signal.SIGSYS, signal.SIGTRAP)
)
#: What the disk under a mapped file brings on a process.
_DISK_SIGNALS = frozenset((signal.SIGBUS, signal.SIGXFSZ))
_PROGRAM = "dirk_gevent.engine.apply.trial"
_ROOT = Path(__file__).resolve().parents[3]
_CGROUPS = Path("/sys/fs/cgroup")


def try_out(path: Path, entry: Entry, encoded: bytes) -> None:
    """Find out whether an entry kills a process that runs it on the database at `path` (native thread; blocks).

    Nobody else may write to the database meanwhile. Raises PoisonedEntry when it does; StorageFault when that could
    not be found out (the child was killed from outside, or by the disk): try again later.
    """
    kills_before = _memory_kills()
    head = orjson.dumps({"path": str(path), "parent": os.getpid()}) + b"\n"
    command = [sys.executable, "-P", "-m", _PROGRAM]
    try:
        ended = subprocess.run(
            command,
            input=head + encoded,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=_environ(os.environ),
            check=False,
        )
    except OSError as error:
        raise StorageFault(error, f"entry {entry.index} could not be tried out") from error
    if ended.returncode >= 0:
        return
    killer = signal.Signals(-ended.returncode)
    if killer in _OWN_SIGNALS:
        raise PoisonedEntry(entry.log_id, entry.index, killer.name)
    if killer is signal.SIGKILL and _memory_kills() > kills_before:
        raise PoisonedEntry(entry.log_id, entry.index, "out of memory")
    who = "by the disk" if killer in _DISK_SIGNALS else "from outside"
    raise StorageFault(OSError(errno.EINTR, f"killed {who} ({killer.name})"), f"entry {entry.index} was tried out")


def _environ(own: Mapping[str, str]) -> dict[str, str]:
    """The environment of a child that imports this very program."""
    before = own.get("PYTHONPATH")
    return {**own, "PYTHONPATH": os.pathsep.join([str(_ROOT), *([before] if before else [])])}


def _memory_kills() -> int:
    """How many processes the kernel has killed for want of memory: of this one's control group, else of the machine."""
    try:
        groups = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
        own = next(line.partition("::")[2] for line in groups if line.startswith("0::"))
        return _counted(_CGROUPS / own.lstrip("/") / "memory.events")
    except (OSError, StopIteration, ValueError):
        pass
    try:
        return _counted(Path("/proc/vmstat"))
    except (OSError, ValueError):
        return 0


def _counted(path: Path) -> int:
    """The number behind `oom_kill` in a file of the kernel's; ValueError when it has none."""
    for line in path.read_text(encoding="utf-8").splitlines():
        name, _, number = line.partition(" ")
        if name == "oom_kill":
            return int(number)
    raise ValueError(f"{path} does not count oom_kill")
