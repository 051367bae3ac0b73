"""Waiting for a state: greenlets that need a log index to be applied sleep here until it is."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from gevent.event import Event
from gevent.queue import SimpleQueue

from dirk_gevent.engine.database import Database
from dirk_gevent.engine.engine import Engine
from dirk_gevent.engine.errors.faults import StorageFault
from dirk_gevent.engine.status import DatabaseState
from dirk_gevent.log.clock import HeardTime
from dirk_gevent.log.entry import SYSTEM_LOG_ID
from dirk_gevent.loop.keyed_lock import KeyedLock
from dirk_parser.errors import SqlError


class Progress:
    """Rings when a batch has been applied, for those who wait for an index."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._events: dict[int, Event] = {}
        #: At each database's writer: the log's entries and the sessions' transactions take turns.
        self.turns = KeyedLock()
        #: The index that this node must reach before it serves reads, by log id; empty as a rule.
        self.min_serving_index: dict[int, int] = {SYSTEM_LOG_ID: 1} if engine.former.is_replaced else {}
        #: The system log's index up to which the list of databases comes from its beginning.
        self._list_due = 0
        #: Logs whose state is being put aside, or could not be put aside since the log last said where it is.
        self._replaced: set[int] = set()
        #: Those of them of which that is under way.
        self._going: set[int] = set()
        #: The heads of the log that this node follows now, as it last told them.
        self.heads: dict[int, int] = {}
        #: How often the log has told its heads.
        self._welcomes = 0
        #: What time the log's host last said it is.
        self.log_time = HeardTime()
        #: Databases whose file a read found damaged, for the follower to tell the log's host.
        self.damage: SimpleQueue[tuple[Database, StorageFault]] = SimpleQueue()

    def failed(self, database: Database, fault: StorageFault) -> SqlError:
        """A read failed by the machine's fault: the error for its client. The host hears of a damaged file."""
        if fault.is_damage:
            self.damage.put((database, fault))
        return SqlError("storage_fault", node=self._engine.node, reason=str(fault))

    def welcomed(self, heads: Mapping[int, int]) -> None:
        """The log told its heads. A log this node has no data for must reach its head before it serves reads.

        What was needed before is no more than there is: a log that was made anew may be shorter than the one before it.
        """
        self._welcomes += 1
        self.heads = dict(heads)
        # What could not be put aside, and shall not be kept, the log says again.
        self._replaced = self._going.copy()
        head = heads.get(SYSTEM_LOG_ID, 0)
        begins_anew = self._engine.former.is_replaced or not self._engine.enacted_index
        self._list_due = head if begins_anew else min(head, self._list_due)
        for log_id, head in heads.items():
            database = self._engine.of_log(log_id)
            has_nothing = database is None or not database.applied_index or log_id in self._replaced
            if log_id == SYSTEM_LOG_ID or has_nothing:
                self.min_serving_index[log_id] = head
            elif log_id in self.min_serving_index:
                self.min_serving_index[log_id] = min(head, self.min_serving_index[log_id])
            if database is not None and not head:
                self._expect_nothing(database)
        self._settle()

    def require_all(self, log_id: int) -> None:
        """Note that this node has only a part of a log, until it is where the log is now: what it had is gone.

        (Not where its own state was: that may have been another history, and longer.)
        """
        self.min_serving_index[log_id] = self.heads.get(log_id, 0)
        if log_id == SYSTEM_LOG_ID:
            self._list_due = self.min_serving_index[log_id]

    @contextmanager
    def replacing(self, log_id: int) -> Iterator[None]:
        """The time in which what this node had of a log is put aside: it counts for nothing any more, and all is needed
        again.

        It does not count either, if it cannot be put aside, until that is tried again or the log says anew where it is.
        """
        self._replaced.add(log_id)
        self._going.add(log_id)
        self.require_all(log_id)
        welcomes = self._welcomes
        try:
            yield
        except BaseException:
            if welcomes != self._welcomes:
                self._replaced.discard(log_id)
                self._settle()
            raise
        finally:
            self._going.discard(log_id)
        self._replaced.discard(log_id)

    @contextmanager
    def restoring(self, database: Database) -> Iterator[None]:
        """A snapshot takes the place of what this node has: all is needed again if the machine refuses in the middle of
        it."""
        before = database.applied_index
        try:
            yield
        except BaseException:
            if database.applied_index < before:
                self.require_all(database.log_id)
            raise

    def put_aside(self, database: Database) -> None:
        """Move a database whose state was put aside to seeding; to live when its log holds nothing."""
        database.status.move(DatabaseState.SEEDING)
        if not self.heads.get(database.log_id, 0):
            self._expect_nothing(database)

    def _expect_nothing(self, database: Database) -> None:
        """Its log holds no entry: a database that stands at the beginning has all of it, and nothing will be sent."""
        if database.status.told is DatabaseState.SEEDING and not database.applied_index:
            database.status.move(DatabaseState.LIVE)

    def check(self, log_id: int) -> None:
        """Raises SqlError being_seeded while this node has only a part of what it should have of a log."""
        is_blank = log_id == SYSTEM_LOG_ID and not self._welcomes and not self._engine.enacted_index
        if is_blank or self._lacks(log_id, self.min_serving_index.get(log_id, 0)):
            raise SqlError("being_seeded", node=self._engine.node)

    def check_names(self) -> None:
        """Raises SqlError being_seeded while the list of databases comes from its beginning.

        A name may mean one that was dropped long ago, or one that the log does not list. A list that only lags is none
        such.
        """
        is_due = self._engine.enacted_index < self._list_due
        if is_due or self._engine.former.is_replaced or SYSTEM_LOG_ID in self._replaced:
            raise SqlError("being_seeded", node=self._engine.node)

    def check_counts(self, log_id: int) -> None:
        """`check` of a database that was found: for what has waited, or was read by a thread, meanwhile."""
        if log_id != SYSTEM_LOG_ID:
            self.check(log_id)

    @property
    def is_list_whole(self) -> bool:
        """True when the list of databases has all that the log last told of."""
        return self._welcomes > 0 and self._engine.enacted_index >= self.min_serving_index.get(SYSTEM_LOG_ID, 0)

    def has_all(self, heads: Mapping[int, int]) -> bool:
        """True when this node has applied each log up to its index, but for those that were dropped since."""
        return not any(self._lacks(log_id, index) for log_id, index in heads.items())

    def _lacks(self, log_id: int, needed: int) -> bool:
        database = self._engine.of_log(log_id)
        if database is None:
            # One that was made, and dropped again, is needed by nobody; nor one that the log knows nothing of.
            return needed > 0 and self._engine.enacted_index < log_id <= self.heads.get(SYSTEM_LOG_ID, 0)
        is_anew = log_id in self._replaced or (log_id == SYSTEM_LOG_ID and self._engine.former.is_replaced)
        return is_anew or self._index(database) < needed

    def _settle(self) -> None:
        self.min_serving_index = {
            log_id: index for log_id, index in self.min_serving_index.items() if self._lacks(log_id, index)
        }

    def applied(self, log_id: int) -> None:
        """A log has moved on."""
        if self.min_serving_index:
            self._settle()
        event = self._events.pop(log_id, None)
        if event is not None:
            event.set()
        if log_id == SYSTEM_LOG_ID:
            for gone in [log for log in self._events if self._engine.of_log(log) is None]:
                self._events.pop(gone).set()

    def wait(self, log_id: int, index: int, wait_ms: int) -> Database | None:
        """The database, once it has applied `index`; None when it was dropped here, or is not made within the time.

        Raises SqlError stale_read, naming both indexes, when it is known but behind.
        """
        deadline = time.monotonic() + wait_ms / 1000
        while True:
            database = self._engine.of_log(log_id)
            if database is not None and self._index(database) >= index:
                return database
            left = deadline - time.monotonic()
            if left <= 0 or (database is None and log_id <= self._engine.enacted_index):
                break
            event = self._events.setdefault(log_id if database is not None else 0, Event())
            event.wait(left)
        if database is None:
            return None
        raise SqlError("stale_read", node=self._engine.node, applied=self._index(database), minimum=index)

    def _index(self, database: Database) -> int:
        """The index of a log for those who wait: an entry of the system log counts once what it says is done."""
        return self._engine.enacted_index if database.log_id == SYSTEM_LOG_ID else database.applied_index
