"""Function calls: known names only, argument counts checked, clocks and random frozen for a statement."""

from __future__ import annotations

from dataclasses import replace

from dirk_parser.ast.expression import Call, Expr, Literal
from dirk_parser.compile.base.context import Env
from dirk_parser.compile.base.scope import Scope
from dirk_parser.compile.base.sql import Expression, Unsafe, combine, joint_unsafe
from dirk_parser.compile.expression import windows
from dirk_parser.compile.expression.expressions import all_boolean, condition, expression, expressions, joined
from dirk_parser.compile.expression.functions import FUNCTIONS, Function, Sort
from dirk_parser.errors import SqlError
from dirk_parser.names import nearest

_CONCATENATIONS = frozenset(("group_concat", "string_agg", "json_group_array", "json_group_object"))
#: Functions whose arguments go in pairs: what is left over from them.
_PAIRED = {"json_object": 0, "json_insert": 1, "json_replace": 1, "json_set": 1}
#: What a time argument may say for the time now.
_NOW_WORDS = frozenset(("now", "subsec", "subsecond"))


def call(env: Env, node: Call) -> Expression:
    """A call. Raises unknown_function (42883), argument_count (42883), aggregate_misplaced (42803) and the like."""
    function = FUNCTIONS.get(node.name.text.casefold())
    if function is None:
        close = nearest(node.name.text, FUNCTIONS)
        raise SqlError("unknown_function", name=node.name.text, nearest=close, place=node.name.place)
    _check_form(env, node, function)
    if function.clock:
        return _clock(env, node, function)
    if function.sort is Sort.MOMENT:
        return _moment(env, node, function)
    before = len(env.context.lookups.named), len(env.context.lookups.gathered)
    arguments = expressions(env, node.arguments)
    if function.sort is Sort.SCALAR or _is_scalar_extreme(node, function):
        is_boolean, unsafe = _is_boolean(function, arguments), _unsafe(function, arguments)
        return combine(f"{function.sql}({joined(arguments)})", *arguments, is_boolean=is_boolean, unsafe=unsafe)
    return _aggregate(env, node, function, arguments, before)


def _check_form(env: Env, node: Call, function: Function) -> None:
    name = node.name.text
    count = len(node.arguments)
    if node.star:
        if function.sql != "count":
            raise SqlError("argument_count", name=name, found="*")
        return
    if not function.low <= count <= function.high or (node.distinct and count != 1):
        raise SqlError("argument_count", name=name, found=count)
    if count % 2 != _PAIRED.get(function.sql, count % 2):
        env.context.refuse(SqlError("argument_count", name=name, found=count))
    gathers = function.sort in (Sort.AGGREGATE, Sort.WINDOW) and not _is_scalar_extreme(node, function)
    if not gathers and (node.distinct or node.filter or node.over or node.order_by):
        raise SqlError("not_an_aggregate", name=name)
    if function.sort is Sort.WINDOW and node.over is None:
        raise SqlError("window_needed", name=name)


def _is_boolean(function: Function, arguments: list[Expression]) -> bool:
    return function.keeps_boolean and all_boolean(_results(function, arguments))


def _unsafe(function: Function, arguments: list[Expression]) -> Unsafe:
    return joint_unsafe(_results(function, arguments)) if function.keeps_boolean else function.unsafe


def _results(function: Function, arguments: list[Expression]) -> list[Expression]:
    """The arguments one of which a choosing function gives."""
    return [argument for position, argument in enumerate(arguments) if position not in function.no_result]


def _is_scalar_extreme(node: Call, function: Function) -> bool:
    """min and max of several arguments are no aggregates."""
    return function.sort is Sort.AGGREGATE and function.sql in ("min", "max") and len(node.arguments) > 1


def _clock(env: Env, node: Call, function: Function) -> Expression:
    context = env.context
    context.must_repeat(node.name.text, node.place)
    if function.sql == "random()" and context.purpose.for_write:
        return Expression("dirk_random()", repeatable=False, unsafe=function.unsafe)
    return Expression(function.sql, repeatable=function.sql != "random()", unsafe=function.unsafe)


# --- date and time -------------------------------------------------------------------------------------------


def _moment(env: Env, node: Call, function: Function) -> Expression:
    """A date function: a literal 'now' is the statement's time; a time that only the row knows goes through our
    own function in a write, for it may say 'now' too."""
    position = function.time_argument
    words = [_word(env, argument) for argument in node.arguments]
    if any(word in ("localtime", "utc") for word in words[position + 1 :]):
        raise SqlError("not_deterministic", name=node.name.text)
    if len(words) <= position:
        arguments = [*expressions(env, node.arguments), *_now(env, node)]
    elif words[position] in _NOW_WORDS:
        before, after = node.arguments[:position], node.arguments[position + 1 :]
        arguments = [*expressions(env, before), *_now(env, node, words[position]), *expressions(env, after)]
    else:
        arguments = expressions(env, node.arguments)
        if words[position] is None and not arguments[position].is_moment:
            # What the row or the request says may be 'now'.
            env.context.findings.repeatable = False
    text = f"{function.sql}({joined(arguments)})"
    # A modifier that is no literal may be 'localtime', which our own function refuses; in a write 'now' is its too.
    # SQLite itself refuses both where the answer is kept (moment_not_kept).
    unsure = None in words[position + 1 :] or (env.context.purpose.for_write and None in words[position:])
    if unsure and not (env.context.purpose.kept or env.context.purpose.pure):
        text = f"dirk_datefn('{function.sql}', {joined(arguments)})"
    return replace(combine(text, *arguments, unsafe=function.unsafe), is_moment=function.sql in ("date", "datetime"))


def _now(env: Env, node: Call, word: str | None = None) -> list[Expression]:
    """The arguments that mean the statement's time: 'subsec' in its place is the time now with that modifier."""
    env.context.must_repeat(node.name.text, node.place)
    now = Expression("dirk_now()")
    return [now] if word in (None, "now") else [now, Expression("'subsec'")]


def _word(env: Env, node: Expr) -> str | None:
    """The special word that a literal argument is ('' for none); None when it is not a literal."""
    return env.context.literals.word(node.index) if isinstance(node, Literal) else None


# --- aggregates ----------------------------------------------------------------------------------------------


def _aggregate(
    env: Env, node: Call, function: Function, arguments: list[Expression], before: tuple[int, int]
) -> Expression:
    """An aggregate or a window function; `before`: how much the context knew of when its arguments began."""
    windowed = node.over is not None
    if windowed and (node.distinct or node.order_by):
        what = f"{node.name.text}({'DISTINCT …' if node.distinct else '… ORDER BY …'}) OVER"
        env.context.refuse(SqlError("not_supported", what=what))
    if function.sort is Sort.WINDOW and node.filter is not None:
        env.context.refuse(SqlError("not_supported", what=f"{node.name.text}() FILTER"))
    if any(part.windowed or (part.aggregate and not windowed) for part in arguments):
        env.context.refuse_new(SqlError("aggregate_misplaced"))
    inside = "*" if node.star else ("DISTINCT " if node.distinct else "") + joined(arguments)
    inside += _argument_order(env, node, function, arguments)
    text = f"{function.sql}({inside})"
    parts = list(arguments)
    if node.filter is not None:
        kept = condition(env, node.filter)
        parts.append(kept)
        text += f" FILTER (WHERE {kept.sql})"
    if node.over is not None:
        text += f" OVER {windows.over(env, node.over)}"
    is_boolean, unsafe = _is_boolean(function, arguments), _unsafe(function, arguments)
    compiled = combine(f"({text})" if windowed else text, *parts, is_boolean=is_boolean, unsafe=unsafe)
    if windowed:
        return replace(compiled, windowed=True, repeatable=False)
    outer = _outer_level(env, before[0])
    if outer is None:
        return replace(compiled, aggregate=True)
    if any(level is outer for level in env.context.lookups.gathered[before[1] :]):
        env.context.refuse_new(SqlError("aggregate_misplaced"))
    env.context.lookups.gathered.append(outer)
    # SQLite takes no aggregate in the WHERE of a query that has none of its own, but one alone in a subquery.
    return replace(compiled, sql=f"(SELECT {compiled.sql})", repeatable=False)


def _outer_level(env: Env, before: int) -> Scope | None:
    """The level of the query around that an aggregate belongs to, since all columns in it are of queries around; None
    where it belongs to its own."""
    named = {id(call_site) for call_site in env.context.lookups.named[before:]}
    innermost = next((level for level in env.scope.levels() if id(level) in named), None)
    return None if any(innermost is level for level in env.scope.own_levels()) else innermost


def _argument_order(env: Env, node: Call, function: Function, arguments: list[Expression]) -> str:
    """ORDER BY inside an aggregate; in a write, texts are put together in an order that is the same everywhere."""
    if node.order_by:
        terms = [windows.order_term(expression(env, term.expr).sql, term) for term in node.order_by]
        return f" ORDER BY {', '.join(terms)}"
    if not env.context.purpose.for_write or function.sql not in _CONCATENATIONS or node.over is not None:
        return ""
    return (
        f" ORDER BY {joined(arguments)}"
        if node.distinct
        else f" ORDER BY {joined(arguments)}, typeof({arguments[0].sql})"
    )
