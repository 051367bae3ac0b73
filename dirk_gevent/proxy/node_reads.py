"""A read through the nodes: asked of one after the other until one answers it.

A node that refuses it for its own reasons (it must catch up, its disk fails, it is full) is followed by the next at
once. One that has to wait for the read's index does so for a moment, then says so, and the next is asked: nobody waits
on a node that stands still while another has what is needed, and when none has it, all wait within one time. A read
that only runs long stays where it is.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import gevent

from dirk_gevent.config.settings import Limits
from dirk_gevent.coordinator.request_parts import RequestParts
from dirk_gevent.coordinator.routing import ReadRouter
from dirk_gevent.log.entry import SYSTEM_LOG_ID
from dirk_gevent.protocol import answer_bytes
from dirk_gevent.server.client_connection import ClientConnection
from dirk_gevent.server.relayed_reply import RelayedAnswer
from dirk_gevent.server.service import Answer
from dirk_gevent.server.session import Request, Session
from dirk_gevent.server.upstream_pool import BackendDownError, StreamedReply, UpstreamPool
from dirk_parser.errors import SqlError

#: Who tells what becomes of an answer that is cut, in META.
_NAME = "proxy"
#: How long a node waits for the index of a read before another is asked.
NODE_WAIT_MS = 150
#: Between two rounds of trying nodes for a read that no node could answer.
_ROUND_SECONDS = 0.05
#: With no node live: a node that comes back has found the proxy by then.
_NOBODY_SECONDS = 3.0
#: A node may take this much longer than the statement's own limit before its connection is given up.
SILENCE_SLACK_SECONDS = 5.0
#: How an answer ends that a node gave for want of room; one that has no room for a connection has not read META.
_TURNED_AWAY = b"(53300)" + answer_bytes.END
#: What a node says that stands behind, or is being made anew: it may be able to answer in a moment.
BEHIND_STATES = ("57P03",)
#: What a node says whose disk or program fails: only another can answer.
FAULT_STATES = ("58030", "XX000")


@dataclass(frozen=True, slots=True)
class NodeRead:
    """A read to be answered by a node: of the log `log_id`, at `minimum` or later; `message` is what a node is told.

    `key` names its object, for the strategies that hash it.
    """

    session: Session
    request: Request
    log_id: int
    minimum: int
    message: bytes
    key: str


@dataclass(frozen=True, slots=True)
class _Refusal:
    """Why `node` did not answer. `answer` is its own word, for when it is the last there is."""

    node: str
    sqlstate: str
    answer: bytes = b""


class NodeReads:
    """Has reads answered by the nodes behind `backends`."""

    def __init__(
        self, parts: RequestParts, backends: Mapping[str, UpstreamPool], router: ReadRouter, limits: Limits
    ) -> None:
        self._parts = parts
        self._backends = backends
        self._router = router
        self._wait_seconds = limits.wait_ms / 1000
        self._silence_seconds = limits.statement_seconds + SILENCE_SLACK_SECONDS

    def answer(self, read: NodeRead, wire: ClientConnection | None) -> Answer:
        """The first answer that a node gives, or what the last of them says that can't.

        Raises SqlError: too_many_requests (each has waited for its turn there), stale_read, no_readable_node after
        `limits.waitMs` in all; what `Sessions.resolve` and `Sessions.pass_on` raise.
        """
        began = time.monotonic()
        deadline = began + self._wait_seconds
        while True:
            candidates = self._router.candidates(read.log_id, read.minimum, read.key)
            if not candidates:
                # Nobody is live: one may be back in a moment, but a whole wait for it helps no one.
                deadline = min(deadline, began + _NOBODY_SECONDS)
            refusals: list[_Refusal] = []
            for name in candidates:
                answer = self._ask(read, name, wire)
                if not isinstance(answer, _Refusal):
                    return answer
                refusals.append(answer)
                if time.monotonic() > deadline:
                    break
            is_over = time.monotonic() > deadline
            if (last := self._last_word(refusals, is_over)) is not None:
                return last
            if is_over:
                raise self._unanswered(read, began)
            # Raises when the database has been dropped for good: a node that lags would go on waiting for its index.
            self._parts.sessions.resolve(read.session, read.request.database)
            gevent.sleep(_ROUND_SECONDS)

    def _last_word(self, refusals: list[_Refusal], is_over: bool) -> bytes | None:
        """The answer when asking once more is of no use; None when it may be. Raises SqlError too_many_requests."""
        full = next((refusal.node for refusal in refusals if refusal.sqlstate == "53300"), None)
        if full is not None:
            # It has waited for its turn on each: more of that helps nobody.
            raise SqlError("too_many_requests", limit=full)
        faults = [refusal.answer for refusal in refusals if refusal.sqlstate in FAULT_STATES]
        return faults[0] if faults and (is_over or len(faults) == len(refusals)) else None

    def _ask(self, read: NodeRead, name: str, wire: ClientConnection | None) -> Answer | _Refusal:
        """One node's answer, or why another is to be asked."""
        self._router.began(name)
        answer: bytes | StreamedReply = b""
        try:
            answer = self._backends[name].ask(read.message, self._silence_seconds, wire)
        except BackendDownError:
            return _Refusal(name, "57P03")
        finally:
            if not isinstance(answer, StreamedReply):
                self._router.ended(name)
        if isinstance(answer, StreamedReply):
            pass_on = self._parts.sessions.pass_on
            at_end = partial(self._router.ended, name)
            return RelayedAnswer(answer, _NAME, read.session, read.request, at_end=at_end, pass_on=pass_on)
        meta, stripped = answer_bytes.split_meta(answer)
        body = answer if read.request.has_meta else stripped
        if stripped.endswith(_TURNED_AWAY):
            return _Refusal(name, "53300")
        if meta is None:
            return body
        sqlstate = meta.get("sqlstate", "")
        if sqlstate in BEHIND_STATES or sqlstate in FAULT_STATES:
            return _Refusal(name, sqlstate, body)
        if sqlstate == "3D000" and read.log_id != SYSTEM_LOG_ID:
            # The log has the database, or this says that it has not: the node has lost its files, another knows.
            self._parts.sessions.resolve(read.session, read.request.database)
            return _Refusal(name, "57P03")
        if (index := meta.get("index")) is not None:
            self._parts.sessions.pass_on(read.session, read.request, meta["log"], index)
        return body

    def _unanswered(self, read: NodeRead, began: float) -> SqlError:
        """Why no node answered: the one that is furthest is still behind, or there is none."""
        nodes, log_id = self._parts.state.cluster.nodes, read.log_id
        live = self._router.candidates(log_id, 0, "")
        best = max(live, key=lambda name: nodes[name].applied_index(log_id), default=None)
        if best is None or (applied := nodes[best].applied_index(log_id)) >= read.minimum:
            return SqlError("no_readable_node", waited_ms=round((time.monotonic() - began) * 1000))
        return SqlError("stale_read", node=best, applied=applied, minimum=read.minimum)
