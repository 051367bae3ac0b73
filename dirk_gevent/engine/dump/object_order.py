"""The order in which a dump makes objects: each behind what its definition needs, as the compiler resolves it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from dirk_gevent.engine.dump.topological_order import in_order
from dirk_parser.schema.schema import Index, Reference, Schema, Table

#: Kind and key of an object.
ObjectKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Definitions:
    """The objects of a database in the order to make them: those that rows need, and those behind them."""

    before_rows: tuple[ObjectKey, ...]
    behind_rows: tuple[ObjectKey, ...]


def definitions(schema: Schema, made: Mapping[str, int]) -> Definitions:
    """The order of all objects of `schema`. `made`: when tables were made, by their keys; that order is kept.

    A foreign key may come before the table that it refers to, but not before the unique index that makes it good.
    """
    domains = in_order(schema.domains, lambda key: schema.domains[key].domains)
    needed = {table.key: tuple(_needed_indexes(schema, table)) for table in schema.tables.values()}
    tables = sorted(schema.tables, key=lambda key: made.get(key, 0))
    first = in_order([("table", key) for key in tables], lambda of: _needs(schema, needed, of))
    views = in_order(schema.views, lambda key: schema.views[key].uses & schema.views.keys())
    taken = set(first)
    indexes = [("index", key) for key in schema.indexes if ("index", key) not in taken]
    return Definitions(
        (*(("domain", key) for key in domains), *first), (*indexes, *(("view", key) for key in views))
    )


def _needs(schema: Schema, needed: Mapping[str, tuple[str, ...]], of: ObjectKey) -> list[ObjectKey]:
    kind, name = of
    if kind == "index":
        return [("table", schema.indexes[name].table)]
    return [("index", index) for index in needed[name]]


def _needed_indexes(schema: Schema, table: Table) -> Iterable[str]:
    """The unique indexes without which a foreign key of `table` is refused."""
    for reference in table.references:
        parent = schema.tables.get(reference.table)
        if parent is not None and parent is not table:
            yield from _making_good(schema, reference, parent)


def _making_good(schema: Schema, reference: Reference, parent: Table) -> Iterable[str]:
    columns = set(referred_columns(reference, parent))
    if any(set(group) == columns for group in parent.unique):
        return
    good = (index for index in schema.indexes.values() if index.table == parent.key and _is_on(index, columns))
    making = next(good, None)
    if making is not None:
        yield making.key


def _is_on(index: Index, columns: Collection[str]) -> bool:
    return bool(index.key_columns) and set(index.key_columns) == columns


def referred_columns(reference: Reference, parent: Table) -> tuple[str, ...]:
    """The keys of the columns of `parent` that a foreign key refers to."""
    return reference.foreign_columns or (parent.unique[0] if parent.has_primary else ())
