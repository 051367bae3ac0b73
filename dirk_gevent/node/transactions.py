"""Transactions on a node: each session's own, from BEGIN until its work is handed to the log.

Reads before the first change take the way of any read. From the first change on, statements run one by one on the
applier's connection (`SpeculativeExecutor`), each in its database's turn: a slow one holds up no other database.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import gevent

from dirk_gevent.config.settings import Limits
from dirk_gevent.coordinator.requests.commits import committed, ended
from dirk_gevent.engine.apply.executor import Result
from dirk_gevent.engine.database import Database
from dirk_gevent.engine.engine import Engine
from dirk_gevent.engine.errors.faults import Overrun, StorageFault
from dirk_gevent.engine.read.long_reads import RelationStream
from dirk_gevent.engine.results import Relation
from dirk_gevent.engine.transaction.open_transaction import Transaction
from dirk_gevent.log.entry import LoggedStatement
from dirk_gevent.node.log_client import LogClient
from dirk_gevent.node.name_lookup import learn
from dirk_gevent.node.progress import Progress
from dirk_gevent.node.streamed_reads import LongReads, NodeStream, StreamedRead
from dirk_gevent.node.writer_turns import WriterTurns
from dirk_gevent.protocol.meta import MetaFacts
from dirk_gevent.server import replies
from dirk_gevent.server.admission import AdmissionSlots
from dirk_gevent.server.client_connection import ClientConnection
from dirk_gevent.server.freshness import needed_index
from dirk_gevent.server.service import Answer
from dirk_gevent.server.session import Request, Session
from dirk_gevent.server.statement_cache import HUB_CHARACTERS, ParsedStatement
from dirk_gevent.server.transactions import refuse_inside, work_fields
from dirk_parser.errors import SqlError
from dirk_parser.grammar.route import Kind, Route

#: Statements of transactions that run at one time; each is of another database.
_THREADS = 4
#: What the changes of all open transactions of a node may take in memory.
MOST_BYTES = 256 * 1024 * 1024
_LOOK_SECONDS = 1.0
#: After these nothing of the transaction can be committed any more.
_FATAL = frozenset(("40001", "3D000"))
_SEED_BITS = 64


class HeldTransaction:
    """A session's transaction in `database`. `failure` aborted it: only COMMIT and ROLLBACK are then heard."""

    def __init__(
        self, database: Database, transaction: Transaction, forget: Callable[[HeldTransaction], None]
    ) -> None:
        self.database = database
        self.transaction = transaction
        self.failure: SqlError | None = None
        self.is_failure_told = False
        self.stream: NodeStream | None = None
        self._forget = forget
        self._is_running = False
        self._used_at = time.monotonic()

    @contextmanager
    def statement(self) -> Iterator[None]:
        """The time of one statement: it is not idle, and some errors abort the transaction."""
        self._is_running = True
        try:
            yield
        except SqlError as error:
            if error.sqlstate in _FATAL and self.failure is None:
                self.abort(error)
                self.is_failure_told = True
            raise
        finally:
            self._is_running, self._used_at = False, time.monotonic()

    def abort(self, failure: SqlError) -> None:
        """Keep nothing but the reason."""
        self.failure = failure
        self._forget(self)

    def idle_seconds(self) -> float:
        """Seconds that it has waited for its session; 0 while a statement runs or its answer is being sent."""
        if self.stream is not None and not self.stream.is_closed:
            self._used_at = time.monotonic()
        return 0.0 if self._is_running else time.monotonic() - self._used_at

    def close(self) -> None:
        """It is over."""
        self._forget(self)


class NodeTransactions:
    """The transactions of a node's sessions. `resolve` finds the database of a request, fresh enough for it; their long
    reads have slots among the node's `long_reads`.
    """

    def __init__(
        self,
        limits: Limits,
        engine: Engine,
        progress: Progress,
        log_client: LogClient,
        resolve: Callable[[Session, Request, Route], Database],
        long_reads: AdmissionSlots,
    ) -> None:
        self._limits = limits
        self._engine = engine
        self._progress = progress
        self._log_client = log_client
        self._resolve = resolve
        self._writers = WriterTurns(_THREADS, progress.turns, limits.queue_ms)
        self._readers = LongReads(_THREADS, long_reads, progress)
        self._open: set[HeldTransaction] = set()
        self._held_bytes = 0

    def answer(self, session: Session, request: Request, parsed: ParsedStatement, wire: ClientConnection) -> Answer:
        """Answer BEGIN, COMMIT, ROLLBACK, and whatever is said inside a transaction. Raises SqlError."""
        held, route = session.transaction, parsed.route
        if not isinstance(held, HeldTransaction):
            return self._outside(session, request, parsed, wire)
        self._expire(held)
        if route.verb in ("commit", "rollback"):
            return self._end(session, request, parsed, held, wire)
        if held.failure is not None:
            if held.is_failure_told:
                raise SqlError("transaction_aborted")
            held.is_failure_told = True
            raise held.failure
        refuse_inside(request, route)
        with held.statement():
            return self._inside(session, request, parsed, held, wire)

    def database_of(self, session: Session) -> Database | None:
        """The database of a session's transaction."""
        held = session.transaction
        return held.database if isinstance(held, HeldTransaction) else None

    def watch(self) -> None:
        """Abort the transactions that wait too long for their sessions, until killed. Blocks."""
        while True:
            gevent.sleep(min(_LOOK_SECONDS, self._limits.transaction_idle_seconds / 2))
            for held in list(self._open):
                self._expire(held)

    # --- begin and end ---------------------------------------------------------------------------------------

    def _outside(self, session: Session, request: Request, parsed: ParsedStatement, wire: ClientConnection) -> Answer:
        route = parsed.route
        if route.verb == "begin":
            if request.read == "strong":
                learn(self._log_client, session, request, request.database or session.database, wire)
            database = self._resolve(session, request, route)
            most_bytes = self._limits.max_statement_bytes // 2
            transaction = Transaction(database.base_state(), self._limits.transaction_steps, most_bytes)
            held = session.transaction = HeldTransaction(database, transaction, self._forget)
            self._open.add(held)
            clock = self._progress.log_time.now_ms()
            return replies.done("begin", "", 0, self._meta(session, request, held, "session", {"clock_ms": clock}))
        if route.verb == "commit" and isinstance(asked := request.metadata.get("outcome"), str):
            return self._recorded(session, replace(request, request_id=asked), route)
        if route.verb == "commit" and request.request_id is not None:
            return self._log_client.commit_again(session, request, parsed, wire, self._recorded)
        raise SqlError("no_transaction")

    def _recorded(self, session: Session, request: Request, route: Route) -> bytes:
        """Answer how the COMMIT with this request id ended, if there was one."""
        database = self._resolve(session, request, route)
        if request.metadata.get("log", database.log_id) != database.log_id:
            # Another database has the name: nothing is recorded here of the one that is meant.
            raise SqlError("no_transaction")
        try:
            outcome = self._readers.threads.call(database.reads.recorded, request.request_id)
        except StorageFault as fault:
            raise self._progress.failed(database, fault) from fault
        # The thread may have come to a state that was put aside meanwhile, or only begins anew.
        self._progress.check_counts(database.log_id)
        if outcome is None:
            raise SqlError("no_transaction")
        session.saw(database.log_id, outcome.index)
        return committed(session, request, self._engine.node, database.log_id, outcome)

    def _end(
        self, session: Session, request: Request, parsed: ParsedStatement, held: HeldTransaction, wire: ClientConnection
    ) -> Answer:
        """COMMIT or ROLLBACK. An aborted transaction can't be committed: COMMIT says again what aborted it."""
        transaction, route = held.transaction, parsed.route
        log_id = held.database.log_id
        session.transaction = None
        try:
            if route.verb == "rollback":
                return ended(session, request, self._engine.node, "rollback", log_id)
            if held.failure is not None:
                raise held.failure
            if transaction.written:
                self._check_counts(held.database)
                # Found out here, a conflict costs the log no entry. What only read has seen one state, and that is all.
                transaction.renew()
            fields = work_fields(transaction.work())
        finally:
            held.close()
        session.saw(log_id, transaction.base_index)
        if request.metadata.get("prepare"):
            facts: MetaFacts = {"log_id": log_id, "in_transaction": False, "has_commit": True, "commit": fields}
            meta = replies.meta_of(session, request, self._engine.node, "session", facts)
            return replies.done("commit", "", 0, meta)
        if fields is None:
            return ended(session, request, self._engine.node, "commit", log_id)
        to_log = replace(request, has_meta=request.has_meta, metadata={**request.metadata, "commit": fields})
        return self._log_client.commit(session, to_log, parsed, wire)

    def _forget(self, held: HeldTransaction) -> None:
        self._open.discard(held)
        transaction = held.transaction
        if transaction.written:
            self._held_bytes -= transaction.written_bytes
            self._writers.begin(held.database.writer.forget_changes, transaction)
            held.transaction = transaction.emptied(held.database.base_state())

    def _expire(self, held: HeldTransaction) -> None:
        limit = self._limits.transaction_idle_seconds
        if held.failure is None and held.idle_seconds() > limit:
            held.abort(SqlError("transaction_idle", seconds=f"{limit:g}"))

    # --- statements ------------------------------------------------------------------------------------------

    def _inside(
        self, session: Session, request: Request, parsed: ParsedStatement, held: HeldTransaction, wire: ClientConnection
    ) -> Answer:
        database, transaction = held.database, held.transaction
        self._check_place(request, database)
        self._check_counts(database)
        is_strong = request.read == "strong"
        known_index = self._log_client.known_index(session, request, database, wire) if is_strong else 0
        # When nothing is known of its log, it may be that another has the name now.
        is_asked = is_strong and not known_index
        if is_asked and learn(self._log_client, session, request, database.name, wire) != database.log_id:
            raise SqlError("unknown_database", name=database.name)
        needed = needed_index(session, request, database.log_id, known_index)
        if needed > transaction.base_index:
            self._progress.wait(database.log_id, needed, self._limits.wait_ms)
        try:
            if parsed.route.kind is Kind.WRITE:
                return self._change(session, request, parsed, held)
            if transaction.written:
                statement = self._statement(request, parsed)
                result = self._writers.run(database.log_id, database.writer.read_in, transaction, statement)
                return self._answer(session, request, held, result, wire)
            return self._read(session, request, parsed, held, wire)
        except StorageFault as fault:
            raise self._progress.failed(database, fault) from fault
        except SqlError:
            self._check_counts(database)
            raise

    def _check_counts(self, database: Database) -> None:
        """Raises transaction_lost once the state that a transaction stands on counts for nothing."""
        try:
            self._progress.check_counts(database.log_id)
        except SqlError as error:
            raise SqlError("transaction_lost") from error

    def _check_place(self, request: Request, database: Database) -> None:
        """A transaction stays in its database."""
        if request.database is not None and self._engine.named(request.database) is not database:
            self._progress.check_names()
            if database.file.is_dropped:
                raise SqlError("unknown_database", name=database.name)
            raise SqlError("refused_in_transaction", what=request.database)

    def _change(self, session: Session, request: Request, parsed: ParsedStatement, held: HeldTransaction) -> bytes:
        database, transaction = held.database, held.transaction
        if not database.log_id:
            raise SqlError("no_database" if session.database is None else "system_database")
        written = transaction.written_as(request.text, self._statement(request, parsed))
        if self._held_bytes + written.size_bytes > MOST_BYTES:
            raise SqlError("transactions_full")
        result: Result = self._writers.run(database.log_id, database.writer.change_in, transaction, written)
        self._held_bytes += written.size_bytes
        facts: MetaFacts = {"tables": result.tables, "rows": result.rows}
        meta = self._meta(session, request, held, "write", facts)
        if result.returning is not None:
            return replies.relation(result.returning, self._limits.page_rows, meta)
        return replies.done(result.verb, result.name, result.rows, meta)

    def _read(
        self, session: Session, request: Request, parsed: ParsedStatement, held: HeldTransaction, wire: ClientConnection
    ) -> Answer:
        """A read before the first change."""
        database, transaction = held.database, held.transaction
        transaction.renew()
        try:
            relation = self._found(request, parsed, database)
            return self._answer(session, request, held, relation, wire)
        except SqlError:
            # What a statement that fails has seen counts all the same.
            transaction.touch(database.reads.depends_on(parsed.normalized))
            raise

    def _found(self, request: Request, parsed: ParsedStatement, database: Database) -> Relation | RelationStream:
        now_ms = self._progress.log_time.now_ms()
        if len(request.text) <= HUB_CHARACTERS:
            with suppress(Overrun):
                return database.reads.read(parsed.normalized, request.args, now_ms)
        return self._readers.threads.call(database.reads.stream, parsed.normalized, request.args, now_ms)

    def _answer(
        self,
        session: Session,
        request: Request,
        held: HeldTransaction,
        found: Relation | RelationStream,
        wire: ClientConnection,
    ) -> Answer:
        """Answer with what was read, if it goes with what was read before."""
        database = held.database
        if isinstance(found, Relation):
            self._saw(held, found.index, found.tables)
            facts: MetaFacts = {"tables": found.tables, "rows": len(found.rows), "repeatable": False}
            meta = self._meta(session, request, held, "read", facts)
            return replies.relation(found, self._limits.page_rows, meta)
        stream = NodeStream(found, self._readers, StreamedRead(self._engine.node, session, request, database, wire))
        try:
            self._saw(held, found.head.index, found.head.tables)
        except SqlError:
            stream.close()
            raise
        held.stream = stream
        return stream

    def _saw(self, held: HeldTransaction, index: int, tables: tuple[str, ...]) -> None:
        # A file may be a moment ahead of what has been published of it.
        self._progress.wait(held.database.log_id, index, self._limits.wait_ms)
        held.transaction.read_at(index, tables)

    def _meta(
        self, session: Session, request: Request, held: HeldTransaction, kind: str, facts: MetaFacts
    ) -> bytes:
        database = held.database
        session.saw(database.log_id, held.transaction.base_index)
        name = database.name if database.log_id else None
        facts = {"db": name, "log_id": database.log_id, **facts}
        return replies.meta_of(session, request, self._engine.node, kind, facts)

    def _statement(self, request: Request, parsed: ParsedStatement) -> LoggedStatement:
        """The statement with the time and the seed that it keeps, here and in the log."""
        now_ms = self._progress.log_time.now_ms()
        return LoggedStatement(parsed.normalized, request.args, now_ms, secrets.randbits(_SEED_BITS))
