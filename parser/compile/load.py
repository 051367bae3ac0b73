"""A catalog's rows back into a schema: every object's DDL is parsed and defined again."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from threading import Lock
from types import MappingProxyType

from cachetools import LRUCache

from parser import nodes
from parser.compile.context import Context, Tolerance
from parser.compile.define import define_domain, define_index, define_table, define_view
from parser.errors import SqlError
from parser.literals import Literals
from parser.plan import CatalogChange, Shaped
from parser.schema import Domain, Index, Schema, Table, Thing, View
from parser.shape import split
from parser.statements import Statements

_ORDER = ("domain", "table", "index", "view")


def load_schema(base: Schema, changes: Iterable[CatalogChange], version: int, tolerance: Tolerance) -> Schema:
    """`base` with `changes` applied. Objects may come in any order; what nothing touched stays the same object.

    `tolerance`: what a definition may hold that no statement may say any more.
    """
    things: dict[str, dict[str, Thing]] = {
        "domain": dict(base.domains), "table": dict(base.tables), "index": dict(base.indexes), "view": dict(base.views)
    }  # fmt: skip
    waiting: list[CatalogChange] = []
    for change in changes:
        if change.source is None:
            things[change.kind].pop(change.key, None)
        else:
            things[change.kind].pop(change.key, None)
            waiting.append(change)
    waiting.sort(key=lambda change: _ORDER.index(change.kind))
    while waiting:
        waiting = _define_some(things, waiting, version, tolerance)
    return _schema(things, version)


def _define_some(
    things: dict[str, dict[str, Thing]], waiting: list[CatalogChange], version: int, tolerance: Tolerance
) -> list[CatalogChange]:
    """Defines what can be; what needs an object that is still waiting comes back. Raises when nothing could be."""
    left: list[CatalogChange] = []
    failure: SqlError | None = None
    for change in waiting:
        try:
            things[change.kind][change.key] = _define(_schema(things, version), change, tolerance)
        except SqlError as error:
            # What fails after it may do so for want of this one.
            failure = failure or error
            left.append(change)
    if failure is not None and len(left) == len(waiting):
        raise failure
    return left


def _schema(things: dict[str, dict[str, Thing]], version: int) -> Schema:
    tables = {key: each for key, each in things["table"].items() if isinstance(each, Table)}
    views = {key: each for key, each in things["view"].items() if isinstance(each, View)}
    found = {key: each for key, each in things["domain"].items() if isinstance(each, Domain)}
    indexes = {key: each for key, each in things["index"].items() if isinstance(each, Index)}
    return Schema(
        version,
        MappingProxyType(tables),
        MappingProxyType(views),
        MappingProxyType(found),
        MappingProxyType(indexes),
    )


@lru_cache(maxsize=1)
def _statements() -> Statements:
    """A parser for catalogs alone: each source is parsed once, there is nothing to keep."""
    return Statements(cached_shapes=1)


def parsed(source: str) -> tuple[Shaped, nodes.Statement]:
    """A definition's text as the catalog keeps it, split and parsed."""
    shaped = split(source)
    return shaped, _statements().parse(shaped)


#: What each source was defined as last and what names were found as then; apart where a name was let pass.
_Memory = tuple[Thing, tuple[tuple[str, str, Thing | None], ...]]
_memory: LRUCache[tuple[str, str, bool], _Memory] = LRUCache(20_000)
_memory_lock = Lock()


def _define(schema: Schema, change: CatalogChange, tolerance: Tolerance) -> Thing:
    """The object of a catalog row. A row defined before against the same objects gives the same object again, so
    that a schema loaded anew leaves plans good and costs no parsing."""
    source = change.source or ""
    for is_blind in (False, True)[: tolerance]:
        known = _remembered(schema, change.kind, source, is_blind)
        if known is not None:
            return known
    shaped, statement = parsed(source)
    context = Context(schema, Literals(shaped), tolerance=tolerance)
    thing = _definition(context, statement, source)
    found = tuple((*names, each) for names, each in context.found.items())
    with _memory_lock:
        _memory[change.kind, source, context.is_blind] = (thing, found)
    return thing


def _remembered(schema: Schema, kind: str, source: str, is_blind: bool) -> Thing | None:
    with _memory_lock:
        known = _memory.get((kind, source, is_blind))
    is_good = known is not None and all(_lookup(schema, *names) is thing for *names, thing in known[1])
    return known[0] if known is not None and is_good else None


def _lookup(schema: Schema, kind: str, key: str) -> Thing | None:
    if kind == "table":
        return schema.tables.get(key)
    return schema.views.get(key) if kind == "view" else schema.domains.get(key)


def _definition(context: Context, statement: nodes.Statement, source: str) -> Thing:
    match statement:
        case nodes.CreateDomain():
            return define_domain(context, statement, source)
        case nodes.CreateTable():
            return define_table(context, statement, source)
        case nodes.CreateView():
            return define_view(context, statement, source)[0]
        case nodes.CreateIndex():
            return define_index(context, statement, source)[0]
    raise SqlError("internal")
