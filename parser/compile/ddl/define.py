"""The meaning of a CREATE: the schema's object, and SQLite's text. Loading a catalog goes the same way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from dirk_parser.ast.expression import ColumnRef, Name, OrderTerm
from dirk_parser.ast.statement import (
    Check,
    Collation,
    ColumnDef,
    CreateDomain,
    CreateIndex,
    CreateTable,
    CreateView,
    Default,
    ForeignKey,
    Generated,
    NotNull,
    PrimaryKey,
    Unique,
)
from dirk_parser.ast.walk import find_all
from dirk_parser.compile.base import sql
from dirk_parser.compile.base.context import Context, Env
from dirk_parser.compile.base.result import fixed_name
from dirk_parser.compile.base.scope import Scope
from dirk_parser.compile.base.sql import Unsafe, joint_unsafe
from dirk_parser.compile.ddl import generated
from dirk_parser.compile.ddl.kept import CHECK, INDEX, default_expression, kept_expression, pure_expression
from dirk_parser.compile.dml import numbering, storable
from dirk_parser.compile.expression.expressions import collation, expression
from dirk_parser.compile.query.query import compile_query
from dirk_parser.compile.query.sources import table_scope
from dirk_parser.errors import SqlError
from dirk_parser.names import key, nearest
from dirk_parser.printer.printer import write_node
from dirk_parser.schema import domains
from dirk_parser.schema.domains import Atoms
from dirk_parser.schema.schema import Column, Domain, Index, Reference, Schema, Table, View

_CASCADES = frozenset(("cascade", "set null", "set default"))
_MAX_COLUMNS = 2_000


# --- tables --------------------------------------------------------------------------------------------------


def define_table(context: Context, node: CreateTable, source: str) -> Table:
    """The table that a CREATE TABLE with columns makes. Raises unknown_domain, duplicate_column and the like."""
    context.purpose = replace(context.purpose, inline=True, for_write=True)
    columns = tuple(define_column(context, definition) for definition in node.columns)
    _check_columns([column.name for column in columns], [definition.name.place for definition in node.columns])
    columns = generated.resolved(context, node.columns, columns, node.name.text)
    unique, has_primary = _unique_keys(node)
    primary = frozenset(unique[0] if has_primary else ())
    numbered, sequenced = numbering.numbered_column(node)
    _check_known(_names(columns), _named_in_keys(node))
    table = Table(
        name=node.name.text,
        key=key(node.name.text),
        columns=tuple(
            replace(definition, not_null=definition.not_null or definition.key in primary) for definition in columns
        ),
        source=source,
        domains=frozenset(context.findings.domains),
        unique=unique,
        has_primary=has_primary,
        numbered=numbered,
        sequenced=sequenced,
    )
    return replace(table, references=tuple(_references(context, node, table)))


def define_column(context: Context, node: ColumnDef) -> Column:
    """One column: its domain resolved, its default as SQLite's text."""
    atoms: Atoms = ()
    if node.domain is not None:
        atoms = domains.resolve(node.domain, context.literals.value, context.domain)
    rounding = domains.rounding(atoms)
    default = next((constraint for constraint in node.constraints if isinstance(constraint, Default)), None)
    return Column(
        name=node.name.text,
        key=key(node.name.text),
        is_boolean=domains.is_boolean(atoms),
        atoms=atoms,
        domain=domains.text(atoms),
        not_null=any(isinstance(constraint, NotNull | PrimaryKey) for constraint in node.constraints),
        default=_default(context, default) if default is not None else None,
        rounding=rounding,
    )


def _default(context: Context, node: Default) -> str:
    return default_expression(context, node.value).sql


def _check_columns(names: list[str], places: Iterable[int]) -> None:
    seen: set[str] = set()
    for name, place in zip(names, places, strict=True):
        if key(name) in seen:
            raise SqlError("duplicate_column", name=name, place=place)
        seen.add(key(name))
    if len(names) > _MAX_COLUMNS:
        raise SqlError("too_complex")


def _unique_keys(node: CreateTable) -> tuple[tuple[tuple[str, ...], ...], bool]:
    """The column keys of PRIMARY KEY and UNIQUE constraints, the primary key first, and whether there is one."""
    primary: list[tuple[str, ...]] = []
    unique: list[tuple[str, ...]] = []
    for column in node.columns:
        for own in column.constraints:
            if isinstance(own, PrimaryKey | Unique):
                (primary if isinstance(own, PrimaryKey) else unique).append((key(column.name.text),))
    for constraint in node.constraints:
        if isinstance(constraint, PrimaryKey | Unique):
            group = tuple(_term_column(term) for term in constraint.columns)
            (primary if isinstance(constraint, PrimaryKey) else unique).append(group)
    if len(primary) > 1:
        raise SqlError("two_primary_keys", name=node.name.text, place=node.name.place)
    return (*primary, *unique), bool(primary)


def _named_in_keys(node: CreateTable) -> Iterable[Name]:
    """The columns of the table that its own constraints name."""
    for constraint in node.constraints:
        if isinstance(constraint, ForeignKey):
            yield from constraint.columns
        elif isinstance(constraint, PrimaryKey | Unique):
            yield from (term.expr.name for term in constraint.columns if isinstance(term.expr, ColumnRef))


def _names(columns: Iterable[Column]) -> dict[str, str]:
    """The columns' names by key."""
    return {column.key: column.name for column in columns}


class _Names:
    """The names of the columns of several tables by key, each table's gathered once."""

    def __init__(self) -> None:
        self._by_table: dict[str, dict[str, str]] = {}

    def of(self, table: Table) -> dict[str, str]:
        """Those of `table`."""
        names = self._by_table.get(table.key)
        if names is None:
            names = self._by_table[table.key] = _names(table.columns)
        return names


def _check_known(known: Mapping[str, str], names: Iterable[Name]) -> None:
    for name in names:
        if key(name.text) not in known:
            close = nearest(name.text, known.values())
            raise SqlError("unknown_column", name=name.text, nearest=close, place=name.place)


def _term_column(term: OrderTerm) -> str:
    if not isinstance(term.expr, ColumnRef) or term.expr.table is not None:
        raise SqlError("not_supported", what="PRIMARY KEY (…)", place=term.expr.place)
    return key(term.expr.name.text)


def _references(context: Context, node: CreateTable, table: Table) -> Iterable[Reference]:
    names = _Names()
    for column in node.columns:
        for own_constraint in column.constraints:
            if isinstance(own_constraint, ForeignKey):
                yield _reference(context, own_constraint, (key(column.name.text),), table, names)
    for constraint in node.constraints:
        if isinstance(constraint, ForeignKey):
            columns = tuple(key(name.text) for name in constraint.columns)
            yield _reference(context, constraint, columns, table, names)


def _reference(
    context: Context, node: ForeignKey, columns: tuple[str, ...], table: Table, names: _Names
) -> Reference:
    """A foreign key; what it refers to must be a primary key or unique. Raises foreign_key_invalid (42830).

    A table that is not there yet may be referred to: it is held to that when it is made.
    """
    if node.deferred:
        raise SqlError("not_supported", what="INITIALLY DEFERRED", place=node.table.place)
    foreign = tuple(key(name.text) for name in node.foreign_columns)
    reference = Reference(columns, key(node.table.text), foreign, bool({node.on_delete, node.on_update} & _CASCADES))
    invalid = SqlError("foreign_key_invalid", table=node.table.text, place=node.table.place)
    if not names.of(table).keys() >= set(columns) or (foreign and len(foreign) != len(columns)):
        raise invalid
    if reference.table != table.key and context.relation(node.table.text) is None:
        return reference
    parent = table if reference.table == table.key else context.table(node.table)
    if node.foreign_columns:
        _check_known(names.of(parent), node.foreign_columns)
    if not is_good(context.schema, reference, parent):
        context.refuse_new(invalid)
    return reference


def is_good(schema: Schema, reference: Reference, parent: Table) -> bool:
    """True when `parent` holds what a foreign key refers to: as many columns, and unique."""
    foreign = reference.foreign_columns or (parent.unique[0] if parent.has_primary else ())
    return len(foreign) == len(reference.columns) and _is_unique(schema, parent, foreign)


def _is_unique(schema: Schema, parent: Table, columns: tuple[str, ...]) -> bool:
    """A primary key, UNIQUE, or a unique index on just these columns."""
    indexes = (index.key_columns for index in schema.indexes.values() if index.table == parent.key)
    # UNIQUE (a, a) is no key of `a` to SQLite.
    return any(sorted(group) == sorted(columns) for group in (*parent.unique, *indexes))


def table_sql(context: Context, node: CreateTable, table: Table) -> str:
    """SQLite's CREATE TABLE: no declared types, each domain as a CHECK."""
    # By its key: under construction beside the old one, a table has another name than its definition says.
    scope = table_scope(table.columns, table.key)
    pairs = zip(node.columns, table.columns, strict=True)
    parts = [column_sql(context, definition, column, scope) for definition, column in pairs]
    names = _Names()
    mine = names.of(table)
    if table.has_primary:
        parts.append(f"PRIMARY KEY ({sql.names([mine[item] for item in table.unique[0]])})")
    others = table.unique[1 if table.has_primary else 0 :]
    parts += [f"UNIQUE ({sql.names([mine[item] for item in group])})" for group in others]
    parts += [
        check_text(context, scope, constraint) for constraint in node.constraints if isinstance(constraint, Check)
    ]
    given = [constraint for column in node.columns for constraint in column.constraints] + list(node.constraints)
    foreign = [item for item in given if isinstance(item, ForeignKey)]
    # References list the columns' own foreign keys first, then the table's, which is the order of `given`.
    for item, reference in zip(foreign, table.references, strict=True):
        parts += _foreign_sql(context, table, names, item, reference)
    return f"CREATE TABLE {sql.name(table.name)} ({', '.join(parts)})"


def column_sql(context: Context, node: ColumnDef, column: Column, scope: Scope) -> str:
    """One column of CREATE TABLE or ADD COLUMN, its domain and checks with it. `scope`: the table's own."""
    text = sql.name(column.name) + generated.column_text(context, node, column, scope)
    text += " NOT NULL" if column.not_null else ""
    text += f" DEFAULT ({_stored_default(column)})" if column.default is not None else ""
    truth = scope.truth(True)
    test = storable.check(column, _own_unsafe(context, node, scope), truth)
    text += f" CHECK ({test})" if test else ""
    text += f" CHECK ({domain_check(column, truth)})" if column.atoms else ""
    for constraint in node.constraints:
        if isinstance(constraint, Check):
            text += f" {check_text(context, scope, constraint)}"
        elif isinstance(constraint, Collation):
            text += f" COLLATE {collation(constraint.collation)}"
    return text


def _own_unsafe(context: Context, node: ColumnDef, scope: Scope) -> Unsafe:
    """The risk of what the column holds where a statement gives it nothing."""
    env = Env(context, scope)
    given = (constraint for constraint in node.constraints if isinstance(constraint, Default | Generated))
    return joint_unsafe(expression(env, value.value) for value in given)


def _stored_default(column: Column) -> str:
    """The default as the column keeps it: NUMERIC(p, s) rounds."""
    default = column.default or ""
    return domains.rounded(column.rounding, f"({default})") if column.rounding is not None else default


def domain_check(column: Column, truth: str) -> str:
    """The condition that holds for the column's domain and fails with the value's own error otherwise. `truth`: what is
    true in SQLite's SQL there."""
    name, literal = sql.name(column.name), sql.literal
    accepted = domains.accepts(column.atoms, name, literal, truth)
    return f"{name} IS NULL OR {accepted} OR dirk_refuse({literal(column.name)}, {name}, {literal(column.domain)})"


def check_text(context: Context, scope: Scope, node: Check) -> str:
    """A CHECK of the table or of a column. Raises what `kept_expression` raises."""
    test = kept_expression(context, CHECK, scope, node.condition)
    # SQLite's error names the constraint: without a name of its own, it is called by its text in the language.
    normalized = context.literals.normalized
    name = node.name.text if node.name is not None else write_node(node.condition, normalized.literals)
    return f"CONSTRAINT {sql.name(name)} CHECK ({test.sql})"


def _foreign_sql(
    context: Context, table: Table, names: _Names, node: ForeignKey, reference: Reference
) -> list[str]:
    """A foreign key; one with SET NULL twice, the second time without actions.

    After a REPLACE or an upsert whose own actions set a key to null, SQLite (fkey.c, isSetNullAction: up to 3.54.1 at
    least) takes the new row for one that the action made and does not look for its parent. The key without actions is
    always checked.
    """
    parent = table if reference.table == table.key else context.schema.tables.get(reference.table)
    mine, theirs = names.of(table), names.of(parent) if parent is not None else {}
    text = f"FOREIGN KEY ({sql.names([mine[column] for column in reference.columns])})"
    text += f" REFERENCES {sql.name(parent.name if parent is not None else node.table.text)}"
    if node.foreign_columns:
        referred = [theirs.get(key(column.text), column.text) for column in node.foreign_columns]
        text += f" ({sql.names(referred)})"
    actions = f" ON DELETE {node.on_delete.upper()}" if node.on_delete else ""
    actions += f" ON UPDATE {node.on_update.upper()}" if node.on_update else ""
    return [text + actions, text] if "SET NULL" in actions else [text + actions]


# --- domains, views, indexes ---------------------------------------------------------------------------------


def define_domain(context: Context, node: CreateDomain, source: str) -> Domain:
    """The domain that a CREATE DOMAIN makes."""
    atoms = domains.resolve(node.domain, context.literals.value, context.domain)
    return Domain(node.name.text, key(node.name.text), atoms, source, frozenset(context.findings.domains))


def define_view(context: Context, node: CreateView, source: str) -> tuple[View, str]:
    """The view that a CREATE VIEW makes, and its select for SQLite.

    A view may be read by a write, so its clock, random and limits are compiled as a write's are.
    """
    context.purpose = replace(context.purpose, inline=True, for_write=True)
    compiled = compile_query(context, node.query, None)
    names = [fixed_name(context.literals, column) for column in compiled.columns]
    if node.columns:
        if len(node.columns) != len(names):
            raise SqlError("column_count", wanted=len(node.columns), found=len(names), place=node.name.place)
        names = [name.text for name in node.columns]
    _check_columns(names, [column.place for column in node.columns] or [node.name.place] * len(names))
    columns = tuple(
        Column(name, key(name), is_boolean=result.is_boolean)
        for name, result in zip(names, compiled.columns, strict=True)
    )
    view = View(
        name=node.name.text,
        key=key(node.name.text),
        columns=columns,
        source=source,
        tables=(node.name.text, *context.findings.tables),
        uses=frozenset(context.findings.uses),
        repeatable=context.findings.repeatable,
    )
    return view, compiled.sql


def define_index(context: Context, node: CreateIndex, source: str) -> tuple[Index, str]:
    """The index that a CREATE INDEX makes, and SQLite's text."""
    context.purpose = replace(context.purpose, inline=True, for_write=True)
    table = context.table(node.table)
    scope = table_scope(table.columns, table.name)
    terms = []
    for term in node.terms:
        compiled = pure_expression(context, INDEX, scope, term.expr)
        terms.append(sql.index_term(compiled.sql) + (" DESC" if term.descending else ""))
    where = f" WHERE {pure_expression(context, INDEX, scope, node.where).sql}" if node.where is not None else ""
    text = f"CREATE {'UNIQUE ' if node.unique else ''}INDEX {sql.name(node.name.text)}"
    text += f" ON {sql.name(table.name)} ({', '.join(terms)}){where}"
    named = frozenset(key(column_ref.name.text) for column_ref in find_all((node.terms, node.where), ColumnRef))
    index = Index(
        node.name.text, key(node.name.text), table.key, source,
        unique=node.unique, columns=named, key_columns=_key_columns(node),
    )  # fmt: skip
    return index, text


def _key_columns(node: CreateIndex) -> tuple[str, ...]:
    columns = tuple(key(term.expr.name.text) for term in node.terms if isinstance(term.expr, ColumnRef))
    is_key = node.unique and node.where is None and len(columns) == len(node.terms)
    return columns if is_key else ()
