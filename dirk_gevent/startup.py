"""What every program needs before it begins: a way to say that it can't, and where others reach a listener."""

from __future__ import annotations

import resource
from contextlib import suppress


class CannotStartError(Exception):
    """The program can't begin: `str()` is the one sentence for stderr, the exit status is 2."""


def reachable(host: str) -> str:
    """The address to connect to for a server that listens on `host`: "every address" is reached on this machine."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)


def raise_file_limit() -> None:
    """Allow as many open files as the system lets this process have: each connection and database needs some."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def plain_reason(error: OSError) -> str:
    """What the system says of an error, in lower case and without its number: `connection refused`."""
    reason = error.strerror or str(error)
    return reason.lower() if reason else type(error).__name__
