"""Writes on the side of the log: from a parsed statement to the answer its client gets."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace

from dirk_gevent.base.request_ids import new_request_id
from dirk_gevent.config.settings import Limits
from dirk_gevent.coordinator.request_parts import RequestParts
from dirk_gevent.engine.results import Outcome
from dirk_gevent.log.entry import SYSTEM_LOG_ID, DatabaseChange, Draft, LoggedStatement
from dirk_gevent.log.records import DatabaseChanged
from dirk_gevent.protocol import answer_bytes
from dirk_gevent.protocol.meta import MetaFacts
from dirk_gevent.server import replies
from dirk_gevent.server.copying import SMALL_BYTES, Copies, Read, ReadRefused, nowhere
from dirk_gevent.server.session import Request, Session
from dirk_gevent.server.upstream_pool import OPEN_CLASSES
from dirk_parser.errors import SqlError
from dirk_parser.grammar.route import Route
from dirk_parser.normalize.normalized_statement import NormalizedStatement
from dirk_parser.plan.copies import names_others

#: How an entry of nothing ends whose request has not run.
_NOTHING_RAN = "25P01"


@dataclass(frozen=True, slots=True)
class _Write:
    """A request that writes to one database."""

    session: Session
    request: Request
    route: Route
    database: str
    log_id: int


class Writes:
    """Runs the writes of sessions where the log is. `name` is the process's, for META; `read` reads another
    database for them.
    """

    def __init__(self, parts: RequestParts, limits: Limits, name: str, read: Read) -> None:
        self._parts = parts
        self._copies = Copies(read, limits)
        self._limits = limits
        self._name = name

    def run(self, session: Session, request: Request, normalized: NormalizedStatement, route: Route) -> bytes:
        """Append the statement and answer with how it ended; SqlError for what failed."""
        request_id = request.request_id or new_request_id(self._parts.state.log.time_ms())
        if route.verb in ("create_database", "drop_database"):
            return self._database(session, request, route, request_id)
        database, log_id = self._parts.sessions.resolve(session, request.database)
        if database is None:
            raise SqlError("no_database")
        if log_id == SYSTEM_LOG_ID:
            raise SqlError("system_database")
        statement = LoggedStatement(normalized, request.args)
        draft = Draft(request_id, (statement,), self._limits.write_steps)
        if names_others(route, database):
            with ExitStack() as slot:
                slot.enter_context(self._copies.slots.taken())
                # The database may have been dropped, or made anew, while this waited for its turn.
                database, log_id = self._parts.sessions.resolve(session, request.database)
                assert database is not None
                return self._copied(_Write(session, request, route, database, log_id), normalized, draft, slot)
        return self._written(_Write(session, request, route, database, log_id), draft)

    def _written(self, write: _Write, draft: Draft) -> bytes:
        return self._answer(write, self._outcome(write, draft))

    def _outcome(self, write: _Write, draft: Draft) -> Outcome:
        with write.session.place_lent(self._parts.appends.waiting.taken(write.log_id)):
            outcome = self._parts.appends.write(write.log_id, write.database, write.route.target or "", draft)
        write.session.saw(write.log_id, outcome.index)
        return outcome

    def _copied(self, write: _Write, normalized: NormalizedStatement, draft: Draft, slot: ExitStack) -> bytes:
        """Run an INSERT whose rows another database has. When that does not give them, a request that may have run
        before ends as it did then: an entry of nothing finds its record, or burns its id.

        `slot` is closed as soon as no large rows are held.
        """
        request = write.request
        try:
            copied = self._copies.statement(write.session, request, normalized, write.route, write.database)
        except (SqlError, ReadRefused) as error:
            slot.close()
            outcome = None
            if request.request_id is not None and not error.sqlstate.startswith(OPEN_CLASSES):
                outcome = self._outcome(write, Draft(draft.request_id, ()))
            if outcome is not None and outcome.sqlstate != _NOTHING_RAN:
                with nowhere():
                    return self._answer(write, outcome)
            if isinstance(error, SqlError):
                raise
            return error.answer if request.has_meta else answer_bytes.split_meta(error.answer)[1]
        if copied.size_bytes <= SMALL_BYTES:
            slot.close()
        complete = replace(draft, statements=(copied.statement,), request_hash=copied.request_hash)
        with nowhere():
            return self._written(write, complete)

    def _answer(self, write: _Write, outcome: Outcome) -> bytes:
        error = outcome.error()
        if error is not None:
            raise error
        facts: MetaFacts = {
            "db": write.database,
            "log_id": write.log_id,
            "tables": outcome.tables,
            "rows": outcome.rows,
        }
        meta = replies.meta_of(write.session, write.request, self._name, "write", facts)
        if outcome.returning is not None:
            return replies.relation(outcome.returning, self._limits.page_rows, meta)
        return replies.done(outcome.verb, outcome.name, outcome.rows, meta)

    def _database(self, session: Session, request: Request, route: Route, request_id: str) -> bytes:
        name = route.target or ""
        # It is written to the log of databases: that index is what another connection has to wait for.
        facts: MetaFacts = {"db": None, "log_id": SYSTEM_LOG_ID, "rows": 0}
        with session.place_lent(self._parts.appends.waiting.taken(SYSTEM_LOG_ID)):
            changed = self._changed(route, name, request_id)
        if route.verb == "drop_database" and changed.change is not None:
            _leave(session, changed.change)
            facts["dropped_log_id"] = changed.change.log_id
        session.saw(SYSTEM_LOG_ID, changed.index)
        shown = changed.change.name if changed.change is not None else name
        meta = replies.meta_of(session, request, self._name, "write", facts)
        return replies.done(route.verb, shown, 0, meta)

    def _changed(self, route: Route, name: str, request_id: str) -> DatabaseChanged:
        appends = self._parts.appends
        change = appends.create_database if route.verb == "create_database" else appends.drop_database
        try:
            return change(name, request_id, route.optional)
        except SqlError as error:
            if error.key == "unknown_database":
                # The log knows no nearest name; this does, and raises the same error with it.
                self._parts.state.find(name, route.place)
            if error.key == "duplicate_database":
                error.at(route.place)
            raise


def _leave(session: Session, dropped: DatabaseChange) -> None:
    session.indexes.pop(dropped.log_id, None)
    if session.log_id == dropped.log_id:
        session.database = None
        session.log_id = SYSTEM_LOG_ID
