"""The engine's own rows in a database file: its place, requests known, tables changed, the catalog.

They change in the same SQLite transaction as the data they speak of, so they can never disagree with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import apsw
import orjson

from dirk_gevent.log.entry import KEPT_ENTRIES as KEPT_ENTRIES
from dirk_gevent.log.entry import REQUEST_AGE_MS
from dirk_parser.compile.dml.numbering import SEQUENCE_TABLE
from dirk_parser.plan.plan import CatalogChange

#: A request record is kept at least `KEPT_ENTRIES` entries and this long (log time), whichever ends later.
KEPT_MS = 2 * REQUEST_AGE_MS
#: Expired records are looked for each time the log passes a multiple of this, so many rows at a time.
PRUNE_EVERY_ENTRIES = 1024
PRUNE_ROWS = 2048
#: Catalog kind of the system database's rows; `source` is the log id.
DATABASE_KIND = "database"


@dataclass(frozen=True, slots=True)
class FileMeta:
    """The row of `dirk_meta`."""

    log_id: int
    name: str
    applied_index: int
    chain: bytes
    time_ms: int
    heard_head: int
    schema_version: int
    state: str


@dataclass(slots=True)
class RecordedRequest:
    """A request that ran: the hash of its statements, its entry's index and log time, its outcome encoded.

    Never changed once made (not frozen: every write makes one).
    """

    request_id: str
    request_hash: str
    index: int
    time_ms: int
    outcome: bytes

    def expired(self, index: int, time_ms: int) -> bool:
        """True when the record counts no more at entry `index`: by index and log time alone, so alike on all nodes."""
        return index - self.index > KEPT_ENTRIES and time_ms - self.time_ms > KEPT_MS


def check_tables(connection: apsw.Connection) -> None:
    """Touch the first page of each of the engine's tables; apsw errors when one is not there.

    The empty file that a database begins as is not synced: a power cut before the first checkpoint leaves some of
    its pages.
    """
    for table in ("dirk_meta", "dirk_requests", "dirk_tables", "dirk_catalog"):
        connection.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchall()


def has_sequences(connection: apsw.Connection) -> bool:
    """True when the file has the table of AUTOINCREMENT's numbers."""
    return bool(connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'dirk_sequence'").fetchall())


def read_sequences(connection: apsw.Connection) -> dict[str, int]:
    """The highest number that each table with AUTOINCREMENT ever gave, by its key, in the keys' order."""
    if not has_sequences(connection):
        return {}
    rows: list[tuple[Any, ...]] = connection.execute("SELECT name, value FROM dirk_sequence ORDER BY name").fetchall()
    return dict(rows)


def complete_sequences(connection: apsw.Connection) -> None:
    """Make the table of AUTOINCREMENT's numbers in a file of an earlier build that has such a table without it."""
    definitions = (row.source or "" for row in read_catalog(connection))
    if any("autoincrement" in source.lower() for source in definitions) and not has_sequences(connection):
        connection.execute(SEQUENCE_TABLE)


def read_meta(connection: apsw.Connection) -> FileMeta | None:
    """The file's own account of itself, None when it is new."""
    rows: list[tuple[Any, ...]] = connection.execute(
        "SELECT log_id, name, applied_index, chain, time_ms, heard_head, schema_version, state FROM dirk_meta"
    ).fetchall()
    return FileMeta(*rows[0]) if rows else None


def write_meta(connection: apsw.Connection, meta: FileMeta) -> None:
    """Replace the file's account of itself."""
    connection.execute(
        "INSERT OR REPLACE INTO dirk_meta VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            meta.log_id,
            meta.name,
            meta.applied_index,
            meta.chain,
            meta.time_ms,
            meta.heard_head,
            meta.schema_version,
            meta.state,
        ),
    )


def read_requests(connection: apsw.Connection, request_ids: list[str]) -> dict[str, RecordedRequest]:
    """Those of `request_ids` that ran before, by id."""
    rows = connection.execute(
        "SELECT request_id, request_hash, entry, time_ms, outcome FROM dirk_requests"
        " WHERE request_id IN (SELECT value FROM json_each(?))",
        (orjson.dumps(request_ids).decode(),),
    )
    return {row[0]: RecordedRequest(*row) for row in rows}


def write_requests(connection: apsw.Connection, requests: Iterable[RecordedRequest]) -> None:
    """Record requests that ran; one whose earlier record had expired takes its place."""
    connection.executemany(
        "INSERT OR REPLACE INTO dirk_requests VALUES (?, ?, ?, ?, ?)",
        [(r.request_id, r.request_hash, r.index, r.time_ms, r.outcome) for r in requests],
    )


def prune_requests(connection: apsw.Connection, index: int, time_ms: int) -> int:
    """Remove expired records among the oldest ids (ids begin with their time); how many went."""
    rows = connection.execute(
        "SELECT request_id FROM (SELECT request_id, entry, time_ms FROM dirk_requests ORDER BY request_id LIMIT ?)"
        " WHERE entry < ? AND time_ms < ?",
        (PRUNE_ROWS, index - KEPT_ENTRIES, time_ms - KEPT_MS),
    ).fetchall()
    if rows:
        connection.executemany("DELETE FROM dirk_requests WHERE request_id = ?", rows)
    return len(rows)


def read_tables(connection: apsw.Connection) -> dict[str, int]:
    """Index that last changed each table; '*' stands for the last DDL."""
    return {str(name): int(index) for name, index in connection.execute("SELECT name, changed_at FROM dirk_tables")}


def write_tables(connection: apsw.Connection, changed: dict[str, int]) -> None:
    """Record the index that last changed each of some tables."""
    connection.executemany("INSERT OR REPLACE INTO dirk_tables VALUES (?, ?)", list(changed.items()))


def read_catalog(connection: apsw.Connection) -> list[CatalogChange]:
    """All objects in the order of their kind and key."""
    rows = connection.execute("SELECT kind, key, name, source FROM dirk_catalog ORDER BY kind, key")
    return [CatalogChange(*row) for row in rows]


def find_object(connection: apsw.Connection, kind: str, key: str) -> CatalogChange | None:
    """One object of the catalog."""
    rows = connection.execute(
        "SELECT kind, key, name, source FROM dirk_catalog WHERE (kind, key) = (?, ?)", (kind, key)
    )
    return next((CatalogChange(*row) for row in rows), None)


def write_catalog(connection: apsw.Connection, changes: Iterable[CatalogChange]) -> None:
    """Make or remove objects, in order."""
    for change in changes:
        if change.source is None:
            connection.execute("DELETE FROM dirk_catalog WHERE kind = ? AND key = ?", (change.kind, change.key))
        else:
            connection.execute(
                "INSERT OR REPLACE INTO dirk_catalog VALUES (?, ?, ?, ?)",
                (change.kind, change.key, change.name, change.source),
            )
