"""One log on its way into one node's database: entries, marks, snapshots and fences, strictly in order.

A lane has at most one greenlet at work, which hands batches to an applier thread. What fails by the machine's
fault (disk full, I/O) is tried again every two seconds and never acknowledged.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager

import gevent

from dirk_gevent import replication
from dirk_gevent.apply_context import ApplyContext
from dirk_gevent.catch_up import CatchUp
from dirk_gevent.engine.apply import Work
from dirk_gevent.engine.database import Database
from dirk_gevent.engine.faults import ForeignHistory, OutOfOrder, PoisonedEntry, SnapshotDamaged, StorageFault
from dirk_gevent.engine.position import NodeState, Position
from dirk_gevent.engine.results import Outcome
from dirk_gevent.engine.wal import EntriesWait
from dirk_gevent.kept_states import KeptStates
from dirk_gevent.lane_items import Batch, Fence, Item, Mark, Restore, is_way_out
from dirk_gevent.log.entry import DROP_DATABASE, SYSTEM_LOG_ID, Entry
from dirk_gevent.mark_answers import MarkAnswers
from dirk_gevent.pieces import Missed, check_entries
from dirk_gevent.precedence import Way
from dirk_gevent.replication import Acks, Halted
from dirk_gevent.sender import Sender
from parser.errors import SqlError

#: Entries applied under one COMMIT at most.
BATCH_ENTRIES = 1024
_RETRY_SECONDS = 2.0
#: From one look to the next whether what goes before the entries is over.
_AGAIN_SECONDS = 0.05
#: In the names of states that were put aside because another was right.
_FENCED = "fenced"
#: Entries may come before the system log has made their database; so often it is looked whether they are in vain.
_LOOK_MS = 1_000


class _DroppedError(Exception):
    """The database of what came was dropped here, or the connection that it came over has ended."""


class Lane:
    """The queue of one log and the greenlet that empties it."""

    def __init__(
        self,
        log_id: int,
        context: ApplyContext,
        catch_up: CatchUp,
        kept_states: KeptStates,
        end_lane: Callable[[int, int], None],
    ) -> None:
        """`end_lane` is told of each log that a DROP seals, and at which index."""
        self.log_id = log_id
        self._context = context
        self._catch_up = catch_up
        self._kept_states = kept_states
        self._end_lane = end_lane
        self._queue: deque[Item] = deque()
        self._worker: gevent.Greenlet[..., None] | None = None
        #: Connections that have ended. What came over them is not for anybody any more.
        self._cuts = 0
        self._answers = MarkAnswers(context, log_id, self._note_damage)
        #: Sends over the connection that the item at work came over. What waits came over the one there is.
        self._sender = context.link.sender()
        self._stopped = False
        #: An entry here can't be applied by this program: the database stays where it is until it is seeded anew.
        self._is_stuck = False
        #: What state the database had when the machine began to fail it; None while it does not.
        self._stalled_from: NodeState | None = None
        #: The host asks whether an entry may be skipped: nothing is begun until the connection ends.
        self._is_halted = False
        #: Where the database stood when an error came that nobody foresaw.
        self._failed_at: int | None = None

    def put(self, item: Item) -> None:
        """Queue an item; it is worked on at once if nothing else is."""
        if isinstance(item, Fence | Restore) or (self._is_stuck and is_way_out(item)):
            self._is_stuck = False
        if self._stopped or self._is_stuck or self._is_halted:
            self._refuse(item)
            return
        self._queue.append(item)
        if not self._worker:
            self._worker = gevent.spawn(self._drain)

    def retry(self) -> None:
        """Try the machine, if nothing is under way that does: it failed the database before anything came."""
        if self._stopped or self._is_stuck or self._worker:
            return
        self._stalled_from = self._stalled_from or NodeState.LIVE
        self._worker = gevent.spawn(self._drain)

    def halt(self) -> Halted:
        """Begin nothing more on this connection; how this node stands."""
        self.cut()
        self._is_halted = True
        database = self._context.engine.of_log(self.log_id)
        return Halted(database.applied_index if database else 0, bool(self._worker), self._is_stuck)

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

    def _put_back(self, item: Item) -> None:
        """Have an item tried again, unless its connection has ended: then it will be sent again, if it still holds."""
        if self._sender.is_open:
            self._queue.appendleft(item)
        else:
            self._refuse(item, self._sender)

    def stop(self) -> None:
        """Take nothing more."""
        self._stopped = True
        self.cut()

    def _drain(self) -> None:
        while (self._queue or self._stalled_from) and not self._stopped:
            item = self._queue.popleft() if self._queue else None
            self._sender, before = self._context.link.sender(), self._stands()
            try:
                if isinstance(item, Batch):
                    # What has joined it stays with it if it must be tried again.
                    item = self._joined(item)
                    self._apply(item)
                elif isinstance(item, Mark):
                    self._mark(item)
                elif isinstance(item, Restore):
                    self._restore(item)
                elif isinstance(item, Fence):
                    self._fence()
                elif isinstance(item, Missed):
                    self._ask_again(item)
                else:
                    self._probe()
                self._recover()
            except EntriesWait:
                if item is not None:
                    self._put_back(item)
                gevent.sleep(_AGAIN_SECONDS)
            except _DroppedError:
                self._skip(item)
            except StorageFault as fault:
                if not self._note_damage(fault):
                    self._stall(item, fault)
            except (ForeignHistory, OutOfOrder, PoisonedEntry, SnapshotDamaged) as error:
                self._give_up(error)
            except Exception as error:
                if not self._is_dropped(item, error):
                    self._context.logger.exception("apply_failed", error, log=self.log_id)
                    self._meet(error)
            if not self._sender.is_open and (at := self._stands()) != before and at is not None:
                # The hello of the connection there is may have been made before.
                self._context.link.send(replication.stands(self.log_id, at.index, at.chain))

    def _stands(self) -> Position | None:
        database = self._context.engine.of_log(self.log_id)
        return database.position if database is not None and database.is_loaded else None

    def _turn(self) -> AbstractContextManager[None]:
        """The turn at the database's writer: while a transaction has it, this greenlet waits and no thread does."""
        return self._context.progress.turns.of(self.log_id)

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

    def _skip(self, item: Item | None) -> None:
        """Leave out an item whose database is not here. Should it come, the next hello says that it has nothing."""
        self._refuse(item, self._sender)
        self._stalled_from = None
        if isinstance(item, Fence):
            self._sender({"t": "fenced", "log": self.log_id, "kept": ""})
        self._catch_up.left_out.add(self.log_id)

    def _apply(self, batch: Batch) -> None:
        database = self._database()
        if self.log_id == SYSTEM_LOG_ID:
            self._end_lanes(batch)
        with self._turn():
            outcomes = self._context.appliers.call(self._apply_on_thread, database, batch)
            self._context.files.note(database)
        self._kept_states.settle_catalog(self.log_id)
        if database.state in (NodeState.STALLED, NodeState.SEEDING):
            # Seeding: a snapshot proved damaged and the log's entries alone were enough.
            database.set_state(NodeState.LIVE)
            if self._stalled_from is None:
                self._context.logger.info("resumed", log=self.log_id, index=database.applied_index)
        self._context.progress.applied(self.log_id)
        upto = batch.first + len(batch.entries) - 1
        for part in replication.parts(outcomes):
            index = upto if not part or part[-1] is outcomes[-1] else part[-1].index
            self._sender(Acks(self.log_id, index, upto, batch.chain_after, part).encode())
        self._catch_up.check()

    def _apply_on_thread(self, database: Database, batch: Batch) -> list[Outcome]:
        check_entries(self.log_id, batch.first, batch.entries, (batch.chain, batch.chain_after))
        work = [Work.of(told) for told in batch.entries]
        if batch.first == database.applied_index + 1 and batch.chain != database.chain:
            raise ForeignHistory(self.log_id, database.applied_index)
        if self.log_id == SYSTEM_LOG_ID:
            return self._context.engine.apply_system(work)
        outcomes = database.apply(work)
        self._context.engine.confirm(self.log_id)
        return outcomes

    def _end_lanes(self, batch: Batch) -> None:
        """Before a DROP: let the database's last entries be applied, and take no more of it."""
        for change in (Entry.decode(encoded).change for encoded in batch.entries):
            if change is not None and change.verb == DROP_DATABASE:
                self._end_lane(change.log_id, change.sealed_at)

    def _mark(self, mark: Mark) -> None:
        database = self._database()
        try:
            if self._stalled_from is not None:
                self._probe()
            if database.applied_index != mark.index:
                self._refuse(mark, self._sender)
                return
            with self._turn():
                pin = self._context.appliers.call(database.pin, mark.way is Way.FIRST)
        except StorageFault as fault:
            self._answers.fail(mark, fault, self._sender)
            raise
        gevent.spawn(self._answers.give, pin, mark, self._sender)

    def _restore(self, item: Restore) -> None:
        database = self._database()
        database.set_state(NodeState.SEEDING)
        try:
            with self._context.progress.restoring(database):
                info = self._context.slow.call(self._context.engine.restore, database, item.path)
        except SnapshotDamaged:
            item.path.unlink(missing_ok=True)
            raise
        self._context.engine.confirm(self.log_id)
        if self.log_id == SYSTEM_LOG_ID:
            self._context.appliers.call(self._context.engine.reload_databases)
            self._kept_states.settle_catalog(self.log_id)
        # Before the word of it goes out: what another program writes after the next comparison must show.
        self._context.files.note(database)
        item.path.unlink(missing_ok=True)
        self._context.logger.info("seeded", log=self.log_id, index=info.index, bytes=info.image_bytes)
        self._context.progress.applied(self.log_id)
        self._sender(Acks(self.log_id, info.index, info.index, database.chain, ()).encode())
        self._catch_up.check()

    def _fence(self) -> None:
        context, database = self._context, self._database()
        with context.progress.replacing(self.log_id), self._turn():
            kept = context.appliers.call(context.engine.set_aside, database, _FENCED)
        if kept is None:
            # It was put aside before and the word of it was lost.
            kept = context.slow.call(context.engine.directory.newest_kept, self.log_id, _FENCED)
        context.progress.put_aside(database)
        self._kept_states.settle_catalog(self.log_id)
        context.progress.applied(self.log_id)
        self._catch_up.check()
        self._sender({"t": "fenced", "log": self.log_id, "kept": str(kept or "")})
        context.logger.error("fenced", log=self.log_id, kept=str(kept or ""))
        if kept is not None:
            self._kept_states.dump_later(self.log_id, database.name, kept)

    def _note_damage(self, fault: StorageFault) -> bool:
        """Whether the file itself is wrong; then the host answers with a fence, now or when the node is back."""
        database = self._context.engine.of_log(self.log_id)
        if not fault.is_damage or not self._context.link.is_connected or database is None:
            return False
        self.cut()
        self._end_stall()
        self._context.report_damage(database, str(fault))
        return True

    def _stall(self, item: Item | None, fault: StorageFault) -> None:
        """The machine's fault: say so once, keep the item, try again."""
        database = self._context.engine.of_log(self.log_id)
        if database is None:
            self._skip(item)
            return
        if self._stalled_from is None:
            self._stalled_from = database.state
            database.set_state(NodeState.STALLED, str(fault))
            self._context.logger.error("stalled", log=self.log_id, index=database.applied_index, reason=str(fault))
        if isinstance(item, Batch | Restore | Fence | Missed):
            # A mark has been answered already: its round does not wait for this node.
            self._put_back(item)
        gevent.sleep(_RETRY_SECONDS)

    def _probe(self) -> None:
        """Whether the machine can be written to again. Raises StorageFault."""
        database = self._database()
        with self._turn():
            self._context.appliers.call(database.probe)
            self._context.files.note(database)
        self._kept_states.settle_catalog(self.log_id)
        self._context.progress.applied(self.log_id)

    def _ask_again(self, missed: Missed) -> None:
        """Once the disk takes something, connect anew: the host then sends what is lacking. Raises StorageFault."""
        if self._stalled_from is None:
            raise StorageFault(missed.cause, "snapshot")
        self._probe()
        self._context.link.reconnect()

    def _recover(self) -> None:
        """An item went well: what the machine failed here is over."""
        database = self._end_stall()
        if database is not None:
            self._context.logger.info("resumed", log=self.log_id, index=database.applied_index)
            self._catch_up.check()

    def _end_stall(self) -> Database | None:
        """The database that was stalled, in the state that it had before; None when none was."""
        before, self._stalled_from = self._stalled_from, None
        database = self._context.engine.of_log(self.log_id)
        if before is None or database is None:
            return None
        if database.state is NodeState.STALLED:
            database.set_state(before)
        return database

    def _give_up(self, error: Exception) -> None:
        """What came can't be applied here: ask to be told anew where to begin, by connecting again."""
        if self._stopped:
            return
        self._context.logger.error("apply_refused", log=self.log_id, reason=str(error))
        self.cut()
        self._end_stall()
        if isinstance(error, PoisonedEntry):
            self._stick(error)
            return
        self._context.link.reconnect()

    def _is_dropped(self, item: Item | None, error: Exception) -> bool:
        """Whether `error` is that the database was dropped while `item` was at work; then the item is left out."""
        if not (isinstance(error, SqlError) and error.key == "unknown_database"):
            return False
        self._skip(item)
        return True

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
        self._is_stuck = True
        self._end_stall()
        database = self._context.engine.of_log(self.log_id)
        if database is not None:
            reason = f"{type(error).__name__}: {error}"
            database.set_state(NodeState.STALLED, reason)
            self._context.logger.error("stuck", log=self.log_id, index=database.applied_index, reason=reason)
