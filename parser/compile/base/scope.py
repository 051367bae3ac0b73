"""Scopes: which column a name means. Resolution is ours (NFC + casefold), SQLite sees only qualified names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from dirk_parser.ast.expression import ColumnRef, Name, Window
from dirk_parser.compile.base.sql import UNSAFE_ANY, Expression, Unsafe
from dirk_parser.errors import SqlError
from dirk_parser.names import key, nearest


@dataclass(frozen=True, slots=True)
class Field:
    """A column that a FROM offers: its name as created, its key, its SQL text, where it comes from.

    The flags and `unsafe` are those of `Expression`.
    """

    name: str
    key: str
    sql: str
    origin: str
    is_boolean: bool = False
    is_moment: bool = False
    unsafe: Unsafe = UNSAFE_ANY

    def expression(self) -> Expression:
        """The reference to this column."""
        return Expression(
            self.sql,
            is_boolean=self.is_boolean,
            origin=self.origin,
            is_moment=self.is_moment,
            unsafe=self.unsafe,
            column=self.name,
        )


FieldsByKey = dict[str, list[Field]]


def fields_by_key(fields: Iterable[Field]) -> FieldsByKey:
    """`fields` by key, those of one key in their order."""
    by_key: FieldsByKey = {}
    for own_field in fields:
        by_key.setdefault(own_field.key, []).append(own_field)
    return by_key


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
    `is_part`: its parent holds names of the same query (what stands left in FROM), not of one around it.
    """

    parent: Scope | None = None
    fields: tuple[Field, ...] = ()
    sources: dict[str, tuple[Field, ...]] = field(default_factory=dict)
    aliases: dict[str, Expression | None] = field(default_factory=dict)
    common: dict[str, CommonTable] = field(default_factory=dict)
    windows: dict[str, Window] = field(default_factory=dict)
    is_part: bool = False
    _by_key: dict[str | None, FieldsByKey] = field(default_factory=dict)

    def levels(self) -> Iterator[Scope]:
        """This scope and those around it, innermost first."""
        scope: Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.parent

    def own_levels(self) -> Iterator[Scope]:
        """This scope and those of the same query."""
        scope = self
        yield scope
        while scope.is_part and scope.parent is not None:
            scope = scope.parent
            yield scope

    def common_table(self, name: str) -> CommonTable | None:
        """The common table expression called `name`, if one is in reach."""
        name_key = key(name)
        return next((scope.common[name_key] for scope in self.levels() if name_key in scope.common), None)

    def resolve(self, column: ColumnRef) -> tuple[Expression, Scope]:
        """The meaning of `column`, and the level that it was found at. Raises unknown_table, unknown_column or
        ambiguous_column."""
        if column.table is not None:
            return self._qualified(column.table, column.name)
        wanted = key(column.name.text)
        for scope in self.levels():
            fields = scope.fields_called(wanted)
            if len(fields) > 1:
                raise SqlError("ambiguous_column", name=column.name.text, place=column.place)
            if fields:
                return fields[0].expression(), scope
            if wanted in scope.aliases:
                named = scope.aliases[wanted]
                if named is None:
                    raise SqlError("ambiguous_column", name=column.name.text, place=column.place)
                return named, scope
        raise SqlError("unknown_column", name=column.name.text, nearest=nearest(column.name.text, self._column_names()))

    def knows(self, column: ColumnRef) -> bool:
        """True when `resolve` finds it; to ask is cheap, where an error looks for the nearest name."""
        wanted, source = key(column.name.text), None if column.table is None else key(column.table.text)
        return any(
            len(level.fields_called(wanted, source)) == 1 or (source is None and wanted in level.aliases)
            for level in self.levels()
        )

    def _qualified(self, table: Name, column: Name) -> tuple[Expression, Scope]:
        level = self._level_of(table)
        fields = level.fields_called(key(column.text), key(table.text))
        if len(fields) == 1:
            return fields[0].expression(), level
        if fields:
            raise SqlError("ambiguous_column", name=f"{table.text}.{column.text}", place=column.place)
        close = nearest(column.text, [source.name for source in level.sources[key(table.text)]])
        raise SqlError("unknown_column", name=f"{table.text}.{column.text}", nearest=close, place=column.place)

    def truth(self, value: bool) -> str:
        """`value` in SQLite's SQL, which takes TRUE and FALSE for columns where there are such."""
        word = "true" if value else "false"
        is_column = any(level.fields_called(word) for level in self.levels())
        return str(int(value)) if is_column else word.upper()

    def source(self, table: Name) -> tuple[Field, ...]:
        """The fields of the table or alias `table`. Raises unknown_table."""
        return self._level_of(table).sources[key(table.text)]

    def fields_called(self, wanted: str, source: str | None = None) -> Sequence[Field]:
        """The fields of this level alone with the key `wanted`: of those that an unqualified name sees, or of the table
        with the key `source`, none if it has no such table. A level is looked through once, however many names it has.
        """
        by_key = self._by_key.get(source)
        if by_key is None:
            fields = self.fields if source is None else self.sources.get(source, ())
            by_key = self._by_key[source] = fields_by_key(fields)
        return by_key.get(wanted, ())

    def _level_of(self, table: Name) -> Scope:
        """The innermost level that has a table or alias `table`. Raises unknown_table."""
        wanted = key(table.text)
        for scope in self.levels():
            if wanted in scope.sources:
                return scope
        names = [name for scope in self.levels() for name in scope.sources]
        raise SqlError("unknown_table", name=table.text, nearest=nearest(table.text, names), place=table.place)

    def _column_names(self) -> list[str]:
        return [visible.name for scope in self.levels() for visible in scope.fields]
