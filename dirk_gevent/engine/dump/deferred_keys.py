"""Foreign keys of a dump that only hold once the rows are there: ALTER TABLE adds them behind those.

Where rows of several tables refer to each other in a ring, and no column in it may be null for a while, no row can come
first. Only ALTER TABLE ever makes such a ring, by a foreign key that is added or a null that is forbidden.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import apsw

from dirk_gevent.engine.dump.row_links import Links
from dirk_gevent.engine.dump.topological_order import groups
from dirk_parser.ast.expression import Name
from dirk_parser.ast.statement import AddConstraint, AlterTable, Constraint, CreateTable, ForeignKey
from dirk_parser.compile.ddl.catalog import parsed
from dirk_parser.normalize.normalized_statement import NormalizedStatement
from dirk_parser.printer.printer import write
from dirk_parser.schema.schema import Reference, Schema, Table


@dataclass(frozen=True, slots=True)
class Behind:
    """By a table's key the numbers of its foreign keys, as `Table.references` has them, that come behind the rows."""

    numbers: Mapping[str, frozenset[int]]

    def without(self, schema: Schema) -> Schema:
        """`schema` as it is while the rows come."""
        tables = {name: replace(table, references=self._left(table)) for name, table in schema.tables.items()}
        return replace(schema, tables=MappingProxyType(tables)) if self.numbers else schema

    def _left(self, table: Table) -> tuple[Reference, ...]:
        gone = self.numbers.get(table.key, frozenset())
        return tuple(reference for number, reference in enumerate(table.references) if number not in gone)

    def definition(self, table: Table) -> str:
        """The statement that makes `table` without them."""
        normalized, create = _definition(table)
        gone = {id(key) for _, key in self._keys(table, create)}
        columns = tuple(replace(column, constraints=_others(column.constraints, gone)) for column in create.columns)
        return write(replace(create, columns=columns, constraints=_others(create.constraints, gone)), normalized)

    def additions(self, table: Table) -> Iterator[str]:
        """The statements that add them."""
        normalized, create = _definition(table)
        for columns, key in self._keys(table, create):
            action = AddConstraint(replace(key, columns=columns))
            yield write(AlterTable(create.name, action), normalized)

    def _keys(self, table: Table, create: CreateTable) -> list[tuple[tuple[Name, ...], ForeignKey]]:
        """Those of `table`, each with its columns."""
        pairs: list[tuple[tuple[Name, ...], ForeignKey]] = [
            ((column.name,), constraint)
            for column in create.columns
            for constraint in column.constraints
            if isinstance(constraint, ForeignKey)
        ]
        pairs += [
            (constraint.columns, constraint) for constraint in create.constraints if isinstance(constraint, ForeignKey)
        ]
        return [pairs[number] for number in sorted(self.numbers.get(table.key, ()))]


def _definition(table: Table) -> tuple[NormalizedStatement, CreateTable]:
    normalized, create = parsed(table.source)
    assert isinstance(create, CreateTable)
    return normalized, create


def _others(constraints: tuple[Constraint, ...], gone: set[int]) -> tuple[Constraint, ...]:
    return tuple(constraint for constraint in constraints if id(constraint) not in gone)


def behind_rows(connection: apsw.Connection, schema: Schema) -> Behind:
    """Definitions that must come behind the rows that there are."""
    late: dict[str, set[int]] = {}

    def parents(name: str) -> list[str]:
        return sorted({reference.table for reference in schema.tables[name].references} & schema.tables.keys())

    for ring in groups(schema.tables, parents):
        tables = [schema.tables[name] for name in ring]
        if len(tables) > 1:
            for group in Links(connection, schema, tables).groups():
                for table, number in group.unordered:
                    late.setdefault(tables[table].key, set()).add(number)
    return Behind({name: frozenset(numbers) for name, numbers in late.items()})
