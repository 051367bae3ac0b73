"""The rows of an INSERT as SQLite's text: what each column is given, and what it gets where nothing is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from parser import domains, nodes
from parser.compile import numbering, sql
from parser.compile.casts import once
from parser.compile.context import Context
from parser.compile.expressions import Env, expressions
from parser.compile.names import Scope
from parser.compile.query import compile_query
from parser.compile.sql import Expression
from parser.errors import SqlError
from parser.schema import Column, Table

_VALUES = "VALUES "


def stored(column: Column, value: Expression) -> str:
    """`value` as `column` keeps it: NUMERIC(p, s) rounds, everything else stays what it is."""
    if column.rounding is None or value.sql == "NULL":
        return value.sql
    if value.repeatable and len(value.sql) <= 40:
        return domains.rounded(column.rounding, value.sql)
    return once(value.sql, domains.rounded(column.rounding, "x"))


def rows_text(env: Env, node: nodes.Insert, table: Table, columns: Sequence[Column]) -> str:
    """What follows INSERT INTO t: its columns, and VALUES or a select. Raises column_count and what the rows raise."""
    numbers = numbering.column(table)
    source = node.source
    if source is None:
        if numbers is None:
            return " DEFAULT VALUES"
        return f" ({sql.name(numbers.name)}) VALUES ({numbering.one(table, None)})"
    missing = numbers is not None and numbers not in columns
    heads = [column.name for column in columns] + ([numbers.name] if numbers is not None and missing else [])
    text = _heading(heads)
    body = source.body
    is_list = isinstance(body, nodes.Values) and not source.order_by and source.limit is None
    if isinstance(body, nodes.Values) and is_list and (numbers is None or len(body.rows) == 1):
        return f"{text}{_VALUES}{_values(env, body, table, columns)}"
    return text + _selected(env.context, node, source, env.scope, table, columns)


def row_offset(columns: Sequence[Column]) -> int:
    """Where the first row stands in `rows_text`, of a table that numbers no column."""
    return len(_heading([column.name for column in columns]) + _VALUES)


def _heading(heads: list[str]) -> str:
    return f" ({sql.names(heads)}) "


def _values(env: Env, body: nodes.Values, table: Table, columns: Sequence[Column]) -> str:
    numbers = numbering.column(table)
    rows = []
    for row in body.rows:
        if len(row) != len(columns):
            raise SqlError("column_count", expected=len(columns), found=len(row), place=body.place)
        cells = expressions(env, row)
        note_cells(env.context, columns, cells)
        texts = [stored(column, cell) for column, cell in zip(columns, cells, strict=True)]
        if numbers is not None:
            texts = _numbered(texts, columns, numbers, lambda given: numbering.one(table, given))
        rows.append(f"({', '.join(texts)})")
    return ", ".join(rows)


def note_cells(context: Context, columns: Sequence[Column], cells: Sequence[Expression]) -> None:
    """Remembers which columns get a bound value as it stands: an error can then say it."""
    for column, cell in zip(columns, cells, strict=True):
        if column.rounding is None and cell.sql[:1] == "?" and cell.sql[1:].isdecimal():
            context.cells[column.name] = int(cell.sql[1:]) - 1


def _numbered(
    texts: Sequence[str], columns: Sequence[Column], numbers: Column, number: Callable[[str | None], str]
) -> list[str]:
    """The cells of a row with that of the column that numbers itself: its own, or one more at the end."""
    if numbers not in columns:
        return [*texts, number(None)]
    return [number(text) if column is numbers else text for text, column in zip(texts, columns, strict=True)]


def _selected(
    context: Context,
    node: nodes.Insert,
    source: nodes.Query,
    scope: Scope,
    table: Table,
    columns: Sequence[Column],
) -> str:
    numbers = numbering.column(table)
    reworked = numbers is not None or any(column.rounding is not None for column in columns)
    compiled = compile_query(context, source, scope, named=reworked)
    if len(compiled.columns) != len(columns):
        raise SqlError("column_count", expected=len(columns), found=len(compiled.columns), place=source.place)
    if not reworked:
        # Without a WHERE, SQLite reads the ON of a later ON CONFLICT as a join's.
        return f"SELECT * FROM ({compiled.sql}) WHERE TRUE" if node.upserts else compiled.sql
    cells = [stored(column, Expression(f"v.c{number}")) for number, column in enumerate(columns, 1)]
    if numbers is not None:
        cells = _numbered(cells, columns, numbers, lambda given: numbering.each_row(table, given))
    return f"SELECT {', '.join(cells)} FROM ({compiled.sql}) AS v WHERE TRUE"
