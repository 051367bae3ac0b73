"""Expressions to SQLite's SQL. Every result stands in parentheses of its own, none has a type affinity."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from dirk_parser.ast.expression import (
    Between,
    Binary,
    Call,
    Case,
    Cast,
    Collate,
    ColumnRef,
    Constant,
    Exists,
    Expr,
    InList,
    InQuery,
    Is,
    Like,
    Literal,
    Logical,
    Name,
    Parameter,
    Row,
    ScalarQuery,
    Unary,
)
from dirk_parser.ast.query import Query
from dirk_parser.compile.base.context import Env
from dirk_parser.compile.base.sql import (
    MAX_DEPTH,
    SAFE,
    UNSAFE_ANY,
    UNSAFE_REAL,
    UNSAFE_TEXT,
    Expression,
    combine,
    joint_unsafe,
    literal,
)
from dirk_parser.compile.expression import casts, division
from dirk_parser.compile.expression.aggregates import gathering_calls
from dirk_parser.errors import SqlError
from dirk_parser.normalize.literal_text import WHOLE_MIN

_HEXADECIMAL = re.compile(r"[0-9a-fA-F]*")
_COMPARISONS = frozenset(("=", "<>", "<", "<=", ">", ">="))
#: What the result of an operator may be; one that is not here gives anything.
_UNSAFE = {
    **dict.fromkeys(("+", "-", "*", "/", "div"), UNSAFE_REAL),
    **dict.fromkeys(("%", "&", "|", "<<", ">>", "~"), SAFE),
    **dict.fromkeys(("||", "->"), UNSAFE_TEXT),
}


def expression(env: Env, node: Expr) -> Expression:
    """`node` in SQLite's SQL. Raises SqlError for names that are not known and forms that SQLite can't do."""
    try:
        return _HANDLERS[type(node)](env, node)
    except SqlError as error:
        error.at(node.place)
        raise


def expressions(env: Env, items: Sequence[Expr]) -> list[Expression]:
    """Each of `items`, in order."""
    return [expression(env, item) for item in items]


def condition(env: Env, node: Expr) -> Expression:
    """A WHERE or ON condition: aggregates and windows have no place there (42803, 42P20)."""
    compiled = expression(env, node)
    if compiled.aggregate or compiled.windowed:
        place = next((call.place for call in gathering_calls(node)), node.place)
        if compiled.aggregate:
            env.context.refuse_new(SqlError("aggregate_misplaced", place=place))
        if compiled.windowed:
            raise SqlError("window_misplaced", place=place)
    return compiled


def joined(parts: Sequence[Expression]) -> str:
    """The texts of `parts`, comma-separated."""
    return ", ".join(part.sql for part in parts)


def all_boolean(parts: Sequence[Expression]) -> bool:
    """True when every value that `parts` can give is true, false or null, and some is not null."""
    valued = [part for part in parts if part.sql != "NULL"]
    return bool(valued) and all(part.is_boolean for part in valued)


def _literal(env: Env, node: Literal) -> Expression:
    text = _blob(env, node) if node.kind == "blob" else env.context.literal(node.index)
    return Expression(text, unsafe=SAFE)


def _blob(env: Env, node: Literal) -> str:
    """A blob stands in the SQL itself: a bound value has no way to say that it is one."""
    digits = str(env.context.literals.value(node.index))
    if len(digits) % 2 or not _HEXADECIMAL.fullmatch(digits):
        raise SqlError("not_supported", what=f"x'{digits}'", place=node.place)
    return f"x'{digits}'"


def _constant(env: Env, node: Constant) -> Expression:
    if node.value is None:
        return Expression("NULL", unsafe=SAFE)
    return Expression(env.scope.truth(node.value), is_boolean=True, unsafe=SAFE)


def _parameter(env: Env, node: Parameter) -> Expression:
    bind = node.name if node.name is not None else -(node.position + 1)
    return Expression(env.context.argument(bind), unsafe=SAFE)


def _column(env: Env, node: ColumnRef) -> Expression:
    field, level = env.scope.resolve(node)
    env.context.lookups.named.append(level)
    if env.context.lookups.trace is not None:
        env.context.lookups.trace.column(node, field)
    return field


def _unary(env: Env, node: Unary) -> Expression:
    if node.op == "-" and _is_past_whole(env, node.operand):
        return Expression(literal(WHOLE_MIN), unsafe=SAFE)
    operand = expression(env, node.operand)
    if node.op == "+":
        return replace(operand, is_boolean=False)
    if node.op == "not":
        return combine(f"(NOT {operand.sql})", operand, is_boolean=True)
    is_written = isinstance(node.operand, Literal) and node.operand.kind in ("whole", "real")
    text = f"{node.op} {operand.sql}"
    if is_written and node.op == "-" and operand.sql.startswith("?"):
        # SQLite takes a bound value from 0, which makes 0.0 of -0.0; of a number that stands there it does not.
        text = f"{operand.sql} * -1"
    return combine(f"({text})", operand, unsafe=SAFE if is_written else _UNSAFE[node.op])


def _is_past_whole(env: Env, node: Expr) -> bool:
    """True when `node` is 2⁶³ as a whole number, which is real by itself: only with its minus does it fit 64 bits."""
    return isinstance(node, Literal) and node.kind == "real" and env.context.literals.is_past_whole(node.index)


def _binary(env: Env, node: Binary) -> Expression:
    """A chain of left-associative operators is walked in a loop: it may be longer than Python's stack."""
    spine: list[Binary] = []
    leftmost: Expr = node
    while isinstance(leftmost, Binary):
        spine.append(leftmost)
        leftmost = leftmost.left
    if len(spine) > MAX_DEPTH:
        raise SqlError("too_complex")
    compiled = side(env, leftmost, spine[-1].right)
    for operation in reversed(spine):
        compiled = _apply(operation.op, compiled, side(env, operation.right, operation.left), env.context.purpose.pure)
    return compiled


def side(env: Env, node: Expr, other: Expr) -> Expression:
    """One side of a comparison: beside a row, a subquery gives one too."""
    if isinstance(node, ScalarQuery) and isinstance(other, Row):
        return _subquery(env, node.query, len(other.items), first_row=True)
    return expression(env, node)


def _apply(op: str, left: Expression, right: Expression, pure: bool) -> Expression:
    if op in ("/", "div", "%"):
        divided = division.unguarded if pure else division.guarded
        return replace(divided(op, left, right), unsafe=_UNSAFE[op])
    unsafe = _UNSAFE.get(op, UNSAFE_ANY)
    return combine(f"({left.sql} {op} {right.sql})", left, right, is_boolean=op in _COMPARISONS, unsafe=unsafe)


def _logical(env: Env, node: Logical) -> Expression:
    return _balanced(node.op.upper(), expressions(env, node.operands))


def _balanced(op: str, parts: list[Expression]) -> Expression:
    """A chain of AND or OR as a tree of small depth, so that thousands of conditions stay under SQLite's limit."""
    while len(parts) > 1:
        pairs = [parts[at : at + 2] for at in range(0, len(parts), 2)]
        parts = [
            combine(f"({pair[0].sql} {op} {pair[1].sql})", *pair, is_boolean=True) if len(pair) == 2 else pair[0]
            for pair in pairs
        ]
    return parts[0]


def _is(env: Env, node: Is) -> Expression:
    left, right = side(env, node.left, node.right), side(env, node.right, node.left)
    word = "IS NOT" if node.negated else "IS"
    text = f"{left.sql} {word} {right.sql}"
    if isinstance(node.right, Constant) and right.sql in ("0", "1"):
        # Not the number, but the truth of it: `2 IS TRUE`.
        text = f"CASE WHEN {'' if right.sql == '1' else 'NOT '}{left.sql} THEN 1 ELSE 0 END = {int(not node.negated)}"
    return combine(f"({text})", left, right, is_boolean=True)


def _like(env: Env, node: Like) -> Expression:
    parts = expressions(env, (node.operand, node.pattern))
    word = ("NOT " if node.negated else "") + node.op.upper()
    text = f"{parts[0].sql} {word} {parts[1].sql}"
    if node.escape is not None:
        parts.append(expression(env, node.escape))
        text += f" ESCAPE {parts[2].sql}"
    return combine(f"({text})", *parts, is_boolean=True)


def _between(env: Env, node: Between) -> Expression:
    operand, low, high = expressions(env, (node.operand, node.low, node.high))
    word = "NOT BETWEEN" if node.negated else "BETWEEN"
    return combine(f"({operand.sql} {word} {low.sql} AND {high.sql})", operand, low, high, is_boolean=True)


def _in_list(env: Env, node: InList) -> Expression:
    operand = expression(env, node.operand)
    items = expressions(env, node.items)
    word = "NOT IN" if node.negated else "IN"
    return combine(f"({operand.sql} {word} ({joined(items)}))", operand, *items, is_boolean=True)


def _in_query(env: Env, node: InQuery) -> Expression:
    operand = expression(env, node.operand)
    width = len(node.operand.items) if isinstance(node.operand, Row) else 1
    word = "NOT IN" if node.negated else "IN"
    inner = _subquery(env, node.query, width)
    compiled = combine(f"({operand.sql} {word} ({inner.sql}))", operand, is_boolean=True)
    return replace(compiled, repeatable=False, aggregate=compiled.aggregate or inner.aggregate)


def _exists(env: Env, node: Exists) -> Expression:
    inner = _subquery(env, node.query)
    text = f"(EXISTS ({inner.sql}))"
    return Expression(text, is_boolean=True, repeatable=False, aggregate=inner.aggregate, unsafe=SAFE)


def _scalar_query(env: Env, node: ScalarQuery) -> Expression:
    return _subquery(env, node.query, 1, first_row=True)


def _subquery(env: Env, query: Query, width: int | None = None, first_row: bool = False) -> Expression:
    """A subquery's text. `width`: how many columns it must have; `first_row`: only its first row is looked at."""
    if env.context.purpose.clause:
        raise SqlError("not_supported", what=f"{env.context.purpose.clause} (SELECT …)", place=query.place)
    before = len(env.context.lookups.gathered)
    compiled = env.context.compilers.query(env.context, query, env.scope, first_row=first_row)
    if width is not None and len(compiled.columns) != width:
        raise SqlError("subquery_columns", wanted=width, found=len(compiled.columns), place=query.place)
    text, first = f"({compiled.sql})" if first_row else compiled.sql, compiled.columns[0]
    aggregate = gathers_here(env, before)
    return Expression(text, is_boolean=first.is_boolean, repeatable=False, aggregate=aggregate, unsafe=first.unsafe)


def gathers_here(env: Env, before: int) -> bool:
    """True when an aggregate of this very query was found in one inside it, since `before` were found of any query."""
    levels = env.context.lookups.gathered[before:]
    return any(gathered_level is level for gathered_level in levels for level in env.scope.own_levels())


def _case(env: Env, node: Case) -> Expression:
    operand = [expression(env, node.operand)] if node.operand is not None else []
    results, parts, text = [], list(operand), "CASE " + "".join(f"{part.sql} " for part in operand)
    for branch in node.branches:
        test, result = expressions(env, (branch.condition, branch.result))
        text += f"WHEN {test.sql} THEN {result.sql} "
        parts += [test, result]
        results.append(result)
    if node.otherwise is not None:
        results.append(expression(env, node.otherwise))
        text += f"ELSE {results[-1].sql} "
        parts.append(results[-1])
    return combine(f"({text}END)", *parts, is_boolean=all_boolean(results), unsafe=joint_unsafe(results))


def _cast(env: Env, node: Cast) -> Expression:
    return casts.cast(env.context, expression(env, node.operand), node.domain)


def _collate(env: Env, node: Collate) -> Expression:
    operand = expression(env, node.operand)
    return combine(f"({operand.sql} COLLATE {collation(node.collation)})", operand, unsafe=operand.unsafe)


def collation(name: Name) -> str:
    """SQLite's name of a collation. Raises unknown_collation (42704)."""
    collation_name = name.text.upper()
    if collation_name not in ("NOCASE", "BINARY", "RTRIM"):
        raise SqlError("unknown_collation", name=name.text, place=name.place)
    return collation_name


def _call(env: Env, node: Call) -> Expression:
    return env.context.compilers.call(env, node)


def _row(env: Env, node: Row) -> Expression:
    items = expressions(env, node.items)
    return combine(f"({joined(items)})", *items)


_HANDLERS: dict[type, Callable[[Env, Any], Expression]] = {
    Literal: _literal,
    Constant: _constant,
    Parameter: _parameter,
    ColumnRef: _column,
    Unary: _unary,
    Binary: _binary,
    Logical: _logical,
    Is: _is,
    Like: _like,
    Between: _between,
    InList: _in_list,
    InQuery: _in_query,
    Exists: _exists,
    ScalarQuery: _scalar_query,
    Case: _case,
    Cast: _cast,
    Collate: _collate,
    Call: _call,
    Row: _row,
}
