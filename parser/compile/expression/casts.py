"""CAST: a value made to fit a domain. The result has no type affinity, so that 7 never equals '7'."""

from __future__ import annotations

from dirk_parser.ast.expression import DomainUnion
from dirk_parser.compile.base.context import Context
from dirk_parser.compile.base.sql import SAFE, UNSAFE_ANY, UNSAFE_REAL, Expression, Unsafe, combine
from dirk_parser.errors import SqlError
from dirk_parser.schema import domains
from dirk_parser.schema.domains import Anything, Atoms, Moment, Named, Number, Text, Truth

_ONCE = "(WITH dirk_v"


def cast(context: Context, operand: Expression, node: DomainUnion) -> Expression:
    """`CAST(operand AS domain)`: SQLite's conversion for numbers and text; a union or TANISA must accept the value."""
    atoms = domains.resolve(node, context.literals.value, context.domain)
    while len(atoms) == 1 and isinstance(atoms[0], Named):
        atoms = atoms[0].atoms
    if domains.is_real(node):
        return combine(f"(+CAST({operand.sql} AS REAL))", operand, unsafe=UNSAFE_REAL)
    is_boolean = domains.is_boolean(atoms)
    text = _convert(context, operand.sql, atoms)
    if context.purpose.clause and text.startswith(_ONCE):
        # SQLite takes no subquery there, and this is one.
        raise SqlError("not_supported", what=f"{context.purpose.clause} (CAST …)", place=node.place)
    return combine(text, operand, is_boolean=is_boolean, extra_depth=6, unsafe=_unsafe(atoms))


def _unsafe(atoms: Atoms) -> Unsafe:
    match atoms:
        case (Number(whole=True, precision=None),) | (Anything(),):
            return SAFE
        case (Number(),):
            return UNSAFE_REAL
    return UNSAFE_ANY


def _convert(context: Context, value: str, atoms: Atoms) -> str:
    atom = atoms[0] if len(atoms) == 1 else None
    if isinstance(atom, Number) and atom.precision is not None:
        return once(f"CAST({value} AS NUMERIC)", domains.rounded(atom, "x"))
    if isinstance(atom, Number) and atom.low is None and atom.high is None:
        return f"(+CAST({value} AS {'INTEGER' if atom.whole else 'NUMERIC'}))"
    if isinstance(atom, Text) and not atom.low:
        text = f"(+CAST({value} AS TEXT))"
        return text if atom.high is None else f"substr({text}, 1, {atom.high})"
    if isinstance(atom, Anything):
        return f"(+CAST({value} AS BLOB))"
    if isinstance(atom, Truth):
        return f"(NOT NOT {value})"
    text = f"CASE WHEN x IS NULL OR {domains.accepts(atoms, 'x', context.value, '1')} THEN x"
    return once(_loosely(value, atom), f"{text} ELSE dirk_refuse('', x, {context.value(domains.text(atoms))}) END")


def _loosely(value: str, atom: object) -> str:
    if isinstance(atom, Number):
        return f"CAST({value} AS NUMERIC)"
    return f"CAST({value} AS TEXT)" if isinstance(atom, Text | Moment) else value


def once(value: str, result: str, row: str = "") -> str:
    """`result`, which may name `value` as x several times, with `value` evaluated once: for each row that the column
    `row` is of, or where SQLite sees no column in `value`, once for all rows."""
    where = f" WHERE {row} IS {row}" if row else ""
    return f"{_ONCE}(x) AS MATERIALIZED (SELECT {value}{where}) SELECT {result} FROM dirk_v)"
