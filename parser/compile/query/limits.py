"""LIMIT and OFFSET: whole numbers from 0, whatever they are computed from."""

from __future__ import annotations

from dirk_parser.ast.expression import Expr, Literal, Parameter, Unary
from dirk_parser.ast.query import Limit, RowRange
from dirk_parser.compile.base.context import Context, Env
from dirk_parser.compile.base.scope import Scope
from dirk_parser.compile.expression.casts import once
from dirk_parser.compile.expression.expressions import condition
from dirk_parser.errors import SqlError


def limit_text(context: Context, limit: Limit | RowRange) -> str:
    """The clause, its values checked when it runs (limit_invalid, 2201W). Raises what its expressions raise, which
    reach no column."""
    if isinstance(limit, RowRange):
        start, stop = _count(context, limit.start), _count(context, limit.stop)
        return f" LIMIT max({stop} - {start}, 0) OFFSET {start}"
    text = f" LIMIT {_count(context, limit.count) if limit.count is not None else -1}"
    return text if limit.offset is None else f"{text} OFFSET {_count(context, limit.offset)}"


def _count(context: Context, node: Expr) -> str:
    if isinstance(node, Unary) and isinstance(node.operand, Literal):
        raise SqlError("limit_invalid", place=node.place)
    # Nothing of a query is there yet when its limit is computed.
    value = condition(Env(context, Scope()), node).sql
    return _checked(value) if isinstance(node, Literal | Parameter) else once(value, _checked("x"))


def _checked(value: str) -> str:
    whole = f"typeof({value}) = 'integer' OR (typeof({value}) = 'real' AND {value} = trunc({value}))"
    return f"CASE WHEN ({whole}) AND {value} >= 0 THEN CAST({value} AS INTEGER) ELSE dirk_fail('limit_invalid') END"
