"""ALTER TABLE: the table's definition is rewritten as a tree and printed; what depends on it is defined again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import fields, is_dataclass, replace
from typing import Any

from parser import nodes
from parser.compile import sql
from parser.compile.changes import column_of
from parser.compile.constraints import adding_constraint, column_rewrite, dropping_constraint
from parser.compile.context import Context, Tolerance
from parser.compile.ddl import check_name
from parser.compile.define import check_text, column_sql, define_column
from parser.compile.generated import resolved_column
from parser.compile.kept import default_expression
from parser.compile.load import load_schema, parsed
from parser.compile.rebuild import indexes_of, table_statements, view_sql
from parser.compile.sources import table_scope
from parser.errors import SqlError
from parser.plan import CatalogChange, Ddl, Shaped
from parser.printer import write
from parser.schema import Schema, Table, View, key

#: What takes away or changes a name that others may use.
_NAMING = (nodes.DropColumn, nodes.RenameTable, nodes.RenameColumn)
#: Errors of a definition that no longer finds what it names.
_BROKEN = frozenset(("unknown_column", "unknown_table", "foreign_key_invalid", "column_count", "ambiguous_column"))


def alter_table(context: Context, node: nodes.AlterTable) -> Ddl:
    """ADD, DROP and ALTER of columns and constraints, RENAME TO and RENAME COLUMN.

    Raises in_use (2BP01) when a view, an index or a foreign key needs what would go.
    """
    table = context.table(node.table)
    shaped, create = parsed(table.source)
    assert isinstance(create, nodes.CreateTable)
    simple = isinstance(node.action, nodes.AddColumn) and _is_simple(node.action.column)
    if isinstance(node.action, nodes.AddColumn):
        # Told here, an error of the new column has its place in this statement.
        define_column(replace(context, inline=True, for_write=True), node.action.column)
    if not simple:
        _check_unreferenced(context.schema, table, not isinstance(node.action, _NAMING))
    rewrite = _rewriting(context, table, node.action, len(shaped.literals))
    merged = Shaped("", shaped.literals + context.literals.shaped.literals)
    source = write(rewrite(create), merged)
    for position in range(len(context.literals.shaped.literals)):
        context.literals.value(position)
    changes = [*_table_changes(table, node.action, source), *_index_changes(context.schema, table, rewrite)]
    views = _dependents(context.schema, table)
    changes += [CatalogChange("view", view.key, view.name, view.source) for view in views]
    after = _after(context.schema, table, changes, node.action)
    _check_kept(replace(context, schema=after, inline=True, for_write=True), table, node.action)
    texts = [f"DROP VIEW {sql.name(view.name)}" for view in reversed(views)]
    texts += table_statements(after, table, node.action, simple)
    texts += [view_sql(after, view) for view in views]
    return Ddl(tuple(texts), tuple(changes), "alter_table", "table", table.name)


def _is_simple(column: nodes.ColumnDef) -> bool:
    """Whether SQLite's own ADD COLUMN can do it: no key, and what rows that are there already get is a constant."""
    given = [each.value for each in column.constraints if isinstance(each, nodes.Default)]
    if not all(_is_constant(each) for each in given):
        return False
    filled = any(not isinstance(each, nodes.Constant) or each.value is not None for each in given)
    return all(
        isinstance(each, nodes.Check | nodes.Default)
        or (isinstance(each, nodes.NotNull) and filled)
        or (isinstance(each, nodes.Generated) and not each.stored)
        for each in column.constraints
    )


def _is_constant(value: nodes.Expr) -> bool:
    found = value.operand if isinstance(value, nodes.Unary) else value
    return isinstance(found, nodes.Literal | nodes.Constant)


def _check_unreferenced(schema: Schema, table: Table, rebuilt_only: bool) -> None:
    """The old table is dropped or renamed: no foreign key may hold on to it, its own included."""
    for other in schema.tables.values():
        if any(each.table == table.key for each in other.references) and (other is not table or not rebuilt_only):
            raise SqlError("in_use", name=table.name, user=other.name)


# --- the definition, rewritten -------------------------------------------------------------------------------

_Rewrite = Callable[[Any], Any]


def _rewriting(
    context: Context,
    table: Table,
    action: nodes.Alteration,
    literals: int,
) -> _Rewrite:
    """What turns the old definition of the table, or of an index on it, into the new one."""
    match action:
        case nodes.AddColumn():
            return _adding(_mapped(action.column, lambda each: _shifted(each, literals)))
        case nodes.DropColumn():
            gone = column_of(table, action.name).key
            if len(table.columns) == 1:
                raise SqlError("in_use", name=action.name.text, user=table.name)
            return lambda tree: _without(tree, gone)
        case nodes.RenameTable():
            _check_free(context, table, action.name)
            return lambda tree: _renamed_table(tree, action.name)
        case nodes.RenameColumn():
            old = column_of(table, action.old).key
            return lambda tree: _mapped(tree, lambda each: _renamed_column(each, old, action.new))
        case nodes.AlterColumn():
            shifted = _mapped(action, lambda each: _shifted(each, literals))
            return column_rewrite(shifted, column_of(table, action.name).key)
        case nodes.AddConstraint():
            return adding_constraint(_mapped(action.constraint, lambda each: _shifted(each, literals)))
        case nodes.DropConstraint():
            return dropping_constraint(action.name)


def _check_free(context: Context, table: Table, name: nodes.Name) -> None:
    check_name(name)
    if key(name.text) != table.key and context.relation(name.text) is not None:
        raise SqlError("duplicate_table", name=name.text, place=name.place)


def _adding(column: nodes.ColumnDef) -> _Rewrite:
    def rewrite(tree: Any) -> Any:
        return replace(tree, columns=(*tree.columns, column)) if isinstance(tree, nodes.CreateTable) else tree

    return rewrite


def _without(tree: Any, gone: str) -> Any:
    if not isinstance(tree, nodes.CreateTable):
        return tree
    return replace(tree, columns=tuple(each for each in tree.columns if key(each.name.text) != gone))


def _renamed_table(tree: Any, name: nodes.Name) -> Any:
    return replace(tree, name=name) if isinstance(tree, nodes.CreateTable) else replace(tree, table=name)


def _shifted(node: Any, by: int) -> Any:
    return replace(node, index=node.index + by) if isinstance(node, nodes.Literal) else node


def _renamed_column(node: Any, old: str, new: nodes.Name) -> Any:
    if isinstance(node, nodes.Column | nodes.ColumnDef) and key(node.name.text) == old:
        return replace(node, name=new)
    if isinstance(node, nodes.ForeignKey):
        return replace(node, columns=tuple(new if key(each.text) == old else each for each in node.columns))
    return node


def _mapped(node: Any, change: _Rewrite) -> Any:
    """A tree with `change` applied to every node, leaves first."""
    if isinstance(node, tuple):
        return tuple(_mapped(each, change) for each in node)
    if not is_dataclass(node) or isinstance(node, type):
        return node
    parts = {each.name: _mapped(getattr(node, each.name), change) for each in fields(node)}
    return change(replace(node, **parts))


# --- what changes in the catalog -----------------------------------------------------------------------------


def _table_changes(table: Table, action: object, source: str) -> Iterable[CatalogChange]:
    name = action.name.text if isinstance(action, nodes.RenameTable) else table.name
    if key(name) != table.key:
        yield CatalogChange("table", table.key, table.name, None)
    yield CatalogChange("table", key(name), name, source)


def _index_changes(schema: Schema, table: Table, rewrite: _Rewrite) -> Iterable[CatalogChange]:
    for index in indexes_of(schema, table.key):
        shaped, create = parsed(index.source)
        yield CatalogChange("index", index.key, index.name, write(rewrite(create), shaped))


def _dependents(schema: Schema, table: Table) -> list[View]:
    """The views that read the table, each after those that it reads itself."""
    users: dict[str, list[View]] = {}
    for view in schema.views.values():
        for used in view.uses:
            users.setdefault(used, []).append(view)
    found: dict[str, View] = {}
    waiting = [table.key]
    while waiting:
        more = {each.key: each for each in users.get(waiting.pop(), ()) if each.key not in found}
        found |= more
        waiting += more
    return sorted(found.values(), key=lambda view: (len(view.tables), view.key))


def _after(schema: Schema, table: Table, changes: list[CatalogChange], action: object) -> Schema:
    """The schema with `changes`. What is not found any more was taken away by the action."""
    try:
        return load_schema(schema, changes, schema.version, Tolerance.RULES)
    except SqlError as error:
        user = _broken(schema, changes)
        takes_away = isinstance(action, (*_NAMING, nodes.DropConstraint))
        if error.key in _BROKEN and (takes_away or key(user) != table.key):
            gone = nodes.Name(table.name)
            if isinstance(action, nodes.DropColumn | nodes.DropConstraint):
                gone = action.name
            raise SqlError("in_use", name=gone.text, user=user, place=gone.place) from None
        error.nowhere()
        raise


def _broken(schema: Schema, changes: list[CatalogChange]) -> str:
    """The name of the first object that can't be defined any more."""
    for change in changes:
        try:
            schema = load_schema(schema, [change], schema.version, Tolerance.RULES)
        except SqlError:
            return change.name
    return ""


def _check_kept(context: Context, table: Table, action: nodes.Alteration) -> None:
    """What the action itself adds is new: nothing of it may only have been taken by an earlier build."""
    match action:
        case nodes.AddColumn():
            made = context.schema.tables[table.key]
            scope = table_scope(made.columns, made.name)
            resolved_column(context, action.column, made.columns[-1], scope)
            column_sql(context, action.column, made.columns[-1], scope)
        case nodes.AddConstraint(constraint=nodes.Check() as constraint):
            check_text(context, table_scope(context.schema.tables[table.key].columns, table.name), constraint)
        case nodes.AlterColumn(constraint=nodes.Default(value=value)):
            default_expression(context, value)
