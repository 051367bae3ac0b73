"""Any statement that a database runs, compiled to its plan."""

from __future__ import annotations

from dataclasses import dataclass

from dirk_parser.ast.query import Query
from dirk_parser.ast.statement import (
    AlterTable,
    CreateDomain,
    CreateIndex,
    CreateTable,
    CreateView,
    Delete,
    Describe,
    Drop,
    Explain,
    Insert,
    Show,
    Statement,
    Translate,
    Update,
    Upkeep,
)
from dirk_parser.compile.base.context import Context, Purpose
from dirk_parser.compile.ddl.alter import alter_table
from dirk_parser.compile.ddl.create import create_domain, create_index, create_table, create_view
from dirk_parser.compile.ddl.drop import drop
from dirk_parser.compile.ddl.upkeep import upkeep
from dirk_parser.compile.dml import changes
from dirk_parser.compile.explain import explain
from dirk_parser.compile.query.compilers import COMPILERS
from dirk_parser.compile.query.query import compile_query
from dirk_parser.compile.show import describe, show
from dirk_parser.compile.translate import translate
from dirk_parser.errors import SqlError
from dirk_parser.names import key
from dirk_parser.normalize.literals import Literals, PlanGuard
from dirk_parser.normalize.normalized_statement import NormalizedStatement
from dirk_parser.plan.plan import ChangePlan, Plan, QueryPlan
from dirk_parser.schema.schema import Schema, Table, Thing


@dataclass(frozen=True, slots=True)
class Compilation:
    """A plan and what it depends on besides its template: looks at literals, and what names were found as.

    `linked`: the tables that referred to a change's then, from which follow those that it writes. `reusable`: the plan
    may serve other requests.
    """

    plan: Plan
    guards: frozenset[PlanGuard]
    found: tuple[tuple[str, str, Thing | None], ...]
    linked: tuple[Table, ...] = ()
    reusable: bool = True


def compile_statement(
    statement: Statement, normalized: NormalizedStatement, schema: Schema, for_write: bool
) -> Compilation:
    """Compiles `statement` against `schema`. Raises SqlError for everything that is wrong with it.

    Statements of a session or the cluster (USE, BEGIN, CREATE DATABASE, …) have no plan: not_supported.
    """
    literals = Literals(normalized)
    context = Context(schema, literals, COMPILERS, Purpose(for_write=for_write or not _reads(statement)))
    try:
        plan = _compile(context, statement)
    except RecursionError:
        # Nesting is bounded by the lexer; chains of prefix operators are not, and end here.
        raise SqlError("too_deep") from None
    things = tuple((kind, key, thing) for (kind, key), thing in context.findings.found.items())
    return Compilation(plan, frozenset(literals.guards), things, linked_tables(schema, plan), context.findings.reusable)


def linked_tables(schema: Schema, plan: Plan) -> tuple[Table, ...]:
    """The tables that refer to the one a change is about, and those that refer to them; none for other plans."""
    if not isinstance(plan, ChangePlan):
        return ()
    referring = schema.referring()
    tables: dict[str, Table] = {}
    waiting = [key(plan.table)]
    while waiting:
        more = {table.key: table for table in referring.get(waiting.pop(), ()) if table.key not in tables}
        tables |= more
        waiting += more
    return tuple(tables[name] for name in sorted(tables))


def _reads(statement: Statement) -> bool:
    return isinstance(statement, Query | Show | Describe | Explain)


def _compile(context: Context, statement: Statement) -> Plan:
    match statement:
        case Query():
            return _query(context, statement)
        case Insert():
            return changes.insert(context, statement)
        case Update():
            return changes.update(context, statement)
        case Delete():
            return changes.delete(context, statement)
        case CreateTable():
            return create_table(context, statement)
        case CreateDomain():
            return create_domain(context, statement)
        case CreateView():
            return create_view(context, statement)
        case CreateIndex():
            return create_index(context, statement)
        case Drop() if statement.kind != "database":
            return drop(context, statement)
        case AlterTable():
            return alter_table(context, statement)
        case Upkeep():
            return upkeep(context, statement)
        case Show():
            return show(context, statement)
        case Describe():
            return describe(context, statement.name)
        case Explain():
            return explain(context, statement)
        case Translate():
            return translate(context, statement)
    raise SqlError("not_supported", what=type(statement).__name__)


def _query(context: Context, statement: Query) -> QueryPlan:
    compiled = compile_query(context, statement, None)
    return QueryPlan(
        sql=compiled.sql,
        binds=context.binds(),
        columns=tuple(column.output() for column in compiled.columns),
        relation=compiled.relation,
        tables=tuple(context.findings.tables),
        repeatable=context.findings.repeatable,
        static_names=all(column.first_literal < 0 for column in compiled.columns),
    )
