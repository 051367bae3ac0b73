"""A database as statements of DirkDB's own language: for a person to read, and for dirk-client to run again.

Definitions are as the catalog keeps them, rows in the order of their rowids; both come after what they mention, so
that a foreign key finds its parent.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path

import apsw

import parser.schema
from dirk_gevent.engine import records
from dirk_gevent.engine.connection import open_reader
from dirk_gevent.engine.functions import EntryContext
from dirk_gevent.log.entry import SYSTEM_LOG_ID
from parser.literal_text import text_of
from parser.plan import CatalogChange
from parser.printer import quoted
from parser.schema import Table

#: Rows of one INSERT, and the length past which it takes no more.
_STATEMENT_ROWS = 100
_STATEMENT_CHARACTERS = 64 * 1024
#: Kinds of objects in the order they are made; rows come behind the tables.
_BEFORE_ROWS, _BEHIND_ROWS = ("domain", "table"), ("index", "view")
_WORD = re.compile(r"\w+")


def dump_file(database: Path, target: Path, name: str, remarks: tuple[str, ...]) -> None:
    """Write the database file `database` as statements to `target`, whole or not at all (slow thread).

    They make the database `name` and use it; those of the system database make the databases that it lists and are
    not there. `remarks` are lines of comment before them. Raises apsw errors, OSError.
    """
    partial = target.with_name(target.name + ".partial")
    connection = open_reader(database, EntryContext())
    try:
        with partial.open("w", encoding="utf-8") as file:
            connection.execute("BEGIN")
            file.writelines(f"-- {remark}\n" for remark in remarks)
            is_system = connection.execute("SELECT log_id FROM dirk_meta").fetchall() == [(SYSTEM_LOG_ID,)]
            dumped = _databases(connection) if is_system else statements(connection, name)
            file.writelines(f"{statement}\n" for statement in dumped)
        partial.rename(target)
    finally:
        connection.close(True)
        partial.unlink(missing_ok=True)


def statements(connection: apsw.Connection, name: str) -> Iterator[str]:
    """The statements that make what `connection`'s open transaction sees, in a new database `name`."""
    objects = [one for one in records.read_catalog(connection) if one.source]
    yield f"manamboara tahiry {quoted(name)};"
    yield f"ampiasao {quoted(name)};"
    for kind in _BEFORE_ROWS:
        for one in _in_order(objects, kind):
            yield f"{one.source};"
    known, numbers = parser.schema.load(objects, 0).tables, records.read_sequences(connection)
    for one in _in_order(objects, "table"):
        yield from _numbered(connection, known[one.key], numbers.get(one.key, 0))
        yield from _rows(connection, one.name)
    for kind in _BEHIND_ROWS:
        for one in _in_order(objects, kind):
            yield f"{one.source};"


def _databases(connection: apsw.Connection) -> Iterator[str]:
    """The statements that make the databases which the system database lists."""
    for one in records.read_catalog(connection):
        if one.kind == records.DATABASE_KIND:
            yield f"manamboara tahiry raha tsy misy {quoted(one.name)};"


def _in_order(objects: list[CatalogChange], kind: str) -> list[CatalogChange]:
    """The objects of a kind, each behind those that its definition mentions; a ring is cut anywhere."""
    left = {one.name.casefold(): one for one in objects if one.kind == kind}
    mentions = {name: set(_WORD.findall(one.source.casefold())) - {name} for name, one in left.items() if one.source}
    ordered: list[CatalogChange] = []
    while left:
        ready = [name for name in left if not mentions[name] & left.keys()] or list(left)[:1]
        ordered += [left.pop(name) for name in ready]
    return ordered


def _numbered(connection: apsw.Connection, table: Table, highest: int) -> Iterator[str]:
    """What makes a table with AUTOINCREMENT remember its highest number, when the row that had it is gone.

    A row is given the number and goes again: numbers are noted as they are given.
    """
    number = next((each for each in table.columns if table.sequenced and each.key == table.numbered), None)
    if number is None:
        return
    source, column = _quoted(table.name), _quoted(number.name)
    if connection.execute(f"SELECT 1 FROM {source} WHERE {column} >= ? LIMIT 1", (highest,)).fetchall() or not highest:
        return
    others = [each for each in table.columns if each is not number]
    given = [number.name, *(each.name for each in others)]
    rows = connection.execute(
        f"SELECT {', '.join(_quoted(name) for name in given)} FROM {source} NOT INDEXED LIMIT 1"
    ).fetchall()
    if rows:
        values = [highest, *rows[0][1:]]
    else:
        given, values = [number.name], [highest]
    if not rows and any(each.not_null and each.default is None for each in others):
        yield f"-- {table.name}: numbers up to {highest} were given; give the next row {highest + 1}."
        return
    columns, literals = ", ".join(map(quoted, given)), ", ".join(map(_literal, values))
    yield f"manampia ao@ {quoted(table.name)} ({columns}) sanda ({literals});"
    yield f"fafao ao@ {quoted(table.name)} rehefa {quoted(number.name)} = {highest};"


def _rows(connection: apsw.Connection, table: str) -> Iterator[str]:
    columns = [str(name) for (name,) in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))]
    listed = ", ".join(map(_quoted, columns))
    source = _quoted(table)
    cursor = connection.execute(f"SELECT {listed} FROM {source} NOT INDEXED")
    into = f"manampia ao@ {quoted(table)} ({', '.join(map(quoted, columns))}) sanda"
    waiting: list[str] = []
    for row in cursor:
        waiting.append("(" + ", ".join(map(_literal, row)) + ")")
        if len(waiting) >= _STATEMENT_ROWS or len(waiting) * len(waiting[0]) > _STATEMENT_CHARACTERS:
            yield f"{into}\n  " + ",\n  ".join(waiting) + ";"
            waiting.clear()
    if waiting:
        yield f"{into}\n  " + ",\n  ".join(waiting) + ";"


def _quoted(name: str) -> str:
    """A name in SQLite's SQL."""
    return '"' + name.replace('"', '""') + '"'


def _literal(value: object) -> str:
    """A value as the language writes it. What has no literal (a NUL in a text, an infinity) is written as a sum."""
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    if isinstance(value, float) and math.isinf(value):
        return "1e308 * 10" if value > 0 else "-1e308 * 10"
    if isinstance(value, str) and "\0" in value:
        return " || char(0) || ".join(text_of(part) for part in value.split("\0"))
    assert value is None or isinstance(value, str | int | float)
    return text_of(value)
