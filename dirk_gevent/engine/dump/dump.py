"""A database as statements of DirkDB's own language: for a person to read, and for dirk-client to run again.

Definitions are as the catalog keeps them, behind what they need as the compiler resolves it; rows are behind those
that they refer to. What the statements make has the same content digest, unless ALTER TABLE was at work: the digest
is of SQLite's own text of a table, too, and that text says how it came to be.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import apsw

import dirk_parser.compile.ddl.catalog
import dirk_parser.names
from dirk_gevent.base.printable import one_line
from dirk_gevent.engine import stored_records
from dirk_gevent.engine.dump.deferred_keys import behind_rows
from dirk_gevent.engine.dump.insert_rows import rows
from dirk_gevent.engine.dump.object_order import ObjectKey, definitions
from dirk_gevent.engine.functions import EntryContext
from dirk_gevent.engine.sqlite_connection import open_reader
from dirk_gevent.log.entry import SYSTEM_LOG_ID
from dirk_parser.compile.base import sql
from dirk_parser.errors import SqlError
from dirk_parser.names import nearest
from dirk_parser.printer.writer import quoted
from dirk_parser.schema.schema import Schema, Table


def dump_file(database: Path, target: Path, name: str, remarks: tuple[str, ...], table: str | None = None) -> None:
    """Write the database file `database` as statements to `target`, whole or not at all (slow thread).

    They make the database `name` and use it; those of the system database make the databases that it lists and are
    not there. With `table`, they make that table in the database that is in use. `remarks` are lines of comment before
    them. Raises apsw errors, OSError, SqlError unknown_table, view_not_dumped.
    """
    partial = target.with_name(target.name + ".partial")
    connection = open_reader(database, EntryContext())
    try:
        with partial.open("w", encoding="utf-8", newline="") as file:
            connection.execute("BEGIN")
            file.writelines(f"-- {one_line(remark)}\n" for remark in remarks)
            file.writelines(f"{statement}\n" for statement in _dumped(connection, name, table))
        partial.rename(target)
    finally:
        connection.close(True)
        partial.unlink(missing_ok=True)


def applied_in(database: Path) -> int:
    """At which index of its log a database file is (slow thread); 0 if it says none. Raises apsw errors."""
    connection = open_reader(database, EntryContext())
    try:
        meta = stored_records.read_meta(connection)
    finally:
        connection.close(True)
    return meta.applied_index if meta is not None else 0


def _dumped(connection: apsw.Connection, name: str, table: str | None) -> Iterator[str]:
    if table is not None:
        return table_statements(connection, table)
    is_system = connection.execute("SELECT log_id FROM dirk_meta").fetchall() == [(SYSTEM_LOG_ID,)]
    return _databases(connection) if is_system else statements(connection, name)


def statements(connection: apsw.Connection, name: str) -> Iterator[str]:
    """The statements that make what `connection`'s open transaction sees, in a new database `name`."""
    yield f"manamboara tahiry {quoted(name)};"
    yield f"ampiasao {quoted(name)};"
    schema, sources = _objects(connection)
    ages = _made(connection)
    order = definitions(schema, {key: ages.get(table.name, 0) for key, table in schema.tables.items()})
    behind = behind_rows(connection, schema)
    altered = [schema.tables[name] for kind, name in order.before_rows if kind == "table" and name in behind.numbers]
    texts = sources | {("table", table.key): behind.definition(table) for table in altered}
    yield from (f"{texts[of]};" for of in order.before_rows)
    yield from rows(
        connection, behind.without(schema), [name for kind, name in order.before_rows if kind == "table"]
    )
    yield from (f"{addition};" for table in altered for addition in behind.additions(table))
    yield from (f"{sources[of]};" for of in order.behind_rows)
    yield from _numbers(connection, schema.tables.values())


def table_statements(connection: apsw.Connection, name: str) -> Iterator[str]:
    """The statements that make one table and its indexes, with the domains that it needs, in the database in use.

    Raises SqlError unknown_table, view_not_dumped.
    """
    schema, sources = _objects(connection)
    table = schema.tables.get(dirk_parser.names.key(name))
    if table is None and (view := schema.views.get(dirk_parser.names.key(name))) is not None:
        raise SqlError("view_not_dumped", name=view.name)
    if table is None:
        names = [member.name for member in schema.tables.values()]
        raise SqlError("unknown_table", name=name, nearest=nearest(name, names))
    order = definitions(schema, {})
    wanted = _domains_of(schema, table)
    yield from (f"{sources[of]};" for of in order.before_rows if of[0] == "domain" and of[1] in wanted)
    yield f"{sources['table', table.key]};"
    yield from rows(connection, schema, [table.key])
    yield from (f"{sources['index', index.key]};" for index in schema.indexes.values() if index.table == table.key)
    yield from _numbers(connection, [table])


def _objects(connection: apsw.Connection) -> tuple[Schema, dict[ObjectKey, str]]:
    """The objects, and the text of each definition."""
    objects = [row for row in stored_records.read_catalog(connection) if row.source]
    return dirk_parser.compile.ddl.catalog.load_schema(objects, 0), {
        (row.kind, row.key): str(row.source) for row in objects
    }


def _made(connection: apsw.Connection) -> dict[str, int]:
    """When each table of SQLite's was made, by its name: a number that grows."""
    ages_by_key: list[tuple[Any, ...]] = connection.execute(
        "SELECT name, rowid FROM sqlite_schema WHERE type = 'table'"
    ).fetchall()
    return dict(ages_by_key)


def _domains_of(schema: Schema, table: Table) -> set[str]:
    domains: set[str] = set()
    waiting = list(table.domains)
    while waiting:
        name = waiting.pop()
        if name not in domains:
            domains.add(name)
            waiting += schema.domains[name].domains
    return domains


def _databases(connection: apsw.Connection) -> Iterator[str]:
    """The statements that make the databases which the system database lists."""
    for row in stored_records.read_catalog(connection):
        if row.kind == stored_records.DATABASE_KIND:
            yield f"manamboara tahiry raha tsy misy {quoted(row.name)};"


def _numbers(connection: apsw.Connection, tables: Iterable[Table]) -> Iterator[str]:
    """Statements that make each table with AUTOINCREMENT remember its highest number, when the row that had it is
    gone."""
    highest = stored_records.read_sequences(connection)
    for table in tables:
        number = next(
            (numbered for numbered in table.columns if table.sequenced and numbered.key == table.numbered), None
        )
        given = highest.get(table.key, 0)
        if number is None or not given:
            continue
        source, column = sql.name(table.name), sql.name(number.name)
        if not connection.execute(f"SELECT 1 FROM {source} WHERE {column} >= ? LIMIT 1", (given,)).fetchall():
            yield f"ovay ny tabilao {quoted(table.name)} AUTOINCREMENT = {given + 1};"
