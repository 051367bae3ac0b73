"""A hash of what a database says, whatever its pages look like: two masters at one index must agree on it."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from itertools import islice

import apsw
import orjson

from dirk_gevent.engine import stored_records
from dirk_gevent.engine.row_ids import rowid_name
from dirk_gevent.loop.throttle import Throttle

DIGEST_BYTES = 32
_CHUNK_ROWS = 200

_TABLE_KIND = "table"
#: What SQLite itself has by way of tables, indexes and triggers, the engine's own aside.
_SCHEMA = (
    "SELECT type, name, tbl_name, sql FROM sqlite_schema"
    " WHERE tbl_name NOT LIKE 'dirk\\_%' ESCAPE '\\' ORDER BY type, name"
)


def content_digest(connection: apsw.Connection) -> bytes:
    """Hash of the catalog, of SQLite's schema, of the numbers that AUTOINCREMENT gave, and of all rows of all user
    tables with their rowids, in rowid order.

    Reads the state that `connection`'s open transaction sees. Requests known and other records of the engine
    take no part: they differ between nodes that agree.
    """
    catalog = stored_records.read_catalog(connection)
    digest = blake2b(digest_size=DIGEST_BYTES)
    digest.update(orjson.dumps([(row.kind, row.key, row.name, row.source) for row in catalog]))
    digest.update(orjson.dumps(connection.execute(_SCHEMA).fetchall()))
    if sequences := stored_records.read_sequences(connection):
        digest.update(orjson.dumps(sequences))
    pace = Throttle()
    for row in catalog:
        if row.kind == _TABLE_KIND:
            digest.update(b"\n" + row.key.encode() + b"\n")
            for chunk in _chunks(connection, row.name):
                digest.update(chunk)
                pace.worked(len(chunk))
    return digest.digest()


def _chunks(connection: apsw.Connection, table: str) -> Iterator[bytes]:
    """The rows of a table as JSON, some at a time. NOT INDEXED keeps SQLite from another order than the rowids'."""
    rowid = f"{called}, " if (called := rowid_name(connection, table)) is not None else ""
    quoted = '"' + table.replace('"', '""') + '"'
    cursor = connection.execute(f"SELECT {rowid}* FROM {quoted} NOT INDEXED")
    while rows := list(islice(cursor, _CHUNK_ROWS)):
        yield orjson.dumps(rows, default=_bytes_as_text)


def _bytes_as_text(value: object) -> str:
    assert isinstance(value, bytes)
    return value.hex()
