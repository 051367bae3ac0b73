"""The reading half of a database: short reads on the hub, long ones on reader threads.

Which state did a read see? The hub's reader keeps a read transaction open for one published `Position`: it is begun
when a read finds a newer position than the one held, and kept only when `dirk_meta` inside it names that position's
index. So the index of an answer is exactly that of the state it comes from: neither above what was seen (`min` stays
honest) nor below a change that was seen (a cache may keep the answer). When a commit slips in between, the read runs
inside a transaction that names its own index. A transaction that no read uses is ended within seconds, so that it does
not hold back the WAL. Streams open their transaction under the lock that COMMIT and publication share.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import apsw

from dirk_gevent.engine import stored_records
from dirk_gevent.engine.apply.recorded_outcomes import decode_outcome
from dirk_gevent.engine.committed_state import CommittedState, HotRead
from dirk_gevent.engine.compiler import CompiledSchema
from dirk_gevent.engine.database_file import DatabaseFile
from dirk_gevent.engine.errors.faults import Held, Overrun, StorageFault, storage_faults
from dirk_gevent.engine.functions import EntryContext
from dirk_gevent.engine.read.explain import explanation
from dirk_gevent.engine.read.long_reads import Opened, RelationStream, StreamHead, StreamLimits
from dirk_gevent.engine.read.row_literals import InLiterals
from dirk_gevent.engine.read.short_reads import HUB_PAGES, HubReader, Moved, ReadProfile
from dirk_gevent.engine.results import Outcome, Relation, Row, columns_json, converted
from dirk_gevent.engine.sqlite_connection import limit_values, open_reader
from dirk_gevent.engine.transaction.conflict import tables_of
from dirk_parser.errors import SqlError
from dirk_parser.normalize.normalized_statement import Args, NormalizedStatement, Value
from dirk_parser.plan.plan import Plan, QueryPlan

#: A stream whose SQLite work was shorter makes its profile fit for the hub again.
_SHORT_SECONDS = 0.002
_HOT_SHAPES = 4096


@dataclass(frozen=True, slots=True)
class PreparedRead:
    """A read of which nothing is open any more but the state it will see: its plan and its values are known.

    It is good as long as the schema is `schema`. `page_rows` is the most rows that its answer may have.
    """

    schema: CompiledSchema
    profile: ReadProfile
    bindings: tuple[Value, ...]
    page_rows: int

    @property
    def plan(self) -> QueryPlan:
        """Its plan."""
        return self.profile.plan


class Reads:
    """The reads of one database. What a read prepares is kept by the state that it read."""

    def __init__(self, file: DatabaseFile) -> None:
        self._file = file
        self._shared = file.shared
        self._compiler = file.shared.compiler
        self._hub_rows = HUB_PAGES * file.shared.limits.page_rows

    @property
    def log_id(self) -> int:
        """The log of the database."""
        return self._file.log_id

    def read(self, normalized: NormalizedStatement, args: Args, now_ms: int) -> Relation:
        """Answer a query on the hub. Raises SqlError, StorageFault, and Overrun: then use `stream`."""
        state = self._file.committed
        position = state.position
        hot = state.hot.get(normalized.template)
        if hot is not None and hot.schema is position.schema:
            profile = hot.profile
        else:
            profile = _read_profile(state, normalized, position.schema)
        if profile.slow:
            raise Overrun
        plan = profile.plan
        reader = state.reader or self._open_reader(state)
        bindings = self._compiler.bind(plan, normalized, args)
        index = position.index
        reader.lock.acquire()
        try:
            if reader.held is position or reader.hold(position, index):
                rows = reader.rows(plan, bindings, now_ms)
            else:
                index, rows = reader.rows_at(plan, bindings, now_ms, position)
        except Overrun as overrun:
            profile.slow = not isinstance(overrun, Held)
            raise
        except StorageFault:
            self._discard_reader(state)
            raise
        except Moved:
            raise Overrun from None
        finally:
            reader.lock.release()
        if len(rows) > self._hub_rows:
            profile.slow = True
            raise Overrun
        return self._relation(profile, normalized, rows, index)

    def prepare(self, normalized: NormalizedStatement) -> PreparedRead | None:
        """`normalized`, just read here without arguments, for `run_prepared`; None when its answer hangs on more than
        the state.

        (On arguments, on the clock or on chance; or its result's names are those of its own text.)
        """
        hot = self._file.committed.hot.get(normalized.template)
        if hot is None or hot.profile.slow:
            return None
        plan = hot.profile.plan
        if not (plan.repeatable and plan.static_names and plan.explained is None):
            return None
        if not all(isinstance(bind, int) and bind >= 0 for bind in plan.binds):
            return None
        bindings = self._compiler.bind(plan, normalized, ())
        return PreparedRead(hot.schema, hot.profile, bindings, self._shared.limits.page_rows)

    def run_prepared(self, prepared: PreparedRead) -> tuple[int, list[Row]] | None:
        """Answer a prepared read on the hub: the state's index and the rows. Raises SqlError, StorageFault.

        None whenever `read` is the one to ask: another schema, an answer too long for a page or for the hub.
        """
        state, profile = self._file.committed, prepared.profile
        position, reader = state.position, state.reader
        if reader is None or prepared.schema is not position.schema or profile.slow:
            return None
        reader.lock.acquire()
        try:
            if reader.held is not position and not reader.hold(position, position.index):
                return None
            rows = reader.rows(profile.plan, prepared.bindings, 0)
        except Overrun as overrun:
            profile.slow = not isinstance(overrun, Held)
            return None
        except StorageFault:
            self._discard_reader(state)
            raise
        finally:
            reader.lock.release()
        if len(rows) > prepared.page_rows:
            return None
        return position.index, converted(rows, profile.booleans)

    def _relation(self, profile: ReadProfile, normalized: NormalizedStatement, rows: list[Row], index: int) -> Relation:
        plan = profile.plan
        columns, encoded = profile.columns, profile.columns_json
        if not plan.static_names:
            columns = self._compiler.columns(plan, normalized)
            encoded = columns_json(columns)
        if plan.explained is not None:
            rows = explanation(plan.explained, rows)
        values = converted(rows, profile.booleans)
        return Relation(
            name=plan.relation,
            columns=columns,
            rows=values,
            index=index,
            tables=plan.tables,
            repeatable=plan.repeatable,
            columns_json=encoded,
        )

    def _open_reader(self, state: CommittedState) -> HubReader:
        """The hub's connection to the file of `state`; raises Overrun when that is another state's by now."""
        with self._file.lock, storage_faults("open"):
            if self._file.committed is not state:
                raise Overrun
            self._file.make()
            reader = state.reader = HubReader(self._file.path, self._shared.watchdog)
        self._shared.readers.admit(self)
        return reader

    def keep_reader(self) -> bool:
        """Close the hub reader unless it was used since the last call; True when it stays open (hub)."""
        reader = self._file.committed.reader
        if reader is None or not reader.recent:
            self.close()
            return False
        reader.recent = False
        return True

    def rest_reader(self) -> None:
        """End the hub reader's transaction unless it was used since the last call (hub)."""
        reader = self._file.committed.reader
        if reader is not None:
            if not reader.used:
                self._release(reader)
            reader.used = False

    def _release(self, reader: HubReader) -> None:
        """End a reader's transaction. A fault of this database's file is nobody else's: whoever reads next meets it."""
        try:
            with reader.lock:
                reader.release()
        except StorageFault:
            self.close()

    def _discard_reader(self, state: CommittedState) -> None:
        """A connection that met a fault of the machine may not outlive it: the next read opens another."""
        reader, state.reader = state.reader, None
        if reader is not None:
            reader.close()

    def close(self) -> None:
        """Close the hub reader (hub)."""
        self._discard_reader(self._file.committed)

    def depends_on(self, normalized: NormalizedStatement) -> tuple[str, ...]:
        """The tables that a query reads, for one that has failed; none when it can't even be planned."""
        try:
            state = self._file.committed
            return tables_of(state.plans.plan(normalized, state.position.schema, False))
        except SqlError:
            return ()

    def recorded(self, request_id: str) -> Outcome | None:
        """The recorded outcome of a request; None without a record (native thread). Raises SqlError, StorageFault."""
        with storage_faults("records"):
            with self._file.lock:
                self._file.make()
                connection = open_reader(self._file.path, EntryContext())
            try:
                request = stored_records.read_requests(connection, [request_id]).get(request_id)
            finally:
                connection.close()
        return decode_outcome(request) if request is not None else None

    def stream(
        self, normalized: NormalizedStatement, args: Args, now_ms: int, literal_bytes: int = 0
    ) -> RelationStream:
        """A read of any length, planned here (hub) and begun by its first `open` or `fetch` (reader thread).

        `literal_bytes`: the most that `InLiterals` may take; 0 for an answer as always. Raises SqlError of planning.
        """
        limits = self._shared.limits
        state = self._file.committed
        profile = state.profiles.of(_query(state.plans.plan(normalized, state.position.schema, False)))
        literals = InLiterals(self._file.name, literal_bytes) if literal_bytes else None

        def begin(stream: RelationStream) -> Opened:
            return self._begin_stream(stream, _Wanted(normalized, args, now_ms, literals))

        def finish(stream: RelationStream, opened: Opened) -> None:
            self._file.wal.leave(stream)
            profile.slow = stream.execution.busy_seconds > _SHORT_SECONDS
            opened.connection.close(True)

        spool_directory = self._shared.spool_directory
        wanted = StreamLimits(limits.page_rows, limits.result_bytes, limits.statement_seconds, spool_directory)
        return RelationStream(begin, finish, wanted)

    def _begin_stream(self, stream: RelationStream, wanted: _Wanted) -> Opened:
        context = EntryContext()
        context.begin(wanted.now_ms, 0)
        with self._file.lock:
            state = self._file.committed
            self._file.make()
            connection = open_reader(self._file.path, context)
            limit_values(connection)
        try:
            stream.execution.attach(connection)
            with self._file.wal.entrance, state.lock:
                position = state.position
                connection.execute("BEGIN; SELECT one FROM dirk_meta").fetchall()
                self._file.wal.admit(stream)
            # DDL may have come since the hub planned it.
            normalized = wanted.normalized
            plan = _query(state.plans.plan(normalized, position.schema, False))
            if wanted.literals is not None:
                plan = wanted.literals.plan(plan)
            columns = plan.columns if plan.static_names else self._compiler.columns(plan, normalized)
            cursor = self._first_row(stream, wanted, connection, plan)
            if plan.explained is not None:
                cursor = iter(explanation(plan.explained, cursor))
        except BaseException:
            self._file.wal.leave(stream)
            connection.close(True)
            raise
        head = StreamHead.of(plan.relation, columns, position.index, plan.tables, plan.repeatable)
        return Opened(connection, cursor, head)

    def _first_row(
        self, stream: RelationStream, wanted: _Wanted, connection: apsw.Connection, plan: QueryPlan
    ) -> Iterator[Row]:
        """The rows, of which the first has been looked for, which may be all the work there is."""
        bindings = self._compiler.bind(plan, wanted.normalized, wanted.args)
        if wanted.literals is not None:
            return wanted.literals.rows(lambda: connection.execute(plan.sql, bindings))
        with stream.execution.working():
            return connection.execute(plan.sql, bindings)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A stream's request: its statement and its values."""

    normalized: NormalizedStatement
    args: Args
    now_ms: int
    literals: InLiterals | None = None


def _read_profile(state: CommittedState, normalized: NormalizedStatement, schema: CompiledSchema) -> ReadProfile:
    profile = state.profiles.of(_query(state.plans.plan(normalized, schema, False)))
    if state.plans.is_settled_by_template(normalized.template):
        if len(state.hot) >= _HOT_SHAPES:
            state.hot.clear()
        state.hot[normalized.template] = HotRead(schema, profile)
    return profile


def _query(plan: Plan) -> QueryPlan:
    if not isinstance(plan, QueryPlan):
        raise SqlError("not_supported", what=plan.verb)
    return plan
