"""Statements that change or show the session and the cluster: USE, SET LANGUAGE, SHOW DATABASES, SERVERS, CONFLICTS."""

from __future__ import annotations

import time
from collections.abc import Sequence

from dirk_gevent.config.settings import Limits
from dirk_gevent.coordinator.divergence.registry import Conflict
from dirk_gevent.coordinator.request_parts import RequestParts
from dirk_gevent.coordinator.server_rows import SHOWN_DIGEST_BYTES, ServerRow, server_rows
from dirk_gevent.log.entry import SYSTEM_LOG_ID
from dirk_gevent.protocol.meta import Meta, MetaFacts
from dirk_gevent.server import replies
from dirk_gevent.server.session import LANGUAGES, Request, Session
from dirk_parser.errors import SqlError
from dirk_parser.grammar.route import Route
from dirk_parser.normalize.normalized_statement import Value

SERVER_COLUMNS = (
    "fanasehoana", "role", "state", "database", "applied_index", "lag_entries", "last_heartbeat",
    "digest_index", "digest", "work_index", "work_seconds", "work_steps",
)  # fmt: skip
CONFLICT_COLUMNS = (
    "fanasehoana", "node", "database", "index", "cause", "state", "digest", "right_digest", "kept", "kept_sql",
)  # fmt: skip


def server_cells(row: ServerRow) -> tuple[Value, ...]:
    """One line of SHOW SERVERS, in the order of `SERVER_COLUMNS`."""
    facts = (row.node, row.role, row.state, row.database, row.applied_index, row.lag_entries, row.last_heartbeat)
    return (*facts, row.digest_index, row.digest, row.work_index, row.work_seconds, row.work_steps)


def conflict_cells(found: Conflict) -> tuple[str | int | None, ...]:
    """One line of SHOW CONFLICTS, in the order of `CONFLICT_COLUMNS`: what is not known is null."""
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(found.when_ms // 1000))
    shown = [digest[: 2 * SHOWN_DIGEST_BYTES] or None for digest in (found.digest, found.right)]
    facts = (when, found.node or None, found.database or None, found.index or None, found.cause, found.status)
    return (*facts, *shown, found.kept or None, found.kept_sql or None)


def choose_language(session: Session, route: Route) -> str:
    """SET LANGUAGE: the language now spoken; SqlError unknown_language for one there is no catalogue of."""
    language = (route.target or "").lower()
    if language not in LANGUAGES:
        known = ", ".join(LANGUAGES)
        raise SqlError("unknown_language", name=language, known=known, place=route.place)
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
        if route.show == "databases":
            self._parts.sessions.check_names(session, request)
            self._parts.state.blocks.check(SYSTEM_LOG_ID)
            # All names are known here, and answers about them are of the head.
            self._parts.sessions.tell(session, SYSTEM_LOG_ID, self._parts.state.head_index(SYSTEM_LOG_ID))
            rows = [(info.name,) for info in self._parts.state.log.reads.databases()]
            return self._listing(session, request, ("fanasehoana",), rows, {"db": None, "log_id": SYSTEM_LOG_ID})
        if route.show == "servers":
            servers = [server_cells(row) for row in server_rows(self._parts.state)]
            return self._listing(session, request, SERVER_COLUMNS, servers)
        if route.show == "conflicts":
            found = [conflict_cells(one) for one in reversed(self._parts.state.registry.all())]
            return self._listing(session, request, CONFLICT_COLUMNS, found)
        raise SqlError("not_supported", what=request.text.split(maxsplit=1)[0])

    def _use(self, session: Session, request: Request, route: Route) -> bytes:
        self._parts.sessions.check_names(session, request)
        info = self._parts.state.find(route.target or "", route.place)
        check_usable(info.log_id, route)
        session.use(info.name, info.log_id)
        self._parts.sessions.begin(session, info.log_id)
        return replies.done("use", info.name, 0, self._meta(session, request, "session"))

    def _listing(
        self,
        session: Session,
        request: Request,
        columns: tuple[str, ...],
        rows: Sequence[tuple[Value, ...]],
        facts: MetaFacts | None = None,
    ) -> bytes:
        told: MetaFacts = {**(facts or {}), "rows": len(rows), "repeatable": False}
        meta = replies.meta_of(session, request, self._name, "admin", told)
        return replies.relation(replies.listing(columns, rows), self._limits.page_rows, meta)

    def _meta(self, session: Session, request: Request, kind: str) -> Meta | None:
        return replies.meta_of(session, request, self._name, kind)
