"""UPDATE and DELETE of some rows only: ORDER BY and LIMIT behind their condition."""

from __future__ import annotations

from dirk_parser.ast.statement import Delete, Update
from dirk_parser.compile.base.context import Context, Env
from dirk_parser.compile.base.scope import Scope
from dirk_parser.compile.base.sql import by_value
from dirk_parser.compile.dml.rowid import SQLITE_NAMES
from dirk_parser.compile.expression.expressions import condition, expression
from dirk_parser.compile.expression.windows import order_term
from dirk_parser.compile.query.limits import limit_text
from dirk_parser.compile.query.sources import From
from dirk_parser.errors import SqlError
from dirk_parser.schema.schema import Table


def row_limited_condition(context: Context, node: Update | Delete, table: Table, inner: From, scope: Scope) -> str:
    """The condition that only the first rows meet, in the statement's order and then that of the rows' numbers, which
    are the same on every node. `inner` is the table once more, in whose scope `node`'s own condition is compiled.

    Raises limit_missing (0A000) for an ORDER BY that no LIMIT follows, and not_supported beside UPDATE's FROM.
    """
    verb = type(node).__name__.upper()
    if node.limit is None:
        raise SqlError("limit_missing", place=node.order_by[0].expr.place)
    if isinstance(node, Update) and node.sources:
        raise SqlError("not_supported", what="UPDATE … FROM … LIMIT", place=node.place)
    taken = {column.key for column in table.columns}
    number = next((sqlite_name for sqlite_name in SQLITE_NAMES if sqlite_name not in taken), None)
    if number is None:
        raise SqlError("not_supported", what=f"{verb} … LIMIT", place=node.place)
    env = Env(context, scope)
    where = f" WHERE {condition(env, node.where).sql}" if node.where is not None else ""
    terms = [order_term(by_value(expression(env, term.expr).sql), term) for term in node.order_by]
    order = ", ".join([*terms, number])
    return f"{number} IN (SELECT {number} FROM {inner.text}{where} ORDER BY {order}{limit_text(context, node.limit)})"
