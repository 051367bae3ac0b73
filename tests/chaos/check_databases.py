"""Whether what was told of databases that come and go, and what is there in the end, go together."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw

from dirk_gevent.engine.functions import EntryContext
from dirk_gevent.engine.sqlite_connection import open_reader
from dirk_gevent.engine.stored_records import DATABASE_KIND
from dirk_gevent.log.embedded.journal_file import JOURNAL_FILE, MAX_INDEX, position
from dirk_gevent.log.entry import SYSTEM_LOG_ID, Entry
from tests.chaos.checks import Violation
from tests.chaos.databases import KINDS
from tests.chaos.history import Operation
from tests.chaos.speaking import DATABASE

_UNKNOWN_DATABASE = "3D000"
_DATABASE_FILE = re.compile(r"db-(\d+)\.(?:sqlite|applying).*")
#: What is on its way into a file or out of one: a process that has ended, and was begun anew since, leaves none.
_PASSING = re.compile(r".*\.partial")


@dataclass(frozen=True, slots=True)
class Held:
    """What a stopped node knows: databases by log id, the rows of those that come and go, and whose files it has.

    `ran`: the index at which each request of the system log ran.
    """

    node: str
    names: Mapping[int, str]
    rows: Mapping[str, tuple[int, ...]]
    files: frozenset[int]
    passing: tuple[str, ...]
    ran: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Logged:
    """What a stopped journal knows: open databases by log id, and the requests of the system log in order."""

    names: Mapping[int, str]
    requests: tuple[str, ...]


def held(node: str, directory: Path) -> Held:
    """Read a node's files, which no process uses any more."""
    names = {int(log_id): name for log_id, name in _system(directory, "SELECT source, name FROM dirk_catalog"
             f" WHERE kind = '{DATABASE_KIND}'")}
    files = [path.name for path in directory.iterdir()]
    found = [_DATABASE_FILE.fullmatch(name) for name in files]
    return Held(
        node,
        names,
        {name: _rows(directory / f"db-{log_id:08d}.sqlite") for log_id, name in names.items() if name != DATABASE},
        frozenset(int(match[1]) for match in found if match is not None),
        tuple(name for name in files if _PASSING.fullmatch(name)),
        dict(_system(directory, "SELECT request_id, entry FROM dirk_requests")),
    )


def _system(directory: Path, sql: str) -> list[tuple[Any, ...]]:
    connection = open_reader(directory / "system.sqlite", EntryContext())
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def _rows(path: Path) -> tuple[int, ...]:
    """The rows of the one table; none when it, or the file, is not there yet."""
    if not path.exists():
        return ()
    connection = open_reader(path, EntryContext())
    try:
        if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 't'").fetchall():
            return ()
        return tuple(row[0] for row in connection.execute("SELECT n FROM t ORDER BY n"))
    finally:
        connection.close()


def logged(directory: Path) -> Logged:
    """Read the journal, which no process uses any more."""
    connection = apsw.Connection(str(directory / JOURNAL_FILE))
    try:
        names = connection.execute(
            "SELECT log_id, name FROM logs WHERE sealed_at IS NULL AND log_id <> ?", (SYSTEM_LOG_ID,)
        ).fetchall()
        entries = connection.execute(
            "SELECT encoded FROM entries WHERE position BETWEEN ? AND ? ORDER BY position",
            (position(SYSTEM_LOG_ID, 0), position(SYSTEM_LOG_ID, MAX_INDEX)),
        ).fetchall()
        return Logged(dict(names), tuple(Entry.decode(encoded).request_id for (encoded,) in entries))
    finally:
        connection.close()


def violations(operations: Sequence[Operation], nodes: Sequence[Held], log: Logged) -> list[Violation]:
    """Everything that is wrong."""
    lives = [one for one in operations if one.kind in KINDS]
    return [
        *_told(lives),
        *_effects(lives, nodes, log),
        *(violation for node in nodes for violation in _in_the_end(lives, node, log)),
    ]


def _told(lives: Sequence[Operation]) -> Iterator[Violation]:
    """Each answer is the one that there is."""
    for operation in lives:
        if operation.status == "info":
            continue
        expected: Any = {
            "make": 0, "table": 0, "fill": len(operation.value), "rows": operation.value, "drop": 0,
        }.get(operation.kind, _UNKNOWN_DATABASE)
        if operation.result != expected:
            of_name = [one for one in lives if one.key == operation.key and one.number <= operation.number]
            yield Violation(f"{operation.kind} of {operation.key} ends with {expected!r}", tuple(of_name[-8:]))


def _effects(lives: Sequence[Operation], nodes: Sequence[Held], log: Logged) -> Iterator[Violation]:
    """Each request to make or drop has one entry at most, one if it was acknowledged, and ran where that is."""
    by_request = {one.request_id: one for one in lives if one.kind in ("make", "drop")}
    for request_id, count in Counter(log.requests).items():
        if count > 1:
            yield Violation(f"{count} entries of one request", tuple(filter(None, [by_request.get(request_id)])))
    for node in nodes:
        for request_id, operation in by_request.items():
            index = node.ran.get(request_id)
            if operation.status == "ok" and (index is None or index > operation.index):
                yield Violation(f"acknowledged at {operation.index}, {node.node} has it at {index}", (operation,))


def _in_the_end(lives: Sequence[Operation], node: Held, log: Logged) -> Iterator[Violation]:
    """A node has the log's databases, with the rows that were put in, and no file of any other."""
    if dict(node.names) != dict(log.names):
        yield Violation(f"{node.node} has the databases {dict(node.names)}, the log {dict(log.names)}")
    if node.files - set(node.names):
        yield Violation(f"{node.node} has files of {sorted(node.files)}, and the databases {sorted(node.names)}")
    if node.passing:
        yield Violation(f"{node.node} has kept {node.passing}")
    names = set(node.names.values()) - {DATABASE}
    for name in {one.key for one in lives} | names:
        of_name = [one for one in lives if one.key == name and one.kind in ("make", "fill", "drop")]
        last = of_name[-1] if of_name else None
        if last is None or last.status == "info":
            continue
        is_there = last.kind != "drop"
        if is_there != (name in names):
            yield Violation(f"{name} is {'not ' if is_there else ''}there on {node.node}", tuple(of_name[-4:]))
        elif is_there and node.rows[name] != tuple(last.value):
            yield Violation(f"{name} holds {node.rows[name]} on {node.node}", tuple(of_name[-4:]))
