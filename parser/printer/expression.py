"""Text of expressions, domains and windows."""

from __future__ import annotations

from typing import Final

from dirk_parser.ast.expression import (
    Atom,
    Between,
    Binary,
    Bound,
    Call,
    Case,
    Cast,
    Collate,
    ColumnRef,
    Constant,
    DomainUnion,
    Exists,
    Expr,
    Frame,
    InList,
    InQuery,
    Is,
    Like,
    Literal,
    Logical,
    Name,
    NamedWindow,
    OrderTerm,
    Parameter,
    Row,
    ScalarQuery,
    Unary,
    Window,
)
from dirk_parser.lexical.keywords import MALAGASY_FUNCTIONS
from dirk_parser.printer.writer import Writer, quoted, writes

# Binding strengths, loosest first; a node weaker than its place needs parentheses.
_OR, _AND, _NOT, _COMPARE, _BITS, _ADD, _MULTIPLY, _ARROW, _SIGN, _COLLATE, _PRIMARY = range(1, 12)
_BINARY: Final = {
    "=": _COMPARE, "<>": _COMPARE, "<": _COMPARE, "<=": _COMPARE, ">": _COMPARE, ">=": _COMPARE,
    "&": _BITS, "|": _BITS, "<<": _BITS, ">>": _BITS, "+": _ADD, "-": _ADD, "||": _ADD,
    "*": _MULTIPLY, "/": _MULTIPLY, "%": _MULTIPLY, "div": _MULTIPLY,
    "->": _ARROW, "->>": _ARROW,
}
#: Functions that standard SQL writes as a word without parentheses.
_MOMENTS: Final = frozenset(("current_date", "current_time", "current_timestamp"))


def _strength(node: Expr) -> int:
    match node:
        case Logical(op=op):
            return _OR if op == "or" else _AND
        case Unary(op=op):
            return _NOT if op == "not" else _SIGN
        case Binary(op=op):
            return _BINARY[op]
        case Is() | Like() | Between() | InList() | InQuery():
            return _COMPARE
        case Collate():
            return _COLLATE
    return _PRIMARY


def _at(writer: Writer, node: Expr, strength: int) -> str:
    text = writer.node(node)
    return f"({text})" if _strength(node) < strength else text


@writes(Literal)
def _literal(writer: Writer, node: Literal) -> str:
    return writer.literal(node)


@writes(Constant)
def _constant(writer: Writer, node: Constant) -> str:
    word = writer.words({None: "NULL", True: "TRUE", False: "FALSE"}[node.value])
    return word.lower() if writer.malagasy else word


@writes(Parameter)
def _parameter(_writer: Writer, node: Parameter) -> str:
    return f"${node.name}" if node.name is not None else "?"


@writes(ColumnRef)
def _column(writer: Writer, node: ColumnRef) -> str:
    return f"{writer.node(node.table)}.{writer.node(node.name)}" if node.table else writer.node(node.name)


@writes(Unary)
def _unary(writer: Writer, node: Unary) -> str:
    if node.op == "not":
        return f"{writer.words('NOT')} {_at(writer, node.operand, _NOT)}"
    operand = _at(writer, node.operand, _SIGN)
    return f"{node.op} {operand}" if operand.startswith(node.op) else node.op + operand


@writes(Binary)
def _binary(writer: Writer, node: Binary) -> str:
    """A chain in a loop: it may be longer than Python's stack. What needs parentheses on its left begins a new one."""
    spine = [node]
    while isinstance(node.left, Binary) and _BINARY[node.left.op] >= _BINARY[node.op]:
        node = node.left
        spine.append(node)
    parts = [_at(writer, node.left, _BINARY[node.op])]
    parts += [
        f"{operation.op.upper()} {_at(writer, operation.right, _BINARY[operation.op] + 1)}"
        for operation in reversed(spine)
    ]
    return " ".join(parts)


@writes(Logical)
def _logical(writer: Writer, node: Logical) -> str:
    strength = _strength(node)
    between = f" {writer.words(node.op.upper())} "
    return between.join(_at(writer, operand, strength + 1) for operand in node.operands)


def _negatable(writer: Writer, negated: bool, token: str) -> str:
    return writer.words("NOT", token) if negated else writer.words(token)


@writes(Is)
def _is(writer: Writer, node: Is) -> str:
    words = writer.words("IS", "NOT") if node.negated else writer.words("IS")
    return f"{_at(writer, node.left, _COMPARE)} {words} {_at(writer, node.right, _BITS)}"


@writes(Like)
def _like(writer: Writer, node: Like) -> str:
    text = f"{_at(writer, node.operand, _COMPARE)} {_negatable(writer, node.negated, node.op.upper())} "
    text += _at(writer, node.pattern, _BITS)
    return text + (f" {writer.words('ESCAPE')} {_at(writer, node.escape, _BITS)}" if node.escape else "")


@writes(Between)
def _between(writer: Writer, node: Between) -> str:
    low, high = _at(writer, node.low, _BITS), _at(writer, node.high, _BITS)
    words = _negatable(writer, node.negated, "BETWEEN")
    return f"{_at(writer, node.operand, _COMPARE)} {words} {low} {writer.words('AND')} {high}"


@writes(InList)
def _in_list(writer: Writer, node: InList) -> str:
    words = _negatable(writer, node.negated, "IN")
    return f"{_at(writer, node.operand, _COMPARE)} {words} ({writer.list(node.items)})"


@writes(InQuery)
def _in_query(writer: Writer, node: InQuery) -> str:
    words = _negatable(writer, node.negated, "IN")
    return f"{_at(writer, node.operand, _COMPARE)} {words} ({writer.query(node.query, named=False)})"


@writes(Exists)
def _exists(writer: Writer, node: Exists) -> str:
    return f"{writer.words('EXISTS')} ({writer.query(node.query, named=False)})"


@writes(ScalarQuery)
def _scalar_query(writer: Writer, node: ScalarQuery) -> str:
    return f"({writer.query(node.query, named=False)})"


@writes(Row)
def _row(writer: Writer, node: Row) -> str:
    return f"({writer.list(node.items)})"


@writes(Case)
def _case(writer: Writer, node: Case) -> str:
    parts = [writer.words("CASE")] + ([writer.node(node.operand)] if node.operand else [])
    when = writer.words("RAHA" if writer.malagasy else "WHEN")
    for branch in node.branches:
        parts += [when, writer.node(branch.condition), writer.words("THEN"), writer.node(branch.result)]
    if node.otherwise:
        parts += [writer.words("ELSE"), writer.node(node.otherwise)]
    return " ".join([*parts, writer.words("END")])


@writes(Cast)
def _cast(writer: Writer, node: Cast) -> str:
    operand, domain = writer.node(node.operand), writer.node(node.domain)
    return f"{writer.words('CAST')}({operand} {writer.words('AS')} {domain})"


@writes(Collate)
def _collate(writer: Writer, node: Collate) -> str:
    return f"{_at(writer, node.operand, _COLLATE)} {writer.words('COLLATE')} {writer.node(node.collation)}"


@writes(Call)
def _call(writer: Writer, node: Call) -> str:
    text = _call_itself(writer, node)
    if node.filter:
        text += f" {writer.words('FILTER')} ({writer.words('WHERE')} {writer.node(node.filter)})"
    if node.over is not None:
        over = writer.node(node.over)
        text += f" {writer.words('OVER')} {over if isinstance(node.over, Name) else f'({over})'}"
    return text


def _call_itself(writer: Writer, node: Call) -> str:
    name = node.name.text
    if name in _MOMENTS and not node.arguments and not (writer.malagasy and name in MALAGASY_FUNCTIONS):
        return name.upper()
    shown = _function_name(name, writer.malagasy)
    if node.star:
        return f"{shown}(*)"
    distinct = f"{writer.words('DISTINCT')} " if node.distinct else ""
    return f"{shown}({distinct}{writer.list(node.arguments)}{writer.clause(_order(writer), node.order_by)})"


def _function_name(name: str, malagasy: bool) -> str:
    if malagasy and name in MALAGASY_FUNCTIONS:
        return MALAGASY_FUNCTIONS[name]
    return {"current_date": "today", "current_timestamp": "now"}.get(name) or quoted(name)


def _order(writer: Writer) -> str:
    return "ORDER" if writer.malagasy else "ORDER BY"


@writes(OrderTerm)
def _order_term(writer: Writer, node: OrderTerm) -> str:
    text = writer.node(node.expr) + (f" {writer.words('DESC')}" if node.descending else "")
    if node.nulls_first is None:
        return text
    return f"{text} {writer.words('NULLS', 'FIRST' if node.nulls_first else 'LAST')}"


@writes(Window)
def _window(writer: Writer, node: Window) -> str:
    text = writer.quoted(node.base) if node.base else ""
    text += writer.clause("PARTITION BY", node.partition_by) + writer.clause(_order(writer), node.order_by)
    return (text + (f" {writer.node(node.frame)}" if node.frame else "")).strip()


@writes(NamedWindow)
def _named_window(writer: Writer, node: NamedWindow) -> str:
    return f"{writer.node(node.name)} {writer.words('AS')} ({writer.node(node.window)})"


@writes(Frame)
def _frame(writer: Writer, node: Frame) -> str:
    text = writer.words(node.unit.upper())
    if node.end:
        end = writer.node(node.end)
        text += f" {writer.words('BETWEEN')} {writer.node(node.start)} {writer.words('AND')} {end}"
    else:
        text += f" {writer.node(node.start)}"
    return text + (f" {writer.words('EXCLUDE')} {writer.say(node.exclude)}" if node.exclude else "")


@writes(Bound)
def _bound(writer: Writer, node: Bound) -> str:
    if node.value is None:
        return writer.say(node.kind)
    value = writer.node(node.value)
    number = node.value.kind in ("whole", "real") if isinstance(node.value, Literal) else False
    is_simple = number or isinstance(node.value, Parameter)
    return f"{value if is_simple else f'({value})'} {writer.say(node.kind)}"


@writes(DomainUnion)
def _domain(writer: Writer, node: DomainUnion) -> str:
    return ":".join(writer.node(atom) for atom in node.atoms)


@writes(Atom)
def _atom(writer: Writer, node: Atom) -> str:
    name = " ".join(quoted(part) for part in node.name.text.split(" "))
    return f"{name}({writer.list(node.arguments)})" if node.arguments else name
