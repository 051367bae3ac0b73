"""Applies what comes of one log to one node's database: entries, marks, snapshots and fences.

Called by the greenlet of the log's queue, one item after the other; what takes the database's writer runs on a native
thread.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from dirk_gevent.engine.apply.applier import Work
from dirk_gevent.engine.database import Database
from dirk_gevent.engine.errors.faults import ForeignHistory, SnapshotDamaged
from dirk_gevent.engine.results import Outcome
from dirk_gevent.engine.snapshot.snapshot import PinnedState
from dirk_gevent.engine.status import DatabaseState
from dirk_gevent.log.entry import DROP_DATABASE, SYSTEM_LOG_ID, Entry
from dirk_gevent.node.apply_context import ApplyContext
from dirk_gevent.node.catch_up import CatchUp
from dirk_gevent.node.kept_states import KeptStates
from dirk_gevent.node.queue_items import Batch, Mark, Restore
from dirk_gevent.node.sender import Sender
from dirk_gevent.replication import frame_types
from dirk_gevent.replication.frame_types import Acks
from dirk_gevent.replication.precedence import Way
from dirk_gevent.replication.transfer import check_entries

#: In the names of states that were put aside because another was right.
_FENCED = "fenced"


class LogApplier:
    """Does what the items of one log ask, and tells the host over the connection that they came over.

    The methods that take a database raise what `Database.apply` raises. `end_queue` is told of each log that a DROP
    seals, and at which index.
    """

    def __init__(
        self,
        log_id: int,
        context: ApplyContext,
        catch_up: CatchUp,
        kept_states: KeptStates,
        end_queue: Callable[[int, int], None],
    ) -> None:
        self._log_id = log_id
        self._context = context
        self._catch_up = catch_up
        self._kept_states = kept_states
        self._end_queue = end_queue

    def apply(self, database: Database, batch: Batch, sender: Sender, is_stalled: bool) -> None:
        """Apply entries, and acknowledge them. `is_stalled`: the queue says itself that the machine works again."""
        context = self._context
        if self._log_id == SYSTEM_LOG_ID:
            self._end_queues(batch)
        with self._turn():
            outcomes = context.appliers.call(self._apply_on_thread, database, batch)
            context.files.note(database)
        self._kept_states.settle_catalog(self._log_id)
        if database.status.state in (DatabaseState.STALLED, DatabaseState.SEEDING):
            # Seeding: a snapshot proved damaged and the log's entries alone were enough.
            database.status.move(DatabaseState.LIVE)
            if not is_stalled:
                context.logger.info("resumed", log=self._log_id, index=database.applied_index)
        context.progress.applied(self._log_id)
        upto = batch.first + len(batch.entries) - 1
        for part in frame_types.parts(outcomes):
            index = upto if not part or part[-1] is outcomes[-1] else part[-1].index
            sender(Acks(self._log_id, index, upto, batch.chain_after, part).encode())
        self._catch_up.check()

    def _apply_on_thread(self, database: Database, batch: Batch) -> list[Outcome]:
        check_entries(self._log_id, batch.first, batch.entries, (batch.chain, batch.chain_after))
        work = [Work.of(encoded) for encoded in batch.entries]
        if batch.first == database.applied_index + 1 and batch.chain != database.position.chain:
            raise ForeignHistory(self._log_id, database.applied_index)
        if self._log_id == SYSTEM_LOG_ID:
            return self._context.engine.apply_system(work)
        outcomes = database.apply(work)
        self._context.engine.former.confirm(self._log_id)
        return outcomes

    def _end_queues(self, batch: Batch) -> None:
        """Before a DROP: let the database's last entries be applied, and take no more of it."""
        for change in (Entry.decode(encoded).change for encoded in batch.entries):
            if change is not None and change.verb == DROP_DATABASE:
                self._end_queue(change.log_id, change.sealed_at)

    def restore(self, database: Database, item: Restore, sender: Sender) -> None:
        """Take a snapshot in. Raises SnapshotDamaged, StorageFault."""
        context = self._context
        database.status.move(DatabaseState.SEEDING)
        try:
            with context.progress.restoring(database):
                info = context.slow.call(context.engine.restore, database, item.path)
        except SnapshotDamaged:
            item.path.unlink(missing_ok=True)
            raise
        context.engine.former.confirm(self._log_id)
        if self._log_id == SYSTEM_LOG_ID:
            context.appliers.call(context.engine.reload_databases)
            self._kept_states.settle_catalog(self._log_id)
        # Before the word of it goes out: what another program writes after the next comparison must show.
        context.files.note(database)
        item.path.unlink(missing_ok=True)
        context.logger.info("seeded", log=self._log_id, index=info.index, bytes=info.image_bytes)
        context.progress.applied(self._log_id)
        sender(Acks(self._log_id, info.index, info.index, database.position.chain, ()).encode())
        self._catch_up.check()

    def fence(self, database: Database, sender: Sender) -> None:
        """Put the database's state aside, and begin anew. Raises StorageFault."""
        context = self._context
        with database.status.fenced():
            with context.progress.replacing(self._log_id), self._turn():
                kept = context.appliers.call(context.engine.set_aside, database, _FENCED)
            if kept is None:
                # It was put aside before and the word of it was lost.
                kept = context.slow.call(context.engine.directory.newest_kept, self._log_id, _FENCED)
            context.progress.put_aside(database)
        self._kept_states.settle_catalog(self._log_id)
        context.progress.applied(self._log_id)
        self._catch_up.check()
        self._send_fenced(sender, str(kept or ""))
        context.logger.error("fenced", log=self._log_id, kept=str(kept or ""))
        if kept is not None:
            self._kept_states.dump_later(self._log_id, database.name, kept)

    def leave_out(self, sender: Sender, is_fence: bool) -> None:
        """Note that something came, a fence or else, and the database is not here."""
        if is_fence:
            self._send_fenced(sender, "")
        self._catch_up.left_out.add(self._log_id)

    def _send_fenced(self, sender: Sender, kept: str) -> None:
        sender({"t": "fenced", "log": self._log_id, "kept": kept})

    def resumed(self, database: Database) -> None:
        """Note that the machine does again what it is asked."""
        self._context.logger.info("resumed", log=self._log_id, index=database.applied_index)
        self._catch_up.check()

    def probe(self, database: Database) -> None:
        """Find out whether the machine can be written to again. Raises StorageFault."""
        with self._turn():
            self._context.appliers.call(database.writer.probe)
            self._context.files.note(database)
        self._kept_states.settle_catalog(self._log_id)
        self._context.progress.applied(self._log_id)

    def pin(self, database: Database, mark: Mark) -> PinnedState:
        """The state that a mark asks about. Raises StorageFault."""
        with self._turn():
            return self._context.appliers.call(database.upkeep.pin, mark.way is Way.FIRST)

    def _turn(self) -> AbstractContextManager[None]:
        """The turn at the database's writer: while a transaction has it, this greenlet waits and no thread does."""
        return self._context.progress.turns.acquire(self._log_id)
