"""Scopes: which column a name means. Resolution is ours (NFC + casefold), SQLite sees only qualified names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from parser import nodes
from parser.compile.sql import ANY_RISK, Expression, Risk
from parser.errors import SqlError
from parser.schema import key
from parser.suggest import nearest


@dataclass(frozen=True, slots=True)
class Field:
    """A column that a FROM offers: its name as created, its key, its SQL text, where it comes from.

    The flags and `risk` are those of `Expression`.
    """

    name: str
    key: str
    sql: str
    origin: str
    is_boolean: bool = False
    is_moment: bool = False
    risk: Risk = ANY_RISK

    def expression(self) -> Expression:
        """The reference to this column."""
        return Expression(
            self.sql, is_boolean=self.is_boolean, origin=self.origin, is_moment=self.is_moment, risk=self.risk
        )


@dataclass(frozen=True, slots=True)
class CommonTable:
    """A common table expression in reach: its SQL name, its name as written, its columns (`sql` is a bare name)."""

    sql: str
    name: str
    columns: tuple[Field, ...]


@dataclass(slots=True)
class Scope:
    """The names of one query level; a name not found here is looked for in `parent` (correlation).

    `fields`: what an unqualified name or `*` sees, merged columns once. `sources`: fields by the key of the
    table's name or alias. `aliases`: result columns that a later clause may name; None when it is ambiguous.
    """

    parent: Scope | None = None
    fields: tuple[Field, ...] = ()
    sources: dict[str, tuple[Field, ...]] = field(default_factory=dict)
    aliases: dict[str, Expression] = field(default_factory=dict)
    common: dict[str, CommonTable] = field(default_factory=dict)
    windows: dict[str, nodes.Window] = field(default_factory=dict)

    def levels(self) -> Iterator[Scope]:
        """This scope and those around it, innermost first."""
        scope: Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.parent

    def common_table(self, name: str) -> CommonTable | None:
        """The common table expression called `name`, if one is in reach."""
        name_key = key(name)
        return next((scope.common[name_key] for scope in self.levels() if name_key in scope.common), None)

    def resolve(self, column: nodes.Column) -> Expression:
        """What `column` means. Raises unknown_table, unknown_column or ambiguous_column."""
        if column.table is not None:
            return self._qualified(column.table, column.name)
        wanted = key(column.name.text)
        for scope in self.levels():
            found = [each for each in scope.fields if each.key == wanted]
            if len(found) > 1:
                raise SqlError("ambiguous_column", name=column.name.text, place=column.place)
            if found:
                return found[0].expression()
            if wanted in scope.aliases:
                return scope.aliases[wanted]
        raise SqlError("unknown_column", name=column.name.text, nearest=nearest(column.name.text, self._column_names()))

    def _qualified(self, table: nodes.Name, column: nodes.Name) -> Expression:
        fields = self.source(table)
        wanted = key(column.text)
        found = [each for each in fields if each.key == wanted]
        if len(found) == 1:
            return found[0].expression()
        if found:
            raise SqlError("ambiguous_column", name=f"{table.text}.{column.text}", place=column.place)
        close = nearest(column.text, [each.name for each in fields])
        raise SqlError("unknown_column", name=f"{table.text}.{column.text}", nearest=close, place=column.place)

    def source(self, table: nodes.Name) -> tuple[Field, ...]:
        """The fields of the table or alias `table`. Raises unknown_table."""
        wanted = key(table.text)
        for scope in self.levels():
            if wanted in scope.sources:
                return scope.sources[wanted]
        known = [name for scope in self.levels() for name in scope.sources]
        raise SqlError("unknown_table", name=table.text, nearest=nearest(table.text, known), place=table.place)

    def _column_names(self) -> list[str]:
        return [each.name for scope in self.levels() for each in scope.fields]
