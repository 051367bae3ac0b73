"""The columns that a statement gives values, and the SET list of UPDATE and of an upsert."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from dirk_parser.ast.expression import Expr, Name, Row, ScalarQuery
from dirk_parser.ast.statement import Assignment
from dirk_parser.compile.base import sql
from dirk_parser.compile.base.context import Env
from dirk_parser.compile.dml.inserted import note_cells, query_cells, stored
from dirk_parser.compile.expression.expressions import expression, expressions, gathers_here
from dirk_parser.compile.query.query import compile_query
from dirk_parser.errors import SqlError
from dirk_parser.names import key, nearest
from dirk_parser.schema.schema import Column, Table


def column_of(table: Table, name: Name) -> Column:
    """The column `name` of `table`. Raises unknown_column with the nearest name."""
    wanted = key(name.text)
    for column in table.columns:
        if column.key == wanted:
            return column
    close = nearest(name.text, [column.name for column in table.columns])
    raise SqlError("unknown_column", name=name.text, nearest=close, place=name.place)


class GivenColumns:
    """The columns of a table that a statement gives values, found by their names; each is given one once."""

    def __init__(self, table: Table, by_key: Mapping[str, Column] | None = None) -> None:
        self._table = table
        self._by_key = by_key or {column.key: column for column in table.columns}
        self._taken: set[str] = set()

    def afresh(self) -> GivenColumns:
        """The columns for another clause of the statement."""
        return GivenColumns(self._table, self._by_key)

    def find(self, names: Iterable[Name]) -> list[Column]:
        """The columns in the order of their names. Raises unknown_column, and generated_given (428C9) for one that is
        computed."""
        return [self._found(name) for name in names]

    def take(self, columns: Sequence[Column], names: Sequence[Name]) -> None:
        """Notes that `columns`, which `names` name, are given values. Raises column_twice."""
        for column, name in zip(columns, names, strict=True):
            if column.key in self._taken:
                raise SqlError("column_twice", name=column.name, place=name.place)
            self._taken.add(column.key)

    def _found(self, name: Name) -> Column:
        column = self._by_key.get(key(name.text)) or column_of(self._table, name)
        if column.generated is not None:
            raise SqlError("generated_given", name=column.name, place=name.place)
        return column


def assignments(env: Env, names: GivenColumns, given: tuple[Assignment, ...]) -> str:
    """The SET list. Raises column_twice, column_count and what its expressions raise."""
    texts: list[str] = []
    for assignment in given:
        columns = names.find(assignment.columns)
        names.take(columns, assignment.columns)
        texts += _assigned(env, columns, assignment.value)
    return ", ".join(texts)


def _assigned(env: Env, columns: list[Column], value: Expr) -> list[str]:
    row = env.scope.fields[0].sql
    if isinstance(value, Row):
        if len(value.items) != len(columns):
            raise SqlError("column_count", wanted=len(columns), found=len(value.items), place=value.place)
        cells = expressions(env, value.items)
        note_cells(env.context, columns, cells)
        pairs = zip(columns, cells, strict=True)
        return [f"{sql.name(column.name)} = {stored(column, cell, row)}" for column, cell in pairs]
    if len(columns) == 1:
        compiled = expression(env, value)
        if compiled.aggregate or compiled.windowed:
            raise SqlError("aggregate_misplaced", place=value.place)
        note_cells(env.context, columns, [compiled])
        return [f"{sql.name(columns[0].name)} = {stored(columns[0], compiled, row)}"]
    if not isinstance(value, ScalarQuery):
        raise SqlError("column_count", wanted=len(columns), found=1, place=value.place)
    before = len(env.context.lookups.gathered)
    inner = compile_query(env.context, value.query, env.scope, first_row=True, named=True)
    if gathers_here(env, before):
        raise SqlError("aggregate_misplaced", place=value.place)
    if len(inner.columns) != len(columns):
        raise SqlError("column_count", wanted=len(columns), found=len(inner.columns), place=value.place)
    texts = query_cells(columns, inner.columns)
    heads = sql.names([column.name for column in columns])
    return [f"({heads}) = (SELECT {', '.join(texts)} FROM ({inner.sql}) AS v)"]
