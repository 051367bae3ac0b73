"""ORDER BY: result names first, then column numbers, then expressions over what the query can see."""

from __future__ import annotations

from dataclasses import dataclass

from parser import nodes
from parser.compile.context import Context
from parser.compile.expressions import Env, collation, expression
from parser.compile.names import Field, Scope
from parser.compile.select import Core, position
from parser.compile.sql import Expression
from parser.compile.windows import order_term
from parser.errors import SqlError
from parser.schema import key


@dataclass(frozen=True, slots=True)
class Ordering:
    """A core's text, wrapped when ordering needs that, and the terms after it."""

    sql: str
    terms: tuple[str, ...] = ()


def by_scope(core: Core, terms: tuple[nodes.OrderTerm, ...]) -> Ordering:
    """The ordering of a plain select, which sees its FROM as well as its result."""
    assert core.env is not None
    texts = []
    for term in terms:
        node, collated = _uncollated(term)
        number = _result_number(core.env, core, node)
        compiled = Expression(f"{number}{collated}") if number is not None else expression(core.env, term.expr)
        texts.append(order_term(compiled, term))
    return Ordering(core.sql, tuple(texts))


def by_output(context: Context, core: Core, terms: tuple[nodes.OrderTerm, ...], parent: Scope | None) -> Ordering:
    """The ordering of a compound, which sees its result columns only: numbers where that does, else a subquery."""
    env = Env(context, Scope(parent=parent))
    places = [_compound_place(env, core, term) for term in terms]
    if None not in places:
        texts = [order_term(Expression(place or ""), term) for place, term in zip(places, terms, strict=True)]
        return Ordering(core.sql, tuple(texts))
    alias = context.alias()
    fields = tuple(
        Field(each.name, key(each.name), f"{alias}.c{number}", each.origin, each.is_boolean)
        for number, each in enumerate(core.columns, 1)
    )
    outer = Env(context, Scope(parent=parent, fields=fields))
    texts = [
        order_term(expression(outer, term.expr) if place is None else Expression(place), term)
        for place, term in zip(places, terms, strict=True)
    ]
    return Ordering(f"SELECT * FROM ({core.sql}) AS {alias}", tuple(texts))


def _result_number(env: Env, core: Core, node: nodes.Expr) -> int | None:
    """The number of the result column that a term is: by number or by the name it has there."""
    number = position(env, node, len(core.columns))
    if number is not None or not isinstance(node, nodes.Column) or node.table is not None:
        return number
    wanted = key(node.name.text)
    named = (n for n, each in enumerate(core.columns, 1) if each.has_name and key(each.name) == wanted)
    return next(named, None)


def _compound_place(env: Env, core: Core, term: nodes.OrderTerm) -> str | None:
    """SQLite's text of the result column that a term of a compound is; None when it is none."""
    node, collated = _uncollated(term)
    number = _compound_number(env, core, node)
    return None if number is None else f"{number}{collated}"


def _compound_number(env: Env, core: Core, node: nodes.Expr) -> int | None:
    """As `_result_number`; a name or an expression of an operand's list, the first operand's first, counts too."""
    number = _result_number(env, core, node)
    if number is not None:
        return number
    found = (_number_in(operand, node) for operand in core.operands if operand.env is not None)
    return next((each for each in found if each is not None), None)


def _number_in(operand: Core, node: nodes.Expr) -> int | None:
    assert operand.env is not None
    number = _result_number(operand.env, operand, node)
    if number is not None:
        return number
    try:
        compiled = expression(operand.env, node)
    except SqlError:
        return None
    same = (
        n
        for n, each in enumerate(operand.columns, 1)
        if each.expression is not None and each.expression.sql == compiled.sql
    )
    return next(same, None)


def _uncollated(term: nodes.OrderTerm) -> tuple[nodes.Expr, str]:
    """What a term orders by, and how texts are compared there: `2 COLLATE NOCASE` is the second column too."""
    if not isinstance(term.expr, nodes.Collate):
        return term.expr, ""
    return term.expr.operand, f" COLLATE {collation(term.expr.collation)}"
