"""One database's file and the state last committed to it: what its reads, its writer and its upkeep share."""

from __future__ import annotations

import errno
import threading
from contextlib import suppress
from pathlib import Path

import apsw

from dirk_gevent.engine import stored_records
from dirk_gevent.engine.apply.crash_loop_guard import CrashLoopGuard
from dirk_gevent.engine.committed_state import CommittedState
from dirk_gevent.engine.compiler import Compiler
from dirk_gevent.engine.errors.faults import LostFile, storage_faults
from dirk_gevent.engine.files.file_format import check_format, take_over_file
from dirk_gevent.engine.functions import EntryContext
from dirk_gevent.engine.position import Position
from dirk_gevent.engine.shared import Shared
from dirk_gevent.engine.sqlite_connection import create_file, open_writer
from dirk_gevent.engine.status import DatabaseState, DatabaseStatus
from dirk_gevent.engine.wal import checkpoints
from dirk_gevent.engine.wal.wal import Wal
from dirk_gevent.log.entry import NO_CHAIN
from dirk_parser.errors import SqlError


class DatabaseFile:
    """The file of the database of log `log_id`, and its `committed` state: another object once all of it was replaced.

    `name` is spelt as at the database's creation. `lock` is held while the file is made, opened for the first time or
    replaced, so that no reader keeps a file that is no longer the database's.
    """

    def __init__(self, shared: Shared, log_id: int, name: str) -> None:
        self.log_id = log_id
        self.name = name
        self.shared = shared
        self.path = shared.directory.database(log_id)
        self.lock = threading.Lock()
        self.committed = self.state_at(nothing(shared.compiler), {}, 0)
        self.wal = Wal(self.path, name, shared.limits.wal_bytes, self.let_go)
        #: The index that a power cut cannot take back, as of the last checkpoint.
        self.durable_index = 0
        self.status = DatabaseStatus()
        #: False when the machine kept the file from being read at the start: what the state is is not known then.
        self.is_loaded = True
        #: After an unclean end, until what may have caused it is behind.
        self.careful: CrashLoopGuard | None = None

    @property
    def heard_head(self) -> int:
        """The highest head of its log this node ever heard of; never below the applied index."""
        return max(self.committed.heard_head, self.committed.position.index)

    @property
    def is_dropped(self) -> bool:
        """True once the database was dropped."""
        return self.status.state is DatabaseState.DROPPED

    # --- the state -----------------------------------------------------------------------------------------------

    def state_at(self, position: Position, tables: dict[str, int], heard_head: int) -> CommittedState:
        """A state in which nothing has been derived yet."""
        return CommittedState(position, tables, heard_head, self.shared.compiler.plans())

    def begin(self, state: CommittedState) -> None:
        """`state` takes the place of the one there is. The caller holds the file lock, and the file is the state's."""
        before, self.committed = self.committed, state
        self.is_loaded = True
        self.wal.replaced()
        # A transaction may keep the old state itself for a while, but nothing may read its file any more.
        self.retire_reader(before)

    def begin_empty(self) -> None:
        """As `begin`, of a state without entries."""
        self.durable_index = 0
        self.begin(self.state_at(nothing(self.shared.compiler), {}, self.committed.heard_head))

    def retire_reader(self, state: CommittedState) -> None:
        """Take the hub's connection from a state, so that the next read opens another (any thread).

        The hub may be reading from it, so it is the hub that closes it.
        """
        reader, state.reader = state.reader, None
        if reader is not None:
            self.shared.readers.retire(reader)

    def let_go(self) -> None:
        """End the hub reader's transaction between two reads (any thread)."""
        reader = self.committed.reader
        if reader is not None:
            reader.let_go()

    # --- the file ------------------------------------------------------------------------------------------------

    def make(self) -> None:
        """Begin the file if there is none; the caller holds the file lock. Raises SqlError, OSError.

        A state with entries has a file. If it is not there, an empty one in its place would take entries whose tables
        it lacks.
        """
        if self.is_dropped:
            raise SqlError("unknown_database", name=self.name)
        if not self.is_loaded:
            raise OSError(errno.EIO, "the file could not be read when the node started", str(self.path))
        if self.path.exists():
            return
        if self.committed.position.index:
            kind = LostFile if self.shared.directory.is_there() else FileNotFoundError
            raise kind(errno.ENOENT, "the database's file is gone", str(self.path))
        create_file(self.path)

    def put(self, image: Path) -> None:
        """Put `image` in the file's place; if that fails, the state is the one of a database without a file."""
        self.path.unlink(missing_ok=True)
        try:
            self.shared.directory.put(self.log_id, image)
        except BaseException:
            self.begin_empty()
            raise

    def load(self) -> None:
        """Read its place from its file (native thread); a database without a file stands at 0.

        A file that is not a database of DirkDB is set aside: the log has everything. Raises StorageFault: nobody may
        read it then, and whoever writes to it loads it first.
        """
        self.is_loaded = False
        self._load()
        self.is_loaded = True

    def _load(self) -> None:
        directory = self.shared.directory
        with storage_faults(self.name):
            marker = directory.marker(self.log_id)
            is_there = self.path.exists()
            if marker.exists() or (is_there and directory.was_unclean):
                self.careful = CrashLoopGuard(marker)
            if not is_there:
                return
            try:
                self._load_state()
                self.forget_markers()
            except (apsw.NotADBError, apsw.CorruptError, apsw.SQLError):
                directory.set_aside(self.log_id, "damaged")

    def _load_state(self) -> None:
        connection = open_writer(self.path, EntryContext())
        try:
            state = self.state_in(connection)
            if state is None:
                return
            with self.lock:
                self.begin(state)
            if checkpoints.wal_bytes(self.path) > checkpoints.SLOW_TO_OPEN_BYTES:
                checkpoints.checkpoint(connection, truncate=True)
            if not checkpoints.wal_bytes(self.path):
                self.durable_index = state.position.index
        finally:
            connection.close()

    def state_in(self, connection: apsw.Connection) -> CommittedState | None:
        """The state that a whole file holds, None when it is new. Raises apsw errors, SqlError, StorageFault."""
        check_format(connection, self.path.name)
        stored_records.check_tables(connection)
        meta = stored_records.read_meta(connection)
        if meta is None:
            return None
        stored_records.complete_sequences(connection)
        take_over_file(connection)
        rows = [row for row in stored_records.read_catalog(connection) if row.kind != stored_records.DATABASE_KIND]
        schema = self.shared.compiler.load_schema(rows, meta.schema_version)
        position = Position(meta.applied_index, meta.chain, meta.time_ms, schema)
        return self.state_at(position, stored_records.read_tables(connection), meta.heard_head)

    def forget_markers(self) -> None:
        """Drop the marker of an entry that killed, or seemed to, if the state there is lies behind it."""
        if self.careful is not None:
            with suppress(OSError):
                self.careful.forget_past(self.committed.position.index)


def nothing(compiler: Compiler) -> Position:
    """Where a database without entries stands."""
    return Position(0, NO_CHAIN, 0, compiler.load_schema((), 0))
