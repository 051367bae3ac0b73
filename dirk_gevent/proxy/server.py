"""The proxy: routes reads to nodes, appends writes to the log it hosts, and keeps the sessions.

A session's database, language and indexes live here; backends are told them with every request, so any backend
connection serves any session.
"""

from __future__ import annotations

from typing import Any

import gevent

from dirk_gevent.base.logger import Logger, logger
from dirk_gevent.config.settings import Config
from dirk_gevent.coordinator.coordinator import Coordinator
from dirk_gevent.coordinator.request_parts import RequestParts
from dirk_gevent.coordinator.requests.session_statements import SessionStatements
from dirk_gevent.coordinator.requests.writes import Writes
from dirk_gevent.coordinator.routing import ReadRouter
from dirk_gevent.log.contract import Log
from dirk_gevent.log.embedded.embedded_log import EmbeddedLog
from dirk_gevent.log.entry import SYSTEM_LOG_ID
from dirk_gevent.loop.hub_monitor import HubWatch
from dirk_gevent.protocol.frames import FOLLOW_STATEMENT
from dirk_gevent.protocol.meta import Meta
from dirk_gevent.protocol.metadata import with_metadata
from dirk_gevent.proxy.node_peer import NodePeer
from dirk_gevent.proxy.node_reads import NODE_WAIT_MS, NodeRead, NodeReads
from dirk_gevent.proxy.transactions import ProxyTransactions
from dirk_gevent.server import replies
from dirk_gevent.server.client_connection import ClientConnection
from dirk_gevent.server.copying import LITERALS_FIELD
from dirk_gevent.server.freshness import needed_index
from dirk_gevent.server.open_files import RELAY_FILES_A_CONNECTION, fitted
from dirk_gevent.server.service import Answer, Service, StopRequest, TakeOver
from dirk_gevent.server.session import Request, Session, spoken
from dirk_gevent.server.statement_cache import StatementCache
from dirk_gevent.server.transactions import VERBS, is_allowed_outside_transaction
from dirk_gevent.server.upstream_pool import UpstreamPool
from dirk_parser.errors import SqlError
from dirk_parser.grammar.route import Kind, Route, check_databases
from dirk_parser.plan.copies import names_others

#: Fields of a request that a node is told.
_PASSED_FIELDS = ("args", "trace", "outcome", "log")


class ProxyHandler:
    """The proxy's answers to statements."""

    name = "proxy"

    def __init__(self, config: Config, parts: RequestParts, log: Logger) -> None:
        self._config = config
        self._parts = parts
        self._log = log
        self._statements = StatementCache()
        self._writes = Writes(parts, config.limits, "proxy", self._read_copied)
        self._session_statements = SessionStatements(parts, config.limits, "proxy")
        cluster = parts.state.cluster
        self._router = ReadRouter(cluster, config.routing.reads)
        self.backends = {
            instance.id: UpstreamPool(instance.reached_at, instance.port, log, NodePeer(cluster, instance.id))
            for instance in config.instances
        }
        self._node_reads = NodeReads(parts, self.backends, self._router, config.limits)
        self._transactions = ProxyTransactions(
            parts, self.backends, self._router, self._statements, read=self._read, minimum=self._minimum
        )

    def open_session(self) -> Session:
        """A session in the configured language, in no database."""
        return Session(self._config.language)

    def close_session(self, session: Session) -> None:
        """Nothing of a session outlives its connection."""
        if session.transaction is not None:
            session.transaction.close()

    def error_meta(self, session: Session, request: Request, error: SqlError) -> Meta:
        """META of an error made here."""
        info = self._parts.state.log.reads.find(request.database) if request.database is not None else None
        log_id = session.log_id if request.database is None else info.log_id if info is not None else SYSTEM_LOG_ID
        return replies.error_meta(session, request, "proxy", error, log_id)

    def answer(self, session: Session, request: Request, wire: ClientConnection) -> Answer:
        """Run one statement for a session."""
        if request.raw == FOLLOW_STATEMENT and "follow" in request.metadata:
            fields = request.metadata["follow"]
            raise TakeOver(lambda taken: self._parts.follow(taken, fields))
        session.forget_gone(self._parts.state.log.reads.is_open)
        parsed = self._statements.parse(request.text, request.args)
        normalized, route = parsed.normalized, parsed.route
        if route.databases and session.transaction is None:
            # A transaction's node knows the database that it is in.
            own = request.database or session.database
            if not names_others(route, own):
                check_databases(route, own)
        if (session.transaction is not None and not is_allowed_outside_transaction(route)) or route.verb in VERBS:
            return self._transactions.answer(session, request, parsed, wire)
        if route.kind is Kind.WRITE:
            return self._writes.run(session, request, normalized, route)
        if route.kind is Kind.READ and not route.is_of_names:
            return self._read(session, request, route, wire)
        return self._session_statements.run(session, request, route)

    def _read(self, session: Session, request: Request, route: Route, wire: ClientConnection) -> Answer:
        return self._node_reads.answer(self._node_read(session, request, route.target), wire)

    def _read_copied(self, session: Session, request: Request) -> Answer:
        """Rows of another database than the one that is written to."""
        return self._node_reads.answer(self._node_read(session, request, "", LITERALS_FIELD), None)

    def _minimum(self, session: Session, request: Request, log_id: int) -> int:
        """The index of the log, which the session is placed in, that the state must have reached."""
        known_index = self._parts.sessions.known_index(log_id) if request.read == "strong" else 0
        return needed_index(session, request, log_id, known_index)

    def _node_read(self, session: Session, request: Request, target: str | None, *more: str) -> NodeRead:
        """The read as a node is asked for it, which is told `more` fields of the request than usual."""
        self._parts.sessions.check_names(session, request)
        database, log_id = self._parts.sessions.resolve(session, request.database)
        minimum = self._minimum(session, request, log_id)
        # What this session needs is said here: what others have seen over the same connection does not count.
        metadata: dict[str, Any] = {"lang": spoken(session, request), "min": {str(log_id): minimum}}
        metadata |= {"read": "any", "waitMs": NODE_WAIT_MS}
        if database is not None:
            metadata["db"] = database
        if request.has_meta:
            metadata |= {name: request.metadata[name] for name in (*_PASSED_FIELDS, *more) if name in request.metadata}
        return NodeRead(
            session=session,
            request=request,
            log_id=log_id,
            minimum=minimum,
            message=with_metadata(metadata, request.raw),
            key=f"{database}.{target}",
        )


def run(config: Config) -> int:
    """Run the proxy until SIGTERM; its exit status. CannotStartError: the address is taken; SqlError: the log's."""
    if config.load_balancer is None:
        raise ValueError("the config has no loadBalancer")
    log_lines = logger("proxy")
    balancer = config.load_balancer
    # A client's connection may need one to a node beside it.
    config, _ = fitted(config, log_lines, RELAY_FILES_A_CONNECTION)
    for notice in config.notices:
        log_lines.info("config_notice", text=notice)
    with_log: Log = EmbeddedLog(config.log)
    hub = HubWatch()
    coordinator = Coordinator(config, with_log, log_lines, hub.listening_seconds)
    handler = ProxyHandler(config, coordinator.requests, log_lines)
    coordinator.reports.on_node_port = lambda node, port: handler.backends[node].move(port)
    service = Service(balancer.listen_host, balancer.listen_port, handler, config.limits, log_lines)
    stop = StopRequest()
    service.start()
    helpers = [gevent.spawn(coordinator.run)] + [gevent.spawn(backend.watch) for backend in handler.backends.values()]
    head = coordinator.state.head_index(SYSTEM_LOG_ID)
    log_lines.info("ready", listen=f"{balancer.listen_host}:{balancer.listen_port}", head=head)
    helpers.append(gevent.spawn(hub.run))
    stop.wait()
    log_lines.info("stopping", connections=service.connections)
    coordinator.reports.is_stopping = True
    gevent.killall(helpers)
    service.stop()
    coordinator.stop()
    with_log.close()
    log_lines.info("stopped", hub_held_ms=hub.worst_ms, hub_worked_ms=hub.worked_ms)
    return 0
