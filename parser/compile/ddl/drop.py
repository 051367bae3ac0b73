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
    thing = things(schema, kind).get(name_key)
    if thing is None:
        if node.optional:
            return nothing(verb, kind, node.name.text)
        raise unknown(schema, kind, node.name)
    user = _user_of(schema, thing)
    if user:
        raise SqlError("in_use", name=thing.name, user=user, place=node.name.place)
    changes = [CatalogChange(kind, name_key, thing.name, None)]
    if isinstance(thing, Table):
        gone = (index for index in schema.indexes.values() if index.table == name_key)
        changes += [CatalogChange("index", index.key, index.name, None) for index in gone]
    texts: tuple[str, ...] = () if isinstance(thing, Domain) else (f"DROP {kind.upper()} {sql.name(thing.name)}",)
    texts += numbering.dropped(thing) if isinstance(thing, Table) else ()
    return DdlPlan(texts, tuple(changes), verb, kind, thing.name)


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
    keys = [set(group) for group in schema.tables[index.table].unique]
    others = (group for group in schema.indexes.values() if group.table == index.table and group is not index)
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
