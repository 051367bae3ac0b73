"""One database on one node: its file, its place in its log, its reads.

Threads. `reads.read` belongs to the hub. `apply`, `upkeep.pin` and `restore` take the writer lock and run on native
threads; `upkeep.checkpoint` runs beside them. A stream belongs to whichever reader thread holds it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from dirk_gevent.base.files import sync_directory
from dirk_gevent.engine.apply.applier import Work
from dirk_gevent.engine.apply.database_writer import DatabaseWriter
from dirk_gevent.engine.committed_state import CommittedState
from dirk_gevent.engine.database_file import DatabaseFile
from dirk_gevent.engine.errors.faults import SnapshotDamaged, storage_faults
from dirk_gevent.engine.files.data_directory import remove_file
from dirk_gevent.engine.position import Position
from dirk_gevent.engine.read.reads import Reads
from dirk_gevent.engine.results import Outcome
from dirk_gevent.engine.shared import Shared
from dirk_gevent.engine.snapshot.snapshot import SnapshotHeader, adopt_image, unpack
from dirk_gevent.engine.status import DatabaseState
from dirk_gevent.engine.transaction.open_transaction import BaseState
from dirk_gevent.engine.wal import checkpoints
from dirk_gevent.engine.wal.file_upkeep import FileUpkeep
from dirk_parser.errors import SqlError


class Database:
    """A database of this node. Made by `Engine`; nothing is on disk before its first entry or read.

    `status` says what the node does with it. Its parts share its `file`: `reads` answer queries, `writer`
    runs transactions, `upkeep` makes checkpoints and snapshots.
    """

    def __init__(self, shared: Shared, log_id: int, name: str) -> None:
        self.log_id = log_id
        self.file = DatabaseFile(shared, log_id, name)
        self.status = self.file.status
        self.reads = Reads(self.file)
        self.writer = DatabaseWriter(self.file)
        self.upkeep = FileUpkeep(self.file, self.writer)

    @property
    def name(self) -> str:
        """Its name, spelt as at its creation."""
        return self.file.name

    @property
    def position(self) -> Position:
        """The last committed state, in one consistent piece."""
        return self.file.committed.position

    @property
    def applied_index(self) -> int:
        """Index of the last entry applied; 0 for none."""
        return self.file.committed.position.index

    def set_heard(self, head: int) -> None:
        """Note a head of its log; lower ones change nothing. Costs no disk: the next commit writes it."""
        committed = self.file.committed
        committed.heard_head = max(committed.heard_head, head)

    def forget_heard(self) -> None:
        """Let go of heads heard of: a person replaced their log (native thread). Raises StorageFault."""
        with self.writer.lock, storage_faults("heard"):
            if self.file.path.exists():
                self.writer.take().connection.execute("UPDATE dirk_meta SET heard_head = applied_index")
            self.file.committed.heard_head = 0

    def apply(self, work: Sequence[Work], expected_chain: bytes | None = None) -> list[Outcome]:
        """Apply entries in order, one COMMIT for all; see `Applier.apply`. On a native thread.

        Raises StorageFault (the machine; nothing of the failing part applied, try again later), OutOfOrder,
        ForeignHistory, PoisonedEntry, EntriesWait (something goes first: try again soon).
        """
        file = self.file
        with self.writer.used("open"):
            applier = self.writer.take().applier
            with applier.at_work.working():
                careful = file.careful
                if careful is None:
                    return applier.apply(work, expected_chain)
                outcomes = careful.apply(applier, file.path, work, expected_chain)
                if careful.done:
                    file.careful = None
                return outcomes

    def base_state(self) -> BaseState:
        """The state that a transaction which begins now is based on."""
        committed = self.file.committed
        return BaseState(self.log_id, committed, lambda: self._check_current(committed))

    def _check_current(self, committed: CommittedState) -> None:
        if self.file.is_dropped:
            raise SqlError("unknown_database", name=self.name)
        if self.file.committed is not committed:
            raise SqlError("transaction_lost")

    # --- whole states ----------------------------------------------------------------------------------------

    def restore(self, snapshot: Path) -> SnapshotHeader:
        """Become what a snapshot holds (native thread). The old state goes only when the new one is whole on disk.

        Raises SnapshotDamaged, StorageFault: the old state is then untouched.
        """
        file = self.file
        image = file.path.with_suffix(".incoming.partial")
        try:
            info = unpack(snapshot, image)
            if info.log_id != self.log_id:
                raise SnapshotDamaged(f"{snapshot.name} is of log {info.log_id}, not {self.log_id}")
            committed = adopt_image(image, info, file.heard_head, self.name, file.state_in)
            with self.upkeep.checkpoint_lock, self.writer.lock, storage_faults("restore"):
                self.writer.close()
                with file.lock:
                    file.put(image)
                    file.begin(committed)
                    sync_directory(file.path.parent)
                file.durable_index = committed.position.index
                file.forget_markers()
                self.status.move(DatabaseState.LIVE)
        finally:
            # What can't be unlinked goes at the next start.
            with suppress(OSError):
                remove_file(image)
        return info

    def set_aside(self, why: str) -> Path | None:
        """Keep the file under another name and stand at 0 again (native thread): for a history that lost.

        Its WAL goes into it first: a death between the two renames would else part them. Raises StorageFault.
        """
        with self.upkeep.checkpoint_lock, self.writer.lock, storage_faults("set aside"):
            self.writer.close()
            checkpoints.bring_together(self.file.path)
            with self.file.lock:
                kept = self.file.shared.directory.set_aside(self.log_id, why)
                self.file.begin_empty()
        return kept

    # --- its end ---------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Write down what was heard, make a last checkpoint, close; no read runs any more. Raises StorageFault."""
        self.reads.close()
        self.writer.close_at_end()

    def drop(self) -> None:
        """Unlink everything (native thread). Reads that run finish on what they had; later ones are refused.

        Raises StorageFault: it is dropped, and what is left of its files goes when this is called again.
        """
        file = self.file
        self.status.move(DatabaseState.DROPPED)
        try:
            with self.upkeep.checkpoint_lock, self.writer.lock, storage_faults("drop"):
                self.writer.close()
                with file.lock:
                    before = file.committed
                    file.begin(file.state_at(before.position, before.tables, before.heard_head))
                    file.shared.directory.remove(self.log_id)
        finally:
            file.shared.writers.forget(self.log_id)
            file.shared.readers.forget(self.log_id)
