"""One database on one node: its file, its place in its log, its reads.

Threads. `read` belongs to the hub. `apply`, `pin` and `restore` take the writer lock and run on
native threads; `checkpoint` runs beside them. A stream belongs to whichever reader thread holds it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import apsw

from dirk_gevent.base.files import sync_directory
from dirk_gevent.engine import checkpoints, records
from dirk_gevent.engine.apply import Applier, Work
from dirk_gevent.engine.careful import CarefulApply
from dirk_gevent.engine.committed import CommittedState
from dirk_gevent.engine.conflict import EVERY_TABLE, tables_of
from dirk_gevent.engine.connection import open_reader, open_writer
from dirk_gevent.engine.faults import SnapshotDamaged, storage_faults
from dirk_gevent.engine.file_format import check_format, take_over_file
from dirk_gevent.engine.files import remove_file
from dirk_gevent.engine.functions import EntryContext
from dirk_gevent.engine.outcomes import decode_outcome
from dirk_gevent.engine.position import NodeState, Position
from dirk_gevent.engine.reading import nothing
from dirk_gevent.engine.results import Outcome
from dirk_gevent.engine.shared import Shared
from dirk_gevent.engine.snapshot import SnapshotInfo, adopt_image, unpack
from dirk_gevent.engine.transaction import BaseState
from dirk_gevent.engine.upkeep import Upkeep
from parser.errors import SqlError
from parser.plan import CatalogChange, Shaped


class Database(Upkeep):
    """A database of this node. Made by `Engine`; nothing is on disk before its first entry or read.

    `name` is spelt as at its creation. `state` and `reason` say what the node does with it. `heard_head` is the
    highest head of its log ever heard of (persisted with the next commit; it never sinks).
    """

    def __init__(self, shared: Shared, log_id: int, name: str) -> None:
        super().__init__(shared, log_id, name)
        self.reason = ""
        self._careful: CarefulApply | None = None

    def table_index(self, name: str) -> int:
        """Index of the last entry that changed table `name` or any table's definition; 0 for never."""
        tables = self._seen.tables
        return max(tables.get(name, 0), tables.get(EVERY_TABLE, 0))

    def set_heard(self, head: int) -> None:
        """Note a head of its log; lower ones change nothing. Costs no disk: the next commit writes it."""
        self._seen.heard_head = max(self._seen.heard_head, head)

    def probe(self) -> None:
        """Try the machine: open the file, read it and write to it, as an entry would (native thread).

        Raises StorageFault.
        """
        with self._writer_lock, self._discarding_writer(), storage_faults("probe"):
            connection = self._writer().connection
            with connection:
                connection.execute("UPDATE dirk_meta SET heard_head = ?", (self.heard_head,))

    def forget_heard(self) -> None:
        """Let go of heads heard of: a person replaced their log (native thread). Raises StorageFault."""
        with self._writer_lock, storage_faults("heard"):
            if self._path.exists():
                self._writer().connection.execute("UPDATE dirk_meta SET heard_head = applied_index")
            self._seen.heard_head = 0

    def set_state(self, state: NodeState, reason: str = "") -> None:
        """Change what the node does with it. In memory alone: who is shut out is remembered by the log's host."""
        self.state, self.reason = state, reason

    def load(self) -> None:
        """Read its place from its file (native thread); a database without a file stands at 0.

        A file that is not a database of DirkDB is set aside: the log has everything. Raises StorageFault: nobody may
        read it then, and whoever writes to it loads it first.
        """
        self.is_loaded = False
        self._load_file()
        self.is_loaded = True

    def _load_file(self) -> None:
        with storage_faults(self.name):
            marker = self._shared.directory.marker(self.log_id)
            is_there = self._path.exists()
            if marker.exists() or (is_there and self._shared.directory.was_unclean):
                self._careful = CarefulApply(marker)
            if not is_there:
                return
            try:
                self._load()
                self._forget_markers()
            except (apsw.NotADBError, apsw.CorruptError, apsw.SQLError):
                self._shared.directory.set_aside(self.log_id, "damaged")

    def _load(self) -> None:
        connection = open_writer(self._path, EntryContext())
        try:
            state = self._state_in(connection)
            if state is None:
                return
            with self._file_lock:
                self._begin(state)
            if checkpoints.wal_bytes(self._path) > checkpoints.SLOW_TO_OPEN_BYTES:
                checkpoints.checkpoint(connection, truncate=True)
            if not checkpoints.wal_bytes(self._path):
                self._durable = state.position.index
        finally:
            connection.close()

    def _state_in(self, connection: apsw.Connection) -> CommittedState | None:
        """The state that a whole file holds, None when it is new. Raises apsw errors, SqlError, StorageFault."""
        check_format(connection, self._path.name)
        records.check_tables(connection)
        meta = records.read_meta(connection)
        if meta is None:
            return None
        records.complete_sequences(connection)
        take_over_file(connection)
        schema = self._compiler.load_schema(_objects(connection), meta.schema_version)
        position = Position(meta.applied_index, meta.chain, meta.time_ms, schema)
        return self._state_at(position, records.read_tables(connection), meta.heard_head)

    # --- entries ---------------------------------------------------------------------------------------------

    def apply(self, work: Sequence[Work], expected_chain: bytes | None = None) -> list[Outcome]:
        """Apply entries in order, one COMMIT for all; see `Applier.apply`. On a native thread.

        Raises StorageFault (the machine; nothing of the failing part applied, try again later), OutOfOrder,
        ForeignHistory, PoisonedEntry, EntriesWait (something goes first: try again soon).
        """
        with self._writer_lock, self._discarding_writer(), storage_faults("open"):
            applier = self._writer()
            with applier.at_work.working():
                if self._careful is None:
                    return applier.apply(work, expected_chain)
                return self._apply_carefully(applier, self._careful, work, expected_chain)

    def _apply_carefully(
        self, applier: Applier, careful: CarefulApply, work: Sequence[Work], expected_chain: bytes | None
    ) -> list[Outcome]:
        outcomes: list[Outcome] = []
        at = 0
        while at < len(work):
            first = work[at].entry.index
            # A person decided about an entry that is skipped: it is not run, and needs no marker. It goes alone, for
            # those behind it need one.
            is_skipped = work[at].is_skipped
            piece = work[at : at + (1 if is_skipped else careful.piece(first))]
            if piece[-1].entry.index > self.applied_index and not is_skipped:
                if careful.is_suspected(first):
                    careful.try_out(self._path, piece[0].entry, piece[0].encoded)
                    applier.room.rolled_back()
                careful.begin(first, piece[-1].entry.index)
            try:
                outcomes += applier.apply(piece, expected_chain if piece[-1] is work[-1] else None)
            finally:
                careful.survived(len(piece))
            at += len(piece)
        if careful.done:
            self._careful = None
        return outcomes

    def _forget_markers(self) -> None:
        """What killed, or seemed to, lies behind the state there is."""
        if self._careful is not None:
            with suppress(OSError):
                self._careful.forget_past(self.applied_index)

    # --- transactions ----------------------------------------------------------------------------------------

    @property
    def seen(self) -> CommittedState:
        """What was committed last. Another object after the whole state was replaced (a snapshot, a fence)."""
        return self._seen

    @property
    def is_dropped(self) -> bool:
        """Whether it is gone."""
        return self._dropped

    def base_state(self) -> BaseState:
        """What a transaction that begins now begins on."""
        state = self._seen
        return BaseState(self.log_id, state, lambda: self._check_current(state))

    def _check_current(self, state: CommittedState) -> None:
        if self._dropped:
            raise SqlError("unknown_database", name=self.name)
        if self._seen is not state:
            raise SqlError("transaction_lost")

    def depends_on(self, shaped: Shaped) -> tuple[str, ...]:
        """The tables that a query reads, for one that has failed; none when it can't even be planned."""
        try:
            state = self._seen
            return tables_of(state.plans.plan(shaped, state.position.schema, False))
        except SqlError:
            return ()

    def recorded(self, request_id: str) -> Outcome | None:
        """How the request ended; None when no record tells (native thread). Raises SqlError, StorageFault."""
        with storage_faults("records"):
            with self._file_lock:
                self._make_file()
                connection = open_reader(self._path, EntryContext())
            try:
                found = records.read_requests(connection, [request_id]).get(request_id)
            finally:
                connection.close()
        return decode_outcome(found) if found is not None else None

    # --- whole states ----------------------------------------------------------------------------------------

    def restore(self, snapshot: Path) -> SnapshotInfo:
        """Become what a snapshot holds (native thread). The old state goes only when the new one is whole on disk.

        Raises SnapshotDamaged, StorageFault: the old state is then untouched.
        """
        image = self._path.with_suffix(".incoming.partial")
        try:
            info = unpack(snapshot, image)
            if info.log_id != self.log_id:
                raise SnapshotDamaged(f"{snapshot.name} is of log {info.log_id}, not {self.log_id}")
            state = adopt_image(image, self.heard_head, self.name, self._state_in)
            with self._checkpoint_lock, self._writer_lock, storage_faults("restore"):
                self._close_writer()
                with self._file_lock:
                    self._put(image)
                    self._begin(state)
                    sync_directory(self._path.parent)
                self._durable = state.position.index
                self._forget_markers()
                self.state, self.reason = NodeState.LIVE, ""
        finally:
            # What can't be unlinked goes at the next start.
            with suppress(OSError):
                remove_file(image)
        return info

    def _put(self, image: Path) -> None:
        """Put `image` in the file's place; if that fails, the state is the one of a database without a file."""
        self._path.unlink(missing_ok=True)
        try:
            self._shared.directory.put(self.log_id, image)
        except BaseException:
            self._begin_empty()
            raise

    def _begin_empty(self) -> None:
        self._durable = 0
        self._begin(self._state_at(nothing(self._compiler), {}, self._seen.heard_head))

    def set_aside(self, why: str) -> Path | None:
        """Keep the file under another name and stand at 0 again (native thread): for a history that lost.

        Its WAL goes into it first: a death between the two renames would else part them. Raises StorageFault.
        """
        with self._checkpoint_lock, self._writer_lock, storage_faults("set aside"):
            self._close_writer()
            checkpoints.bring_together(self._path)
            with self._file_lock:
                kept = self._shared.directory.set_aside(self.log_id, why)
                self._begin_empty()
        return kept

    # --- its end ---------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Write down what was heard, make a last checkpoint, close; no read runs any more. Raises StorageFault."""
        self.close_reader()
        with self._writer_lock, storage_faults("close"):
            try:
                if self._applier is not None or self.heard_head > self.applied_index:
                    self._writer().connection.execute("UPDATE dirk_meta SET heard_head = ?", (self.heard_head,))
                self._empty_wal()
            finally:
                self._close_writer()

    def drop(self) -> None:
        """Unlink everything (native thread). Reads that run finish on what they had; later ones are refused.

        Raises StorageFault: it is dropped, and what is left of its files goes when this is called again.
        """
        self._dropped = True
        try:
            with self._checkpoint_lock, self._writer_lock, storage_faults("drop"):
                self._close_writer()
                with self._file_lock:
                    seen = self._seen
                    self._begin(self._state_at(seen.position, seen.tables, seen.heard_head))
                    self._shared.directory.remove(self.log_id)
        finally:
            self._shared.writers.forget(self.log_id)
            self._shared.readers.forget(self.log_id)


def _objects(connection: apsw.Connection) -> list[CatalogChange]:
    return [row for row in records.read_catalog(connection) if row.kind != records.DATABASE_KIND]
