"""The reading half of a database: short reads on the hub, long ones on reader threads.

Which state did a read see? The hub's reader keeps a read transaction open for one published `Position`: it is begun
when a read finds a newer position than the one held, and kept only when `dirk_meta` inside it names that position's
index. So the index of an answer is exactly that of the state it comes from: neither above what was seen (`min` stays
honest) nor below a change that was seen (a cache may keep the answer). When a commit slips in between, the read runs
inside a transaction that names its own index. A transaction that no read uses is ended within seconds, so that it does
not hold back the WAL. Streams open their transaction under the lock that COMMIT and publication share.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dirk_gevent.engine.apply import Applied
from dirk_gevent.engine.compiler import Compiler, Schema
from dirk_gevent.engine.connection import create_file, open_reader
from dirk_gevent.engine.explain import explanation
from dirk_gevent.engine.faults import Overrun, storage_faults
from dirk_gevent.engine.functions import EntryContext
from dirk_gevent.engine.position import Position
from dirk_gevent.engine.read import HUB_PAGES, HubReader, Moved, ReadShape, ReadShapes
from dirk_gevent.engine.results import Relation, Row, columns_json, converted
from dirk_gevent.engine.shared import Shared
from dirk_gevent.engine.stream import Opened, RelationStream, StreamLimits
from dirk_gevent.log.entry import NO_CHAIN
from parser.errors import SqlError
from parser.plan import Args, Plan, Query, Shaped, Value

#: A stream whose SQLite work was shorter makes its shape fit for the hub again.
_SHORT_SECONDS = 0.002
_HOT_SHAPES = 4096


@dataclass(frozen=True, slots=True)
class _Hot:
    """A plan that a shape alone leads to, as long as the schema is `schema`."""

    schema: Schema
    shape: ReadShape


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
    """What a database needs to be read: its file, the state last committed, its hub reader, its plans.

    `name` is spelt as at its creation. `_file_lock` is held while the file is made, opened for the first time or
    replaced, so that no reader keeps a file that is no longer the database's.
    """

    def __init__(self, shared: Shared, log_id: int, name: str) -> None:
        self.log_id = log_id
        self.name = name
        self._shared = shared
        self._path = shared.directory.database(log_id)
        self._compiler = shared.compiler
        self._seen = Applied(nothing(shared.compiler), {}, 0)
        self._file_lock = threading.Lock()
        self._reader: HubReader | None = None
        self._shapes = ReadShapes()
        self._plans = shared.compiler.plans()
        self._hot: dict[str, _Hot] = {}
        self._hub_rows = HUB_PAGES * shared.limits.page_rows
        self._dropped = False

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
        """Begin the file if there is none; the caller holds the file lock."""
        if self._dropped:
            raise SqlError("unknown_database", name=self.name)
        if not self._path.exists():
            create_file(self._path)

    def read(self, shaped: Shaped, args: Args, now_ms: int) -> Relation:
        """Answer a query on the hub. Raises SqlError, StorageFault, and Overrun: then use `stream`."""
        position = self._seen.position
        hot = self._hot.get(shaped.shape)
        if hot is not None and hot.schema is position.schema:
            shape = hot.shape
        else:
            shape = self._read_shape(shaped, position.schema)
        if shape.slow:
            raise Overrun
        plan = shape.plan
        reader = self._reader or self._open_reader()
        bindings = self._compiler.bind(plan, shaped, args)
        index = position.index
        try:
            if reader.held is position or reader.hold(position, index):
                rows = reader.rows(plan.sql, bindings, now_ms)
            else:
                index, rows = reader.rows_at(plan.sql, bindings, now_ms, position.schema.version)
        except Overrun:
            shape.slow = True
            raise
        except Moved:
            raise Overrun from None
        if len(rows) > self._hub_rows:
            shape.slow = True
            raise Overrun
        return self._relation(shape, shaped, rows, index)

    def settled(self, shaped: Shaped) -> Settled | None:
        """`shaped`, just read here without arguments, for `again`; None when its answer hangs on more than the state.

        (On arguments, on the clock or on chance; or its result's names are those of its own text.)
        """
        hot = self._hot.get(shaped.shape)
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
        position, reader, shape = self._seen.position, self._reader, settled.shape
        if reader is None or settled.schema is not position.schema or shape.slow:
            return None
        if reader.held is not position and not reader.hold(position, position.index):
            return None
        try:
            rows = reader.rows(shape.plan.sql, settled.bindings, 0)
        except Overrun:
            shape.slow = True
            return None
        if len(rows) > settled.page_rows:
            return None
        return position.index, converted(rows, shape.booleans)

    def _read_shape(self, shaped: Shaped, schema: Schema) -> ReadShape:
        shape = self._shapes.of(_query(self._plans.plan(shaped, schema, False)))
        if self._plans.is_settled_by_shape(shaped.shape):
            if len(self._hot) >= _HOT_SHAPES:
                self._hot.clear()
            self._hot[shaped.shape] = _Hot(schema, shape)
        return shape

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

    def _open_reader(self) -> HubReader:
        with self._file_lock, storage_faults("open"):
            self._make_file()
            reader = self._reader = HubReader(self._path, self._shared.watchdog)
        self._shared.readers.admit(self)
        return reader

    def keep_reader(self) -> bool:
        """Whether the hub reader was used since the last time it was asked; if not it is closed (hub)."""
        reader = self._reader
        if reader is None or not reader.recent:
            self.close_reader()
            return False
        reader.recent = False
        return True

    def rest_reader(self) -> None:
        """End the hub reader's transaction unless it was used since the last call (hub)."""
        reader = self._reader
        if reader is not None:
            if not reader.used:
                reader.release()
            reader.used = False

    def close_reader(self) -> None:
        """Close the hub reader (hub)."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def stream(self, shaped: Shaped, args: Args, now_ms: int) -> RelationStream:
        """A read of any length, planned here (hub) and begun by its first `open` or `fetch` (reader thread).

        Raises SqlError of planning.
        """
        limits = self._shared.limits
        schema = self._seen.position.schema
        shape = self._shapes.of(_query(self._plans.plan(shaped, schema, False)))

        def begin(stream: RelationStream) -> Opened:
            return self._begin_stream(stream, _Wanted(shape, schema, shaped, args, now_ms))

        def finish(stream: RelationStream) -> None:
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
            self._make_file()
            connection = open_reader(self._path, context)
            # The first read opens the WAL by its name: it must be this file's.
            connection.execute("SELECT one FROM dirk_meta").fetchall()
        try:
            stream.attach(connection)
            with self._seen.lock:
                position = self._seen.position
                connection.execute("BEGIN; SELECT one FROM dirk_meta").fetchall()
            # DDL may have come since the hub planned it.
            shaped = wanted.shaped
            plan = _query(self._plans.plan(shaped, position.schema, False))
            columns = plan.columns if plan.static_names else self._compiler.columns(plan, shaped)
            cursor: Iterator[Row] = connection.execute(plan.sql, self._compiler.bind(plan, shaped, wanted.args))
            if plan.explained is not None:
                cursor = iter(explanation(plan.explained, cursor))
        except BaseException:
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


def _query(plan: Plan) -> Query:
    if not isinstance(plan, Query):
        raise SqlError("not_supported", what=plan.verb)
    return plan


def nothing(compiler: Compiler) -> Position:
    """Where a database without entries stands."""
    return Position(0, NO_CHAIN, 0, compiler.load_schema((), 0))
