"""Where the logs end and what the nodes hold, read from the files of simulated machines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw

from dirk_gevent.engine.stored_records import DATABASE_KIND
from dirk_gevent.log.embedded.journal_file import JOURNAL_FILE, MAX_INDEX, position
from dirk_gevent.log.entry import SYSTEM_LOG_ID
from tests.simulation.checks import BEGINNING, Place, Tables
from tests.simulation.clients import LOG_ID

_DATABASE_FILE = re.compile(r"db-(\d+)\.sqlite.*")


@dataclass(frozen=True, slots=True)
class Standing:
    """What a node's files say of the shared database: where it stands, and what is in the tables."""

    place: Place
    tables: Tables


@contextmanager
def _opened(path: Path) -> Iterator[apsw.Connection]:
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        yield connection
    finally:
        connection.close()


def _place(rows: list[Any]) -> Place:
    return Place(*rows[0]) if rows else BEGINNING


def log_heads(directory: Path) -> dict[int, Place]:
    """Where each open log ends, as the journal in a directory says."""
    with _opened(directory / JOURNAL_FILE) as connection:
        logs = connection.execute("SELECT log_id, base_index, base_chain FROM logs WHERE sealed_at IS NULL").fetchall()
        return {log_id: _end(connection, log_id, [tuple(base)]) for log_id, *base in logs}


def logs_without_beginning(directory: Path) -> Iterator[str]:
    """Open logs that have forgotten entries which no confirmed snapshot holds: no new node could be brought up."""
    with _opened(directory / JOURNAL_FILE) as connection:
        bases = connection.execute("SELECT log_id, base_index FROM logs WHERE sealed_at IS NULL").fetchall()
        held = dict(connection.execute("SELECT log_id, max(idx) FROM snapshots WHERE confirmed GROUP BY log_id"))
        for log_id, base_index in bases:
            if base_index > held.get(log_id, 0):
                kept = f"the newest confirmed snapshot is of {held.get(log_id, 'none')}"
                yield f"log {log_id} has forgotten what lies up to index {base_index}, and {kept}"


def _end(connection: apsw.Connection, log_id: int, base: list[Any]) -> Place:
    rows = connection.execute(
        "SELECT position & ?, chain FROM entries WHERE position BETWEEN ? AND ? ORDER BY position DESC LIMIT 1",
        (MAX_INDEX, position(log_id, 0), position(log_id, MAX_INDEX)),
    ).fetchall()
    return _place(rows or base)


def log_head(directory: Path) -> Place:
    """Where the shared database's log ends; its beginning when there is none."""
    return log_heads(directory).get(LOG_ID, BEGINNING)


def rot_entry(directory: Path, share: float) -> None:
    """Change a byte in the older half of the shared database's log, `share` (0 … 1) of the way into that."""
    with _opened(directory / JOURNAL_FILE) as connection:
        rows: list[tuple[int, bytes]] = connection.execute(
            "SELECT position, encoded FROM entries WHERE position BETWEEN ? AND ? ORDER BY position",
            (position(LOG_ID, 0), position(LOG_ID, MAX_INDEX)),
        ).fetchall()  # type: ignore[assignment]
        if len(rows) > 1:
            where, encoded = rows[_way_into(len(rows) // 2, share)]
            at = _way_into(len(encoded), share)
            other = encoded[:at] + bytes([encoded[at] ^ 1]) + encoded[at + 1 :]
            connection.execute("UPDATE entries SET encoded = ? WHERE position = ?", (other, where))


def _way_into(count: int, share: float) -> int:
    """Which of `count` things lies `share` (0 … 1, both may be drawn) of the way into them."""
    return min(int(share * count), count - 1)


def database_file(directory: Path, log_id: int) -> Path:
    """A database's file on a node."""
    return directory / ("system.sqlite" if log_id == SYSTEM_LOG_ID else f"db-{log_id:08d}.sqlite")


def node_place(directory: Path, log_id: int = LOG_ID) -> Place:
    """Where a node's file of a database stands; index 0 when there is none."""
    path = database_file(directory, log_id)
    if not path.exists():
        return BEGINNING
    try:
        with _opened(path) as connection:
            return _place(connection.execute("SELECT applied_index, chain FROM dirk_meta").fetchall())
    except apsw.SQLError:
        return BEGINNING


def node_standing(directory: Path) -> Standing:
    """Where a node stands and what it holds of the shared database."""
    with _opened(database_file(directory, LOG_ID)) as connection:
        place = _place(connection.execute("SELECT applied_index, chain FROM dirk_meta").fetchall())
        lisitra = [(w, n) for w, n in connection.execute("SELECT w, n FROM lisitra")]
        isany = {int(k): int(n) for k, n in connection.execute("SELECT k, n FROM isany")}
        anjara = {int(k) for (k,) in connection.execute("SELECT k FROM anjara")}
        banky = {int(k): int(n) for k, n in connection.execute("SELECT k, n FROM banky")}
        endrika = [int(one) for one in connection.execute("SELECT * FROM endrika").fetchall()[0]]
        return Standing(place, Tables(lisitra, isany, anjara, banky, endrika))


def node_databases(directory: Path) -> dict[int, str]:
    """The databases that a node knows: names by log id."""
    with _opened(database_file(directory, SYSTEM_LOG_ID)) as connection:
        rows = connection.execute("SELECT source, name FROM dirk_catalog WHERE kind = ?", (DATABASE_KIND,)).fetchall()
        return {int(source): name for source, name in rows}


def node_files(directory: Path) -> set[int]:
    """The log ids of the databases of which a node has any file."""
    found = (_DATABASE_FILE.fullmatch(path.name) for path in directory.iterdir())
    return {int(match[1]) for match in found if match is not None}


def node_rows(directory: Path, log_id: int) -> list[list[int]] | None:
    """What a node holds in the table of a database that came and went; None when there is no such table."""
    path = database_file(directory, log_id)
    if not path.exists():
        return None
    with _opened(path) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 't'").fetchall():
            return None
        return [list(row) for row in connection.execute("SELECT n FROM t ORDER BY n")]
