"""Where SQLite keeps the index of a WAL: in a mapped file beside it, or in the process's own memory.

The file (`-shm`) is what lets other processes read along. Whoever touches a page of it for which the disk has no room
is killed by SIGBUS: no error is returned that one could handle. SQLite therefore writes a byte into each 4,096 before
it maps them, which is enough where a block of the file system is as large, and stays where it is. Elsewhere (ext4 makes
blocks of 1,024 bytes on disks below 512 MB; btrfs writes each page to a new place) SQLite's own "unix-excl" is used:
the index is in memory, and the file is this process's alone for as long as it is open.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

import apsw

_PAGE_BYTES = 4096
_MOUNTS = Path("/proc/self/mountinfo")
#: File systems that write what is changed to another place: it may need room that is not there.
_MOVING = frozenset(("bcachefs", "btrfs", "nilfs2"))
_SHARED, _PRIVATE = "unix", "unix-excl"


def vfs_for(path: Path) -> str | None:
    """SQLite's VFS for a database at `path`; None for the default one, also when that is not the system's own."""
    if apsw.vfs_names()[0] != _SHARED:
        return None
    directory = path.parent
    try:
        return _PRIVATE if _may_kill(str(directory), directory.stat().st_dev) else None
    except OSError:
        # It is not there: opening the file says so.
        return None


@lru_cache(maxsize=64)
def _may_kill(directory: str, _device: int) -> bool:
    """True when touching a page of a mapped file there may find no room. (Another device: another mount.)"""
    return os.statvfs(directory).f_bsize < _PAGE_BYTES or _kind(directory) in _MOVING


def _kind(directory: str) -> str:
    """The type of the file system that a directory lies on; "" where the system does not tell."""
    try:
        lines = _MOUNTS.read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    path, mount = os.path.realpath(directory) + "/", ("", "")
    for line in lines:
        before, _, after = line.partition(" - ")
        point = before.split()[4]
        if path.startswith(point.rstrip("/") + "/") and len(point) >= len(mount[0]):
            mount = point, after.split()[0]
    return mount[1]
