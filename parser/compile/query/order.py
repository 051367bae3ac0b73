"""ORDER BY: result names first, then column numbers, then expressions over what the query can see."""

from __future__ import annotations

from dataclasses import dataclass

from dirk_parser.ast.expression import Collate, ColumnRef, Expr, OrderTerm
from dirk_parser.compile.base.context import Context, Env
from dirk_parser.compile.base.scope import Field, Scope
from dirk_parser.compile.base.sql import by_value
from dirk_parser.compile.expression.expressions import collation, expression
from dirk_parser.compile.expression.windows import order_term
from dirk_parser.compile.query.select import Core, position
from dirk_parser.errors import SqlError
from dirk_parser.names import key


@dataclass(frozen=True, slots=True)
class Ordering:
    """A core's text, wrapped when ordering needs that, and the terms after it."""

    sql: str
    terms: tuple[str, ...] = ()


def by_scope(core: Core, terms: tuple[OrderTerm, ...]) -> Ordering:
    """The ordering of a plain select, which sees its FROM as well as its result."""
    assert core.env is not None
    texts = []
    results = _Results(core)
    for term in terms:
        node, collated = _uncollated(term)
        number = results.number(core.env, node)
        text = f"{number}{collated}" if number is not None else by_value(expression(core.env, term.expr).sql)
        texts.append(order_term(text, term))
    return Ordering(core.sql, tuple(texts))


def by_output(context: Context, core: Core, terms: tuple[OrderTerm, ...], parent: Scope | None) -> Ordering:
    """The ordering of a compound, which sees its result columns only: numbers where that does, else a subquery."""
    env = Env(context, Scope(parent=parent))
    whole, operands = _Results(core), [_Results(operand) for operand in core.operands if operand.env is not None]
    places = [_compound_place(env, whole, operands, term) for term in terms]
    if None not in places:
        texts = [order_term(place or "", term) for place, term in zip(places, terms, strict=True)]
        return Ordering(core.sql, tuple(texts))
    alias = context.alias()
    fields = tuple(
        Field(column.name, key(column.name), f"{alias}.c{number}", column.origin, column.is_boolean)
        for number, column in enumerate(core.columns, 1)
    )
    outer = Env(context, Scope(parent=parent, fields=fields))
    texts = [
        order_term(by_value(expression(outer, term.expr).sql) if place is None else place, term)
        for place, term in zip(places, terms, strict=True)
    ]
    return Ordering(f"SELECT * FROM ({core.sql}) AS {alias}", tuple(texts))


class _Results:
    """The result columns of a core, found by number, by name and by what they are computed from."""

    def __init__(self, core: Core) -> None:
        self.core = core
        numbered = list(enumerate(core.columns, 1))
        # Of two columns with one expression, whatever they are called, the first.
        self._by_name: dict[str, dict[str, int]] = {}
        for number, column in numbered:
            if column.has_name:
                computed = column.expression.sql if column.expression is not None else str(number)
                self._by_name.setdefault(key(column.name), {}).setdefault(computed, number)
        self._by_text = {column.expression.sql: number for number, column in reversed(numbered) if column.expression}

    def number(self, env: Env, node: Expr) -> int | None:
        """The number of the column that a term is: by number or by the name it has there. Raises ambiguous_column
        (42702), but of what an earlier build took."""
        number = position(env, node, len(self.core.columns))
        if number is not None or not isinstance(node, ColumnRef) or node.table is not None:
            return number
        numbers = self._by_name.get(key(node.name.text), {})
        if len(numbers) > 1:
            env.context.refuse(SqlError("ambiguous_column", name=node.name.text, place=node.place))
        number = next(iter(numbers.values()), None)
        if number is not None and env.context.lookups.trace is not None:
            env.context.lookups.trace.result(node, self.core.columns[number - 1].name)
        return number

    def number_in_operand(self, node: Expr) -> int | None:
        """As `number`, for an operand of a compound: an expression of its list counts too."""
        env = self.core.env
        assert env is not None
        number = self.number(env, node)
        if number is not None or (isinstance(node, ColumnRef) and not env.scope.knows(node)):
            return number
        try:
            return self._by_text.get(expression(env, node).sql)
        except SqlError:
            return None


def _compound_place(env: Env, whole: _Results, operands: list[_Results], term: OrderTerm) -> str | None:
    """SQLite's text of the result column that a term of a compound is, in the result or the first operand that knows
    it; None when it is none."""
    node, collated = _uncollated(term)
    number = whole.number(env, node)
    if number is None:
        numbers = (operand.number_in_operand(node) for operand in operands)
        number = next((ordinal for ordinal in numbers if ordinal is not None), None)
    return None if number is None else f"{number}{collated}"


def _uncollated(term: OrderTerm) -> tuple[Expr, str]:
    """The expression that a term orders by, and the collation of texts there: `2 COLLATE NOCASE` is the second column
    too."""
    if not isinstance(term.expr, Collate):
        return term.expr, ""
    return term.expr.operand, f" COLLATE {collation(term.expr.collation)}"
