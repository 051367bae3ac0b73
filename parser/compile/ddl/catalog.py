"""A catalog's rows back into a schema: every object's DDL is parsed and defined again."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from threading import Lock
from types import MappingProxyType
from typing import Any, TypeAlias

from cachetools import LRUCache

from dirk_parser.ast.expression import Atom
from dirk_parser.ast.query import TableRef
from dirk_parser.ast.statement import CreateDomain, CreateIndex, CreateTable, CreateView, ForeignKey, Statement
from dirk_parser.ast.walk import find_all
from dirk_parser.compile.base.context import Context, Purpose, Tolerance
from dirk_parser.compile.ddl.define import define_domain, define_index, define_table, define_view
from dirk_parser.compile.query.compilers import COMPILERS
from dirk_parser.errors import SqlError
from dirk_parser.grammar.statements import Statements
from dirk_parser.names import key
from dirk_parser.normalize.literals import Literals
from dirk_parser.normalize.normalized_statement import NormalizedStatement
from dirk_parser.normalize.normalizer import split, text
from dirk_parser.plan.plan import CatalogChange
from dirk_parser.printer.printer import write
from dirk_parser.schema.schema import Schema, Thing, View

_ORDER = ("domain", "table", "index", "view")


def load_schema(rows: Iterable[CatalogChange], version: int) -> Schema:
    """The schema that a catalog's rows describe. Raises SqlError when a row's DDL can't be understood any more."""
    return change_schema(Schema(), rows, version)


def change_schema(
    base: Schema, changes: Iterable[CatalogChange], version: int, tolerance: Tolerance = Tolerance.NAMES
) -> Schema:
    """`base` after a DDL. Only what `changes` name is parsed, in whatever order it comes; what nothing touched stays
    the same object.

    `tolerance`: what a definition may hold that no statement may say any more.
    """
    loading = _Loading(base, version, tolerance)
    waiting = [change for change in changes if loading.begins(change)]
    waiting.sort(key=lambda change: _ORDER.index(change.kind))
    while waiting:
        waiting = loading.define_some(waiting)
    return loading.schema


#: Kind and key: what an object is found by.
_At: TypeAlias = tuple[str, str]


class _Loading:
    """A schema under construction: `schema` shows what has been defined so far."""

    def __init__(self, base: Schema, version: int, tolerance: Tolerance) -> None:
        tables, views, domains, indexes = dict(base.tables), dict(base.views), dict(base.domains), dict(base.indexes)
        self.schema = Schema(
            version,
            MappingProxyType(tables),
            MappingProxyType(views),
            MappingProxyType(domains),
            MappingProxyType(indexes),
        )
        self._things: dict[str, dict[str, Any]] = {
            "table": tables, "view": views, "domain": domains, "index": indexes
        }  # fmt: skip
        self._tolerance = tolerance
        self._undefined: dict[_At, CatalogChange] = {}
        self._failures: dict[_At, SqlError] = {}

    def begins(self, change: CatalogChange) -> bool:
        """Takes out what `change` is about; whether there is something to define in its place."""
        self._things[change.kind].pop(change.key, None)
        return change.source is not None

    def define_some(self, waiting: list[CatalogChange]) -> list[CatalogChange]:
        """Defines what can be; what needs an object that can't be yet comes back. Raises when nothing could be.

        A stored view of an earlier build that means nothing any more keeps no database from being opened.
        """
        self._undefined = {_at(change): change for change in waiting}
        self._failures = {}
        for change in waiting:
            if _at(change) not in self._failures:
                self._define_with_needs(change)
        if len(self._undefined) == len(waiting):
            self._let_pass(waiting)
        return list(self._undefined.values())

    def _let_pass(self, waiting: list[CatalogChange]) -> None:
        """Takes the first view for an outdated one; raises why nothing could be defined where there is none."""
        change = next((waiter for waiter in waiting if waiter.kind == "view"), None)
        if change is None or self._tolerance < Tolerance.NAMES:
            raise self._failures[_at(waiting[0])]
        names = (change.name,)
        outdated = View(
            change.name, change.key, (), change.source or "", tables=names, uses=frozenset(), is_outdated=True
        )
        self._things["view"][change.key] = outdated
        del self._undefined[_at(change)]

    def _define_with_needs(self, change: CatalogChange) -> None:
        """Defines `change`, and before it what it names: each is tried twice at most, however they are ordered."""
        steps = [change]
        while steps:
            at = _at(steps[-1])
            is_first = at not in self._failures
            if at not in self._undefined or self._is_defined(at, steps[-1]):
                steps.pop()
            elif is_first and (needed := self._needed(steps[-1])):
                steps += needed
            else:
                steps.pop()

    def _is_defined(self, at: _At, change: CatalogChange) -> bool:
        try:
            self._things[change.kind][change.key] = _define(self.schema, change, self._tolerance)
        except SqlError as error:
            self._failures[at] = error
            return False
        del self._undefined[at]
        return True

    def _needed(self, change: CatalogChange) -> list[CatalogChange]:
        """Objects that `change` names and nobody has tried to define yet."""
        named = _named(change.source or "")
        places = [(kind, name) for name in named for kind in self._things]
        return [self._undefined[at] for at in places if at in self._undefined and at not in self._failures]


def _at(change: CatalogChange) -> _At:
    return change.kind, change.key


def _named(source: str) -> set[str]:
    """The keys of the tables, views and domains in a definition's text."""
    try:
        _, statement = parsed(source)
    except SqlError:
        return set()
    names = [table_ref.name for table_ref in find_all(statement, TableRef)]
    names += [atom.name for atom in find_all(statement, Atom)]
    names += [foreign_key.table for foreign_key in find_all(statement, ForeignKey)]
    names += [create_index.table for create_index in find_all(statement, CreateIndex)]
    return {key(name.text) for name in names}


@lru_cache(maxsize=1)
def _statements() -> Statements:
    """A parser for catalogs alone: each source is parsed once, there is nothing to keep."""
    return Statements(cached_templates=1)


def parsed(source: str) -> tuple[NormalizedStatement, Statement]:
    """A definition's text as the catalog keeps it, split and parsed."""
    normalized = split(source)
    return normalized, _statements().parse(normalized)


def source_of(normalized: NormalizedStatement, statement: Statement) -> str:
    """A definition's text as the catalog is to keep it: as it was written, but for the names of databases, since the
    database may come to have another name (a dump that is loaded elsewhere)."""
    if "." in normalized.template and _statements().databases(normalized):
        return write(statement, normalized)
    return text(normalized)


#: What each source was defined as last and what names were found as then; apart where a name was let pass.
_Memory = tuple[Thing, tuple[tuple[str, str, Thing | None], ...]]
_memory: LRUCache[tuple[str, str, bool], _Memory] = LRUCache(20_000)
_memory_lock = Lock()


def _define(schema: Schema, change: CatalogChange, tolerance: Tolerance) -> Thing:
    """The object of a catalog row. A row defined before against the same objects gives the same object again, so
    that a schema loaded anew leaves plans good and costs no parsing."""
    source = change.source or ""
    for is_blind in (False, True)[: tolerance]:
        memory = _remembered(schema, change.kind, source, is_blind)
        if memory is not None:
            return memory
    normalized, statement = parsed(source)
    context = Context(schema, Literals(normalized), COMPILERS, Purpose(tolerance=tolerance))
    thing = _definition(context, statement, source)
    findings = tuple((*names, found_thing) for names, found_thing in context.findings.found.items())
    with _memory_lock:
        _memory[change.kind, source, context.findings.is_blind] = (thing, findings)
    return thing


def _remembered(schema: Schema, kind: str, source: str, is_blind: bool) -> Thing | None:
    with _memory_lock:
        memory = _memory.get((kind, source, is_blind))
    is_good = memory is not None and all(_lookup(schema, *names) is thing for *names, thing in memory[1])
    return memory[0] if memory is not None and is_good else None


def _lookup(schema: Schema, kind: str, name: str) -> Thing | None:
    if kind == "table":
        return schema.tables.get(name)
    return schema.views.get(name) if kind == "view" else schema.domains.get(name)


def _definition(context: Context, statement: Statement, source: str) -> Thing:
    match statement:
        case CreateDomain():
            return define_domain(context, statement, source)
        case CreateTable():
            return define_table(context, statement, source)
        case CreateView():
            return define_view(context, statement, source)[0]
        case CreateIndex():
            return define_index(context, statement, source)[0]
    raise SqlError("internal")
