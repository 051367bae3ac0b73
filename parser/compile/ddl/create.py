"""CREATE of tables, domains, views and indexes."""

from __future__ import annotations

from dataclasses import replace

from dirk_parser.ast.expression import Name
from dirk_parser.ast.query import Query
from dirk_parser.ast.statement import CreateDomain, CreateIndex, CreateTable, CreateView
from dirk_parser.compile.base import sql
from dirk_parser.compile.base.context import Context, Tolerance
from dirk_parser.compile.base.result import fixed_name
from dirk_parser.compile.ddl.catalog import change_schema, parsed, source_of
from dirk_parser.compile.ddl.define import define_domain, define_index, define_table, define_view, is_good, table_sql
from dirk_parser.compile.ddl.objects import nothing
from dirk_parser.compile.ddl.referring import again, misspelling, without_views
from dirk_parser.compile.dml import numbering
from dirk_parser.compile.dml.inserted import kept_rows
from dirk_parser.compile.query.compilers import COMPILERS
from dirk_parser.compile.query.query import compile_query
from dirk_parser.errors import SqlError
from dirk_parser.names import key
from dirk_parser.normalize.literals import Literals
from dirk_parser.plan.plan import CatalogChange, DdlPlan
from dirk_parser.schema import domains
from dirk_parser.schema.schema import Schema, Table

_RESERVED_PREFIXES = ("dirk_", "sqlite_")
_Create = CreateTable | CreateDomain | CreateView | CreateIndex


def check_name(name: Name) -> None:
    """Raises reserved_name (42939) for names that are DirkDB's or SQLite's own."""
    if key(name.text).startswith(_RESERVED_PREFIXES):
        raise SqlError("reserved_name", name=name.text, place=name.place)


def check_index_name(schema: Schema, name: Name) -> None:
    """Raises name_of_index (42P07) for a table's or view's name that is an index's: SQLite tells them apart by it."""
    if key(name.text) in schema.indexes:
        raise SqlError("name_of_index", name=name.text, place=name.place)


def _made(kind: str, name: str, source: str) -> tuple[CatalogChange, ...]:
    return (CatalogChange(kind, key(name), name, source),)


def _source(context: Context, node: _Create) -> str:
    return source_of(context.literals.normalized, node)


# --- CREATE --------------------------------------------------------------------------------------------------


def create_table(context: Context, node: CreateTable) -> DdlPlan:
    """CREATE TABLE, with columns or AS a query."""
    name = node.name.text
    check_name(node.name)
    if context.schema.relation(key(name)) is not None:
        return _taken(node, "table")
    check_index_name(context.schema, node.name)
    if node.query is not None:
        return _create_as(context, node, node.query)
    numbering.check(node)
    table = define_table(context, node, _source(context, node))
    _check_children(context.schema, table)
    texts = (table_sql(context, node, table), *numbering.created(table))
    return _created(context.schema, table, texts)


def _created(schema: Schema, table: Table, texts: tuple[str, ...]) -> DdlPlan:
    """The making of `table` by `texts`, and what must be made anew to refer to it."""
    changes = _made("table", table.name, table.source)
    others = misspelling(schema, table)
    if others:
        after = change_schema(schema, changes, schema.version, Tolerance.RULES)
        texts += tuple(without_views(schema, after, others, again(after, others)))
    return DdlPlan(texts, changes, "create_table", "table", table.name, rebuilds=bool(others))


def _check_children(schema: Schema, table: Table) -> None:
    """A new table is what the foreign keys that were there before it refer to. Raises foreign_key_invalid (42830)."""
    references = (
        reference for child in schema.tables.values() for reference in child.references if reference.table == table.key
    )
    if not all(is_good(schema, reference, table) for reference in references):
        raise SqlError("foreign_key_invalid", table=table.name)


def _create_as(context: Context, node: CreateTable, query: Query) -> DdlPlan:
    """The table's columns take any value, or truth where the query has that; it is filled by the second statement."""
    name = node.name.text
    context.purpose = replace(context.purpose, inline=True)
    compiled = compile_query(context, query, None)
    columns = [fixed_name(context.literals, result) for result in compiled.columns]
    _check_distinct(columns, node.name.place)
    texts = [
        f"`{column.replace('`', '``')}`{' BOOLEAN' if result.is_boolean else ''}"
        for column, result in zip(columns, compiled.columns, strict=True)
    ]
    source = f"CREATE TABLE `{name.replace('`', '``')}` ({', '.join(texts)})"
    normalized, definition = parsed(source)
    assert isinstance(definition, CreateTable)
    inner = Context(context.schema, Literals(normalized), COMPILERS)
    table = define_table(inner, definition, source)
    _check_children(context.schema, table)
    create = table_sql(inner, definition, table)
    fill = f"INSERT INTO {sql.name(name)} {kept_rows(table.columns, compiled)}"
    return _created(context.schema, table, (create, fill))


def _check_distinct(columns: list[str], place: int) -> None:
    seen: set[str] = set()
    for column in columns:
        if key(column) in seen:
            raise SqlError("duplicate_column", name=column, place=place)
        seen.add(key(column))


def _taken(node: _Create, kind: str) -> DdlPlan:
    name = node.name.text
    if node.optional:
        return nothing(f"create_{kind}", kind, name)
    error = "duplicate_domain" if kind in ("domain", "index") else "duplicate_table"
    raise SqlError(error, name=name, place=node.name.place)


def create_domain(context: Context, node: CreateDomain) -> DdlPlan:
    """CREATE DOMAIN: nothing for SQLite to do; columns carry the test."""
    name = node.name.text
    check_name(node.name)
    if domains.is_built_in(name):
        raise SqlError("duplicate_domain", name=name, place=node.name.place)
    if key(name) in context.schema.domains:
        return _taken(node, "domain")
    domain = define_domain(context, node, _source(context, node))
    return DdlPlan((), _made("domain", name, domain.source), "create_domain", "domain", name)


def create_view(context: Context, node: CreateView) -> DdlPlan:
    """CREATE VIEW: a view of SQLite's own with our resolved text."""
    name = node.name.text
    check_name(node.name)
    if context.schema.relation(key(name)) is not None:
        return _taken(node, "view")
    check_index_name(context.schema, node.name)
    view, text = define_view(context, node, _source(context, node))
    heads = sql.names(sql.view_heads([column.name for column in view.columns]))
    create = f"CREATE VIEW {sql.name(name)} ({heads}) AS {text}"
    return DdlPlan((create,), _made("view", name, view.source), "create_view", "view", name)


def create_index(context: Context, node: CreateIndex) -> DdlPlan:
    """CREATE [UNIQUE] INDEX."""
    name = node.name.text
    check_name(node.name)
    if key(name) in context.schema.indexes:
        return _taken(node, "index")
    if context.schema.relation(key(name)) is not None:
        raise SqlError("duplicate_table", name=name, place=node.name.place)
    index, text = define_index(context, node, _source(context, node))
    return DdlPlan((text,), _made("index", name, index.source), "create_index", "index", name)
