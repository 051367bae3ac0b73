"""Statements that a node does not answer itself: writes, strong reads and the view of the cluster go to where the log
is."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import gevent

from dirk_gevent.base.logger import Logger
from dirk_gevent.base.request_ids import new_request_id
from dirk_gevent.config.settings import Config
from dirk_gevent.coordinator.node_view import NodeState
from dirk_gevent.coordinator.request_parts import RequestParts
from dirk_gevent.coordinator.requests.cluster_listings import SERVER_COLUMNS
from dirk_gevent.coordinator.requests.commits import Commits
from dirk_gevent.coordinator.requests.session_statements import SessionStatements
from dirk_gevent.coordinator.requests.writes import Writes
from dirk_gevent.engine.database import Database
from dirk_gevent.log.clock import HeardTime
from dirk_gevent.protocol import answer_bytes
from dirk_gevent.protocol.metadata import with_metadata
from dirk_gevent.replication.last_heard import Heard
from dirk_gevent.server import replies
from dirk_gevent.server.admission import AdmissionSlots
from dirk_gevent.server.client_connection import ClientConnection
from dirk_gevent.server.copying import Read
from dirk_gevent.server.freshness import needed_index
from dirk_gevent.server.peers import LogHostPeer
from dirk_gevent.server.relayed_reply import RelayedAnswer
from dirk_gevent.server.service import Answer
from dirk_gevent.server.session import Request, Session, spoken
from dirk_gevent.server.statement_cache import ParsedStatement, StatementCache
from dirk_gevent.server.upstream_pool import BackendDownError, StreamedReply, UpstreamPool, leaves_open
from dirk_parser.errors import SqlError
from dirk_parser.grammar.route import Kind, Route
from dirk_parser.normalize.normalized_statement import NormalizedStatement

_RETRY_SECONDS = 0.1
_LOOK_SECONDS = 0.5
_SLACK_SECONDS = 5.0
#: A read that costs nothing, for the index of its answer.
_NOTHING = b"alaivo 1"
#: Cells of a server's line that only the log's host knows.
_UNKNOWN_CELLS = len(SERVER_COLUMNS) - 3


class LogClient:
    """The way to the log: through the proxy of the config, or `own_log` when the log is in this process.

    `heard`, which the node's follower keeps, says whether the proxy lives: no request waits for one that does not.
    """

    def __init__(
        self,
        config: Config,
        node: str,
        own_log: RequestParts | None,
        log: Logger,
        log_time: HeardTime | None = None,
        heard: Heard | None = None,
    ) -> None:
        self.own_log = own_log
        self.heard = heard or Heard()
        self._node = node
        self._log_time = log_time or HeardTime()
        self._config = config
        self._limits = config.limits
        #: Writers of this node that wait at the proxy.
        self._waiting = AdmissionSlots(config.limits.max_running, config.limits.queue_ms)
        balancer = config.load_balancer
        self._proxy: UpstreamPool | None = None
        if balancer is not None:
            self._proxy = UpstreamPool(balancer.reached_at, balancer.listen_port, log, LogHostPeer(self.heard))
        #: Reads another database for a write, where the log is hosted here; whoever reads here sets it.
        self.read_copied: Read | None = None
        self._writes = Writes(own_log, config.limits, node, self._read_copied) if own_log is not None else None
        self._cluster = SessionStatements(own_log, config.limits, node) if own_log is not None else None
        self._commits = Commits(own_log, config.limits, StatementCache(), node) if own_log is not None else None

    def _read_copied(self, session: Session, request: Request) -> Answer:
        assert self.read_copied is not None
        return self.read_copied(session, request)

    def watch(self) -> None:
        """Cut what waits there in vain, until killed. Blocks."""
        while self._proxy is not None:
            gevent.sleep(_LOOK_SECONDS)
            self._proxy.end_hopeless()

    def run(
        self, session: Session, request: Request, normalized: NormalizedStatement, route: Route, wire: ClientConnection
    ) -> Answer:
        """Send the statement there and return its answer. SqlError proxy_unreachable, or outcome_unknown for a write
        cut off."""
        if self._writes is not None and self._cluster is not None:
            if route.kind is Kind.WRITE:
                return self._writes.run(session, request, normalized, route)
            return self._cluster.run(session, request, route)
        request_id = request.request_id or new_request_id(self._log_time.now_ms())
        try:
            answer = self._asked(session, request, request_id, wire, route)
        except SqlError:
            if route.show == "servers":
                return self._alone(session, request)
            raise
        if isinstance(answer, StreamedReply):
            return RelayedAnswer(answer, self._node, session, request)
        meta, stripped = answer_bytes.split_meta(answer)
        if meta is not None and "index" in meta:
            session.saw(int(meta["log"]), int(meta["index"]))
        return answer if request.has_meta else stripped

    def _asked(
        self, session: Session, request: Request, request_id: str, wire: ClientConnection, route: Route
    ) -> bytes | StreamedReply:
        """As `_ask`; what changes something may wait there for as long as the entries before it take."""
        if not _may_change(route):
            return self._ask(session, request, request_id, wire, may_change=False)
        with session.place_lent(self._waiting.taken()):
            return self._ask(session, request, request_id, wire, may_change=True)

    def names(
        self, session: Session, request: Request, normalized: NormalizedStatement, route: Route, wire: ClientConnection
    ) -> Answer:
        """Send USE or SHOW DATABASES to where all names are known; raises as `run` does."""
        if self._proxy is None or route.verb != "use":
            return self.run(session, request, normalized, route, wire)
        metadata = self._metadata(session, request, new_request_id(self._log_time.now_ms()))
        message = with_metadata(metadata, request.raw)
        try:
            # What is chosen there is chosen for this session alone: not over a connection that others use.
            lease = self._proxy.lease()
            try:
                answer = lease.ask_whole(message, self._limits.statement_seconds + _SLACK_SECONDS, wire)
            finally:
                lease.close()
        except BackendDownError as error:
            raise SqlError("proxy_unreachable", host=self._proxy.host, port=self._proxy.port) from error
        meta, stripped = answer_bytes.split_meta(answer)
        if meta is not None and meta.get("kind") == "session":
            session.use(str(meta["db"]), int(meta["log"]))
            session.saw(int(meta["log"]), int(meta["index"]))
        return answer if request.has_meta else stripped

    def commit(self, session: Session, request: Request, parsed: ParsedStatement, wire: ClientConnection) -> Answer:
        """Send a transaction's work to the log, which `request` carries in its metadata; raises as `run` does."""
        if self._commits is None:
            return self.run(session, request, parsed.normalized, parsed.route, wire)
        request_id = request.request_id or new_request_id(self._log_time.now_ms())
        return self._commits.run(session, request, request_id, request.metadata["commit"])

    def commit_again(
        self,
        session: Session,
        request: Request,
        parsed: ParsedStatement,
        wire: ClientConnection,
        recorded: Callable[[Session, Request, Route], bytes],
    ) -> Answer:
        """How the COMMIT with the request's id ended; `recorded` tells it when the log is here. Raises SqlError."""
        assert request.request_id is not None
        if self.own_log is None or self._commits is None:
            try:
                return self.run(session, request, parsed.normalized, parsed.route, wire)
            except SqlError as error:
                if error.key == "proxy_unreachable":
                    # Nothing was done now; what became of it before is not known here.
                    raise SqlError("outcome_unknown", request_id=request.request_id) from error
                raise

        def here(name: str | None, log_id: int, index: int) -> bytes:
            metadata = {**request.metadata, "log": log_id}
            repeated = replace(request, database=name, read="session", minimum={log_id: index}, metadata=metadata)
            return recorded(session, repeated, parsed.route)

        return self._commits.again(session, request, request.request_id, here)

    def known_index(self, session: Session, request: Request, database: Database, wire: ClientConnection) -> int:
        """The index of a database's log as its host knows it, or a later one; raises as `run` does."""
        if self.own_log is not None:
            return self.own_log.sessions.known_index(database.log_id)
        metadata = {"db": database.name, "read": "strong"}
        read = replace(request, raw=_NOTHING, metadata=metadata)
        answer = self._ask(session, read, new_request_id(self._log_time.now_ms()), wire, may_change=False)
        meta = (answer_bytes.split_meta(answer)[0] if isinstance(answer, bytes) else None) or {}
        if "sqlstate" in meta or "log" not in meta:
            # An error's index is what its session has seen, not what is known.
            raise SqlError("no_readable_node", waited_ms=0)
        return int(meta["index"]) if meta["log"] == database.log_id else 0

    def _ask(
        self, session: Session, request: Request, request_id: str, wire: ClientConnection, *, may_change: bool
    ) -> bytes | StreamedReply:
        """The proxy's answer; a write that was cut off is sent again with its id until it is known how it ended.

        Raises SqlError: outcome_unknown when the time is over first, proxy_unreachable when nothing was sent, or
        nothing that may change anything.
        """
        assert self._proxy is not None
        message = with_metadata(self._metadata(session, request, request_id), request.raw)
        deadline = time.monotonic() + self._limits.wait_ms / 1000
        was_sent = False
        # What is sent over a connection that has ended may have arrived, for all one can tell afterwards.
        self._proxy.drop_ended()
        while True:
            try:
                answer = self._proxy.ask_once(message, self._limits.statement_seconds + _SLACK_SECONDS, wire)
                if not (was_sent and isinstance(answer, bytes) and leaves_open(answer_bytes.split_meta(answer)[0])):
                    return answer
            except BackendDownError as error:
                was_sent = was_sent or error.was_sent
            if not was_sent or time.monotonic() > deadline:
                break
            gevent.sleep(_RETRY_SECONDS)
        if was_sent and may_change:
            raise SqlError("outcome_unknown", request_id=request_id)
        raise SqlError("proxy_unreachable", host=self._proxy.host, port=self._proxy.port)

    def _metadata(self, session: Session, request: Request, request_id: str) -> dict[str, Any]:
        logs = session.indexes.keys() | request.minimum.keys()
        least = {str(log_id): needed_index(session, request, log_id) for log_id in sorted(logs)}
        metadata = {**request.metadata, "id": request_id, "lang": spoken(session, request), "min": least}
        if "db" not in metadata and session.database is not None:
            metadata["db"] = session.database
        return metadata

    def _alone(self, session: Session, request: Request) -> bytes:
        """SHOW SERVERS while the proxy is away: what this node knows of the others is nothing."""
        live, unknown = NodeState.LIVE, NodeState.UNKNOWN
        rows = [
            (
                instance.id,
                str(instance.role),
                str(live if instance.id == self._node else unknown),
                *[None] * _UNKNOWN_CELLS,
            )
            for instance in self._config.instances
        ]
        meta = replies.meta_of(session, request, self._node, "admin", {"rows": len(rows), "repeatable": False})
        return replies.relation(replies.listing(SERVER_COLUMNS, rows), self._limits.page_rows, meta)


def _may_change(route: Route) -> bool:
    """True when it matters how a statement ended that was cut off: it wrote, or committed what was written."""
    return route.kind is Kind.WRITE or route.verb == "commit"
