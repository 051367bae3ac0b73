"""Order terms and the windows of OVER."""

from __future__ import annotations

from parser import nodes
from parser.compile.expressions import Env, expression, expressions, joined
from parser.compile.sql import Expression
from parser.errors import SqlError
from parser.schema import key
from parser.suggest import nearest


def order_term(compiled: Expression, term: nodes.OrderTerm) -> str:
    """One key of an ORDER BY whose expression is `compiled`."""
    text = compiled.sql + (" DESC" if term.descending else "")
    if term.nulls_first is None:
        return text
    return text + (" NULLS FIRST" if term.nulls_first else " NULLS LAST")


def over(env: Env, window: nodes.Window | nodes.Name) -> str:
    """The window after OVER, in parentheses; a named one (of the WINDOW clause) is written out."""
    window = _refined(env, _named(env, window) if isinstance(window, nodes.Name) else window)
    parts = []
    if window.partition_by:
        parts.append(f"PARTITION BY {joined(expressions(env, window.partition_by))}")
    if window.order_by:
        terms = [order_term(expression(env, term.expr), term) for term in window.order_by]
        parts.append(f"ORDER BY {', '.join(terms)}")
    if window.frame is not None:
        parts.append(_frame(env, window.frame))
    return f"({' '.join(parts)})"


def _named(env: Env, name: nodes.Name) -> nodes.Window:
    wanted = key(name.text)
    found = next((scope.windows[wanted] for scope in env.scope.levels() if wanted in scope.windows), None)
    if found is None:
        known = [each for scope in env.scope.levels() for each in scope.windows]
        raise SqlError("unknown_window", name=name.text, nearest=nearest(name.text, known), place=name.place)
    return found


def _refined(env: Env, window: nodes.Window) -> nodes.Window:
    """The window with what it takes from its base: that has no frame, and no order where this one has its own."""
    if window.base is None:
        return window
    base = _refined(env, _named(env, window.base))
    if base.frame is not None or (base.order_by and window.order_by):
        raise SqlError("not_supported", what=f"OVER ({window.base.text} …)", place=window.base.place)
    return nodes.Window(base.partition_by, window.order_by or base.order_by, window.frame)


def _frame(env: Env, frame: nodes.Frame) -> str:
    start = _bound(env, frame.start)
    text = f"{frame.unit.upper()} {start}" if frame.end is None else _between(env, frame, start)
    return f"{text} EXCLUDE {frame.exclude.upper()}" if frame.exclude else text


def _between(env: Env, frame: nodes.Frame, start: str) -> str:
    assert frame.end is not None
    return f"{frame.unit.upper()} BETWEEN {start} AND {_bound(env, frame.end)}"


def _bound(env: Env, bound: nodes.Bound) -> str:
    if bound.value is None:
        return bound.kind.upper()
    return f"{expression(env, bound.value).sql} {bound.kind.upper()}"
