"""COMMIT on the side of the log: a transaction's work becomes one entry, whose outcome is the transaction's.

COMMIT said again under its request id is told how it ended: by a node's record, else by an entry of the log that burns
the id. Such an entry gives the recorded outcome when the id has run, whatever ran under it; when it has not, its own is
25P01, and a commit that comes after it, from wherever it was held up, ends so too. So 25P01 is never taken back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gevent.event import Event

from dirk_gevent.config.settings import Limits
from dirk_gevent.coordinator.request_parts import RequestParts
from dirk_gevent.engine.results import Outcome
from dirk_gevent.log.entry import SYSTEM_LOG_ID, Draft
from dirk_gevent.protocol import answer_bytes
from dirk_gevent.protocol.meta import MetaFacts
from dirk_gevent.server import replies
from dirk_gevent.server.service import Answer
from dirk_gevent.server.session import Request, Session
from dirk_gevent.server.statement_cache import StatementCache
from dirk_gevent.server.transactions import draft_of
from dirk_parser.errors import SqlError

#: What a node's answer says when it has no record of the request: none yet, or it can't tell now.
_OPEN_STATES = ("25P01", "57P03", "53300", "58030", "XX000")
#: Why the log took no entry: what became of the request before is as unknown as it was.
_NOT_TAKEN = ("57P03", "53300", "53100", "08007")


class _Running:
    """A request id under which COMMITs are at work here."""

    def __init__(self) -> None:
        self.count = 0
        self.ended = Event()


class Commits:
    """Appends the work of transactions. `name` is the process's, for META."""

    def __init__(self, parts: RequestParts, limits: Limits, statements: StatementCache, name: str) -> None:
        self._parts = parts
        self._limits = limits
        self._statements = statements
        self._name = name
        self._running: dict[str, _Running] = {}

    @contextmanager
    def under_way(self, request_id: str) -> Iterator[None]:
        """The time from COMMIT's coming to its answer: the same COMMIT said again waits for it."""
        running = self._running.setdefault(request_id, _Running())
        running.count += 1
        try:
            yield
        finally:
            running.count -= 1
            if not running.count:
                self._running.pop(request_id)
                running.ended.set()

    def run(self, session: Session, request: Request, request_id: str, fields: object) -> bytes:
        """Append `fields` (see `work_fields`) and answer with how it ended.

        Raises SqlError: what `draft_of` and `Appends.write` raise, and what the entry ended with: 40001.
        """
        steps, parse = self._limits.write_steps, self._statements.parse
        log_id, draft = draft_of(fields, request_id, steps, parse, self._parts.state.database_name)
        state = self._parts.state
        if (draft.base_index or 0) > state.head_index(log_id) and state.log.reads.is_open(log_id):
            raise SqlError("argument_invalid", field="commit")
        with self.under_way(request_id), session.place_lent(self._parts.appends.waiting.taken(log_id)):
            outcome = self._parts.appends.write(log_id, str(log_id), "", draft)
        session.saw(log_id, outcome.index)
        return committed(session, request, self._name, log_id, outcome)

    def again(
        self, session: Session, request: Request, request_id: str, recorded: Callable[[str | None, int, int], Answer]
    ) -> Answer:
        """How the COMMIT with this id ended, which is said again.

        `recorded` asks a node for its record: of the database of a name and a log, at an index.

        Raises SqlError: no_database when no database is named, unknown_database when the one whose log is named was
        dropped, outcome_unknown while nobody can know, and what the COMMIT ended with: no_transaction when it did not,
        and never will.
        """
        self._wait(request_id)
        try:
            name, log_id = self._place(session, request)
        except SqlError as error:
            raise self._left_open(error, request_id) from error
        if log_id == SYSTEM_LOG_ID:
            # Each database has its own log: which of them it was about, only its session knew.
            raise SqlError("no_database")
        answer = self._recorded(recorded, name, log_id)
        return answer if answer is not None else self._burnt(session, request, request_id, log_id)

    def _place(self, session: Session, request: Request) -> tuple[str | None, int]:
        """The database that the transaction was in: by its log if that is told, else the one that has the name now."""
        log_id = request.metadata.get("log")
        if log_id is None:
            return self._parts.sessions.resolve(session, request.database)
        if type(log_id) is not int or log_id < 0:
            raise SqlError("argument_invalid", field="log")
        return self._parts.sessions.resolve_in(session, request.database, log_id)

    def _wait(self, request_id: str) -> None:
        """If a commit with this id is under way, wait a while until it has ended."""
        running = self._running.get(request_id)
        if running is not None:
            running.ended.wait(self._limits.wait_ms / 1000)

    def _recorded(
        self, recorded: Callable[[str | None, int, int], Answer], name: str | None, log_id: int
    ) -> Answer | None:
        try:
            answer = recorded(name, log_id, self._parts.state.head_index(log_id))
        except SqlError as error:
            if error.sqlstate not in _OPEN_STATES:
                raise
            return None
        meta = answer_bytes.split_meta(answer)[0] if isinstance(answer, bytes) else None
        return None if meta is not None and meta.get("sqlstate") in _OPEN_STATES else answer

    def _burnt(self, session: Session, request: Request, request_id: str, log_id: int) -> bytes:
        """Nobody has a record: see to it that nothing can run under the id any more, and say what did."""
        try:
            # A log that lacks entries takes none, and neither does one whose end a fault has left open.
            with session.place_lent(self._parts.appends.waiting.taken(log_id)):
                outcome = self._parts.appends.write(log_id, str(log_id), "", Draft(request_id, ()))
        except SqlError as error:
            raise self._left_open(error, request_id) from error
        session.saw(log_id, outcome.index)
        return committed(session, request, self._name, log_id, outcome)

    @staticmethod
    def _left_open(error: SqlError, request_id: str) -> SqlError:
        """`error`, or outcome_unknown where it says nothing of what became of the request before."""
        return SqlError("outcome_unknown", request_id=request_id) if error.sqlstate in _NOT_TAKEN else error


def committed(session: Session, request: Request, node: str, log_id: int, outcome: Outcome) -> bytes:
    """The answer to a COMMIT whose entry ended with `outcome`; raises its error."""
    error = outcome.error()
    if error is not None:
        raise error
    if outcome.verb != "commit":
        raise SqlError("request_id_reused", request_id=outcome.request_id)
    facts: MetaFacts = {
        "db": request.database or session.database,
        "log_id": log_id,
        "in_transaction": False,
        "tables": outcome.tables,
        "rows": outcome.rows,
    }
    return replies.done("commit", "", 0, replies.meta_of(session, request, node, "write", facts))


def ended(session: Session, request: Request, node: str, verb: str, log_id: int) -> bytes:
    """The answer to a COMMIT of nothing but reads, or to a ROLLBACK."""
    facts: MetaFacts = {"log_id": log_id, "in_transaction": False}
    meta = replies.meta_of(session, request, node, "session", facts)
    return replies.done(verb, "", 0, meta)
