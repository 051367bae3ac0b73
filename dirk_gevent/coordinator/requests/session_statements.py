"""Statements about the session and the cluster: USE, SET LANGUAGE, and what SHOW lists of the cluster."""

from __future__ import annotations

from dirk_gevent.config.settings import Limits
from dirk_gevent.coordinator.request_parts import RequestParts
from dirk_gevent.coordinator.requests.cluster_listings import LISTERS, Lister
from dirk_gevent.log.entry import SYSTEM_LOG_ID
from dirk_gevent.protocol.meta import MetaFacts
from dirk_gevent.server import replies
from dirk_gevent.server.session import LANGUAGES, Request, Session
from dirk_parser.errors import SqlError
from dirk_parser.grammar.route import Route


def choose_language(session: Session, route: Route) -> str:
    """SET LANGUAGE: the language now spoken; SqlError unknown_language for one there is no catalogue of."""
    language = (route.target or "").lower()
    if language not in LANGUAGES:
        languages = ", ".join(LANGUAGES)
        raise SqlError("unknown_language", name=language, known=languages, place=route.place)
    session.language = language
    return language


def check_usable(log_id: int, route: Route) -> None:
    """Raise system_database (42501) when USE names DirkDB's own database, in which every statement is refused."""
    if log_id == SYSTEM_LOG_ID:
        raise SqlError("system_database", place=route.place)


class SessionStatements:
    """Those statements, answered where the log is hosted. `name` is the process's, for META."""

    def __init__(self, parts: RequestParts, limits: Limits, name: str) -> None:
        self._parts = parts
        self._limits = limits
        self._name = name

    def run(self, session: Session, request: Request, route: Route) -> bytes:
        """Answer one. Raises SqlError: stale_read, not_supported for what is none of them."""
        if route.verb == "use":
            return self._use(session, request, route)
        if route.verb == "set_language":
            language = choose_language(session, route)
            meta = replies.meta_of(session, request, self._name, "session", {"language": language})
            return replies.done("set_language", language, 0, meta)
        if route.show in LISTERS:
            return self._list(session, request, route, LISTERS[route.show])
        raise SqlError("not_supported", what=request.text.split(maxsplit=1)[0])

    def _use(self, session: Session, request: Request, route: Route) -> bytes:
        self._parts.sessions.check_names(session, request)
        info = self._parts.state.find(route.target or "", route.place)
        check_usable(info.log_id, route)
        session.use(info.name, info.log_id)
        self._parts.sessions.begin(session, info.log_id)
        return replies.done("use", info.name, 0, self._meta(session, request, "session"))

    def _list(self, session: Session, request: Request, route: Route, lister: Lister) -> bytes:
        facts: MetaFacts = {}
        if route.is_of_names:
            self._parts.sessions.check_names(session, request)
            self._parts.state.blocks.check(SYSTEM_LOG_ID)
            # All names are known here, and answers about them are of the head.
            self._parts.sessions.tell(session, SYSTEM_LOG_ID, self._parts.state.head_index(SYSTEM_LOG_ID))
            facts = {"db": None, "log_id": SYSTEM_LOG_ID}
        rows = lister.rows(self._parts)
        facts = {**facts, "rows": len(rows), "repeatable": False}
        meta = replies.meta_of(session, request, self._name, "admin", facts)
        return replies.relation(replies.listing(lister.columns, rows), self._limits.page_rows, meta)

    def _meta(self, session: Session, request: Request, kind: str) -> bytes:
        return replies.meta_of(session, request, self._name, kind)
