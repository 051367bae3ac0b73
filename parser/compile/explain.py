"""EXPLAIN: a query's relational algebra, and the statement that asks SQLite for its own plan."""

from __future__ import annotations

from parser import nodes
from parser.compile.algebra import lines
from parser.compile.context import Context
from parser.compile.query import compile_query
from parser.errors import SqlError
from parser.plan import Explained, Output, Query

_RELATION = "fanasehoana"


def explain(context: Context, node: nodes.Explain) -> Query:
    """The plan of a query. The query is compiled, so what is wrong with it is an error here too; it is not run.

    Raises not_supported (0A000) for statements that are no queries.
    """
    query = node.statement
    if not isinstance(query, nodes.Query):
        raise SqlError("not_supported", what=f"EXPLAIN {type(query).__name__.upper()}")
    compiled = compile_query(context, query, None)
    # The tree shows the literals: each is part of the plan's key.
    literals = [context.literals.value(position) for position in range(context.literals.count())]
    return Query(
        sql=f"EXPLAIN QUERY PLAN {compiled.sql}",
        binds=context.binds(),
        columns=(Output(_RELATION, _RELATION),),
        relation=_RELATION,
        tables=tuple(context.tables),
        repeatable=False,
        explained=Explained(lines(query, literals), tuple(context.shown.items())),
    )
