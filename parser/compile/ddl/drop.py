"""DROP of tables, domains, views and indexes."""

from __future__ import annotations

from dirk_parser.ast.statement import Drop
from dirk_parser.compile.base import sql
from dirk_parser.compile.base.context import Context
from dirk_parser.compile.ddl.objects import nothing, things, unknown
from dirk_parser.compile.dml import numbering
from dirk_parser.errors import SqlError
from dirk_parser.names import key
from dirk_parser.plan.plan import CatalogChange, DdlPlan
from dirk_parser.schema.schema import Domain, Index, Schema, Table, Thing


def drop(context: Context, node: Drop) -> DdlPlan:
    """DROP. Raises in_use (2BP01) when something else needs the object, and unknown_… when it is not there."""
    schema, kind, name_key = context.schema, node.kind, key(node.name.text)
    verb = f"drop_{kind}"
    found = things(schema, kind).get(name_key)
    if found is None:
        if node.optional:
            return nothing(verb, kind, node.name.text)
        raise unknown(schema, kind, node.name)
    user = _user_of(schema, found)
    if user:
        raise SqlError("in_use", name=found.name, user=user, place=node.name.place)
    changes = [CatalogChange(kind, name_key, found.name, None)]
    if isinstance(found, Table):
        gone = (index for index in schema.indexes.values() if index.table == name_key)
        changes += [CatalogChange("index", each.key, each.name, None) for each in gone]
    texts: tuple[str, ...] = () if isinstance(found, Domain) else (f"DROP {kind.upper()} {sql.name(found.name)}",)
    texts += numbering.dropped(found) if isinstance(found, Table) else ()
    return DdlPlan(texts, tuple(changes), verb, kind, found.name)


def _user_of(schema: Schema, found: Thing) -> str:
    """The name of something that needs `found`; '' when nothing does."""
    if isinstance(found, Domain):
        tables = (table.name for table in schema.tables.values() if found.key in table.domains)
        inner = (domain.name for domain in schema.domains.values() if found.key in domain.domains)
        return next(tables, "") or next(inner, "")
    if isinstance(found, Index):
        return _child_of_index(schema, found)
    views = (view.name for view in schema.views.values() if found.key in view.uses)
    children = (
        table.name
        for table in schema.tables.values()
        if table.key != found.key and any(reference.table == found.key for reference in table.references)
    )
    return next(views, "") or next(children, "")


def _child_of_index(schema: Schema, index: Index) -> str:
    """The name of a table with a foreign key that nothing but this index makes good; '' when there is none."""
    keys = [set(each) for each in schema.tables[index.table].unique]
    others = (each for each in schema.indexes.values() if each.table == index.table and each is not index)
    keys += [set(other.key_columns) for other in others]
    mine = set(index.key_columns)
    children = (
        table.name
        for table in schema.tables.values()
        if any(
            reference.table == index.table and set(reference.foreign_columns) == mine for reference in table.references
        )
    )
    return "" if not mine or mine in keys else next(children, "")
