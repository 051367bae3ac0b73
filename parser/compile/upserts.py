"""ON CONFLICT of an INSERT."""

from __future__ import annotations

from dataclasses import replace

from parser import nodes
from parser.compile.context import Context
from parser.compile.expressions import Env, condition, expressions, joined
from parser.compile.names import Scope
from parser.compile.sources import From, relation_fields
from parser.schema import Table


def _target_text(context: Context, table: Table, upsert: nodes.Upsert) -> str:
    """What must be unique, in the words that an index of it has: SQLite compares them, values written out."""
    env = Env(replace(context, written=True, pure=True), Scope(fields=relation_fields(table.columns, "", table.name)))
    text = f" ({joined(expressions(env, [term.expr for term in upsert.target]))})"
    return text if upsert.target_where is None else f"{text} WHERE {condition(env, upsert.target_where).sql}"


def upsert_text(context: Context, table: Table, source: From, parent: Scope, upsert: nodes.Upsert) -> str:
    """One ON CONFLICT clause; DO UPDATE sees the row that is there, and the refused one as `excluded`."""
    # Assignments are the same as UPDATE's.
    from parser.compile.changes import assignments

    text = " ON CONFLICT"
    if upsert.target:
        text += _target_text(context, table, upsert)
    if not upsert.assignments:
        return f"{text} DO NOTHING"
    refused = relation_fields(table.columns, "excluded", table.name)
    scope = Scope(parent, source.fields, {**source.sources, "excluded": refused})
    env = Env(context, scope)
    text += f" DO UPDATE SET {assignments(env, table, upsert.assignments)}"
    return f"{text} WHERE {condition(env, upsert.where).sql}" if upsert.where is not None else text
