"""The engine's results: outcomes of entries, relations, pages, and the values inside them."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from math import isinf
from typing import Any

import orjson

from dirk_parser.errors import SqlError
from dirk_parser.plan.plan import Output

#: One row as JSON can carry it: None, bool, int, float (never whole below 2**53), str, and a dict for a blob.
Row = tuple[Any, ...]
DIGEST_BYTES = 16
#: The one key of the object that a blob is in an answer; its value is the bytes in base64.
BLOB = "blob"
#: Whole floats below this print as whole numbers; past it a float is no longer exact and stays what it is.
_EXACT_LIMIT = float(2**53)
_ODD_TYPES = frozenset((float, bytes))


@dataclass(slots=True)
class Relation:
    """An answer held in memory: short reads and RETURNING. Never changed once made (not frozen: every read makes one).

    `rows` are tuples ready for orjson. `index` is the log index of exactly the state the rows come from.
    `columns_json` is the JSON array `[{"name":…,"origin":…},…]`, made once a plan. `tables`: base tables and
    views read. `repeatable` is false when the clock or random numbers take part.
    """

    name: str
    columns: tuple[Output, ...]
    rows: Sequence[Row]
    index: int
    tables: tuple[str, ...]
    repeatable: bool
    columns_json: bytes

    @property
    def size_bytes(self) -> int:
        """The rough size of its rows."""
        return sum(map(row_bytes, self.rows))


def row_bytes(row: Row) -> int:
    """The rough size of a row as JSON: a character counts as one."""
    return sum(map(_value_bytes, row))


def _value_bytes(value: Any) -> int:
    if isinstance(value, dict):
        value = value[BLOB]
    return len(value) if isinstance(value, str | bytes) else 8


def as_blob(value: bytes) -> dict[str, str]:
    """Bytes as JSON carries them: an object, which no other value is."""
    return {BLOB: b64encode(value).decode("ascii")}


#: A page that has so much JSON takes no further row, however few it holds.
PAGE_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class EncodedPage:
    """Some rows of a stream, encoded: `rows_json` is a JSON array of `rows` arrays."""

    rows_json: bytes
    rows: int


def pages_of(rows: Sequence[Row], page_rows: int) -> list[EncodedPage]:
    """Rows that are there already, in pages of `page_rows`, fewer where they weigh more than `PAGE_BYTES`.

    No rows are one page that is empty.
    """
    if not rows:
        return [EncodedPage(b"[]", 0)]
    return [page for at in range(0, len(rows), page_rows) for page in _lighter(rows[at : at + page_rows])]


def _lighter(rows: Sequence[Row]) -> list[EncodedPage]:
    encoded = orjson.dumps(rows)
    if len(encoded) <= PAGE_BYTES or len(rows) == 1:
        return [EncodedPage(encoded, len(rows))]
    middle = len(rows) // 2
    return _lighter(rows[:middle]) + _lighter(rows[middle:])


@dataclass(slots=True)
class Outcome:
    """How an entry ended: the same on every node. Never changed once made (not frozen: each write makes several).

    `sqlstate` is '' on success, where (`verb`, `name`, `rows`) make the message; else `key` and `params` are those
    of the `SqlError`. `tables` were written (`('*',)` for DDL, empty when nothing changed). `repeats` is the index
    of the first run when the request had run before (0 otherwise). `digest` = H(index, sqlstate, rows, RETURNING).
    """

    index: int
    sqlstate: str
    key: str
    params: dict[str, str | int]
    rows: int
    tables: tuple[str, ...]
    verb: str
    name: str
    request_id: str
    digest: bytes
    returning: Relation | None = None
    repeats: int = 0

    def error(self) -> SqlError | None:
        """The failure as an exception, None on success."""
        return SqlError(self.key, **self.params) if self.sqlstate else None


def outcome_digest(index: int, sqlstate: str, rows: int, returning: Relation | None) -> bytes:
    """Hash that masters compare: equal digests mean that they agree on what entry `index` did."""
    returned = orjson.dumps(returning.rows) if returning is not None else b""
    return blake2b(b"%d|%s|%d|%s" % (index, sqlstate.encode(), rows, returned), digest_size=DIGEST_BYTES).digest()


def columns_json(columns: tuple[Output, ...]) -> bytes:
    """The JSON array of a relation's columns as the protocol prints it."""
    return orjson.dumps([{"name": column.name, "origin": column.origin} for column in columns])


def boolean_positions(columns: tuple[Output, ...]) -> tuple[int, ...]:
    """Positions of the columns whose 1 and 0 print as true and false."""
    return tuple(position for position, column in enumerate(columns) if column.is_boolean)


def converted(rows: list[Row], booleans: tuple[int, ...]) -> list[Row]:
    """SQLite's rows as the protocol's values; the list itself when nothing in it needs a change.

    1/0 of boolean columns become true/false, whole floats whole numbers, blobs objects. Raises SqlError `out_of_range`
    for an infinite number, which JSON cannot hold. Rows are looked at by column: one C call finds a column's types.
    """
    if not rows:
        return rows
    if len(rows) == 1:
        row = rows[0]
        if not booleans and float not in (types := set(map(type, row))) and bytes not in types:
            return rows
        return [_converted_row(row, booleans)]
    odd = {position for position, column in enumerate(zip(*rows, strict=True)) if _ODD_TYPES & set(map(type, column))}
    if not odd and not booleans:
        return rows
    return [_converted_row(row, booleans) for row in rows]


def _converted_row(row: Row, booleans: tuple[int, ...]) -> Row:
    values = [_number(value) if type(value) in _ODD_TYPES else value for value in row]
    for position in booleans:
        if values[position] is not None:
            values[position] = bool(values[position])
    return tuple(values)


def _number(value: float | bytes) -> float | int | dict[str, str]:
    if isinstance(value, bytes):
        return as_blob(value)
    if isinf(value):
        raise SqlError("out_of_range")
    return int(value) if value.is_integer() and abs(value) < _EXACT_LIMIT else value
