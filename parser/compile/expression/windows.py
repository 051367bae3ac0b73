"""Order terms and the windows of OVER."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dirk_parser.ast.expression import Bound, Expr, Frame, Name, NamedWindow, OrderTerm, Window
from dirk_parser.compile.base.context import Env
from dirk_parser.compile.expression.expressions import expression
from dirk_parser.errors import SqlError
from dirk_parser.names import key, nearest


def order_term(compiled: str, term: OrderTerm) -> str:
    """One key of an ORDER BY whose expression is `compiled`, as SQLite's text."""
    text = compiled + (" DESC" if term.descending else "")
    if term.nulls_first is None:
        return text
    return text + (" NULLS FIRST" if term.nulls_first else " NULLS LAST")


#: The ends of a frame in the order of the rows they stand at.
_ENDS = ("unbounded preceding", "preceding", "current row", "following", "unbounded following")


def define_windows(env: Env, windows: Sequence[NamedWindow]) -> None:
    """Puts the windows of a WINDOW clause into the scope, each known to those behind it. Raises duplicate_window
    (42P20) and what they raise where they are used; that one is not used does not make it right."""
    context, scope_windows = env.context, env.scope.windows
    for window in windows:
        # Its text is written where it is used: what this one gathers is no part of the statement.
        apart = replace(
            context,
            findings=replace(context.findings, tables={}, uses=set()),
            variables=context.variables.copied(),
        )
        try:
            if key(window.name.text) in scope_windows:
                raise SqlError("duplicate_window", name=window.name.text, place=window.name.place)
            over(Env(apart, env.scope), window.window)
        except SqlError as error:
            context.refuse(error.at(window.name.place))
        scope_windows[key(window.name.text)] = window.window


def over(env: Env, window: Window | Name) -> str:
    """The window after OVER, in parentheses; a named one (of the WINDOW clause) is written out."""
    window = _refined(env, _named(env, window) if isinstance(window, Name) else window)
    parts = []
    if window.partition_by:
        parts.append(f"PARTITION BY {', '.join(_own(env, partition_term) for partition_term in window.partition_by)}")
    if window.order_by:
        terms = [order_term(_own(env, term.expr), term) for term in window.order_by]
        parts.append(f"ORDER BY {', '.join(terms)}")
    if window.frame is not None:
        _check_frame(env, window, window.frame)
        parts.append(_frame(env, window.frame))
    return f"({' '.join(parts)})"


def _own(env: Env, node: Expr) -> str:
    """An expression of a window: it looks at rows, not at other windows."""
    compiled = expression(env, node)
    if compiled.windowed:
        env.context.refuse(SqlError("window_misplaced", place=node.place))
    return compiled.sql


def _check_frame(env: Env, window: Window, frame: Frame) -> None:
    """Raises frame_invalid (42P20): it ends before it begins, or counts from the values of no one column."""
    first, last = frame.start, frame.end or Bound("current row")
    is_backward = _ENDS.index(first.kind) > _ENDS.index(last.kind)
    is_boundless = first.kind == _ENDS[-1] or last.kind == _ENDS[0]
    counts = first.value is not None or last.value is not None
    if is_backward or is_boundless or (counts and frame.unit == "range" and len(window.order_by) != 1):
        env.context.refuse(SqlError("frame_invalid"))


def _named(env: Env, name: Name) -> Window:
    wanted = key(name.text)
    named_window = next((scope.windows[wanted] for scope in env.scope.levels() if wanted in scope.windows), None)
    if named_window is None:
        names = [window for scope in env.scope.levels() for window in scope.windows]
        raise SqlError("unknown_window", name=name.text, nearest=nearest(name.text, names), place=name.place)
    return named_window


def _refined(env: Env, window: Window) -> Window:
    """The window with what it takes from its base: that has no frame, and no order where this one has its own."""
    if window.base is None:
        return window
    base = _refined(env, _named(env, window.base))
    if base.frame is not None or (base.order_by and window.order_by):
        raise SqlError("not_supported", what=f"OVER ({window.base.text} …)", place=window.base.place)
    return Window(base.partition_by, window.order_by or base.order_by, window.frame)


def _frame(env: Env, frame: Frame) -> str:
    start = _bound(env, frame.start)
    text = f"{frame.unit.upper()} {start}" if frame.end is None else _between(env, frame, start)
    return f"{text} EXCLUDE {frame.exclude.upper()}" if frame.exclude else text


def _between(env: Env, frame: Frame, start: str) -> str:
    assert frame.end is not None
    return f"{frame.unit.upper()} BETWEEN {start} AND {_bound(env, frame.end)}"


def _bound(env: Env, bound: Bound) -> str:
    if bound.value is None:
        return bound.kind.upper()
    return f"{expression(env, bound.value).sql} {bound.kind.upper()}"
