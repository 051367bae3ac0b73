"""`/`, DIV and %: real and whole division whose zero divisor is an error.

The test for zero is pure SQL and the Python function is called on the failing branch only, wherever the operands
may be written twice; else (a subquery, random, a very long text) the function does the whole division.
"""

from __future__ import annotations

from dirk_parser.compile.base.sql import Expression, combine

#: Longer operands are not written twice, so that chains of divisions do not double at every step.
_MAX_REPEATED = 200


def guarded(op: str, left: Expression, right: Expression) -> Expression:
    """`/`, `div` or `%`, an error where the divisor is zero."""
    if op == "/":
        return _real(left, right)
    return _whole(left, right) if op == "div" else _remainder(left, right)


def _real(left: Expression, right: Expression) -> Expression:
    """`left / right` as real numbers."""
    if not _may_repeat(left, right):
        return combine(f"dirk_div({left.sql}, {right.sql})", left, right)
    failing = f"WHEN {right.sql} + 0 = 0 THEN dirk_div({left.sql}, {right.sql})"
    return combine(f"(CASE {failing} ELSE {left.sql} * 1.0 / {right.sql} END)", left, right, extra_depth=5)


def _whole(left: Expression, right: Expression) -> Expression:
    """`left DIV right`, cut towards zero."""
    if not _may_repeat(left, right):
        return combine(f"dirk_idiv({left.sql}, {right.sql})", left, right)
    fast = f"WHEN typeof({left.sql}) = 'integer' AND typeof({right.sql}) = 'integer' AND {right.sql} <> 0"
    null = f"WHEN {left.sql} IS NULL OR {right.sql} IS NULL THEN NULL"
    slow = f"ELSE dirk_idiv({left.sql}, {right.sql})"
    return combine(f"(CASE {fast} THEN {left.sql} / {right.sql} {null} {slow} END)", left, right, extra_depth=7)


def _remainder(left: Expression, right: Expression) -> Expression:
    """`left % right`, on whole parts as SQLite does it."""
    if not _may_repeat(left, right):
        return combine(f"dirk_mod({left.sql}, {right.sql})", left, right)
    null = f"WHEN {left.sql} IS NULL THEN NULL"
    failing = f"WHEN CAST({right.sql} AS INTEGER) = 0 THEN dirk_fail('division_by_zero')"
    return combine(f"(CASE {null} {failing} ELSE {left.sql} % {right.sql} END)", left, right, extra_depth=5)


def unguarded(op: str, left: Expression, right: Expression) -> Expression:
    """`/`, `div` or `%` in SQLite's own words alone: null where the divisor is zero."""
    if op == "/":
        return combine(f"({left.sql} * 1.0 / {right.sql})", left, right, extra_depth=2)
    if op == "%":
        return combine(f"({left.sql} % {right.sql})", left, right)
    whole_ones = f"typeof({left.sql}) = 'integer' AND typeof({right.sql}) = 'integer'"
    other = f"CAST({left.sql} * 1.0 / {right.sql} AS INTEGER)"
    text = f"(CASE WHEN {whole_ones} THEN {left.sql} / {right.sql} ELSE {other} END)"
    return combine(text, left, right, extra_depth=6)


def _may_repeat(left: Expression, right: Expression) -> bool:
    return left.repeatable and right.repeatable and len(left.sql) + len(right.sql) <= _MAX_REPEATED
