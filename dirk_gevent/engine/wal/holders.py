"""Which other processes hold a mark into a file's WAL, as the kernel lists locks: for a message, not for a decision."""

from __future__ import annotations

import os
from pathlib import Path

_LOCKS = Path("/proc/locks")
#: SQLite's locks of readers in the -shm file: bytes from 123 to 127.
_FIRST, _LAST = 123, 127


def holders(path: Path) -> list[int]:
    """The process ids, in order; none where the system does not tell."""
    try:
        status = path.with_name(path.name + "-shm").stat()
        lines = _LOCKS.read_text(encoding="ascii").splitlines()
    except OSError:
        return []
    processes = {process for line in lines if (process := _holder(line, status)) is not None}
    return sorted(processes - {os.getpid()})


def _holder(line: str, status: os.stat_result) -> int | None:
    """The process of one line, `1: POSIX  ADVISORY  READ 4711 08:01:1234 124 124`, when it is a reader's."""
    words = line.split()
    if len(words) != 8 or words[1] != "POSIX" or words[7] == "EOF":
        return None
    major, minor, inode = words[5].split(":")
    device = os.makedev(int(major, 16), int(minor, 16))
    is_here = (device, int(inode)) == (status.st_dev, status.st_ino)
    return int(words[4]) if is_here and int(words[6]) <= _LAST and int(words[7]) >= _FIRST else None
