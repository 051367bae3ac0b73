"""The rows of an INSERT as SQLite's text: what each column is given, and what it gets where nothing is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dirk_parser.ast.query import Query, Values
from dirk_parser.ast.statement import Insert
from dirk_parser.compile.base import sql
from dirk_parser.compile.base.context import Context, Env
from dirk_parser.compile.base.result import Compiled, ResultColumn
from dirk_parser.compile.base.scope import Scope
from dirk_parser.compile.base.sql import Expression, Unsafe
from dirk_parser.compile.dml import numbering, storable
from dirk_parser.compile.dml.rowid import ROW_PLACE, placed
from dirk_parser.compile.expression.casts import once
from dirk_parser.compile.expression.expressions import expressions
from dirk_parser.compile.query.query import compile_query
from dirk_parser.errors import SqlError
from dirk_parser.schema import domains
from dirk_parser.schema.schema import Column, Table

_VALUES = "VALUES "
_ROWS = "dirk_rows"


def stored(column: Column, value: Expression, row: str = "") -> str:
    """`value` as `column` keeps it: NUMERIC(p, s) rounds, everything else stays what it is, if it is sound. `row`: a
    column of the row that is changed, where several may be."""
    if column.key == ROW_PLACE and column.name != ROW_PLACE:
        is_short = value.repeatable and len(value.sql) <= 40
        return placed(value.sql) if is_short else once(value.sql, placed("x"), "" if value.repeatable else row)
    unsafe = storable.unsafe(column, value.unsafe)
    if (column.rounding is None and not unsafe) or value.sql == "NULL":
        return value.sql
    if value.repeatable and len(value.sql) <= 40:
        return _kept(column, value.sql, unsafe)
    return once(value.sql, _kept(column, "x", unsafe), "" if value.repeatable else row)


def _kept(column: Column, value: str, unsafe: Unsafe) -> str:
    rounded = value if column.rounding is None else domains.rounded(column.rounding, value)
    return storable.kept(column, value, unsafe, rounded) if unsafe else rounded


def query_cells(columns: Sequence[Column], given: Sequence[ResultColumn]) -> list[str]:
    """A row of the query `v`, with columns c1, c2 …, as `columns` keep it."""
    # SQLite may put the query's own expressions in place of their names: what is looked at is computed once.
    cells = (
        Expression(f"v.c{n}", repeatable=not value_cell.unsafe, unsafe=value_cell.unsafe)
        for n, value_cell in enumerate(given, 1)
    )
    return [stored(column, cell) for column, cell in zip(columns, cells, strict=True)]


def kept_rows(columns: Sequence[Column], query: Compiled) -> str:
    """The rows of `query` as `columns` keep them; the query itself where that is the same."""
    pairs = zip(columns, query.columns, strict=True)
    if not any(column.rounding is not None or storable.unsafe(column, value.unsafe) for column, value in pairs):
        return query.sql
    return _reworked(query, query_cells(columns, query.columns))


def _reworked(query: Compiled, cells: Sequence[str], source: str = _ROWS, keyword: str = "") -> str:
    """The rows of `query`, the common table `_ROWS`, through `source`, which is `v` in `cells`."""
    heads = ", ".join(f"c{number}" for number in range(1, len(query.columns) + 1))
    rows = f"WITH {_ROWS}({heads}) AS {keyword}({query.sql})"
    return f"{rows} SELECT {', '.join(cells)} FROM {source} AS v WHERE TRUE"


@dataclass(frozen=True, slots=True)
class RowByRow:
    """An INSERT whose rows are to see what became of those before them: `query` gives all rows, before the first is
    inserted; `text` inserts one of them."""

    query: str
    columns: tuple[Column, ...]
    numbers: Column
    table: Table

    def text(self, taken: int) -> str:
        """The text behind INSERT INTO t, when the statement has `taken` parameters before the row's own."""
        cells = [f"?{number}" for number in range(taken + 1, taken + len(self.columns) + 1)]
        cells = _numbered(cells, self.columns, self.numbers, lambda given: numbering.one(self.table, given))
        heads = [column.name for column in self.columns]
        if self.numbers not in self.columns:
            heads.append(self.numbers.name)
        return f"{_heading(heads)}{_VALUES}({', '.join(cells)})"


def row_by_row(
    context: Context, source: Query, scope: Scope, table: Table, columns: Sequence[Column]
) -> RowByRow | None:
    """The rows of `source` for a table that numbers a column, one by one; None where it numbers none. Raises
    column_count and what the rows raise."""
    numbers = numbering.column(table)
    if numbers is None:
        return None
    compiled = compile_query(context, source, scope)
    _check_count(source, compiled, columns)
    query = _reworked(compiled, query_cells(columns, compiled.columns), keyword="MATERIALIZED ")
    return RowByRow(f"SELECT * FROM ({query})", tuple(columns), numbers, table)


def _check_count(source: Query, compiled: Compiled, columns: Sequence[Column]) -> None:
    if len(compiled.columns) != len(columns):
        raise SqlError("column_count", wanted=len(columns), found=len(compiled.columns), place=source.place)


def rows_text(env: Env, node: Insert, table: Table, columns: Sequence[Column]) -> str:
    """The text behind INSERT INTO t: its columns, and VALUES or a select. Raises column_count and what the rows
    raise."""
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
    is_list = isinstance(body, Values) and not source.order_by and source.limit is None
    if isinstance(body, Values) and is_list and (numbers is None or len(body.rows) == 1):
        return f"{text}{_VALUES}{_values(env, body, table, columns)}"
    return text + _selected(env, node, source, table, columns)


def row_offset(columns: Sequence[Column]) -> int:
    """Where the first row stands in `rows_text`, of a table that numbers no column."""
    return len(_heading([column.name for column in columns]) + _VALUES)


def _heading(heads: list[str]) -> str:
    return f" ({sql.names(heads)}) "


def _values(env: Env, body: Values, table: Table, columns: Sequence[Column]) -> str:
    numbers = numbering.column(table)
    rows = []
    for row in body.rows:
        if len(row) != len(columns):
            raise SqlError("column_count", wanted=len(columns), found=len(row), place=body.place)
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
            context.findings.cells[column.name] = int(cell.sql[1:]) - 1


def _numbered(
    texts: Sequence[str], columns: Sequence[Column], numbers: Column, number: Callable[[str | None], str]
) -> list[str]:
    """The cells of a row with that of the column that numbers itself: its own, or one more at the end."""
    if numbers not in columns:
        return [*texts, number(None)]
    return [number(text) if column is numbers else text for text, column in zip(texts, columns, strict=True)]


def _selected(env: Env, node: Insert, source: Query, table: Table, columns: Sequence[Column]) -> str:
    numbers = numbering.column(table)
    compiled = compile_query(env.context, source, env.scope)
    _check_count(source, compiled, columns)
    if numbers is None:
        rows = kept_rows(columns, compiled)
        # Without a WHERE, SQLite reads the ON of a later ON CONFLICT as a join's.
        return f"SELECT * FROM ({rows}) WHERE TRUE" if node.upserts and rows == compiled.sql else rows
    cells = query_cells(columns, compiled.columns)
    if numbers not in columns:
        return _reworked(compiled, [*cells, numbering.all_rows(table)])
    at = columns.index(numbers)
    given = f"c{at + 1}"
    cells[at] = numbering.each_row(table, _ROWS, given)
    return _reworked(compiled, cells, numbering.counted(_ROWS, given), "MATERIALIZED ")
