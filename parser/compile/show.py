"""SHOW and DESCRIBE: reads of the catalog, as the relation `fanasehoana`."""

from __future__ import annotations

from parser import nodes
from parser.compile import sql
from parser.compile.context import Context
from parser.errors import SqlError
from parser.plan import Output, Query
from parser.schema import Column, Table

_RELATION = "fanasehoana"
_KINDS = {"tables": "table", "domains": "domain", "views": "view", "indexes": "index"}


def show(context: Context, node: nodes.Show) -> Query:
    """SHOW TABLES, DOMAINS, VIEWS, INDEXES and COLUMNS FROM; the other lists are not a database's to know."""
    if node.what == "columns" and node.table is not None:
        return describe(context, node.table)
    kind = _KINDS.get(node.what)
    if kind is None:
        raise SqlError("not_supported", what=f"SHOW {node.what.upper()}")
    text = f"SELECT name FROM dirk_catalog WHERE kind = {sql.literal(kind)} ORDER BY key"
    return Query(text, (), (Output(_RELATION, _RELATION),), _RELATION, ())


def describe(context: Context, name: nodes.Name) -> Query:
    """One row a column of a table or view: name, domain, whether null is refused, default, part of the primary key."""
    found = context.relation(name.text)
    if found is None:
        raise context.unknown_table(name)
    primary = found.unique[0] if isinstance(found, Table) and found.has_primary else ()
    rows = ", ".join(_row(column, column.key in primary) for column in found.columns)
    heads = (_RELATION, "efitra", "tsy null", "sanda fototra", "fanalahidy")
    outputs = tuple(Output(head, _RELATION, head in ("tsy null", "fanalahidy")) for head in heads)
    return Query(f"VALUES {rows}", (), outputs, _RELATION, (found.name,))


def _row(column: Column, in_primary: bool) -> str:
    cells = (column.name, column.domain or None, int(column.not_null), column.default, int(in_primary))
    return f"({', '.join(sql.literal(cell) for cell in cells)})"
