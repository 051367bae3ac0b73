"""INSERT, UPDATE and DELETE."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from dirk_parser.ast.expression import Literal, Name
from dirk_parser.ast.query import Item, Query, Star, Values
from dirk_parser.ast.statement import Delete, Insert, Update
from dirk_parser.compile.base import sql
from dirk_parser.compile.base.context import Context, Env
from dirk_parser.compile.base.result import ResultColumn
from dirk_parser.compile.base.scope import Scope
from dirk_parser.compile.dml import numbering
from dirk_parser.compile.dml.assignments import GivenColumns, assignments
from dirk_parser.compile.dml.inserted import RowByRow, row_by_row, row_offset, rows_text
from dirk_parser.compile.dml.row_limited import row_limited_condition
from dirk_parser.compile.dml.rowid import insertable
from dirk_parser.compile.dml.single_statement import needs_single_statement, together
from dirk_parser.compile.dml.upserts import upserts_text
from dirk_parser.compile.expression.expressions import condition
from dirk_parser.compile.query.ctes import with_clause
from dirk_parser.compile.query.select import result_columns
from dirk_parser.compile.query.sources import From, compile_sources, relation_fields
from dirk_parser.errors import SqlError
from dirk_parser.names import key
from dirk_parser.plan.bind import in_order
from dirk_parser.plan.plan import ChangePlan, Foreign
from dirk_parser.schema.schema import Column, Schema, Table

#: Words after INSERT OR that undo no more than the statement itself.
_CONFLICTS = {"": "", "replace": " OR REPLACE", "ignore": " OR IGNORE", "abort": ""}


@dataclass(frozen=True, slots=True)
class Target:
    """The table that a statement changes, its SQL name, and the scope in which its columns are seen."""

    table: Table
    alias: str
    source: From


def target(context: Context, name: Name, shown: Name | None) -> Target:
    """Finds the table to change. Raises unknown_table, or not_a_table for a view."""
    table = context.table(name)
    alias = context.alias()
    context.findings.shown[alias] = (shown or name).text
    fields = relation_fields(table.columns, alias, table.name)
    source = From(f"{sql.name(table.name)} AS {alias}", fields, {key((shown or name).text): fields}, table.name)
    return Target(table, alias, source)


# --- INSERT --------------------------------------------------------------------------------------------------


def insert(context: Context, node: Insert) -> ChangePlan:
    """INSERT in all its forms; rows of plain values make a plan that runs once for each row, unless a foreign key
    may hold for them together only."""
    plain = node.source is not None and _is_plain(node.source)
    if plain and needs_single_statement(context.schema, node) and context.literals.has_rows():
        context, node = together(context, node)
    scope = Scope()
    prefix = with_clause(context, node.with_, scope)
    goal = target(context, node.table, node.alias)
    columns = _columns(goal.table, node.columns)
    text = f"{prefix}INSERT{_conflict(node.conflict)} INTO {goal.source.text}"
    per_row = node.source is not None and _is_plain(node.source)
    row_at = len(text) + row_offset(columns)
    one_by_one = _one_by_one(context, node, scope, goal.table, columns)
    row_binds = len(context.binds())
    rows = rows_text(Env(context, scope), node, goal.table, columns) if one_by_one is None else ""
    if node.upserts or node.conflict not in ("", "abort") or not _is_one_row(node.source):
        # Which row failed is not known.
        context.findings.cells.clear()
    rest = upserts_text(context, goal.table, goal.source, scope, node.upserts) if node.upserts else ""
    returning, outputs = _returning(context, goal, node.returning)
    if one_by_one is not None:
        rows = one_by_one.text(len(context.binds()))
    text += rows + rest
    reads = [goal.table.name] if node.upserts or node.conflict == "replace" else []
    change = _change(context, text + returning, "insert", goal.table, outputs=outputs, reads=reads, per_row=per_row)
    if one_by_one is not None:
        return replace(change, rows_sql=prefix + one_by_one.query, row_binds=row_binds)
    is_alone = len(change.binds) == len(columns) and change.binds == in_order(len(columns))
    return replace(change, row_at=row_at) if per_row and is_alone and _may_repeat(node, goal.table) else change


def _one_by_one(
    context: Context, node: Insert, scope: Scope, table: Table, columns: Sequence[Column]
) -> RowByRow | None:
    """The rows of an INSERT each of which gets its number from what became of those before it: a row may be refused, or
    change another, without the statement's end. None where they can go together, or must, for a foreign key."""
    source = node.source
    may_differ = bool(node.upserts) or node.conflict in ("replace", "ignore")
    if source is None or not may_differ or _is_one_row(source) or needs_single_statement(context.schema, node):
        return None
    return row_by_row(context, source, scope, table, columns)


def _may_repeat(node: Insert, table: Table) -> bool:
    """True when rows that one statement holds end as they do one by one: none looks at what the one before it did."""
    plain = node.conflict in ("", "abort") and not (node.upserts or node.returning or node.with_)
    return plain and numbering.column(table) is None


def _columns(table: Table, given: tuple[Name, ...]) -> list[Column]:
    if not given:
        return [column for column in table.columns if column.generated is None]
    names = GivenColumns(table, insertable(table))
    columns = names.find(given)
    names.take(columns, given)
    return columns


def _is_one_row(source: Query | None) -> bool:
    return source is not None and isinstance(source.body, Values) and len(source.body.rows) == 1


def _is_plain(source: Query) -> bool:
    """True when the source is one row of `value` literals, which stands for all rows of the request."""
    body = source.body
    return (
        isinstance(body, Values)
        and len(body.rows) == 1
        and all(isinstance(cell, Literal) and cell.kind == "value" for cell in body.rows[0])
    )


def _conflict(word: str) -> str:
    if word not in _CONFLICTS:
        raise SqlError("not_supported", what=f"OR {word.upper()}")
    return _CONFLICTS[word]


# --- UPDATE, DELETE ------------------------------------------------------------------------------------------


def update(context: Context, node: Update) -> ChangePlan:
    """UPDATE; every expression sees the row as it was."""
    scope = Scope()
    prefix = with_clause(context, node.with_, scope)
    goal = target(context, node.table.name, node.table.alias)
    names = goal.source.scope(scope)
    extra = compile_sources(context, node.sources, scope) if node.sources else None
    if extra is not None:
        twice = min(extra.sources.keys() & goal.source.sources.keys(), default="")
        if twice:
            raise SqlError("duplicate_alias", name=twice, place=node.table.place)
        names = Scope(scope, goal.source.fields + extra.fields, {**extra.sources, **goal.source.sources})
    env = Env(context, names)
    text = f"{prefix}UPDATE{_conflict(node.conflict)} {goal.source.text}"
    text += f" SET {assignments(env, GivenColumns(goal.table), node.assignments)}"
    text += f" FROM {extra.text}" if extra is not None else ""
    text += _where(env, node, goal, scope)
    returning, outputs = _returning(context, goal, node.returning)
    return _change(context, text + returning, "update", goal.table, outputs=outputs, reads=[goal.table.name])


def delete(context: Context, node: Delete) -> ChangePlan:
    """DELETE."""
    scope = Scope()
    prefix = with_clause(context, node.with_, scope)
    goal = target(context, node.table.name, node.table.alias)
    text = f"{prefix}DELETE FROM {goal.source.text}"
    text += _where(Env(context, goal.source.scope(scope)), node, goal, scope)
    returning, outputs = _returning(context, goal, node.returning)
    return _change(context, text + returning, "delete", goal.table, outputs=outputs, reads=[goal.table.name])


def _where(env: Env, node: Update | Delete, goal: Target, scope: Scope) -> str:
    """The WHERE clause; with a row limit, the rows are chosen in a query of their own."""
    if node.limit is None and not node.order_by:
        return f" WHERE {condition(env, node.where).sql}" if node.where is not None else ""
    inner = target(env.context, node.table.name, node.table.alias).source
    return f" WHERE {row_limited_condition(env.context, node, goal.table, inner, inner.scope(scope))}"


# --- what all three share ------------------------------------------------------------------------------------


def _returning(
    context: Context, goal: Target, items: tuple[Item | Star, ...]
) -> tuple[str, tuple[ResultColumn, ...]]:
    """RETURNING sees the table's columns without its alias, as SQLite has it."""
    if not items:
        return "", ()
    fields = relation_fields(goal.table.columns, "", goal.table.name)
    source = From("", fields, dict.fromkeys(goal.source.sources, fields), goal.table.name)
    columns = tuple(result_columns(Env(context, source.scope(None)), items, source))
    if any(
        column.expression is None or column.expression.aggregate or column.expression.windowed for column in columns
    ):
        raise SqlError("aggregate_misplaced")
    return f" RETURNING {', '.join(column.expression.sql for column in columns if column.expression)}", columns


def _change(
    context: Context,
    text: str,
    verb: str,
    table: Table,
    *,
    outputs: tuple[ResultColumn, ...],
    reads: Sequence[str],
    per_row: bool = False,
) -> ChangePlan:
    missing = next(
        (reference.table for reference in table.references if context.relation(reference.table) is None), None
    )
    if missing is not None:
        raise SqlError("unknown_table", name=missing, nearest="")
    base = {table.name for table in context.schema.tables.values()}
    read = dict.fromkeys([*reads, *(name for name in context.findings.tables if name in base)])
    # An INSERT that reads its table may change or delete rows that were there, and other tables with them.
    only_adds = verb == "insert" and not reads
    written, checked = _reached(context.schema, table, only_adds)
    return ChangePlan(
        sql=text,
        binds=context.binds(),
        verb=verb,
        table=table.name,
        reads=tuple(dict.fromkeys([*read, *checked])),
        writes=written,
        per_row=per_row,
        returning=tuple(output.output() for output in outputs),
        static_names=all(output.first_literal < 0 for output in outputs),
        cells=tuple(context.findings.cells.items()),
        parents=tuple(_parents(context.schema, table)),
        children=_children(context.schema, table) if verb != "insert" else (),
        cascades=not only_adds and _cascades(context.schema, table),
    )


def _parents(schema: Schema, table: Table) -> Iterable[Foreign]:
    names = {column.key: column.name for column in table.columns}
    for reference in table.references:
        parent = schema.tables.get(reference.table)
        if parent is not None:
            theirs = {column.key: column.name for column in parent.columns}
            columns = tuple(names[column] for column in reference.columns)
            foreign = reference.foreign_columns or parent.unique[0]
            yield Foreign(columns, parent.name, tuple(theirs[column] for column in foreign))


def _children(schema: Schema, table: Table) -> tuple[str, ...]:
    return tuple(child.name for child in schema.tables.values() if any(r.table == table.key for r in child.references))


def _cascades(schema: Schema, table: Table) -> bool:
    references = (reference for other in schema.referring().get(table.key, ()) for reference in other.references)
    return any(reference.table == table.key and reference.cascades for reference in references)


def _reached(schema: Schema, table: Table, only_adds: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Tables that the change may write (cascades) and those that its foreign keys look at."""
    written = {table.key: table.name}
    checked = dict.fromkeys(
        schema.tables[reference.table].name for reference in table.references if reference.table in schema.tables
    )
    if only_adds:
        return (table.name,), tuple(checked)
    referring = schema.referring()
    waiting = [table.key]
    while waiting:
        parent = waiting.pop()
        for other in referring.get(parent, ()):
            checked[other.name] = None
            cascades = any(reference.cascades for reference in other.references if reference.table == parent)
            if cascades and other.key not in written:
                written[other.key] = other.name
                waiting.append(other.key)
    return tuple(written.values()), tuple(checked)
