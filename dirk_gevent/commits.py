"""COMMIT on the side of the log: a transaction's work becomes one entry, whose outcome is the transaction's."""

from __future__ import annotations

from typing import Any

from gevent.event import Event

from dirk_gevent import answers
from dirk_gevent.config import Limits
from dirk_gevent.engine.results import Outcome
from dirk_gevent.host import LogHost
from dirk_gevent.session import Request, Session
from dirk_gevent.transactions import draft_of
from dirk_gevent.understand import Understanding
from parser.errors import SqlError


class Commits:
    """Appends the work of transactions. `name` is the process's, for META."""

    def __init__(self, host: LogHost, limits: Limits, understanding: Understanding, name: str) -> None:
        self._host = host
        self._limits = limits
        self._understanding = understanding
        self._name = name
        self._running: dict[str, Event] = {}

    def run(self, session: Session, request: Request, request_id: str, fields: object) -> bytes:
        """Append `fields` (see `work_fields`) and answer with how it ended.

        Raises SqlError: what `draft_of` and `LogHost.write` raise, and what the entry ended with: 40001.
        """
        log_id, draft = draft_of(fields, request_id, self._limits.write_steps, self._understanding.of)
        if (draft.base_index or 0) > self._host.head_index(log_id) and self._host.log.is_open(log_id):
            raise SqlError("argument_invalid", field="commit")
        ended = self._running.setdefault(request_id, Event())
        try:
            outcome = self._host.write(log_id, str(log_id), "", draft)
        finally:
            self._running.pop(request_id, None)
            ended.set()
        session.saw(log_id, outcome.index)
        return committed(session, request, self._name, log_id, outcome)

    def wait(self, request_id: str) -> None:
        """If a commit with this id is under way, wait until it has ended.

        Raises SqlError outcome_unknown while the log itself cannot say whether it holds the entry.
        """
        running = self._running.get(request_id)
        if running is not None:
            running.wait(self._limits.wait_ms / 1000)
        if self._host.log.is_in_doubt:
            raise SqlError("outcome_unknown", request_id=request_id)


def committed(session: Session, request: Request, node: str, log_id: int, outcome: Outcome) -> bytes:
    """The answer to a COMMIT whose entry ended with `outcome`; raises its error."""
    error = outcome.error()
    if error is not None:
        raise error
    if outcome.verb != "commit":
        raise SqlError("request_id_reused", request_id=outcome.request_id)
    name = request.database or session.database
    facts: dict[str, Any] = {"db": name, "log": log_id, "tables": outcome.tables, "rows": outcome.rows, "tx": False}
    return answers.done("commit", "", 0, answers.meta_of(session, request, node, "write", **facts))


def ended(session: Session, request: Request, node: str, verb: str, log_id: int) -> bytes:
    """The answer to a COMMIT of nothing but reads, or to a ROLLBACK."""
    return answers.done(verb, "", 0, answers.meta_of(session, request, node, "session", log=log_id, tx=False))
