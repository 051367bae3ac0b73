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

from dirk_gevent.engine import records
from dirk_gevent.engine.connection import open_reader
from dirk_gevent.engine.functions import EntryContext
from parser.literal_text import text_of
from parser.plan import CatalogChange
from parser.printer import quoted

#: Rows of one INSERT, and the length past which it takes no more.
_STATEMENT_ROWS = 100
_STATEMENT_CHARACTERS = 64 * 1024
#: Kinds of objects in the order they are made; rows come behind the tables.
_BEFORE_ROWS, _BEHIND_ROWS = ("domain", "table"), ("index", "view")
_WORD = re.compile(r"\w+")


def dump_file(database: Path, target: Path, name: str, remarks: tuple[str, ...]) -> None:
    """Write the database file `database` as statements to `target`, whole or not at all (slow thread).

    They make the database `name` and use it; `remarks` are lines of comment before them. Raises apsw errors, OSError.
    """
    partial = target.with_name(target.name + ".partial")
    connection = open_reader(database, EntryContext())
    try:
        with partial.open("w", encoding="utf-8") as file:
            connection.execute("BEGIN")
            file.writelines(f"-- {remark}\n" for remark in remarks)
            file.writelines(f"{statement}\n" for statement in statements(connection, name))
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
    for table in _in_order(objects, "table"):
        yield from _rows(connection, table.name)
    for kind in _BEHIND_ROWS:
        for one in _in_order(objects, kind):
            yield f"{one.source};"


def _in_order(objects: list[CatalogChange], kind: str) -> list[CatalogChange]:
    """The objects of a kind, each behind those that its definition mentions; a ring is cut anywhere."""
    left = {one.name.casefold(): one for one in objects if one.kind == kind}
    mentions = {name: set(_WORD.findall(one.source.casefold())) - {name} for name, one in left.items() if one.source}
    ordered: list[CatalogChange] = []
    while left:
        ready = [name for name in left if not mentions[name] & left.keys()] or list(left)[:1]
        ordered += [left.pop(name) for name in ready]
    return ordered


def _rows(connection: apsw.Connection, table: str) -> Iterator[str]:
    columns = [str(name) for (name,) in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))]
    listed = ", ".join('"' + column.replace('"', '""') + '"' for column in columns)
    source = '"' + table.replace('"', '""') + '"'
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
