"""Expressions that a table keeps: the terms and the condition of an index, computed columns, checks.

Such an expression is worked out when a row is written, and read as if it were worked out now. So it may depend on its
row alone: the clock, random numbers and other rows would let what is kept and what is asked for drift apart, and an
index would miss rows for good. This is the one place that says so; the functions say of themselves what they are.
"""

from __future__ import annotations

from dataclasses import replace

from dirk_parser.ast.expression import Expr
from dirk_parser.compile.base.context import Context, Env, Tolerance
from dirk_parser.compile.base.scope import Scope
from dirk_parser.compile.base.sql import Expression
from dirk_parser.compile.expression.expressions import condition, expression
from dirk_parser.errors import SqlError

#: The clauses by the words that errors call them.
INDEX = "CREATE INDEX"
COMPUTED = "GENERATED ALWAYS AS"
CHECK = "CHECK"
DEFAULT = "DEFAULT"


def kept_expression(context: Context, clause: str, scope: Scope, node: Expr) -> Expression:
    """`node` as `clause` keeps it. Raises not_repeatable (42P17) for the clock and for random numbers, not_supported
    (0A000) for a subquery, aggregate_misplaced and window_misplaced, and what expressions raise."""
    return condition(Env(context.copied(replace(context.purpose, clause=clause, kept=True)), scope), node)


def pure_expression(context: Context, clause: str, scope: Scope, node: Expr) -> Expression:
    """As `kept_expression`, where SQLite takes deterministic functions only: none of ours that raises is called.

    Raises not_supported for what there is no other way to say.
    """
    compiled = kept_expression(context.copied(replace(context.purpose, pure=True)), clause, scope, node)
    if "dirk_" in compiled.sql:
        context.refuse(SqlError("not_supported", what=f"{clause} (…)", place=node.place))
    return compiled


def default_expression(context: Context, node: Expr) -> Expression:
    """A column's default: worked out once for each row that takes it, so the clock and random numbers are welcome.

    Raises what `kept_expression` raises but not_repeatable.
    """
    env = Env(context.copied(replace(context.purpose, clause=DEFAULT)), Scope())
    # An earlier build took aggregates, which fail when the default is needed.
    return condition(env, node) if context.purpose.tolerance is Tolerance.NONE else expression(env, node)
