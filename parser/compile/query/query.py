"""Queries: selects, set operators, VALUES, common table expressions, ordering and row limits."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from dirk_parser.ast.query import Body, Compound, Query, Select, Values
from dirk_parser.compile.base.context import Context, Env
from dirk_parser.compile.base.result import Compiled, ResultColumn
from dirk_parser.compile.base.scope import Scope
from dirk_parser.compile.base.sql import Expression, joint_unsafe
from dirk_parser.compile.expression.expressions import all_boolean, condition, joined
from dirk_parser.compile.query.ctes import with_clause
from dirk_parser.compile.query.limits import limit_text
from dirk_parser.compile.query.order import Ordering, by_output, by_scope
from dirk_parser.compile.query.select import Core, compile_select
from dirk_parser.errors import SqlError

#: SQLite's limits on terms of a compound select and on columns of a result.
_MAX_TERMS = 500
_MAX_COLUMNS = 2_000
#: A column of a table of some FROM: VALUES has none of its own.
_OUTER = re.compile(r"\bt\d+\.")
_WORDS = {"union": "UNION", "union all": "UNION ALL", "except": "EXCEPT", "intersect": "INTERSECT"}


def compile_query(
    context: Context, query: Query, parent: Scope | None, named: bool = False, first_row: bool = False
) -> Compiled:
    """A whole query. `named`: its columns get the SQL names c1, c2 … (subqueries in FROM).

    `first_row`: only the first row counts (a scalar subquery), which in a write must be the same everywhere.
    """
    scope = Scope(parent=parent) if query.with_ is not None else parent
    prefix = with_clause(context, query.with_, scope) if scope is not None else ""
    total = context.purpose.for_write and (query.limit is not None or first_row)
    if isinstance(query.body, Select):
        core = compile_select(context, query.body, scope, named)
        ordering = by_scope(core, query.order_by)
    else:
        # Ordering by an expression over the result needs names for its columns.
        core = _body(context, query.body, scope, named or bool(query.order_by))
        ordering = by_output(context, core, query.order_by, scope)
    return _finish(context, query, core, ordering, prefix=prefix, total=total and not core.one_row)


def _finish(
    context: Context, query: Query, core: Core, ordering: Ordering, *, prefix: str, total: bool
) -> Compiled:
    """Order and limit after the core. `total`: every column breaks ties, so that a limit keeps the same rows."""
    if len(core.columns) > _MAX_COLUMNS:
        raise SqlError("too_complex")
    terms = list(ordering.terms)
    if total:
        terms += [str(number) for number in range(1, len(core.columns) + 1)]
    text = prefix + ordering.sql
    if terms:
        text += f" ORDER BY {', '.join(terms)}"
    if query.limit is not None:
        text += limit_text(context, query.limit)
    return Compiled(text, core.columns, core.relation)


# --- bodies that are no plain select -------------------------------------------------------------------------


def _body(context: Context, body: Body, parent: Scope | None, named: bool) -> Core:
    match body:
        case Select():
            return compile_select(context, body, parent, named)
        case Values():
            return _values(context, body, parent, named)
        case Compound():
            return _compound(context, body, parent, named)
        case Query():
            inner = compile_query(context, body, parent, named)
            return Core(f"SELECT * FROM ({inner.sql})", inner.columns, inner.relation)


def _values(context: Context, body: Values, parent: Scope | None, named: bool) -> Core:
    env = Env(context, Scope(parent=parent))
    width = len(body.rows[0])
    rows = []
    for row in body.rows:
        if len(row) != width:
            raise SqlError("values_width", wanted=width, found=len(row), place=row[0].place)
        rows.append([condition(env, cell) for cell in row])
    columns = [
        ResultColumn(f"column{n}", "", all_boolean(cells), unsafe=joint_unsafe(cells))
        for n, cells in enumerate(zip(*rows, strict=True), 1)
    ]
    if any(_OUTER.search(cell.sql) for cells in rows for cell in cells):
        return Core(_rows_as_selects(rows), tuple(columns), "")
    heads = ", ".join(f"column{number} AS c{number}" for number in range(1, width + 1)) if named else "*"
    # SQLite takes neither ORDER BY nor LIMIT right after VALUES.
    text = f"SELECT {heads} FROM (VALUES {', '.join(f'({joined(cells)})' for cells in rows)})"
    return Core(text, tuple(columns), "")


def _rows_as_selects(rows: Sequence[Sequence[Expression]]) -> str:
    """VALUES whose cells name columns of a query around it: SQLite then finds no names for the columns of VALUES."""
    if len(rows) > _MAX_TERMS:
        raise SqlError("too_complex")
    texts = [", ".join(f"{cell.sql} AS c{number}" for number, cell in enumerate(cells, 1)) for cells in rows]
    return f"SELECT * FROM ({' UNION ALL '.join(f'SELECT {text}' for text in texts)})"


def _compound(context: Context, body: Compound, parent: Scope | None, named: bool) -> Core:
    """A left-associative chain, walked in a loop; an operand that is a set operation itself stands in a subquery."""
    spine: list[Compound] = []
    leftmost: Body = body
    while isinstance(leftmost, Compound):
        spine.append(leftmost)
        leftmost = leftmost.left
    if len(spine) >= _MAX_TERMS:
        raise SqlError("too_complex")
    first = _operand(context, leftmost, parent, named)
    text, columns, operands = [first.sql], list(first.columns), [first]
    for operation in reversed(spine):
        operand = _operand(context, operation.right, parent, False)
        if len(operand.columns) != len(columns):
            raise SqlError("set_columns", wanted=len(columns), found=len(operand.columns), place=operation.right.place)
        text.append(f"{_WORDS[operation.op]} {operand.sql}")
        operands.append(operand)
        columns = [_joint(mine, other) for mine, other in zip(columns, operand.columns, strict=True)]
    return Core(" ".join(text), tuple(columns), first.relation, operands=tuple(operands))


def _operand(context: Context, body: Body, parent: Scope | None, named: bool) -> Core:
    core = _body(context, body, parent, named)
    if isinstance(body, Compound):
        return replace(core, sql=f"SELECT * FROM ({core.sql})", operands=())
    return core


def _joint(mine: ResultColumn, other: ResultColumn) -> ResultColumn:
    """A column of a compound: boolean when each operand's is, but for NULL; its expression stays only as NULL."""
    if _is_null(other):
        return mine if _is_null(mine) else replace(mine, expression=None)
    is_boolean = (mine.is_boolean or _is_null(mine)) and other.is_boolean
    return replace(mine, is_boolean=is_boolean, expression=None, unsafe=mine.unsafe | other.unsafe)


def _is_null(column: ResultColumn) -> bool:
    return column.expression is not None and column.expression.sql == "NULL"
