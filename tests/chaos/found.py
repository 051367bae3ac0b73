"""What a stopped node's files hold: which requests ran where, the rows, the digest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw

from dirk_gevent.engine.functions import EntryContext
from dirk_gevent.engine.snapshot.content_digest import content_digest
from dirk_gevent.engine.sqlite_connection import open_reader

#: The log of the one database of a run: the system log's first entry made it.
LOG_ID = 1


@dataclass(frozen=True, slots=True)
class Ran:
    """One request that ran: its entry's index, and how it ended."""

    request_id: str
    index: int
    outcome: bytes


@dataclass(frozen=True, slots=True)
class Found:
    """One node's database, all at `applied`."""

    node: str
    applied: int
    chain: bytes
    digest: bytes
    ran: tuple[Ran, ...]
    registers: dict[int, int]
    counters: dict[int, int]
    elements: dict[int, list[int]]
    accounts: tuple[int, ...]
    transfers: tuple[int, ...]
    lists: dict[int, tuple[int, ...]]


def read(node: str, directory: Path) -> Found:
    """Read a node's files, which no process uses any more."""
    path = directory / f"db-{LOG_ID:08d}.sqlite"
    connection = open_reader(path, EntryContext())
    try:
        assert _rows(connection, "PRAGMA integrity_check") == [("ok",)], f"the file of {node} is damaged"
        ((applied, chain),) = _rows(connection, "SELECT applied_index, chain FROM dirk_meta")
        elements: dict[int, list[int]] = {}
        for key, number in _rows(connection, "SELECT k, n FROM elements ORDER BY rowid"):
            elements.setdefault(key, []).append(number)
        lists = _rows(connection, "SELECT k, v FROM lists WHERE v <> ''")
        return Found(
            node,
            applied,
            chain,
            content_digest(connection),
            tuple(Ran(*row) for row in _rows(connection, "SELECT request_id, entry, outcome FROM dirk_requests")),
            dict(_rows(connection, "SELECT k, v FROM registers")),
            dict(_rows(connection, "SELECT k, n FROM counters")),
            elements,
            tuple(row[0] for row in _rows(connection, "SELECT n FROM accounts ORDER BY k")),
            tuple(row[0] for row in _rows(connection, "SELECT n FROM transfers ORDER BY rowid")),
            {key: tuple(int(one) for one in text.split(",") if one) for key, text in lists},
        )
    finally:
        connection.close()


def _rows(connection: apsw.Connection, sql: str) -> list[tuple[Any, ...]]:
    return connection.execute(sql).fetchall()
