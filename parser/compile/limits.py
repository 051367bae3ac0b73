"""LIMIT and OFFSET: whole numbers from 0, or parameters that hold one."""

from __future__ import annotations

from parser import nodes
from parser.compile.context import Context
from parser.errors import SqlError
from parser.plan import Bind


def limit_text(context: Context, limit: nodes.Limit | nodes.RowRange) -> str:
    """The clause, its values bound and checked when it runs (limit_invalid, 2201W)."""
    if isinstance(limit, nodes.RowRange):
        start, stop = _count(context, limit.start), _count(context, limit.stop)
        return f" LIMIT max({stop} - {start}, 0) OFFSET {start}"
    text = f" LIMIT {_count(context, limit.count) if limit.count is not None else -1}"
    return text if limit.offset is None else f"{text} OFFSET {_count(context, limit.offset)}"


def _count(context: Context, node: nodes.Expr) -> str:
    if isinstance(node, nodes.Literal):
        value = context.literal(node.index)
    elif isinstance(node, nodes.Parameter):
        bind: Bind = node.name if node.name is not None else -(node.position + 1)
        value = context.argument(bind)
    else:
        raise SqlError("limit_invalid")
    whole = f"typeof({value}) = 'integer' OR (typeof({value}) = 'real' AND {value} = trunc({value}))"
    return f"CASE WHEN ({whole}) AND {value} >= 0 THEN CAST({value} AS INTEGER) ELSE dirk_fail('limit_invalid') END"
