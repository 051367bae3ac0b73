"""One log on its way into one node's database: entries, marks, snapshots and fences, strictly in order.

A queue has at most one greenlet at work, which hands batches to an applier thread. What fails by the machine's
fault (disk full, I/O) is tried again every two seconds and never acknowledged.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import gevent

from dirk_gevent.engine.database import Database
from dirk_gevent.engine.errors.faults import ForeignHistory, OutOfOrder, PoisonedEntry, SnapshotDamaged, StorageFault
from dirk_gevent.engine.position import Position
from dirk_gevent.engine.status import DatabaseState
from dirk_gevent.engine.wal.wal import EntriesWait
from dirk_gevent.node.apply_context import ApplyContext
from dirk_gevent.node.catch_up import CatchUp
from dirk_gevent.node.kept_states import KeptStates
from dirk_gevent.node.log_applier import LogApplier
from dirk_gevent.node.mark_answers import MarkAnswers
from dirk_gevent.node.queue_items import Batch, Fence, Item, Mark, Restore, is_way_out
from dirk_gevent.node.sender import Sender
from dirk_gevent.replication import frame_types
from dirk_gevent.replication.frame_types import Halted
from dirk_gevent.replication.transfer import Missed
from dirk_parser.errors import SqlError

#: Entries applied under one COMMIT at most.
BATCH_ENTRIES = 1024
_RETRY_SECONDS = 2.0
#: From one look to the next whether what goes before the entries is over.
_AGAIN_SECONDS = 0.05
#: Entries may come before the system log has made their database; so often it is looked whether they are in vain.
_LOOK_MS = 1_000


class _DroppedError(Exception):
    """The database of what came was dropped here, or the connection that it came over has ended."""


class ApplyQueue:
    """The queue of one log and the greenlet that empties it."""

    def __init__(
        self,
        log_id: int,
        context: ApplyContext,
        catch_up: CatchUp,
        kept_states: KeptStates,
        end_queue: Callable[[int, int], None],
    ) -> None:
        """`end_queue` is told of each log that a DROP seals, and at which index."""
        self.log_id = log_id
        self._context = context
        self._applier = LogApplier(log_id, context, catch_up, kept_states, end_queue)
        self._answers = MarkAnswers(context, log_id, self._note_damage)
        self._queue: deque[Item] = deque()
        self._worker: gevent.Greenlet[..., None] | None = None
        #: Connections that have ended. What came over them is not for anybody any more.
        self._cuts = 0
        self._stopped = False
        #: What state the database had when the machine began to fail it; None while it does not.
        self._stalled_from: DatabaseState | None = None
        #: The host asks whether an entry may be skipped: nothing is begun until the connection ends.
        self._is_halted = False
        #: Where the database stood when an error came that nobody foresaw.
        self._failed_at: int | None = None

    def put(self, item: Item) -> None:
        """Queue an item; it is worked on at once if nothing else is."""
        blocked = self._blocked()
        if blocked is not None and is_way_out(item):
            blocked.status.unblock()
            blocked = None
        if self._stopped or blocked is not None or self._is_halted:
            self._refuse(item)
            return
        self._queue.append(item)
        if not self._worker:
            self._worker = gevent.spawn(self._drain)

    def retry(self) -> None:
        """Try the machine, if nothing is under way that does: it failed the database before anything came."""
        if self._stopped or self._worker or self._blocked() is not None:
            return
        self._stalled_from = self._stalled_from or DatabaseState.LIVE
        self._worker = gevent.spawn(self._drain)

    def halt(self) -> Halted:
        """Begin nothing more on this connection; how this node stands."""
        self.cut()
        self._is_halted = True
        database = self._context.engine.of_log(self.log_id)
        return Halted(database.applied_index if database else 0, bool(self._worker), self._blocked() is not None)

    def _blocked(self) -> Database | None:
        """The database, when it takes no entry because one can't be applied by this program."""
        database = self._context.engine.of_log(self.log_id)
        return database if database is not None and database.status.state is DatabaseState.BLOCKED else None

    def cut(self) -> None:
        """The connection is gone, or will be: what has not begun will be sent again."""
        self._cuts += 1
        self._is_halted = False
        waiting, self._queue = self._queue, deque()
        for item in waiting:
            self._refuse(item)

    def _refuse(self, item: Item | None, sender: Sender | None = None) -> None:
        """Nothing is done with an item. Who waits for the answer to it hears so (nobody does without a connection)."""
        if isinstance(item, Restore):
            item.path.unlink(missing_ok=True)
        elif isinstance(item, Mark):
            self._answers.refuse(item, sender or self._context.link.sender())

    def _put_back(self, item: Item, sender: Sender) -> None:
        """Queue an item again, unless its connection has ended: then it will be sent again, if it still holds."""
        if sender.is_open:
            self._queue.appendleft(item)
        else:
            self._refuse(item, sender)

    def stop(self) -> None:
        """Take nothing more."""
        self._stopped = True
        self.cut()

    def _drain(self) -> None:
        while (self._queue or self._stalled_from) and not self._stopped:
            item = self._queue.popleft() if self._queue else None
            # What waits came over the connection there is.
            sender, before = self._context.link.sender(), self._stands()
            if isinstance(item, Batch):
                # What has joined it stays with it if it must be tried again.
                item = self._joined(item)
            self._try(item, sender)
            if not sender.is_open and (at := self._stands()) != before and at is not None:
                # The hello of the connection there is may have been made before.
                self._context.link.send(frame_types.stands(self.log_id, at.index, at.chain))

    def _try(self, item: Item | None, sender: Sender) -> None:
        """Work on an item, on none to try the machine, and see to what is in the way."""
        try:
            self._do(item, sender)
            self._recover()
        except EntriesWait:
            if item is not None:
                self._put_back(item, sender)
            gevent.sleep(_AGAIN_SECONDS)
        except _DroppedError:
            self._skip(item, sender)
        except StorageFault as fault:
            if not self._note_damage(fault):
                self._stall(item, fault, sender)
        except (ForeignHistory, OutOfOrder, PoisonedEntry, SnapshotDamaged) as error:
            self._give_up(error)
        except Exception as error:
            if isinstance(error, SqlError) and error.key == "unknown_database":
                # It was dropped while the item was at work.
                self._skip(item, sender)
            else:
                self._context.logger.exception("apply_failed", error, log=self.log_id)
                self._meet(error)

    def _do(self, item: Item | None, sender: Sender) -> None:
        if isinstance(item, Missed) and self._stalled_from is None:
            raise StorageFault(item.cause, "snapshot")
        database = self._database()
        if isinstance(item, Batch):
            self._applier.apply(database, item, sender, is_stalled=self._stalled_from is not None)
        elif isinstance(item, Mark):
            self._mark(database, item, sender)
        elif isinstance(item, Restore):
            self._applier.restore(database, item, sender)
        elif isinstance(item, Fence):
            self._applier.fence(database, sender)
        elif isinstance(item, Missed):
            # Once the disk takes something, the host is to send anew what is lacking.
            self._applier.probe(database)
            self._context.link.reconnect()
        else:
            self._applier.probe(database)

    def _stands(self) -> Position | None:
        database = self._context.engine.of_log(self.log_id)
        return database.position if database is not None and database.file.is_loaded else None

    def _joined(self, batch: Batch) -> Batch:
        """The batch with those that wait behind it, so that they share one commit."""
        entries = list(batch.entries)
        after = batch.chain_after
        while self._queue and len(entries) < BATCH_ENTRIES:
            following = self._queue[0]
            if not isinstance(following, Batch) or following.first != batch.first + len(entries):
                break
            entries += following.entries
            after = following.chain_after
            self._queue.popleft()
        return Batch(batch.first, batch.chain, tuple(entries), after)

    def _database(self) -> Database:
        """The database, as soon as the system log has made it; raises _DroppedError when that can't be any more.

        A log that lacks the DROP of a database still sends its entries, to nodes that have dropped it.
        """
        cuts = self._cuts
        while (database := self._context.engine.of_log(self.log_id)) is None:
            if self._stopped or self._cuts != cuts or self.log_id <= self._context.engine.enacted_index:
                raise _DroppedError
            self._context.progress.wait(self.log_id, 0, _LOOK_MS)
        return database

    def _skip(self, item: Item | None, sender: Sender) -> None:
        """Leave out an item whose database is not here. Should it come, the next hello says that it has nothing."""
        self._refuse(item, sender)
        self._stalled_from = None
        self._applier.leave_out(sender, is_fence=isinstance(item, Fence))

    def _mark(self, database: Database, mark: Mark, sender: Sender) -> None:
        try:
            if self._stalled_from is not None:
                self._applier.probe(database)
            if database.applied_index != mark.index:
                self._refuse(mark, sender)
                return
            pin = self._applier.pin(database, mark)
        except StorageFault as fault:
            self._answers.fail(mark, fault, sender)
            raise
        gevent.spawn(self._answers.give, pin, mark, sender)

    def _note_damage(self, fault: StorageFault) -> bool:
        """Report a file that is damaged, for the host to answer with a fence; True when it is."""
        database = self._context.engine.of_log(self.log_id)
        if not fault.is_damage or not self._context.link.is_connected or database is None:
            return False
        self.cut()
        self._end_stall()
        self._context.report_damage(database, str(fault))
        return True

    def _stall(self, item: Item | None, fault: StorageFault, sender: Sender) -> None:
        """The machine's fault: say so once, keep the item, try again."""
        database = self._context.engine.of_log(self.log_id)
        if database is None:
            self._skip(item, sender)
            return
        if self._stalled_from is None:
            self._stalled_from = database.status.state
            database.status.fail(str(fault))
            self._context.logger.error("stalled", log=self.log_id, index=database.applied_index, reason=str(fault))
        if isinstance(item, Batch | Restore | Fence | Missed):
            # A mark has been answered already: its round does not wait for this node.
            self._put_back(item, sender)
        gevent.sleep(_RETRY_SECONDS)

    def _recover(self) -> None:
        """An item went well: what the machine failed here is over."""
        database = self._end_stall()
        if database is not None:
            self._applier.resumed(database)

    def _end_stall(self) -> Database | None:
        """The database that was stalled, in the state that it had before; None when none was."""
        before, self._stalled_from = self._stalled_from, None
        database = self._context.engine.of_log(self.log_id)
        if before is None or database is None:
            return None
        if database.status.state is DatabaseState.STALLED:
            database.status.move(before)
        return database

    def _give_up(self, error: Exception) -> None:
        """Connect again, to be told anew where to begin: what came can't be applied here."""
        if self._stopped:
            return
        self._context.logger.error("apply_refused", log=self.log_id, reason=str(error))
        self.cut()
        self._end_stall()
        if isinstance(error, PoisonedEntry):
            self._stick(error)
            return
        self._context.link.reconnect()

    def _meet(self, error: Exception) -> None:
        """An error that nobody foresaw: begin anew once; the same again would only keep all other databases waiting."""
        database = self._context.engine.of_log(self.log_id)
        at = database.applied_index if database is not None else None
        if at is None or at != self._failed_at:
            self._failed_at = at
            self._give_up(error)
        else:
            self.cut()
            self._stick(error)

    def _stick(self, error: Exception) -> None:
        """Apply nothing more here, and leave the other databases alone."""
        self._end_stall()
        database = self._context.engine.of_log(self.log_id)
        if database is not None:
            reason = f"{type(error).__name__}: {error}"
            database.status.move(DatabaseState.BLOCKED, reason)
            self._context.logger.error("stuck", log=self.log_id, index=database.applied_index, reason=reason)
