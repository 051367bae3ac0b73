"""ON CONFLICT of an INSERT."""

from __future__ import annotations

from dataclasses import replace

from dirk_parser.ast.statement import Upsert
from dirk_parser.compile.base.context import Context, Env
from dirk_parser.compile.base.scope import Scope
from dirk_parser.compile.base.sql import index_term
from dirk_parser.compile.dml.assignments import GivenColumns, assignments
from dirk_parser.compile.expression.expressions import condition, expression
from dirk_parser.compile.query.sources import From, relation_fields
from dirk_parser.schema.schema import Table


def upserts_text(
    context: Context, table: Table, source: From, parent: Scope, upserts: tuple[Upsert, ...]
) -> str:
    """The ON CONFLICT clauses; DO UPDATE sees the row that is there, and the refused one as `excluded`."""
    # SQLite compares a target with the text of an index, in which values are written out.
    plain = relation_fields(table.columns, "", table.name)
    scope = Scope(fields=plain, sources=dict.fromkeys(source.sources, plain))
    target = Env(context.copied(replace(context.purpose, written=True, pure=True)), scope)
    refused = relation_fields(table.columns, "excluded", table.name)
    changed = Env(context, Scope(parent, source.fields, {**source.sources, "excluded": refused}))
    names = GivenColumns(table)
    return "".join(_upsert_text(upsert, target, changed, names.afresh()) for upsert in upserts)


def _upsert_text(upsert: Upsert, target: Env, changed: Env, names: GivenColumns) -> str:
    text = " ON CONFLICT"
    if upsert.target:
        text += f" ({', '.join(index_term(expression(target, term.expr).sql) for term in upsert.target)})"
        text += f" WHERE {condition(target, upsert.target_where).sql}" if upsert.target_where is not None else ""
    if not upsert.assignments:
        return f"{text} DO NOTHING"
    text += f" DO UPDATE SET {assignments(changed, names, upsert.assignments)}"
    return f"{text} WHERE {condition(changed, upsert.where).sql}" if upsert.where is not None else text
