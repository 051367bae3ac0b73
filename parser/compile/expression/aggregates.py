"""The calls in an expression that gather rows: aggregates and windows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass

from dirk_parser.ast.expression import Call
from dirk_parser.ast.query import Query
from dirk_parser.compile.expression.functions import FUNCTIONS, Sort
from dirk_parser.names import key


def gathering_calls(node: object) -> Iterator[Call]:
    """The aggregate and window calls in an expression, those of its subqueries left out."""
    if isinstance(node, Call) and (node.over is not None or _is_aggregate(node)):
        yield node
    elif isinstance(node, tuple):
        for item in node:
            yield from gathering_calls(item)
    elif is_dataclass(node) and not isinstance(node, Query):
        for each_field in fields(node):
            yield from gathering_calls(getattr(node, each_field.name))


def _is_aggregate(call: Call) -> bool:
    function = FUNCTIONS.get(key(call.name.text))
    if function is None or function.sort is not Sort.AGGREGATE:
        return False
    return call.name.text.lower() not in ("min", "max") or len(call.arguments) == 1
