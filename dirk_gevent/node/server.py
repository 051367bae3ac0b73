"""A node: applies the log, answers reads from its own SQLite, and passes writes on to where the log is."""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import gevent

from dirk_gevent.base.addresses import reachable
from dirk_gevent.base.logger import Logger, logger
from dirk_gevent.base.startup import CannotStartError
from dirk_gevent.config.settings import Config, Instance
from dirk_gevent.coordinator.coordinator import Coordinator
from dirk_gevent.coordinator.request_parts import RequestParts
from dirk_gevent.coordinator.requests.session_statements import check_usable, choose_language
from dirk_gevent.engine.database import Database
from dirk_gevent.engine.engine import Engine
from dirk_gevent.engine.errors.faults import DirectoryInUse, Overrun, StorageFault
from dirk_gevent.log.embedded.embedded_log import EmbeddedLog
from dirk_gevent.log.entry import SYSTEM_LOG_ID
from dirk_gevent.loop.hub_monitor import HubWatch
from dirk_gevent.loop.threads import NativeThreads
from dirk_gevent.node.follower import Follower
from dirk_gevent.node.log_client import LogClient
from dirk_gevent.node.progress import Progress
from dirk_gevent.node.read_fast_path import ReadFastPath
from dirk_gevent.node.streamed_reads import LongReads, NodeStream, StreamedRead
from dirk_gevent.node.transactions import NodeTransactions
from dirk_gevent.protocol.frames import FOLLOW_STATEMENT
from dirk_gevent.protocol.meta import Meta, MetaFacts, encode_read
from dirk_gevent.replication.last_heard import Heard
from dirk_gevent.server import replies
from dirk_gevent.server.admission import AdmissionSlots
from dirk_gevent.server.client_connection import ClientConnection
from dirk_gevent.server.copying import LITERALS_FIELD, nowhere
from dirk_gevent.server.freshness import is_fresh, needed_index
from dirk_gevent.server.open_files import NODE_FILES_A_CONNECTION, fitted
from dirk_gevent.server.patience import wait_ms
from dirk_gevent.server.service import Answer, Service, StopRequest, TakeOver
from dirk_gevent.server.session import Request, Session, spoken
from dirk_gevent.server.statement_cache import HUB_CHARACTERS, ParsedStatement, StatementCache
from dirk_gevent.server.transactions import VERBS, is_allowed_outside_transaction
from dirk_parser.errors import SqlError
from dirk_parser.grammar.route import Kind, Route, check_databases
from dirk_parser.normalize.normalized_statement import NormalizedStatement
from dirk_parser.plan.copies import names_others

_READER_THREADS = 8
#: How long a strong read waits before it looks again which database its name means.
_LOOK_MS = 100
_AGAIN_SECONDS = 0.01


class NodeHandler:
    """A node's answers to statements. `writes` is where writes go: a proxy, or this process's own log."""

    def __init__(self, config: Config, engine: Engine, progress: Progress, writes: LogClient) -> None:
        self.name = engine.node
        self._config = config
        self._limits = config.limits
        self._engine = engine
        self._progress = progress
        self._log_client = writes
        self._statements = StatementCache()
        self._fast_path = ReadFastPath(engine)
        slots = AdmissionSlots(config.limits.max_long_reads, config.limits.queue_ms)
        self._readers = LongReads(_READER_THREADS, slots, progress)
        writes.read_copied = self._read_copied
        self.transactions = NodeTransactions(
            config.limits, engine, progress, writes, resolve=self._database, long_reads=slots
        )

    def open_session(self) -> Session:
        """A session in the configured language, in no database."""
        return Session(self._config.language)

    def close_session(self, session: Session) -> None:
        """Nothing of a session outlives its connection."""
        if session.transaction is not None:
            session.transaction.close()

    def quick(self, session: Session, segment: bytes) -> bytes | None:
        """The answer to a short read that was answered before."""
        if session.transaction is not None or self._progress.min_serving_index:
            return None
        return self._fast_path.answer(session, segment)

    def error_meta(self, session: Session, request: Request, error: SqlError) -> Meta:
        """META of an error made here."""
        database = self.transactions.database_of(session) or self._engine.of_log(session.log_id)
        if (name := request.database or (session.database if database is None else None)) is not None:
            database = self._engine.named(name)
        log_id, index = (database.log_id, database.applied_index) if database is not None else (SYSTEM_LOG_ID, 0)
        return replies.error_meta(session, request, self._engine.node, error, log_id=log_id, index=index)

    def answer(self, session: Session, request: Request, wire: ClientConnection) -> Answer:
        """Run one statement for a session."""
        if request.raw == FOLLOW_STATEMENT:
            own_log, fields = self._log_client.own_log, request.metadata.get("follow")
            if own_log is None or fields is None:
                raise SqlError("node_not_following", node=self._engine.node, reason="no log is hosted here")
            raise TakeOver(lambda taken: own_log.follow(taken, fields))
        session.forget_gone(self._is_there)
        parsed = self._statements.parse(request.text, request.args)
        normalized, route = parsed.normalized, parsed.route
        if route.databases:
            self._check_databases(session, request, route)
        if (session.transaction is not None and not is_allowed_outside_transaction(route)) or route.verb in VERBS:
            return self.transactions.answer(session, request, parsed, wire)
        if route.kind is Kind.READ and not route.is_of_names:
            if request.read == "strong":
                if self._log_client.own_log is None:
                    return self._log_client.run(session, request, normalized, route, wire)
                return self._read_strong(self._log_client.own_log, session, request, parsed, wire)
            database = self._database(session, request, route)
            return self._read_from(database, session, request, normalized, wire)
        if route.kind is Kind.SESSION or route.is_of_names:
            if request.read == "strong" and route.verb != "set_language":
                return self._log_client.names(session, request, normalized, route, wire)
            return self._session(session, request, route)
        return self._log_client.run(session, request, normalized, route, wire)

    def _check_databases(self, session: Session, request: Request, route: Route) -> None:
        """Raises SqlError where a statement names another database, unless its rows are copied where the log is."""
        held = self.transactions.database_of(session)
        own = held.name if held is not None else request.database or session.database
        if not names_others(route, own):
            check_databases(route, own)
        elif session.transaction is not None:
            raise SqlError("copy_in_transaction", database=route.databases[0].database)

    def _is_there(self, log_id: int) -> bool:
        """True when a database has not been dropped; one that is not known here yet has not."""
        return log_id > self._engine.enacted_index or self._engine.of_log(log_id) is not None

    def _read_strong(
        self,
        own_log: RequestParts,
        session: Session,
        request: Request,
        parsed: ParsedStatement,
        wire: ClientConnection | None,
    ) -> Answer:
        """A read of all that the log, which is here, knows of, told when its own state is among that."""
        asked, database = self._strong_state(own_log, session, request, parsed.route)
        answer = self._read_from(database, session, asked, parsed.normalized, wire)
        try:
            own_log.sessions.hold(database.log_id, session.indexes[database.log_id])
        except SqlError:
            if not isinstance(answer, bytes):
                answer.close()
            raise
        return answer

    def _read_copied(self, session: Session, request: Request) -> Answer:
        """Rows of another database than the one that is written to, in a node that hosts the log itself."""
        own_log = self._log_client.own_log
        assert own_log is not None
        parsed = self._statements.parse(request.text, request.args)
        return self._read_strong(own_log, session, request, parsed, None)

    def _strong_state(
        self, own_log: RequestParts, session: Session, request: Request, route: Route
    ) -> tuple[Request, Database]:
        """The request as it is to be answered, and the database that the log says it means, fresh enough.

        The log is asked again while that is waited for: the name may come to mean another, or none. Raises SqlError.
        """
        patience_ms = wait_ms(self._limits, request)
        deadline = time.monotonic() + patience_ms / 1000
        while True:
            name, log_id = own_log.sessions.resolve(session, request.database)
            needed = needed_index(session, request, log_id, own_log.sessions.known_index(log_id))
            left_ms = max(0, round((deadline - time.monotonic()) * 1000))
            asked = replace(request, database=name, minimum={**request.minimum, log_id: needed})
            try:
                metadata = {**request.metadata, "waitMs": min(left_ms, _LOOK_MS)}
                database = self._database(session, replace(asked, metadata=metadata), route)
                if database.log_id == log_id:
                    return asked, database
            except SqlError as error:
                if left_ms == 0 or error.key not in ("stale_read", "unknown_database"):
                    raise
            if left_ms == 0:
                raise SqlError("stale_read", node=self._engine.node, applied=self._engine.enacted_index, minimum=log_id)
            gevent.sleep(_AGAIN_SECONDS)

    def _session(self, session: Session, request: Request, route: Route) -> bytes:
        if route.verb == "set_language":
            language = choose_language(session, route)
            meta = replies.meta_of(session, request, self._engine.node, "session", {"language": language})
            return replies.done("set_language", language, 0, meta)
        self._progress.wait(SYSTEM_LOG_ID, needed_index(session, request, SYSTEM_LOG_ID), self._limits.wait_ms)
        session.saw(SYSTEM_LOG_ID, self._engine.enacted_index)
        if route.verb == "use":
            database = self._known(route.target or "", route.place)
            check_usable(database.log_id, route)
            session.use(database.name, database.log_id)
            meta = replies.meta_of(session, request, self._engine.node, "session")
            return replies.done("use", database.name, 0, meta)
        if route.is_of_names:
            self._progress.check_names()
            databases = sorted(
                (member.log_id, member.name) for member in self._engine.databases().values() if member.log_id
            )
            rows = [(name,) for _, name in databases]
            facts: MetaFacts = {"db": None, "log_id": SYSTEM_LOG_ID, "rows": len(rows), "repeatable": False}
            meta = replies.meta_of(session, request, self._engine.node, "admin", facts)
            return replies.relation(replies.listing(("fanasehoana",), rows), self._limits.page_rows, meta)
        raise SqlError("not_supported", what=request.text.split(maxsplit=1)[0])

    def _read_from(
        self, database: Database, session: Session, request: Request,
        read: NormalizedStatement, wire: ClientConnection | None,
    ) -> Answer:  # fmt: skip
        """Read a state of a database that is fresh enough, and still counts when it has been read."""
        try:
            return self._read_state(database, session, request, read, wire)
        except SqlError:
            self._progress.check_counts(database.log_id)
            raise

    def _read_state(
        self, database: Database, session: Session, request: Request,
        read: NormalizedStatement, wire: ClientConnection | None,
    ) -> Answer:  # fmt: skip
        began = time.perf_counter()
        now_ms = self._progress.log_time.now_ms()
        literal_bytes = _literal_bytes(request)
        try:
            if len(request.text) > HUB_CHARACTERS or literal_bytes:
                raise Overrun
            relation = database.reads.read(read, request.args, now_ms)
        except Overrun:
            with nowhere() if literal_bytes else nullcontext():
                stream = self._readers.threads.call(database.reads.stream, read, request.args, now_ms, literal_bytes)
                asked = StreamedRead(self._engine.node, session, request, database, wire, began=began)
                return NodeStream(stream, self._readers, asked)
        except StorageFault as fault:
            raise self._progress.failed(database, fault) from fault
        except SqlError as error:
            raise _without_database(error, database) from error
        if len(relation.rows) <= self._limits.page_rows:
            self._fast_path.remember(request, database, read)
        log_id = database.log_id
        session.saw(log_id, relation.index)
        meta = b""
        if request.has_meta:
            meta = encode_read(
                node=self._engine.node,
                db=database.name if log_id else None,
                log_id=log_id,
                index=relation.index,
                tables=relation.tables,
                rows=len(relation.rows),
                ms=round((time.perf_counter() - began) * 1000, 3),
                repeatable=relation.repeatable,
                language=spoken(session, request),
            )
        return replies.relation(relation, self._limits.page_rows, meta)

    def _database(self, session: Session, request: Request, route: Route) -> Database:
        """The database to read, in a state fresh enough for the request.

        Raises SqlError: stale_read, being_seeded, unknown_database, no_database.
        """
        engine = self._engine
        if request.database is not None:
            database = engine.named(request.database)
        else:
            database = engine.of_log(session.log_id)
            if session.log_id == SYSTEM_LOG_ID and route.verb in ("show", "describe"):
                raise SqlError("no_database")
        if database is not None and not self._progress.min_serving_index:
            index, system_index = database.applied_index, engine.enacted_index
            if is_fresh(session, request, database.log_id, index if database.log_id else system_index, system_index):
                return database
        return self._awaited(session, request)

    def _awaited(self, session: Session, request: Request) -> Database:
        """`_database` for a state that may have to be waited for, `wait_ms` in all."""
        patience_ms = wait_ms(self._limits, request)
        deadline = time.monotonic() + patience_ms / 1000
        # Which database has the name is the system log's to say, once it is as far as the request needs.
        self._progress.wait(SYSTEM_LOG_ID, needed_index(session, request, SYSTEM_LOG_ID), patience_ms)
        name = request.database or session.database
        while True:
            database = self._known(name) if name is not None else self._engine.system
            needed, left_ms = needed_index(session, request, database.log_id), (deadline - time.monotonic()) * 1000
            if self._progress.wait(database.log_id, needed, max(0, int(left_ms))) is not None:
                self._progress.check_counts(database.log_id)
                return database

    def _known(self, name: str, place: int = -1) -> Database:
        """The database called `name`. Raises unknown_database, or being_seeded while nobody here can know that."""
        self._progress.check_names()
        database = self._engine.named(name)
        self._progress.check(SYSTEM_LOG_ID if database is None else database.log_id)
        return database or self._engine.get(name, place)


def _literal_bytes(request: Request) -> int:
    """How many bytes of literals a request asks for, as whoever writes the rows elsewhere does; 0 for an answer as
    always.
    """
    wanted = request.metadata.get(LITERALS_FIELD)
    return wanted if type(wanted) is int and wanted > 0 else 0


def _without_database(error: SqlError, database: Database) -> SqlError:
    """A table that is not known because no database was chosen is another error."""
    if error.key == "unknown_table" and database.log_id == SYSTEM_LOG_ID:
        return SqlError("no_database")
    return error


def _open(config: Config, node: str, open_databases: int, log_lines: Logger) -> Engine:
    engine = Engine(config.instance(node).data_directory, node, config.limits, open_databases=open_databases)
    NativeThreads(1).call(engine.open)
    log_lines.info("opened", directory=str(engine.directory.path), databases=len(engine.logs()) - 1)
    return engine


def _close(engine: Engine, log_lines: Logger) -> None:
    """Close the files. A disk that fails now takes nothing back: the next start reads what is there."""
    try:
        NativeThreads(1).call(engine.close)
    except StorageFault as fault:
        log_lines.error("close_failed", reason=str(fault))


def _listen(service: Service, instance: Instance, engine: Engine, log_lines: Logger) -> None:
    try:
        service.start()
    except CannotStartError:
        # What was opened was not in use yet: the next start has nothing to be careful of.
        _close(engine, log_lines)
        raise
    log_lines.info("listening", listen=f"{instance.listens_on}:{instance.port}")


def _log_place(config: Config, instance: Instance) -> tuple[str, int]:
    """Where the log's host listens: the proxy, or this node itself."""
    proxy = config.load_balancer
    return (proxy.reached_at, proxy.listen_port) if proxy else (reachable(instance.listens_on), instance.port)


def run(config: Config, node: str) -> int:
    """Run a node until SIGTERM; its exit status. Raises CannotStartError (address taken), DirectoryInUse."""
    log_lines = logger("node", node)
    for notice in config.notices:
        log_lines.info("config_notice", text=notice)
    instance = config.instance(node)
    config, shares = fitted(config, log_lines, NODE_FILES_A_CONNECTION)
    engine = _open(config, node, shares.databases, log_lines)
    progress = Progress(engine)
    own_log = EmbeddedLog(config.log) if config.load_balancer is None else None
    hub = HubWatch()
    coordinator = Coordinator(config, own_log, log_lines, hub.listening_seconds) if own_log is not None else None
    requests = coordinator.requests if coordinator is not None else None
    heard = Heard(hub.listening_seconds)
    log_client = LogClient(config, engine.node, requests, log_lines, log_time=progress.log_time, heard=heard)
    handler = NodeHandler(config, engine, progress, log_client)
    service = Service(instance.listens_on, instance.port, handler, config.limits, log_lines, quick=handler.quick)
    stop = StopRequest()
    _listen(service, instance, engine, log_lines)
    follower = Follower(engine, progress, _log_place(config, instance), log_lines)
    follower.heard, follower.listen_port = log_client.heard, instance.port
    helpers: list[gevent.Greenlet[..., Any]]
    helpers = [gevent.spawn(work) for work in (follower.run, log_client.watch, handler.transactions.watch, hub.run)]
    helpers += [gevent.spawn(_say_ready, follower, log_lines, instance.listens_on, instance.port)]
    if coordinator is not None:
        helpers.append(gevent.spawn(coordinator.run))
    stop.wait()
    log_lines.info("stopping", connections=service.connections)
    follower.leave()
    if coordinator is not None:
        coordinator.reports.is_stopping = True
    service.stop()
    gevent.killall(helpers)
    follower.stop()
    if coordinator is not None and own_log is not None:
        coordinator.stop()
        own_log.close()
    _close(engine, log_lines)
    log_lines.info("stopped", hub_held_ms=hub.worst_ms, hub_worked_ms=hub.worked_ms)
    return 0


def _say_ready(follower: Follower, log_lines: Logger, host: str, port: int) -> None:
    follower.catch_up.level.wait()
    log_lines.info("ready", listen=f"{host}:{port}")


__all__ = ["DirectoryInUse", "NodeHandler", "run"]
