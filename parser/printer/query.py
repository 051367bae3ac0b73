"""Text of queries."""

from __future__ import annotations

from dataclasses import replace

from dirk_parser.ast.expression import ColumnRef, Expr, Literal, Name, OrderTerm, Parameter, Unary
from dirk_parser.ast.query import (
    Compound,
    Cte,
    Derived,
    Item,
    Join,
    Limit,
    Query,
    RowRange,
    Select,
    Source,
    Star,
    TableCall,
    TableRef,
    Values,
    With,
)
from dirk_parser.errors import SqlError
from dirk_parser.names import key
from dirk_parser.normalize.name_characters import is_assigned
from dirk_parser.normalize.normalizer import column_name
from dirk_parser.printer.writer import Writer, writes

_SIDES = {"inner": "SIDE_INNER", "left": "SIDE_LEFT", "right": "SIDE_RIGHT", "full": "SIDE_FULL"}


@writes(Query)
def _query(writer: Writer, node: Query) -> str:
    start = f"{writer.node(node.with_)} " if node.with_ else ""
    before, writer.given = writer.given, set()
    body = f"({writer.node(node.body)})" if isinstance(node.body, Query) else writer.node(node.body)
    terms = tuple(_own(writer, term) for term in node.order_by)
    writer.given = before
    order = writer.clause("ORDER" if writer.malagasy else "ORDER BY", terms)
    return start + body + order + (f" {writer.node(node.limit)}" if node.limit else "")


def _own(writer: Writer, term: OrderTerm) -> OrderTerm:
    """A term that names a column of a table, not the result column that was given the same name just now."""
    expr = term.expr
    is_taken = isinstance(expr, ColumnRef) and expr.table is None and key(expr.name.text) in writer.given
    return replace(term, expr=Unary("+", expr)) if is_taken else term


@writes(Select)
def _select(writer: Writer, node: Select) -> str:
    start = writer.words("SELECT", "DISTINCT") if node.distinct else writer.words("SELECT")
    return (
        f"{start} {writer.list(node.items)}"
        + writer.clause("FROM", node.sources)
        + writer.clause("WHERE", node.where)
        + writer.clause("GROUP" if writer.malagasy else "GROUP BY", node.group_by)
        + writer.clause("HAVING", node.having)
        + writer.clause("WINDOW", node.windows)
    )


@writes(Values)
def _values(writer: Writer, node: Values) -> str:
    return f"{writer.words('VALUES')} {writer.rows(node.rows)}"


@writes(Compound)
def _compound(writer: Writer, node: Compound) -> str:
    """A chain in a loop: it may be longer than Python's stack."""
    spine = [node]
    while isinstance(node.left, Compound):
        node = node.left
        spine.append(node)
    left = writer.node(node.left)
    parts = [f"({left})" if isinstance(node.left, Query) else left]
    for operation in reversed(spine):
        right = writer.query(operation.right, named=False)
        operand = f"({right})" if isinstance(operation.right, Query | Compound) else right
        parts.append(f"{writer.say(operation.op)} {operand}")
    return " ".join(parts)


@writes(Item)
def _item(writer: Writer, node: Item) -> str:
    text = writer.node(node.expr)
    if node.alias is None and writer.named and not isinstance(node.expr, ColumnRef):
        name = column_name(node.source, node.first_literal, writer.normalized)
        if name != text and is_assigned(name):
            writer.given.add(key(name))
            return text + writer.clause("AS", Name(name))
    return text + writer.clause("AS", node.alias)


@writes(Star)
def _star(writer: Writer, node: Star) -> str:
    return f"{writer.node(node.table)}.*" if node.table else "*"


@writes(TableRef)
def _table(writer: Writer, node: TableRef) -> str:
    return writer.node(node.name) + writer.clause("AS", node.alias)


@writes(TableCall)
def _table_call(writer: Writer, node: TableCall) -> str:
    return f"{writer.node(node.name)}({writer.list(node.arguments)}){writer.clause('AS', node.alias)}"


@writes(Derived)
def _derived(writer: Writer, node: Derived) -> str:
    return f"({writer.query(node.query, named=True)})" + writer.clause("AS", node.alias)


@writes(Join)
def _join(writer: Writer, node: Join) -> str:
    if writer.portable and node.natural and node.on is not None:
        raise SqlError("not_supported", what="NATURAL JOIN … ON", place=node.place)
    text = f"{writer.node(node.left)} {_join_words(writer, node)} {_joined(writer, node.right)}"
    if node.using:
        return f"{text} {writer.words('USING')} ({writer.list(node.using)})"
    return text + writer.clause("ON", node.on)


def _joined(writer: Writer, source: Source) -> str:
    text = writer.node(source)
    return f"({text})" if isinstance(source, Join) else text


def _join_words(writer: Writer, node: Join) -> str:
    if not writer.malagasy or node.kind == "cross":
        words = (["NATURAL"] if node.natural else []) + ([] if node.kind == "inner" else [node.kind.upper()])
        return writer.words(*words, "JOIN")
    sides = (["SIDE_NATURAL"] if node.natural else []) + ([] if node.kind == "inner" else [_SIDES[node.kind]])
    return f"tonona:{writer.words(*sides)}@" if sides else "tonona"


@writes(Limit)
def _limit(writer: Writer, node: Limit) -> str:
    if node.count is None:
        return f"{writer.words('OFFSET')} {writer.node(node.offset)}"
    if node.offset_first:
        return f"{writer.words('LIMIT')} {writer.node(node.offset)}, {writer.node(node.count)}"
    return f"{writer.words('LIMIT')} {writer.node(node.count)}" + writer.clause("OFFSET", node.offset)


@writes(RowRange)
def _row_range(writer: Writer, node: RowRange) -> str:
    if writer.portable:
        start, stop = _bound(writer, node.start), _bound(writer, node.stop)
        return f"{writer.words('LIMIT')} {max(stop - start, 0)} {writer.words('OFFSET')} {start}"
    return f"{writer.words('LIMIT')} {writer.node(node.start)} {writer.node(node.stop)}"


def _bound(writer: Writer, node: Expr) -> int:
    if isinstance(node, Parameter):
        raise SqlError("not_supported", what="fetra ? ?")
    value = writer.normalized.literals[node.index] if isinstance(node, Literal) else None
    if not isinstance(value, int | float) or value < 0 or value != int(value):
        raise SqlError("limit_invalid")
    return int(value)


@writes(With)
def _with(writer: Writer, node: With) -> str:
    return f"{writer.words('WITH', *(['RECURSIVE'] if node.recursive else []))} {writer.list(node.ctes)}"


@writes(Cte)
def _cte(writer: Writer, node: Cte) -> str:
    columns = f" ({writer.list(node.columns)})" if node.columns else ""
    query = writer.query(node.query, named=not node.columns)
    hint = {None: (), True: ("MATERIALIZED",), False: ("NOT", "MATERIALIZED")}[node.materialized]
    return f"{writer.node(node.name)}{columns} {writer.words('AS', *hint)} ({query})"
