"""Transactions through the proxy: each is pinned to one node, and its work comes back here to be appended.

The node keeps what was read and written. At COMMIT it hands that over and forgets it; only then the log is asked. So a
node that is lost before has committed nothing (40001), and one that is lost after is not needed any more: the outcome
comes from any other master.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import gevent

from dirk_gevent.base.request_ids import new_request_id
from dirk_gevent.config.settings import Limits
from dirk_gevent.coordinator.node_view import NodeView
from dirk_gevent.coordinator.request_parts import RequestParts
from dirk_gevent.coordinator.requests.commits import Commits, ended
from dirk_gevent.coordinator.routing import ReadRouter
from dirk_gevent.protocol import answer_bytes
from dirk_gevent.protocol.metadata import with_metadata
from dirk_gevent.proxy.node_reads import BEHIND_STATES, FAULT_STATES, NODE_WAIT_MS, SILENCE_SLACK_SECONDS
from dirk_gevent.server.client_connection import ClientConnection
from dirk_gevent.server.freshness import needed_index
from dirk_gevent.server.relayed_reply import RelayedAnswer
from dirk_gevent.server.service import Answer
from dirk_gevent.server.session import Request, Session, spoken
from dirk_gevent.server.statement_cache import ParsedStatement, StatementCache
from dirk_gevent.server.upstream_pool import BackendDownError, PinnedConnection, StreamedReply, UpstreamPool
from dirk_parser.errors import SqlError
from dirk_parser.grammar.route import Route

_NAME = "proxy"
_ROUND_SECONDS = 0.05


class PinnedTransaction:
    """A session's transaction on `node`. `failure` is why it is lost: only COMMIT and ROLLBACK are then heard.

    It is counted among those that `view`'s node has, which is drained once it has none, until `unpin`.
    """

    def __init__(self, node: str, lease: PinnedConnection, log_id: int, view: NodeView) -> None:
        self.node = node
        self.lease = lease
        self.log_id = log_id
        self.failure: SqlError | None = None
        self._pins = view.pins
        self._pin = view.pins.add()

    def begin(self) -> None:
        """A statement is on its way to the node: it is not idle until `end`."""
        self._pin.used_at = math.inf

    def end(self) -> None:
        """The statement has been answered to its end."""
        self._pin.used_at = time.monotonic()

    def unpin(self) -> None:
        """It asks nothing more of the node. Safe to call twice."""
        self._pins.remove(self._pin)

    def lost(self) -> SqlError:
        """The node is gone, and the transaction with it; the error to raise."""
        self.close()
        self.failure = SqlError("transaction_lost", node=self.node)
        return self.failure

    def close(self) -> None:
        """The session is over."""
        self.unpin()
        self.lease.close()


@dataclass(frozen=True, slots=True)
class _Begin:
    """A session's BEGIN in the database of the log `log_id`; `message` is what a node is told."""

    session: Session
    request: Request
    wire: ClientConnection
    log_id: int
    message: bytes


class ProxyTransactions:
    """The transactions of the proxy's sessions.

    `read` answers a read through any node, `minimum` says which index a request needs.
    """

    def __init__(
        self,
        parts: RequestParts,
        backends: Mapping[str, UpstreamPool],
        router: ReadRouter,
        statements: StatementCache,
        *,
        read: Callable[[Session, Request, Route, ClientConnection], Answer],
        minimum: Callable[[Session, Request, int], int],
    ) -> None:
        self._parts = parts
        self._backends = backends
        self._router = router
        self._limits: Limits = parts.state.config.limits
        self._commits = Commits(parts, self._limits, statements, _NAME)
        self._read = read
        self._minimum = minimum
        self._silence_seconds = self._limits.statement_seconds + SILENCE_SLACK_SECONDS
        self._turn = 0

    def answer(self, session: Session, request: Request, parsed: ParsedStatement, wire: ClientConnection) -> Answer:
        """Answer BEGIN, COMMIT, ROLLBACK, and whatever is said inside a transaction. Raises SqlError."""
        held, route = session.transaction, parsed.route
        if not isinstance(held, PinnedTransaction):
            return self._outside(session, request, route, wire)
        if route.verb == "rollback":
            return self._roll_back(session, request, held, wire)
        if route.verb == "commit":
            return self._commit(session, request, held, wire)
        if held.failure is not None:
            raise SqlError("transaction_aborted")
        held.begin()
        answer: bytes | StreamedReply = b""
        try:
            answer = self._ask(session, request, held, wire)
        finally:
            if not isinstance(answer, StreamedReply):
                held.end()
        if isinstance(answer, StreamedReply):
            return RelayedAnswer(
                answer, _NAME, session, request, at_end=held.end, pass_on=self._parts.sessions.pass_on
            )
        return self._told(session, request, answer)

    # --- begin -----------------------------------------------------------------------------------------------

    def _outside(self, session: Session, request: Request, route: Route, wire: ClientConnection) -> Answer:
        if route.verb == "begin":
            return self._begin(session, request, wire)
        if route.verb == "commit" and "commit" in request.metadata:
            request_id = request.request_id or new_request_id(self._parts.state.log.time_ms())
            return self._commits.run(session, request, request_id, request.metadata["commit"])
        if route.verb == "commit" and (said_again := request.request_id) is not None:

            def recorded(name: str | None, log_id: int, index: int) -> Answer:
                asked, minimum = {**request.metadata, "outcome": said_again, "log": log_id}, {log_id: index}
                read = replace(request, database=name, read="session", minimum=minimum, metadata=asked)
                return self._read(session, read, route, wire)

            return self._commits.again(session, request, said_again, recorded)
        raise SqlError("no_transaction")

    def _begin(self, session: Session, request: Request, wire: ClientConnection) -> bytes:
        database, log_id = self._parts.sessions.resolve(session, request.database)
        minimum = self._minimum(session, request, log_id)
        metadata = self._metadata(session, request, database, {log_id: minimum})
        message = with_metadata({**metadata, "waitMs": NODE_WAIT_MS}, request.raw)
        begin = _Begin(session, request, wire, log_id, message)
        began = time.monotonic()
        while True:
            for name in self._choices(log_id, minimum):
                answer = self._try_begin(begin, name)
                if answer is not None:
                    return answer
            if time.monotonic() - began > self._limits.wait_ms / 1000:
                raise SqlError("no_readable_node", waited_ms=round((time.monotonic() - began) * 1000))
            gevent.sleep(_ROUND_SECONDS)

    def _choices(self, log_id: int, minimum: int) -> list[str]:
        """Where it may live: live masters that are fresh enough, each first in turn; then whoever can be read."""
        nodes = self._parts.state.cluster.nodes
        masters = self._parts.state.cluster.live_masters(log_id)
        self._turn += 1
        first = self._turn % max(1, len(masters))
        turned = masters[first:] + masters[:first]
        turned.sort(key=lambda name: (nodes[name].is_drained, nodes[name].applied_index(log_id) < minimum))
        return turned + [name for name in self._router.candidates(log_id, minimum, "") if name not in masters]

    def _try_begin(self, begin: _Begin, name: str) -> bytes | None:
        """The answer of one node to BEGIN; None when another should be asked."""
        view = self._parts.state.cluster.nodes[name]
        if view.is_drained and self._parts.state.cluster.has_undrained_master(begin.log_id):
            return None
        try:
            lease = self._backends[name].lease()
        except BackendDownError:
            return None
        # Pinned before it is asked: a node that is about to end waits for the answer, too.
        held = PinnedTransaction(name, lease, begin.log_id, view)
        try:
            answer = lease.ask_whole(begin.message, self._silence_seconds, begin.wire)
        except BackendDownError:
            held.close()
            return None
        except BaseException:
            held.close()
            raise
        meta, _ = answer_bytes.split_meta(answer)
        if meta is None or meta.get("sqlstate"):
            held.unpin()
            lease.release()
            is_for_another = meta is None or meta["sqlstate"] in (*BEHIND_STATES, *FAULT_STATES)
            return None if is_for_another else self._told(begin.session, begin.request, answer)
        begin.session.transaction = held
        return self._told(begin.session, begin.request, answer)

    # --- end -------------------------------------------------------------------------------------------------

    def _roll_back(self, session: Session, request: Request, held: PinnedTransaction, wire: ClientConnection) -> bytes:
        """It succeeds whatever became of the node."""
        session.transaction = None
        try:
            if held.failure is None:
                held.lease.ask_whole(self._message(session, request, {}), self._silence_seconds, wire)
                held.lease.release()
        except BackendDownError:
            held.close()
        finally:
            held.unpin()
        return ended(session, request, _NAME, "rollback", held.log_id)

    def _commit(self, session: Session, request: Request, held: PinnedTransaction, wire: ClientConnection) -> bytes:
        """Take over the transaction's work and append it. One that is lost says so again, and is over."""
        session.transaction = None
        if held.failure is not None:
            raise held.failure
        request_id = request.request_id or new_request_id(self._parts.state.log.time_ms())
        with self._commits.under_way(request_id):
            answer = self._prepared(session, request, held, wire)
            meta, _ = answer_bytes.split_meta(answer)
            if meta is None or meta.get("sqlstate"):
                return self._told(session, request, answer)
            session.saw(held.log_id, int(meta["index"]))
            if meta["commit"] is None:
                return ended(session, request, _NAME, "commit", held.log_id)
            return self._commits.run(session, request, request_id, meta["commit"])

    def _prepared(self, session: Session, request: Request, held: PinnedTransaction, wire: ClientConnection) -> bytes:
        """The node's answer with the transaction's work, which is then forgotten there."""
        held.begin()
        try:
            message = self._message(session, request, {"prepare": True})
            answer = held.lease.ask_whole(message, self._silence_seconds, wire)
        except BackendDownError as error:
            raise held.lost() from error
        except BaseException:
            # The client is gone, and nobody else ends what is pinned.
            held.close()
            raise
        held.lease.release()
        held.unpin()
        return answer

    # --- statements ------------------------------------------------------------------------------------------

    def _ask(
        self, session: Session, request: Request, held: PinnedTransaction, wire: ClientConnection
    ) -> bytes | StreamedReply:
        minimum = dict(request.minimum)
        if request.read == "strong":
            known_index = self._parts.sessions.known_index(held.log_id)
            minimum[held.log_id] = needed_index(session, request, held.log_id, known_index)
        message = with_metadata(self._metadata(session, request, request.database, minimum), request.raw)
        try:
            return held.lease.ask(message, self._silence_seconds, wire)
        except BackendDownError as error:
            raise held.lost() from error

    def _message(self, session: Session, request: Request, more: Mapping[str, Any]) -> bytes:
        return with_metadata({"lang": spoken(session, request), **more}, request.raw)

    def _metadata(
        self, session: Session, request: Request, database: str | None, minimum: Mapping[int, int]
    ) -> dict[str, Any]:
        indexes = {str(log_id): index for log_id, index in minimum.items()}
        metadata: dict[str, Any] = {"lang": spoken(session, request), "min": indexes, "read": "any"}
        if database is not None:
            metadata["db"] = database
        return metadata | {name: request.metadata[name] for name in ("args", "trace") if name in request.metadata}

    def _told(self, session: Session, request: Request, answer: bytes) -> bytes:
        """A node's answer as the client gets it; the session learns its index."""
        meta, stripped = answer_bytes.split_meta(answer)
        if meta is not None and "index" in meta:
            log_id, index = int(meta["log"]), int(meta["index"])
            if meta.get("sqlstate"):
                # A conflict with a later state is news of that state: begun again, the transaction must not miss it.
                self._parts.sessions.tell(session, log_id, index)
            else:
                self._parts.sessions.pass_on(session, request, log_id, index)
        return answer if request.has_meta else stripped
