"""The rows of a dump: INSERTs in the language, each row behind those that it refers to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import apsw

from dirk_gevent.engine.dump.row_links import Late, Linked, Links
from dirk_gevent.engine.dump.topological_order import groups
from dirk_gevent.engine.row_ids import numbered_rows, rowid_name
from dirk_parser.compile.base import sql
from dirk_parser.compile.dml.rowid import ROW_PLACE
from dirk_parser.normalize.literal_text import text_of
from dirk_parser.printer.writer import quoted
from dirk_parser.schema.schema import Schema, Table

#: Rows of one INSERT, the length past which it takes no more, and its values: a statement has at most 30,000 tokens.
_STATEMENT_ROWS = 100
_STATEMENT_CHARACTERS = 64 * 1024
_STATEMENT_VALUES = 6_000


def rows(connection: apsw.Connection, schema: Schema, tables: Sequence[str]) -> Iterator[str]:
    """The statements that insert all rows of `tables` (keys), which are there and empty.

    Tables come behind those that they refer to. Rows of tables that refer to each other, or to themselves, are put in
    an order of their own where theirs does not do.
    """
    chosen = set(tables)

    def parents(name: str) -> Iterable[str]:
        return sorted({reference.table for reference in schema.tables[name].references} & chosen)

    for group in groups(tables, parents):
        members = [schema.tables[name] for name in group]
        if not any(reference.table in group for table in members for reference in table.references):
            yield from _as_they_stand(connection, members[0])
            continue
        links = Links(connection, schema, members)
        if links.are_in_order():
            yield from _as_they_stand(connection, members[0])
        else:
            yield from _linked(connection, members, links)


def _as_they_stand(connection: apsw.Connection, table: Table) -> Iterator[str]:
    """The rows in their own order; with their places where an INSERT would not give them the same."""
    writer = _Inserts(connection, table, has_places=not _is_dense(connection, table))
    for row in writer.all_rows():
        yield from writer.add([row])
    yield from writer.flush()


def _is_dense(connection: apsw.Connection, table: Table) -> bool:
    """True when rows that are inserted one after the other get the places that they have."""
    rowid = rowid_name(connection, table.name)
    if rowid is None:
        return True
    extent = connection.execute(f"SELECT count(*), min({rowid}), max({rowid}) FROM {sql.name(table.name)}").fetchall()
    number, first, last = extent[0]
    return number == 0 or (first, last) == (1, number)


def _linked(connection: apsw.Connection, tables: Sequence[Table], links: Links) -> Iterator[str]:
    """The rows of tables that refer to each other, by what refers to what."""
    writers = [_Inserts(connection, table, has_places=True) for table in tables]
    last: _Inserts | None = None
    for group in links.groups():
        absent = {late.row: late.columns for late in group.late}
        for table, members in group.by_table():
            if last is not None and last is not writers[table]:
                yield from last.flush()
            last = writers[table]
            yield from last.add([last.row(member, absent.get(member, frozenset())) for member in members])
        if group.late:
            assert last is not None
            yield from last.flush()
            yield from (writers[late.row.table].update(late) for late in group.late)
    if last is not None:
        yield from last.flush()


class _Inserts:
    """The INSERTs of one table under way. `has_places`: each row's place in the table is given, too."""

    def __init__(self, connection: apsw.Connection, table: Table, has_places: bool) -> None:
        self._connection = connection
        self._table = table
        self._columns = stored_columns(connection, table.name)
        self._rowid = rowid_name(connection, table.name)
        taken = {column.key for column in table.columns}
        self._has_places = has_places and self._rowid is not None and ROW_PLACE not in taken
        heads = [*([ROW_PLACE] if self._has_places else []), *self._columns]
        self._into = f"manampia ao@ {quoted(table.name)} ({', '.join(map(quoted, heads))}) sanda"
        self._most_rows = max(1, min(_STATEMENT_ROWS, _STATEMENT_VALUES // len(heads)))
        self._waiting: list[str] = []
        self._characters = 0

    def all_rows(self) -> Iterator[str]:
        """All rows as text."""
        place = f"{self._rowid}, " if self._has_places else ""
        listed = ", ".join(map(sql.name, self._columns))
        for row in self._connection.execute(
            f"SELECT {place}{listed} FROM {sql.name(self._table.name)} NOT INDEXED"
        ):
            yield _row_text(row)

    def row(self, member: Linked, left_out: frozenset[str]) -> str:
        """One row as text, null in the columns that are `left_out` (keys)."""
        values = self._cells(member, self._columns)
        keys = {column.name: column.key for column in self._table.columns}
        cells = [None if keys[name] in left_out else cell for name, cell in values.items()]
        return _row_text([*([member.number] if self._has_places else []), *cells])

    def add(self, together: list[str]) -> Iterator[str]:
        """Take rows that must be of one statement; the statement before them, when it would be too long with them."""
        characters = sum(map(len, together))
        is_full = len(self._waiting) + len(together) > self._most_rows
        if self._waiting and (is_full or self._characters + characters > _STATEMENT_CHARACTERS):
            yield from self.flush()
        self._waiting += together
        self._characters += characters

    def flush(self) -> Iterator[str]:
        """The statement of the rows that wait."""
        if self._waiting:
            yield f"{self._into}\n  " + ",\n  ".join(self._waiting) + ";"
        self._waiting, self._characters = [], 0

    def update(self, late: Late) -> str:
        """The UPDATE that gives a row the values that were left out."""
        names = {column.key: column.name for column in self._table.columns}
        cells = self._cells(late.row, [names[key] for key in (*late.columns, *late.identity)])
        given = ", ".join(f"{quoted(names[key])} = {literal(cells[names[key]])}" for key in sorted(late.columns))
        which = " ary ".join(f"{quoted(names[key])} = {literal(cells[names[key]])}" for key in late.identity)
        return f"havaozy {quoted(self._table.name)} ova {given} rehefa {which};"

    def _cells(self, member: Linked, names: Sequence[str]) -> Mapping[str, object]:
        """The row's values in the columns `names`."""
        source, number = numbered_rows(self._connection, self._table.name)
        (row,) = self._connection.execute(
            f"SELECT {', '.join(map(sql.name, names))} FROM {source} WHERE {number} = ?", (member.number,)
        ).fetchall()
        return dict(zip(names, row, strict=True))


def stored_columns(connection: apsw.Connection, table: str) -> list[str]:
    """The columns that are given values: what is computed is no row's to say."""
    return [str(name) for (name,) in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))]


def _row_text(cells: Sequence[object]) -> str:
    return "(" + ", ".join(map(literal, cells)) + ")"


def literal(value: object) -> str:
    """A value as the language writes it."""
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        # Only a file of an earlier build holds one.
        return "1e308 * 10" if value > 0 else "-1e308 * 10"
    if isinstance(value, str) and "\0" in value:
        return " || char(0) || ".join(text_of(part) for part in value.split("\0"))
    assert value is None or isinstance(value, str | int | float)
    return text_of(value)
