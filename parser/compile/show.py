"""SHOW and DESCRIBE: reads of the catalog, as the relation `fanasehoana`."""

from __future__ import annotations

from dirk_parser.ast.expression import Name
from dirk_parser.ast.statement import Show
from dirk_parser.compile.base import sql
from dirk_parser.compile.base.context import Context, must_be_understood
from dirk_parser.compile.ddl.catalog import parsed
from dirk_parser.compile.ddl.objects import things, unknown
from dirk_parser.errors import SqlError
from dirk_parser.lexical.listings import LISTINGS
from dirk_parser.names import key
from dirk_parser.plan.plan import Output, QueryPlan
from dirk_parser.printer.printer import write
from dirk_parser.schema.schema import Column, Table

_RELATION = "fanasehoana"


def show(context: Context, node: Show) -> QueryPlan:
    """SHOW COLUMNS FROM, SHOW CREATE, and the listings of a catalog; the other lists are not a database's to know."""
    if node.what == "columns" and node.table is not None:
        return describe(context, node.table)
    if node.what.startswith("create ") and node.table is not None:
        return _definitions(context, node.what.removeprefix("create "), node.table, node.malagasy)
    kind = LISTINGS[node.what].kind
    if not kind:
        raise SqlError("not_supported", what=f"SHOW {node.what.upper()}")
    text = f"SELECT name FROM dirk_catalog WHERE kind = {sql.literal(kind)} ORDER BY key"
    return QueryPlan(text, (), (Output(_RELATION, _RELATION),), _RELATION, ())


def _definitions(context: Context, kind: str, name: Name, malagasy: bool) -> QueryPlan:
    """The statement that makes the object, and behind a table those that make its indexes."""
    thing = things(context.schema, kind).get(key(name.text))
    if thing is None:
        raise unknown(context.schema, kind, name)
    sources = [thing.source]
    if isinstance(thing, Table):
        indexes = (index for index in context.schema.indexes.values() if index.table == thing.key)
        sources += [index.source for index in sorted(indexes, key=lambda index: index.key)]
    # It depends on more than the plan notes: an index may come and go while its table stays the same.
    context.findings.reusable = False
    rows = ", ".join(f"({sql.literal(_said(source, malagasy))})" for source in sources)
    return QueryPlan(f"VALUES {rows}", (), (Output(_RELATION, _RELATION),), _RELATION, ())


def _said(source: str, malagasy: bool) -> str:
    normalized, statement = parsed(source)
    return write(statement, normalized, malagasy)


def describe(context: Context, name: Name) -> QueryPlan:
    """One row a column of a table or view: name, domain, whether null is refused, default, part of the primary key."""
    relation = context.relation(name.text)
    if relation is None:
        raise context.unknown_table(name)
    must_be_understood(relation, name)
    primary = relation.unique[0] if isinstance(relation, Table) and relation.has_primary else ()
    rows = ", ".join(_row(column, column.key in primary) for column in relation.columns)
    heads = (_RELATION, "efitra", "tsy null", "sanda fototra", "fanalahidy")
    outputs = tuple(Output(head, _RELATION, head in ("tsy null", "fanalahidy")) for head in heads)
    return QueryPlan(f"VALUES {rows}", (), outputs, _RELATION, (relation.name,))


def _row(column: Column, in_primary: bool) -> str:
    given = column.default if column.generated is None else f"AS ({column.generated})"
    cells = (column.name, column.domain or None, int(column.not_null), given, int(in_primary))
    return f"({', '.join(sql.literal(cell) for cell in cells)})"
