"""ON CONFLICT of an INSERT."""

from __future__ import annotations

from parser import nodes
from parser.compile import sql
from parser.compile.context import Context
from parser.compile.expressions import Env, condition
from parser.compile.names import Scope
from parser.compile.sources import From, relation_fields
from parser.schema import Table


def upsert_text(context: Context, table: Table, source: From, parent: Scope, upsert: nodes.Upsert) -> str:
    """One ON CONFLICT clause; DO UPDATE sees the row that is there, and the refused one as `excluded`."""
    # Assignments are the same as UPDATE's.
    from parser.compile.changes import assignments, column_of

    text = " ON CONFLICT"
    if upsert.target:
        terms = [term.expr for term in upsert.target]
        names = [column_of(table, term.name).name for term in terms if isinstance(term, nodes.Column)]
        text += f" ({sql.names(names)})"
    if upsert.target_where is not None:
        bare = relation_fields(table.columns, "", table.name)
        # SQLite finds the index by its condition, in which values are written out.
        before, context.written = context.written, True
        text += f" WHERE {condition(Env(context, Scope(fields=bare)), upsert.target_where).sql}"
        context.written = before
    if not upsert.assignments:
        return f"{text} DO NOTHING"
    refused = relation_fields(table.columns, "excluded", table.name)
    scope = Scope(parent, source.fields, {**source.sources, "excluded": refused})
    env = Env(context, scope)
    text += f" DO UPDATE SET {assignments(env, table, upsert.assignments)}"
    return f"{text} WHERE {condition(env, upsert.where).sql}" if upsert.where is not None else text
