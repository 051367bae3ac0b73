"""ORDER BY: result names first, then column numbers, then expressions over what the query can see."""

from __future__ import annotations

from dataclasses import dataclass

from parser import nodes
from parser.compile.context import Context
from parser.compile.expressions import Env, expression
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
        number = _result_number(core.env, core, term.expr)
        compiled = Expression(str(number)) if number is not None else expression(core.env, term.expr)
        texts.append(order_term(compiled, term))
    return Ordering(core.sql, tuple(texts))


def by_output(context: Context, core: Core, terms: tuple[nodes.OrderTerm, ...], parent: Scope | None) -> Ordering:
    """The ordering of a compound, which sees its result columns only: numbers where that does, else a subquery."""
    env = Env(context, Scope(parent=parent))
    numbers = [_compound_number(env, core, term.expr) for term in terms]
    if None not in numbers:
        texts = [order_term(Expression(str(n)), term) for n, term in zip(numbers, terms, strict=True)]
        return Ordering(core.sql, tuple(texts))
    alias = context.alias()
    fields = tuple(
        Field(each.name, key(each.name), f"{alias}.c{number}", each.origin, each.is_boolean)
        for number, each in enumerate(core.columns, 1)
    )
    outer = Env(context, Scope(parent=parent, fields=fields))
    texts = [
        order_term(expression(outer, term.expr) if number is None else Expression(str(number)), term)
        for number, term in zip(numbers, terms, strict=True)
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


def _compound_number(env: Env, core: Core, node: nodes.Expr) -> int | None:
    """As `_result_number`; an expression that the first operand's list holds counts as that column too."""
    number = _result_number(env, core, node)
    first = core.terms
    if number is not None or first is None or first.env is None:
        return number
    try:
        compiled = expression(first.env, node)
    except SqlError:
        return None
    same = (
        n
        for n, each in enumerate(first.columns, 1)
        if each.expression is not None and each.expression.sql == compiled.sql
    )
    return next(same, None)
