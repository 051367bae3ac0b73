"""The reading half of a database: short reads on the hub, long ones on reader threads.

Which state did a read see? The hub's reader keeps a read transaction open for one published `Position`: it is begun
when a read finds a newer position than the one held, and kept only when `dirk_meta` inside it names that position's
index. So the index of an answer is exactly that of the state it comes from: neither above what was seen (`min` stays
honest) nor below a change that was seen (a cache may keep the answer). When a commit slips in between, the read runs
inside a transaction that names its own index. A transaction that no read uses is ended within seconds, so that it does
not hold back the WAL. Streams open their transaction under the lock that COMMIT and publication share.
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dirk_gevent.engine.committed import CommittedState, HotRead
from dirk_gevent.engine.compiler import Compiler, Schema
from dirk_gevent.engine.connection import create_file, limit_values, open_reader
from dirk_gevent.engine.explain import explanation
from dirk_gevent.engine.faults import Held, LostFile, Overrun, StorageFault, storage_faults
from dirk_gevent.engine.functions import EntryContext
from dirk_gevent.engine.literals import InLiterals
from dirk_gevent.engine.position import Position
from dirk_gevent.engine.read import HUB_PAGES, HubReader, Moved, ReadShape
from dirk_gevent.engine.results import Relation, Row, columns_json, converted
from dirk_gevent.engine.shared import Shared
from dirk_gevent.engine.stream import Opened, RelationStream, StreamLimits
from dirk_gevent.engine.wal import Wal
from dirk_gevent.log.entry import NO_CHAIN
from parser.errors import SqlError
from parser.normalize.template import Args, Shaped, Value
from parser.plan.plan import Plan, Query

#: A stream whose SQLite work was shorter makes its shape fit for the hub again.
_SHORT_SECONDS = 0.002
_HOT_SHAPES = 4096


@dataclass(frozen=True, slots=True)
class Settled:
    """A read of which nothing is open any more but the state it will see: its plan and its values are known.

    It is good as long as the schema is `schema`. `page_rows` is the most rows that its answer may have.
    """

    schema: Schema
    shape: ReadShape
    bindings: tuple[Value, ...]
    page_rows: int

    @property
    def plan(self) -> Query:
        """Its plan."""
        return self.shape.plan


class ReadSide:
    """What a database needs to be read: its file, and the state last committed with what is derived from it.

    `name` is spelt as at its creation. `_file_lock` is held while the file is made, opened for the first time or
    replaced, so that no reader keeps a file that is no longer the database's.
    """

    def __init__(self, shared: Shared, log_id: int, name: str) -> None:
        self.log_id = log_id
        self.name = name
        self._shared = shared
        self._path = shared.directory.database(log_id)
        self._compiler = shared.compiler
        self._seen = self._state_at(nothing(shared.compiler), {}, 0)
        self._file_lock = threading.Lock()
        self._hub_rows = HUB_PAGES * shared.limits.page_rows
        self._dropped = False
        self._wal = Wal(self._path, name, shared.limits.wal_bytes, self.let_go)
        #: False when the machine kept the file from being read at the start: what the state is is not known then.
        self.is_loaded = True

    def _state_at(self, position: Position, tables: dict[str, int], heard_head: int) -> CommittedState:
        """A state in which nothing has been derived yet."""
        return CommittedState(position, tables, heard_head, self._compiler.plans())

    def _begin(self, state: CommittedState) -> None:
        """`state` takes the place of the one there is. The caller holds the file lock, and the file is the state's."""
        before, self._seen = self._seen, state
        self.is_loaded = True
        self._wal.replaced()
        # A transaction may keep the old state itself for a while, but nothing may read its file any more.
        self._retire_reader(before)

    def _retire_reader(self, state: CommittedState) -> None:
        """Have the next read open another connection (any thread). The hub may be reading from this one, so it is the
        hub that closes it."""
        reader, state.reader = state.reader, None
        if reader is not None:
            self._shared.readers.retire(reader)

    @property
    def position(self) -> Position:
        """The last committed state, in one consistent piece."""
        return self._seen.position

    @property
    def applied_index(self) -> int:
        """Index of the last entry applied; 0 for none."""
        return self._seen.position.index

    @property
    def chain(self) -> bytes:
        """Chain hash at the applied index."""
        return self._seen.position.chain

    @property
    def heard_head(self) -> int:
        """The highest head of its log this node ever heard of; never below the applied index."""
        return max(self._seen.heard_head, self._seen.position.index)

    @property
    def path(self) -> Path:
        """Its SQLite file."""
        return self._path

    def _make_file(self) -> None:
        """Begin the file if there is none; the caller holds the file lock. Raises SqlError, OSError.

        A state with entries has a file. If it is not there, an empty one in its place would take entries whose tables
        it lacks.
        """
        if self._dropped:
            raise SqlError("unknown_database", name=self.name)
        if not self.is_loaded:
            raise OSError(errno.EIO, "the file could not be read when the node started", str(self._path))
        if self._path.exists():
            return
        if self._seen.position.index:
            kind = LostFile if self._shared.directory.is_there() else FileNotFoundError
            raise kind(errno.ENOENT, "the database's file is gone", str(self._path))
        create_file(self._path)

    def read(self, shaped: Shaped, args: Args, now_ms: int) -> Relation:
        """Answer a query on the hub. Raises SqlError, StorageFault, and Overrun: then use `stream`."""
        state = self._seen
        position = state.position
        hot = state.hot.get(shaped.shape)
        if hot is not None and hot.schema is position.schema:
            shape = hot.shape
        else:
            shape = _read_shape(state, shaped, position.schema)
        if shape.slow:
            raise Overrun
        plan = shape.plan
        reader = state.reader or self._open_reader(state)
        bindings = self._compiler.bind(plan, shaped, args)
        index = position.index
        reader.lock.acquire()
        try:
            if reader.held is position or reader.hold(position, index):
                rows = reader.rows(plan, bindings, now_ms)
            else:
                index, rows = reader.rows_at(plan, bindings, now_ms, position)
        except Overrun as overrun:
            shape.slow = not isinstance(overrun, Held)
            raise
        except StorageFault:
            self._discard_reader(state)
            raise
        except Moved:
            raise Overrun from None
        finally:
            reader.lock.release()
        if len(rows) > self._hub_rows:
            shape.slow = True
            raise Overrun
        return self._relation(shape, shaped, rows, index)

    def settled(self, shaped: Shaped) -> Settled | None:
        """`shaped`, just read here without arguments, for `again`; None when its answer hangs on more than the state.

        (On arguments, on the clock or on chance; or its result's names are those of its own text.)
        """
        hot = self._seen.hot.get(shaped.shape)
        if hot is None or hot.shape.slow:
            return None
        plan = hot.shape.plan
        if not (plan.repeatable and plan.static_names and plan.explained is None):
            return None
        if not all(isinstance(bind, int) and bind >= 0 for bind in plan.binds):
            return None
        bindings = self._compiler.bind(plan, shaped, ())
        return Settled(hot.schema, hot.shape, bindings, self._shared.limits.page_rows)

    def again(self, settled: Settled) -> tuple[int, list[Row]] | None:
        """Answer a settled read on the hub: the state's index and the rows. Raises SqlError, StorageFault.

        None whenever `read` is the one to ask: another schema, an answer too long for a page or for the hub.
        """
        state, shape = self._seen, settled.shape
        position, reader = state.position, state.reader
        if reader is None or settled.schema is not position.schema or shape.slow:
            return None
        reader.lock.acquire()
        try:
            if reader.held is not position and not reader.hold(position, position.index):
                return None
            rows = reader.rows(shape.plan, settled.bindings, 0)
        except Overrun as overrun:
            shape.slow = not isinstance(overrun, Held)
            return None
        except StorageFault:
            self._discard_reader(state)
            raise
        finally:
            reader.lock.release()
        if len(rows) > settled.page_rows:
            return None
        return position.index, converted(rows, shape.booleans)

    def _relation(self, shape: ReadShape, shaped: Shaped, rows: list[Row], index: int) -> Relation:
        plan = shape.plan
        columns, encoded = shape.columns, shape.columns_json
        if not plan.static_names:
            columns = self._compiler.columns(plan, shaped)
            encoded = columns_json(columns)
        if plan.explained is not None:
            rows = explanation(plan.explained, rows)
        values = converted(rows, shape.booleans)
        return Relation(plan.relation, columns, values, index, plan.tables, plan.repeatable, encoded)

    def _open_reader(self, state: CommittedState) -> HubReader:
        """The hub's connection to the file of `state`; raises Overrun when that is another state's by now."""
        with self._file_lock, storage_faults("open"):
            if self._seen is not state:
                raise Overrun
            self._make_file()
            reader = state.reader = HubReader(self._path, self._shared.watchdog)
        self._shared.readers.admit(self)
        return reader

    def keep_reader(self) -> bool:
        """Whether the hub reader was used since the last time it was asked; if not it is closed (hub)."""
        reader = self._seen.reader
        if reader is None or not reader.recent:
            self.close_reader()
            return False
        reader.recent = False
        return True

    def rest_reader(self) -> None:
        """End the hub reader's transaction unless it was used since the last call (hub)."""
        reader = self._seen.reader
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
            self.close_reader()

    def let_go(self) -> None:
        """End the hub reader's transaction between two reads (any thread)."""
        reader = self._seen.reader
        if reader is not None:
            reader.let_go()

    def _discard_reader(self, state: CommittedState) -> None:
        """A connection that met a fault of the machine may not outlive it: the next read opens another."""
        reader, state.reader = state.reader, None
        if reader is not None:
            reader.close()

    def close_reader(self) -> None:
        """Close the hub reader (hub)."""
        self._discard_reader(self._seen)

    def stream(self, shaped: Shaped, args: Args, now_ms: int, literal_bytes: int = 0) -> RelationStream:
        """A read of any length, planned here (hub) and begun by its first `open` or `fetch` (reader thread).

        `literal_bytes`: the most that `InLiterals` may take; 0 for an answer as always. Raises SqlError of planning.
        """
        limits = self._shared.limits
        state = self._seen
        schema = state.position.schema
        shape = state.shapes.of(_query(state.plans.plan(shaped, schema, False)))
        literals = InLiterals(self.name, literal_bytes) if literal_bytes else None

        def begin(stream: RelationStream) -> Opened:
            return self._begin_stream(stream, _Wanted(shape, schema, shaped, args, now_ms, literals))

        def finish(stream: RelationStream) -> None:
            self._wal.leave(stream)
            shape.slow = stream.busy_seconds > _SHORT_SECONDS
            opened = stream.opened
            if opened is not None:
                opened.connection.close(True)

        wanted = StreamLimits(limits.page_rows, limits.result_bytes, limits.statement_seconds)
        return RelationStream(begin, finish, wanted, self._shared.spool_directory)

    def _begin_stream(self, stream: RelationStream, wanted: _Wanted) -> Opened:
        context = EntryContext()
        context.begin(wanted.now_ms, 0)
        with self._file_lock:
            state = self._seen
            self._make_file()
            connection = open_reader(self._path, context)
            limit_values(connection)
        try:
            stream.attach(connection)
            with self._wal.entrance, state.lock:
                position = state.position
                connection.execute("BEGIN; SELECT one FROM dirk_meta").fetchall()
                self._wal.admit(stream)
            # DDL may have come since the hub planned it.
            shaped = wanted.shaped
            plan = _query(state.plans.plan(shaped, position.schema, False))
            if wanted.literals is not None:
                plan = wanted.literals.plan(plan)
            columns = plan.columns if plan.static_names else self._compiler.columns(plan, shaped)
            bindings = self._compiler.bind(plan, shaped, wanted.args)
            cursor: Iterator[Row]
            if wanted.literals is not None:
                cursor = wanted.literals.rows(lambda: connection.execute(plan.sql, bindings))
            else:
                # The first row is looked for here, which may be all the work there is.
                with stream.working():
                    cursor = connection.execute(plan.sql, bindings)
            if plan.explained is not None:
                cursor = iter(explanation(plan.explained, cursor))
        except BaseException:
            self._wal.leave(stream)
            connection.close(True)
            raise
        return Opened(connection, cursor, plan.relation, columns, position.index, plan.tables, plan.repeatable)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A stream's request: its plan's shape under the schema it was planned with, and its values."""

    shape: ReadShape
    schema: Schema
    shaped: Shaped
    args: Args
    now_ms: int
    literals: InLiterals | None = None


def _read_shape(state: CommittedState, shaped: Shaped, schema: Schema) -> ReadShape:
    shape = state.shapes.of(_query(state.plans.plan(shaped, schema, False)))
    if state.plans.is_settled_by_shape(shaped.shape):
        if len(state.hot) >= _HOT_SHAPES:
            state.hot.clear()
        state.hot[shaped.shape] = HotRead(schema, shape)
    return shape


def _query(plan: Plan) -> Query:
    if not isinstance(plan, Query):
        raise SqlError("not_supported", what=plan.verb)
    return plan


def nothing(compiler: Compiler) -> Position:
    """Where a database without entries stands."""
    return Position(0, NO_CHAIN, 0, compiler.load_schema((), 0))
