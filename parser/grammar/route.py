"""A statement's route: what the cluster must know of it, and no schema is needed for."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum

from dirk_parser.ast.query import Query
from dirk_parser.ast.statement import (
    AlterTable,
    Begin,
    Commit,
    CreateDatabase,
    CreateDomain,
    CreateIndex,
    CreateTable,
    CreateView,
    Delete,
    Describe,
    Drop,
    Explain,
    Insert,
    Rollback,
    SetLanguage,
    Show,
    Statement,
    Translate,
    Update,
    Upkeep,
    Use,
)
from dirk_parser.errors import SqlError
from dirk_parser.lexical.listings import LISTINGS, ListingScope
from dirk_parser.lexical.tokens import InDatabase
from dirk_parser.names import key


class Kind(StrEnum):
    """A statement's effect on the cluster; the proxy routes by it."""

    READ = "read"
    WRITE = "write"
    SESSION = "session"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Route:
    """The facts of a statement that need no schema: enough for a proxy to send it on its way.

    `verb`: select, show, describe, insert, update, delete, create_table, drop_view, create_database,
    drop_database, use, set_language, begin, commit, rollback, ... `target`: the database, table, view,
    domain or index it is about, or the language of set_language; None when there is none.
    `optional` is IF EXISTS / IF NOT EXISTS. `show` names what SHOW lists (databases, tables, servers, ...).
    `place` is where the template names a database or a language (-1: it names none), for errors about that.
    `databases`: what it says to be in a database, which must be the one that it is run in (`check_databases`).
    """

    kind: Kind
    verb: str
    target: str | None = None
    optional: bool = False
    show: str | None = None
    place: int = field(default=-1, compare=False)
    databases: tuple[InDatabase, ...] = ()

    @property
    def is_of_names(self) -> bool:
        """True for a listing of the databases, which is of none of them."""
        return self.show in LISTINGS and LISTINGS[self.show].scope is ListingScope.NAMES


_CREATES = {
    CreateTable: "create_table", CreateDomain: "create_domain", CreateView: "create_view",
    CreateIndex: "create_index",
}
_SESSION = {Begin: "begin", Commit: "commit", Rollback: "rollback"}


def route_of(statement: Statement) -> Route:
    """The route of a parsed statement."""
    if isinstance(statement, Query):
        return Route(Kind.READ, "select")
    if isinstance(statement, Insert):
        return Route(Kind.WRITE, "insert", statement.table.text)
    if isinstance(statement, Update | Delete):
        verb = "update" if isinstance(statement, Update) else "delete"
        return Route(Kind.WRITE, verb, statement.table.name.text)
    return _definition(statement) or _session(statement) or _question(statement)


def check_databases(route: Route, database: str | None) -> None:
    """Raises other_database (0A000) for what a statement names in another database than `database`, the one that it is
    run in (None: in none). Whoever takes a statement in asks: behind that, `sekoly.t` is t."""
    if route.verb == "translate":
        # Nothing is looked up: it is words for words.
        return
    own = None if database is None else key(database)
    for named in route.databases:
        if key(named.database) != own:
            raise SqlError("other_database", database=named.database, name=named.name, place=named.place)


def _definition(statement: Statement) -> Route | None:
    if isinstance(statement, CreateDatabase) or (isinstance(statement, Drop) and statement.kind == "database"):
        verb = "create_database" if isinstance(statement, CreateDatabase) else "drop_database"
        return Route(Kind.WRITE, verb, statement.name.text, statement.optional, place=statement.name.place)
    if isinstance(statement, CreateTable | CreateDomain | CreateView | CreateIndex):
        return Route(Kind.WRITE, _CREATES[type(statement)], statement.name.text, statement.optional)
    if isinstance(statement, Drop):
        return Route(Kind.WRITE, f"drop_{statement.kind}", statement.name.text, statement.optional)
    if isinstance(statement, AlterTable):
        return Route(Kind.WRITE, "alter_table", statement.table.text)
    if isinstance(statement, Upkeep):
        return Route(Kind.WRITE, statement.verb, statement.name.text if statement.name else None)
    return None


def _session(statement: Statement) -> Route | None:
    if isinstance(statement, Use):
        return Route(Kind.SESSION, "use", statement.name.text, place=statement.name.place)
    if isinstance(statement, SetLanguage):
        return Route(Kind.SESSION, "set_language", statement.language.text, place=statement.language.place)
    verb = _SESSION.get(type(statement))
    return Route(Kind.SESSION, verb) if verb else None


def _question(statement: Statement) -> Route:
    """SHOW, DESCRIBE, EXPLAIN, TRANSLATE: reads, whatever is explained."""
    if isinstance(statement, Show):
        table = statement.table.text if statement.table else None
        listing = LISTINGS.get(statement.what)
        kind = Kind.ADMIN if listing is not None and listing.scope is ListingScope.CLUSTER else Kind.READ
        return Route(kind, "show", table, show=statement.what)
    if isinstance(statement, Describe):
        return Route(Kind.READ, "describe", statement.name.text)
    assert isinstance(statement, Explain | Translate)
    verb = "explain" if isinstance(statement, Explain) else "translate"
    return replace(route_of(statement.statement), kind=Kind.READ, verb=verb, show=None)
