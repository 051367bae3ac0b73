"""A process to be killed: appends for ever to the log in a directory, and prints each acknowledgement.

``python appending.py DIRECTORY``: lines of ``<log id> <index> <request id>``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import gevent

from dirk_gevent.base.request_ids import new_request_id
from dirk_gevent.config.settings import LogSettings
from dirk_gevent.log.embedded.embedded_log import EmbeddedLog, clock_ms
from dirk_gevent.log.entry import Draft, LoggedStatement
from dirk_parser.normalize.normalized_statement import NormalizedStatement

WRITERS = 8


def acknowledge(log_id: int, index: int, request_id: str) -> None:
    """Tells the parent; one write a line, so that no line is cut by the kill of another greenlet's."""
    sys.stdout.write(f"{log_id} {index} {request_id}\n")
    sys.stdout.flush()


def write(log: EmbeddedLog, log_id: int, number: int) -> None:
    """Appends entries of growing size."""
    while True:
        number += 1
        normalized = NormalizedStatement("manampia ao t sanda (?, ?)", (number, "x" * (number * 37 % 5000)))
        draft = Draft(new_request_id(clock_ms()), (LoggedStatement(normalized),))
        acknowledge(log_id, log.appends.append(log_id, draft).entry.index, draft.request_id)


def change(log: EmbeddedLog, name: str) -> None:
    """Makes and drops a database."""
    while True:
        for method in (log.appends.create_database, log.appends.drop_database):
            request_id = new_request_id(clock_ms())
            changed = method(name, request_id, optional=True)
            if changed.change is not None:
                acknowledge(0, changed.index, request_id)


def main() -> None:
    """Runs until killed."""
    log = EmbeddedLog(LogSettings(directory=Path(sys.argv[1])))
    log.appends.create_database("base", new_request_id(clock_ms()), optional=True)
    base = log.reads.find("base")
    assert base is not None
    writers = [gevent.spawn(write, log, base.log_id, number) for number in range(WRITERS)]
    gevent.joinall([*writers, gevent.spawn(change, log, "other")], raise_error=True)


main()
