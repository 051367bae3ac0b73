"""EXPLAIN: a statement's relational algebra, and the statement that asks SQLite for its own plan."""

from __future__ import annotations

from dataclasses import replace

from dirk_parser.ast.query import Query
from dirk_parser.ast.statement import Delete, Drop, Explain, Insert, Statement, Update
from dirk_parser.compile.algebra import lines
from dirk_parser.compile.base.context import Context
from dirk_parser.compile.dml import changes
from dirk_parser.compile.query.query import compile_query
from dirk_parser.errors import SqlError
from dirk_parser.plan.plan import Explained, Output, QueryPlan

_RELATION = "fanasehoana"


def explain(context: Context, node: Explain) -> QueryPlan:
    """The plan of a query or a change. It is compiled, so what is wrong with it is an error here too; it is not run.

    Raises not_explainable (0A000) for other statements.
    """
    statement = node.statement
    if not isinstance(statement, Query | Insert | Update | Delete):
        raise SqlError("not_explainable", what=_words(statement), place=node.place)
    text = _compiled(context, statement)
    # The tree shows the literals: each is part of the plan's key.
    literals = [context.literals.value(position) for position in range(context.literals.count())]
    return QueryPlan(
        sql=f"EXPLAIN QUERY PLAN {text}",
        binds=context.binds(),
        columns=(Output(_RELATION, _RELATION),),
        relation=_RELATION,
        tables=tuple(context.findings.tables),
        repeatable=False,
        explained=Explained(lines(statement, literals), tuple(context.findings.shown.items())),
    )


def _compiled(context: Context, statement: Query | Insert | Update | Delete) -> str:
    """SQLite's text of the statement; `context` gathers what it binds and reads."""
    match statement:
        case Query():
            return compile_query(context, statement, None).sql
        case Insert():
            context.purpose = replace(context.purpose, for_write=True)
            return changes.insert(context, statement).sql
        case Update():
            context.purpose = replace(context.purpose, for_write=True)
            return changes.update(context, statement).sql
        case Delete():
            context.purpose = replace(context.purpose, for_write=True)
            return changes.delete(context, statement).sql


def _words(statement: Statement) -> str:
    """The words for a statement: CREATE TABLE of a CreateTable."""
    name = type(statement).__name__
    if isinstance(statement, Drop):
        return f"DROP {statement.kind.upper()}"
    return "".join(f" {letter}" if letter.isupper() else letter for letter in name).strip().upper()
