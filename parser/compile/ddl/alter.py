"""ALTER TABLE: the table's definition is rewritten, and so is what refers to it; what hangs on it is defined again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from dirk_parser.ast.expression import Constant, Expr, Literal, Unary
from dirk_parser.ast.statement import (
    AddColumn,
    AddConstraint,
    Alteration,
    AlterColumn,
    AlterTable,
    Check,
    ColumnDef,
    CreateTable,
    Default,
    DropColumn,
    DropConstraint,
    ForeignKey,
    NotNull,
    RenameColumn,
    RenameTable,
    RestartNumbers,
)
from dirk_parser.ast.walk import find_all
from dirk_parser.compile.base.context import Context, Tolerance
from dirk_parser.compile.ddl import follow
from dirk_parser.compile.ddl.catalog import change_schema, parsed
from dirk_parser.compile.ddl.constraints import adding_constraint, column_rewrite, dropping_constraint
from dirk_parser.compile.ddl.create import check_index_name, check_name
from dirk_parser.compile.ddl.define import check_text, column_sql, define_column, is_good
from dirk_parser.compile.ddl.generated import resolved_column
from dirk_parser.compile.ddl.kept import default_expression
from dirk_parser.compile.ddl.rebuild import indexes_of, table_statements
from dirk_parser.compile.ddl.referring import again, dependents, left_behind, without_views
from dirk_parser.compile.dml.assignments import column_of
from dirk_parser.compile.dml.numbering import restart
from dirk_parser.compile.dml.rowid import SQLITE_NAMES
from dirk_parser.compile.query.sources import table_scope
from dirk_parser.errors import SqlError
from dirk_parser.names import key
from dirk_parser.normalize.normalized_statement import NormalizedStatement
from dirk_parser.plan.plan import CatalogChange, DdlPlan
from dirk_parser.printer.printer import write
from dirk_parser.schema.schema import Column, Schema, Table, View

_RENAMES = (RenameTable, RenameColumn)
#: What a definition's own column or constraint that goes leaves behind where something else of it needs it.
_BROKEN = frozenset(("unknown_column", "unknown_table", "foreign_key_invalid", "column_count", "ambiguous_column"))


@dataclass(frozen=True, slots=True)
class _Alteration:
    """One ALTER TABLE on its way: the schema as it was, the table, the action, the views that read the table."""

    context: Context
    schema: Schema
    table: Table
    action: Alteration
    views: tuple[View, ...]

    def refusal(self, user: str) -> SqlError:
        """The error for an action that `user` stands in the way of."""
        if isinstance(self.action, DropColumn | DropConstraint):
            gone = self.action.name
            return SqlError("in_use", name=gone.text, user=user, place=gone.place)
        return SqlError("change_in_use", name=self.table.name, user=user)


def alter_table(context: Context, node: AlterTable) -> DdlPlan:
    """ADD, DROP and ALTER of columns and constraints, RENAME TO and RENAME COLUMN.

    Raises in_use and change_in_use (2BP01) when something needs what would go, or would come to mean something else.
    """
    table, schema = context.table(node.table), context.schema
    if isinstance(node.action, RestartNumbers):
        return restart(context, table, node.action)
    work = _Alteration(context, schema, table, node.action, tuple(dependents(schema, (table,))))
    simple = False
    if isinstance(node.action, AddColumn):
        # Told here, an error of the new column has its place in this statement.
        inline = context.copied(replace(context.purpose, inline=True, for_write=True))
        simple = _is_simple(node.action.column, define_column(inline, node.action.column))
    for foreign in find_all(node.action, ForeignKey):
        if key(foreign.table.text) in schema.views:
            # Views are gone while their tables change, so nobody else would see that it is one.
            raise SqlError("not_a_table", name=foreign.table.text, place=foreign.table.place)
    for position in range(len(context.literals.normalized.literals)):
        context.literals.value(position)
    changes, after = _renamed(work) if isinstance(node.action, _RENAMES) else _rewritten(work)
    _check_children(work, after)
    kept = context.copied(replace(context.purpose, inline=True, for_write=True))
    _check_kept(replace(kept, schema=after), table, node.action)
    others = left_behind(schema, after, table, node.action)
    texts = [*_table_statements(work, after, simple), *again(after, others)]
    texts = without_views(schema, after, (table, *others), texts)
    checked = table.name if _refers(node.action) else ""
    return DdlPlan(
        tuple(texts), tuple(changes), "alter_table", "table", table.name, rebuilds=not simple, checks=checked
    )


def _table_statements(work: _Alteration, after: Schema, simple: bool) -> list[str]:
    """Statements that make the table as it is `after`. Raises in_use for a column that a CHECK of the table names."""
    try:
        return [*table_statements(work.schema, after, work.table, work.action, simple)]
    except SqlError as error:
        if isinstance(work.action, DropColumn) and error.key in _BROKEN:
            raise work.refusal(work.table.name) from None
        error.nowhere()
        raise


def _is_simple(node: ColumnDef, column: Column) -> bool:
    """True when SQLite's own ADD COLUMN can do it: no key, what rows that are there already get is a constant to SQLite
    too (one that NUMERIC(p, s) rounds is none), and nothing is worked out of them (where that fails SQLite does not say
    why).
    """
    given = [_constant(constraint.value) for constraint in node.constraints if isinstance(constraint, Default)]
    if None in given or (given and column.rounding is not None):
        return False
    filled = any(not isinstance(default, Constant) or default.value is not None for default in given)
    return column.key not in (*SQLITE_NAMES, "true", "false") and all(
        isinstance(constraint, Default) or (isinstance(constraint, NotNull) and filled)
        for constraint in node.constraints
    )


def _constant(value: Expr) -> Literal | Constant | None:
    """The constant that a default is but for its sign; None where it is another expression, as with NOT and ~."""
    constant = value.operand if isinstance(value, Unary) and value.op in ("-", "+") else value
    return constant if isinstance(constant, Literal | Constant) else None


def _refers(action: Alteration) -> bool:
    """True when the action adds a foreign key, which the rows that are there must fulfil."""
    if isinstance(action, AddColumn):
        return any(isinstance(constraint, ForeignKey) for constraint in action.column.constraints)
    return isinstance(action, AddConstraint) and isinstance(action.constraint, ForeignKey)


def _check_children(work: _Alteration, after: Schema) -> None:
    """Foreign keys that refer to the table must find in it what they need; so must those that waited for its name.

    Raises in_use or change_in_use, and foreign_key_invalid (42830).
    """
    action = work.action
    table = after.tables[key(action.name.text) if isinstance(action, RenameTable) else work.table.key]
    for child in after.tables.values():
        references = [reference for reference in child.references if reference.table == table.key]
        if all(is_good(after, reference, table) for reference in references):
            continue
        before = work.schema.tables.get(child.key)
        if before is None or any(reference.table == work.table.key for reference in before.references):
            raise work.refusal(child.name)
        raise SqlError("foreign_key_invalid", table=table.name)


# --- names ---------------------------------------------------------------------------------------------------


def _renamed(work: _Alteration) -> tuple[list[CatalogChange], Schema]:
    """The changes of a RENAME in the catalog, and the schema it leads to."""
    schema, table, action = work.schema, work.table, work.action
    assert isinstance(action, RenameTable | RenameColumn)
    _check_new_name(work.context, table, action)
    name = action.name.text if isinstance(action, RenameTable) else table.name
    changes = [CatalogChange("table", table.key, table.name, None)] if key(name) != table.key else []
    changes.append(CatalogChange("table", key(name), name, follow.own_text(table, table.source, action)))
    for other in schema.tables.values():
        if other is not table and any(reference.table == table.key for reference in other.references):
            source = follow.reference_text(table, other.source, action)
            changes.append(CatalogChange("table", other.key, other.name, source))
    for index in indexes_of(schema, table.key):
        source = follow.own_text(table, index.source, action)
        changes.append(CatalogChange("index", index.key, index.name, source))
    followers = follow.followers(schema, table, work.views, action)
    changes += followers.changes()
    after = _after(work, changes, name)
    stranger = followers.stranger(after)
    if stranger:
        raise work.refusal(stranger)
    return changes, after


def _check_new_name(context: Context, table: Table, action: RenameTable | RenameColumn) -> None:
    """Raises reserved_name, duplicate_table, unknown_column and duplicate_column."""
    if isinstance(action, RenameTable):
        name = action.name
        check_name(name)
        check_index_name(context.schema, name)
        if key(name.text) != table.key and context.relation(name.text) is not None:
            raise SqlError("duplicate_table", name=name.text, place=name.place)
        return
    old, new = column_of(table, action.old), action.new
    if any(column.key == key(new.text) and column is not old for column in table.columns):
        raise SqlError("duplicate_column", name=new.text, place=new.place)


# --- everything else -----------------------------------------------------------------------------------------


def _rewritten(work: _Alteration) -> tuple[list[CatalogChange], Schema]:
    """The changes of any other action in the catalog, and the schema it leads to."""
    schema, table, action = work.schema, work.table, work.action
    normalized, create = parsed(table.source)
    assert isinstance(create, CreateTable)
    rewrite = _rewriting(table, action, len(normalized.literals))
    merged = NormalizedStatement("", normalized.literals + work.context.literals.normalized.literals)
    changes = [CatalogChange("table", table.key, table.name, write(rewrite(create), merged))]
    changes += [CatalogChange("index", index.key, index.name, index.source) for index in indexes_of(schema, table.key)]
    changes += [CatalogChange("view", view.key, view.name, view.source) for view in work.views]
    after = _after(work, changes, table.name)
    if isinstance(action, AddColumn | DropColumn):
        stranger = follow.reworded(schema, after, work.views)
        if stranger:
            raise work.refusal(stranger)
    return changes, after


_Rewrite = Callable[[CreateTable], CreateTable]


def _rewriting(table: Table, action: Alteration, literals: int) -> _Rewrite:
    """The change of the old definition of the table into the new one."""
    match action:
        case AddColumn():
            column = _mapped(action.column, lambda each: _shifted(each, literals))
            return lambda tree: replace(tree, columns=(*tree.columns, column))
        case DropColumn():
            gone = column_of(table, action.name).key
            if len(table.columns) == 1:
                raise SqlError("in_use", name=action.name.text, user=table.name)
            return lambda tree: _without(tree, gone)
        case AlterColumn():
            shifted = _mapped(action, lambda each: _shifted(each, literals))
            return column_rewrite(shifted, column_of(table, action.name).key)
        case AddConstraint():
            return adding_constraint(_mapped(action.constraint, lambda each: _shifted(each, literals)))
        case DropConstraint():
            return dropping_constraint(action.name)
    raise SqlError("internal")


def _without(tree: CreateTable, gone: str) -> CreateTable:
    return replace(tree, columns=tuple(column for column in tree.columns if key(column.name.text) != gone))


def _shifted(node: Any, by: int) -> Any:
    return replace(node, index=node.index + by) if isinstance(node, Literal) else node


def _mapped(node: Any, change: Callable[[Any], Any]) -> Any:
    """A tree with `change` applied to every node, leaves first."""
    if isinstance(node, tuple):
        return tuple(_mapped(item, change) for item in node)
    if not is_dataclass(node) or isinstance(node, type):
        return node
    parts = {field.name: _mapped(getattr(node, field.name), change) for field in fields(node)}
    return change(replace(node, **parts))


# --- the schema afterwards -----------------------------------------------------------------------------------


def _after(work: _Alteration, changes: list[CatalogChange], name: str) -> Schema:
    """The schema with `changes`; `name` is what the table is called there.

    Raises what the table's own definition raises; in_use or change_in_use when it is another one that can't be read.
    """
    try:
        return change_schema(work.schema, changes, work.schema.version, Tolerance.RULES)
    except SqlError as error:
        user = _broken(work.schema, changes)
        takes_away = isinstance(work.action, DropColumn | DropConstraint)
        # Nobody is: a foreign key that needs an index of its own table, which is made behind it.
        if user and (key(user) != key(name) or (takes_away and error.key in _BROKEN)):
            raise work.refusal(user) from None
        error.nowhere()
        raise


def _broken(schema: Schema, changes: Iterable[CatalogChange]) -> str:
    """The name of the first object that can't be defined any more."""
    for change in changes:
        try:
            schema = change_schema(schema, [change], schema.version, Tolerance.RULES)
        except SqlError:
            return change.name
    return ""


def _check_kept(context: Context, table: Table, action: Alteration) -> None:
    """Additions of the action itself are new: nothing of it may only have been taken by an earlier build."""
    match action:
        case AddColumn():
            previous = context.schema.tables[table.key]
            scope = table_scope(previous.columns, previous.name)
            resolved_column(context, action.column, previous.columns[-1], scope)
            column_sql(context, action.column, previous.columns[-1], scope)
        case AddConstraint(constraint=Check() as constraint):
            check_text(context, table_scope(context.schema.tables[table.key].columns, table.name), constraint)
        case AlterColumn(constraint=Default(value=value)):
            default_expression(context, value)
