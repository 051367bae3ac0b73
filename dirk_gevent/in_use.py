"""Whose it is what cannot be had: an address that is in use, a directory that another process has locked."""

from __future__ import annotations

import fcntl
import os
import socket
from pathlib import Path

from dirk_gevent.hosts import reachable

#: The files that carry the locks, in a node's data directory and in the log's. Each holds its holder's process id.
DATA_LOCK = "dirk.lock"
LOG_LOCK = "lock"

#: Linux gives connections that go out the ports from here to 60999.
_FIRST_OUTGOING_PORT = 32768
_LOOK_SECONDS = 1.0
_DIGITS = 20


def address_in_use(host: str, port: int) -> str:
    """Why an address is in use, as the end of a sentence; takes a second at most.

    A program listens there, or a connection has that port as its own end's: while it stands, or a minute after it.
    """
    try:
        socket.create_connection((reachable(host), port), timeout=_LOOK_SECONDS).close()
    except TimeoutError:
        return "another program listens there"
    except OSError:
        return (
            "though no program listens there: a connection of another program has that port, or had it a moment ago; "
            f"wait a minute, or choose a port below {_FIRST_OUTGOING_PORT}, where no connection gets its own"
        )
    return "another program listens there"


def process_in(descriptor: int) -> str:
    """Which process wrote its id into a lock's file: ` (process 4711)`, or nothing."""
    said = os.pread(descriptor, _DIGITS, 0).decode("ascii", "replace").strip()
    return f" (process {said})" if said.isdecimal() else ""


def write_process(descriptor: int) -> None:
    """Write this process's id into a lock's file that it holds. A disk that takes nothing loses no more than that."""
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    except OSError:
        return


def holder(lock: Path) -> str | None:
    """What `process_in` says of a lock that a process holds; None when none does."""
    try:
        descriptor = os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return process_in(descriptor)
    finally:
        os.close(descriptor)
    return None
