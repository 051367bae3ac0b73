"""Waiting for the rest of a statement that has begun, for as long as anything of it comes."""

from __future__ import annotations

from contextlib import suppress

import gevent

from dirk_gevent.protocol.splitter import StatementSplitter
from dirk_gevent.server.client_connection import ClientConnection
from dirk_parser.errors import SqlError

#: What an unfinished statement waits for -> the error that says so.
_KEYS = {
    "'": "unfinished_string",
    '"': "unfinished_string",
    "`": "unfinished_name",
    "*/": "unfinished_comment",
    "\n": "unfinished_line",
    ";": "unfinished_statement",
}


def receive_rest(wire: ClientConnection, splitter: StatementSplitter, most_bytes: int, idle_seconds: float) -> bytes:
    """The next bytes of the statement that `splitter` holds a part of; b"" at the end of the connection.

    Raises SqlError (`unfinished_…`), which says what it lacks, when nothing comes for `idle_seconds`: a client that
    thinks it has sent a statement waits for its answer, and what it sends next may be the rest of that text. While no
    statement has begun (white space, comments) the connection is only idle, for as long as it likes. Raises OSError.
    """
    while True:
        with suppress(gevent.Timeout), gevent.Timeout(idle_seconds):
            return wire.receive(most_bytes)
        # A process that stood still finds the time up, and bytes that came meanwhile.
        if not wire.is_readable() and (missing := splitter.missing()):
            raise SqlError(_KEYS[missing], mark=missing, seconds=f"{idle_seconds:g}")
