"""Sharing out the files that this process may have open: its own, connections, databases, long reads.

The system gives a process a number of file descriptors (`ulimit -n`, `LimitNOFILE` of a unit). Nothing here ever takes
the last one: what is beyond a share waits, is closed, or is turned away with a sentence before it is begun.
"""

from __future__ import annotations

import resource
from contextlib import suppress
from dataclasses import dataclass, replace

from dirk_gevent.base.logger import Logger
from dirk_gevent.base.startup import CannotStartError
from dirk_gevent.config.settings import Config

#: For the process itself: its log, journal, links, threads, temporary files, and connections that are being refused.
_OWN_FILES = 64
#: Below it there is no sensible share for anything.
LEAST_FILES = 160
#: Databases whose writer (and, apart, whose hub reader) is open at one time, when files are plenty.
_MOST_DATABASES = 64
#: A database with writer and hub reader open: two of the file, two of its WAL, one of the WAL's index.
_FILES_A_DATABASE = 5
#: A long read: the file, its WAL, and one more for what SQLite sorts in a file.
_FILES_A_LONG_READ = 3
#: A client of a proxy or a cache: its own connection, and the one that its answer comes over.
RELAY_FILES_A_CONNECTION = 2
#: A client of a node: its connection, the file of a result that it takes slowly, and for every second one a connection
#: to where writes go (who waits for the one has no use for the other).
NODE_FILES_A_CONNECTION = 2.5


@dataclass(frozen=True, slots=True)
class OpenFiles:
    """How many of each may be open at one time."""

    connections: int
    databases: int
    long_reads: int


def raise_file_limit() -> int:
    """Allow as many open files as the system lets this process have; how many that is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        return hard
    return soft


def share_out(files: int, files_a_connection: float) -> OpenFiles:
    """The shares of `files` descriptors; a connection takes `files_a_connection` of them.

    Raises CannotStartError when they are fewer than `LEAST_FILES`.
    """
    if files < LEAST_FILES:
        raise CannotStartError(
            f"only {files} files may be open at one time, and {LEAST_FILES} are needed: type ulimit -n 1024 before, "
            "or set LimitNOFILE=1024 in the unit"
        )
    half = (files - _OWN_FILES) // 2
    databases = min(_MOST_DATABASES, half * 2 // 3 // _FILES_A_DATABASE)
    long_reads = (half - databases * _FILES_A_DATABASE) // _FILES_A_LONG_READ
    return OpenFiles(int(half / files_a_connection), databases, long_reads)


def fitted(config: Config, logger: Logger, files_a_connection: float) -> tuple[Config, OpenFiles]:
    """The config with limits that this process has files for, and the shares; a line of the log when they are lower.

    Raises CannotStartError as `share_out`.
    """
    files = raise_file_limit()
    shares = share_out(files, files_a_connection)
    limits = config.limits
    lower = replace(
        limits,
        max_connections=min(limits.max_connections, shares.connections),
        max_long_reads=min(limits.max_long_reads, shares.long_reads),
    )
    if lower != limits:
        logger.warning(
            "few_open_files",
            limit=files,
            max_connections=lower.max_connections,
            max_long_reads=lower.max_long_reads,
            text="ulimit -n, or LimitNOFILE in the unit, is too low for limits.maxConnections and limits.maxLongReads",
        )
    return replace(config, limits=lower), shares
