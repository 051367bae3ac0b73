"""Rows that refer to rows of their own table, or in a ring of tables: in which order a script can insert them.

Rows come behind the rows that they refer to. Rows of one table that refer to each other are one INSERT's: a foreign
key is looked at when a statement ends. Where rows of several tables do, foreign keys that may be null are left out at
first, and given with an UPDATE once all rows are there.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import apsw

from dirk_gevent.engine.dump.object_order import referred_columns
from dirk_gevent.engine.dump.topological_order import groups
from dirk_gevent.engine.row_ids import numbered_rows, rowid_name
from dirk_parser.ast.statement import CreateTable
from dirk_parser.compile.base import sql
from dirk_parser.compile.ddl.catalog import parsed
from dirk_parser.compile.ddl.generated import computed_from
from dirk_parser.schema.schema import Reference, Schema, Table


@dataclass(frozen=True, slots=True)
class Linked:
    """A row: the number of its table among those looked at, and its own there (`numbered_rows`)."""

    table: int
    number: int


@dataclass(frozen=True, slots=True)
class _Link:
    """From a row to one that it refers to, by the foreign key of that number in its table."""

    to: Linked
    reference: int


@dataclass(frozen=True, slots=True)
class Late:
    """Columns of a row (keys) that are left out at first, and those whose values tell it from all others there."""

    row: Linked
    columns: frozenset[str]
    identity: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that come together, in order. `late`: what is left out at first, and given once all of them are there.
    `unordered`: tables and numbers of foreign keys that no order fulfils.
    """

    rows: tuple[Linked, ...]
    late: tuple[Late, ...] = ()
    unordered: frozenset[tuple[int, int]] = frozenset()

    def by_table(self) -> Iterator[tuple[int, list[Linked]]]:
        """The rows, those of one table that follow each other together."""
        for table, members in groupby(self.rows, lambda row: row.table):
            yield table, list(members)


class Links:
    """References of the rows of `tables`, which refer to each other or to themselves, among them."""

    def __init__(self, connection: apsw.Connection, schema: Schema, tables: Sequence[Table]) -> None:
        self._connection = connection
        self._schema = schema
        self._tables = tables
        self._numbers = {table.key: number for number, table in enumerate(tables)}
        self._computed = [_computed(table) for table in tables]
        self._never_null = [_never_null(*pair) for pair in zip(tables, self._computed, strict=True)]

    def are_in_order(self) -> bool:
        """True when there is one table alone, and no row of it refers to a later one."""
        if len(self._tables) > 1:
            return False
        table = self._tables[0]
        _, number = numbered_rows(self._connection, table.name)
        mine = [self._joined(table, reference, table) for reference in table.references if reference.table == table.key]
        return not any(
            self._connection.execute(f"{joined} AND p.{number} > c.{number} LIMIT 1").fetchall() for joined in mine
        )

    def groups(self) -> Iterator[Group]:
        """All rows, in groups that each come behind those that they refer to."""
        if len(self._tables) == 1 and rowid_name(self._connection, self._tables[0].name) is None:
            # No INSERT could give a row its place: only together do the rows come in their order.
            yield Group(tuple(self._all_rows()))
            return
        links: dict[Linked, list[_Link]] = {}
        for number, table in enumerate(self._tables):
            self._add_links(links, number, table)
        for rows in groups(self._all_rows(), lambda row: (link.to for link in links.get(row, ()))):
            yield self._resolved(rows, links)

    def _all_rows(self) -> Iterator[Linked]:
        for number, table in enumerate(self._tables):
            source, column = numbered_rows(self._connection, table.name)
            rows: list[tuple[Any, ...]] = self._connection.execute(
                f"SELECT {column} FROM {source} ORDER BY {column}"
            ).fetchall()
            yield from (Linked(number, values) for (values,) in rows)

    def _add_links(self, links: dict[Linked, list[_Link]], number: int, table: Table) -> None:
        for at, reference in enumerate(table.references):
            to = self._numbers.get(reference.table)
            if to is None:
                continue
            pairs: Iterable[Any] = self._connection.execute(self._joined(table, reference, self._tables[to]))
            for child, parent in pairs:
                links.setdefault(Linked(number, child), []).append(_Link(Linked(to, parent), at))

    def _joined(self, child: Table, reference: Reference, parent: Table) -> str:
        """The rows of `child`, each with the one of `parent` that a foreign key refers to."""
        mine = {column.key: column.name for column in child.columns}
        theirs = {column.key: column.name for column in parent.columns}
        pairs = zip(referred_columns(reference, parent), reference.columns, strict=True)
        # The parent's column comes first: it says how texts compare.
        equal = " AND ".join(f"p.{sql.name(theirs[referred])} = c.{sql.name(mine[own])}" for referred, own in pairs)
        (children, own), (parents, other) = (numbered_rows(self._connection, table.name) for table in (child, parent))
        return f"SELECT c.{own}, p.{other} FROM {children} AS c CROSS JOIN {parents} AS p WHERE {equal}"

    def _resolved(self, rows: list[Linked], links: Mapping[Linked, list[_Link]]) -> Group:
        """Rows that refer to each other, in an order in which they can be inserted."""
        if len({row.table for row in rows}) == 1:
            return Group(tuple(rows))
        members = set(rows)
        inner = {row: [link for link in links[row] if link.to in members] for row in rows}
        referred = {(link.to.table, key) for row in rows for link in inner[row] for key in self._referred(row, link)}
        late = [self._late(row, inner[row], referred) for row in rows]
        waiting = {wait.row: wait.columns for wait in late if wait is not None}
        kept = {row: [link for link in inner[row] if not self._waits(row, link, waiting)] for row in rows}
        rings = list(groups(rows, lambda row: (link.to for link in kept[row])))
        unordered = (link for ring in rings if len(ring) > 1 for link in _between_tables(ring, kept))
        ordered = tuple(row for ring in rings for row in ring)
        return Group(ordered, tuple(wait for wait in late if wait is not None), frozenset(unordered))

    def _columns(self, row: Linked, link: _Link) -> tuple[str, ...]:
        return self._tables[row.table].references[link.reference].columns

    def _waits(self, row: Linked, link: _Link, waiting: Mapping[Linked, Container[str]]) -> bool:
        return any(key in waiting.get(row, ()) for key in self._columns(row, link))

    def _referred(self, row: Linked, link: _Link) -> Iterable[str]:
        """The values that the other row must have for the link: the columns referred to, and what those are computed
        from."""
        keys = referred_columns(self._tables[row.table].references[link.reference], self._tables[link.to.table])
        return (*keys, *(column for key in keys for column in self._computed[link.to.table].get(key, ())))

    def _may_wait(self, table: int, columns: Sequence[str], referred: Container[tuple[int, str]]) -> bool:
        """True when a foreign key's columns may be null at first: nothing refers to them, and it holds with a null."""
        own_columns = {column.key: column for column in self._tables[table].columns}
        is_free = not any((table, key) in referred or own_columns[key].generated is not None for key in columns)
        return is_free and any(key not in self._never_null[table] for key in columns)

    def _late(self, row: Linked, links: Iterable[_Link], referred: Container[tuple[int, str]]) -> Late | None:
        """The part of the row that is left out at first; None for nothing."""
        table = self._tables[row.table]
        others = [self._columns(row, link) for link in links if link.to.table != row.table]
        free = {key for columns in others if self._may_wait(row.table, columns, referred) for key in columns}
        left_out = frozenset(free - self._never_null[row.table])
        identity = self._identity(row, table, left_out) if left_out else ()
        return Late(row, left_out, identity) if identity else None

    def _identity(self, row: Linked, table: Table, left_out: Container[str]) -> tuple[str, ...]:
        """A key of the table in which the row has no null, whatever is `left_out`; () for none. What is computed may
        be null as long as something is."""
        names = {
            column.key: column.name
            for column in table.columns
            if column.generated is None and column.key not in left_out
        }
        indexes = (index.key_columns for index in self._schema.indexes.values() if index.table == table.key)
        for group in (*table.unique, *indexes):
            is_whole = bool(group) and all(key in names for key in group)
            if is_whole and self._has_values(row, table, [names[key] for key in group]):
                return group
        return ()

    def _has_values(self, row: Linked, table: Table, names: Iterable[str]) -> bool:
        test = " AND ".join(f"{sql.name(name)} IS NOT NULL" for name in names)
        source, number = numbered_rows(self._connection, table.name)
        rows = self._connection.execute(f"SELECT 1 FROM {source} WHERE {number} = ? AND {test}", (row.number,))
        return bool(rows.fetchall())


def _computed(table: Table) -> dict[str, frozenset[str]]:
    _, create = parsed(table.source)
    assert isinstance(create, CreateTable)
    return computed_from(create.columns)


def _never_null(table: Table, computed: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """The columns that may not be null for a moment, or something that is computed from them may not."""
    columns = frozenset(column.key for column in table.columns if column.not_null)
    return columns.union(*(computed.get(key, ()) for key in columns))


def _between_tables(ring: Iterable[Linked], links: Mapping[Linked, Iterable[_Link]]) -> Iterator[tuple[int, int]]:
    """The tables and numbers of the foreign keys from one table to another in a ring of rows."""
    members = set(ring)
    for row in members:
        others = (link for link in links[row] if link.to in members and link.to.table != row.table)
        yield from ((row.table, other.reference) for other in others)
