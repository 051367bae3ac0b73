"""Short reads on the hub: cached prepared statements under a budget of VM steps and a watchdog's eye."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import apsw

from dirk_gevent.engine.errors.failures import DATA_ERRORS, statement_failure
from dirk_gevent.engine.errors.faults import Held, Overrun, StorageFault, storage_faults
from dirk_gevent.engine.functions import EntryContext
from dirk_gevent.engine.position import Position
from dirk_gevent.engine.read.watchdog import Watchdog
from dirk_gevent.engine.results import Row, boolean_positions, columns_json
from dirk_gevent.engine.sqlite_connection import limit_values, open_reader
from dirk_gevent.engine.stored_records import read_meta
from dirk_parser.normalize.normalized_statement import Value
from dirk_parser.plan.plan import Output, QueryPlan

#: SQLite calls the progress handler once in so many VM steps.
TICK_STEPS = 10_000
#: A hub read that ticks more often is too long: some 50,000 steps, about a millisecond.
_TICKS = 5
#: So many ticks below nothing are counted off by no piece of work.
_NO_BUDGET = -(10**12)
#: Pages of `limits.page_rows` rows that a hub read may return.
HUB_PAGES = 10
_PROFILES_KEPT = 4096

Found = TypeVar("Found")


class ReadProfile:
    """The engine's notes on a plan: its columns as the answer prints them, and whether it overran the hub.

    `slow` profiles go straight to a reader thread; a stream that turns out short makes the profile quick again.
    """

    __slots__ = ("booleans", "columns", "columns_json", "plan", "slow")

    def __init__(self, plan: QueryPlan, columns: tuple[Output, ...]) -> None:
        self.plan = plan
        self.columns = columns
        self.columns_json = columns_json(columns)
        self.booleans = boolean_positions(columns)
        self.slow = False


class ReadProfiles:
    """`ReadProfile` by plan: plans are the same object for the same profile, so their identity is the key."""

    def __init__(self) -> None:
        self._profiles: dict[int, ReadProfile] = {}

    def of(self, plan: QueryPlan) -> ReadProfile:
        """The profile of `plan` (made on first sight)."""
        profile = self._profiles.get(id(plan))
        if profile is None or profile.plan is not plan:
            if len(self._profiles) >= _PROFILES_KEPT:
                self._profiles.clear()
            profile = self._profiles[id(plan)] = ReadProfile(plan, plan.columns)
        return profile


class Moved(Exception):
    """The schema changed between planning and reading: plan again."""


class HubReader:
    """A database's read-only connection on the hub.

    `recent` and `used` tell the two who look after it that it was used since they last looked. `lock` is held for the
    time of a read, so that the writer's thread can end the transaction that is kept open between two.
    """

    def __init__(self, path: Path, watchdog: Watchdog) -> None:
        self.recent = self.used = True
        self.lock = threading.RLock()
        #: The position whose state the open read transaction sees; None while there is no transaction.
        self.held: object | None = None
        self._context = EntryContext()
        self._watchdog = watchdog
        self._ticks = 0
        self._connection = open_reader(path, self._context)
        limit_values(self._connection)
        self._connection.set_progress_handler(self._tick, TICK_STEPS)
        # One cursor for all short reads: making one costs as much as binding a value and stepping to a row.
        self._cursor = self._connection.cursor()

    def rows(self, plan: QueryPlan, bindings: tuple[Value, ...], now_ms: int) -> list[Row]:
        """All rows of a query. Raises Overrun, Held when that says nothing of the query, SqlError, StorageFault."""
        connection, watchdog = self._connection, self._watchdog
        self.recent = self.used = True
        self._context.time_ms = now_ms
        self._ticks = 0
        watchdog.begin(connection)
        try:
            rows: list[Row] = self._cursor.execute(
                plan.sql, bindings, can_cache=plan.may_stay_prepared
            ).fetchall()
            return rows
        except apsw.InterruptError:
            self._cursor = connection.cursor()
            raise (Held if watchdog.take_held() else Overrun) from None
        except DATA_ERRORS as error:
            self._cursor = connection.cursor()
            raise statement_failure(error) from error
        except apsw.Error as error:
            self._cursor = connection.cursor()
            raise StorageFault(error, "read") from error
        finally:
            watchdog.end()

    def hold(self, position: object, index: int) -> bool:
        """Keep a read transaction open for reads of `position`; False when the file is already past `index`.

        Raises StorageFault. Reads inside it save SQLite two locks and a look at the WAL each time.
        """
        self.release()
        self._insist("BEGIN")
        rows = self._insist("SELECT applied_index FROM dirk_meta")
        if (rows[0][0] if rows else 0) != index:
            self._insist("ROLLBACK")
            return False
        self.held = position
        return True

    def release(self) -> None:
        """End the transaction that `hold` keeps open. Raises StorageFault."""
        self.held = None
        if self._connection.in_transaction:
            self._insist("ROLLBACK")

    def let_go(self) -> None:
        """End the transaction that is kept open, between two reads (any thread): it holds back the WAL.

        A fault of the machine is not this caller's: who reads next meets it.
        """
        with self.lock, suppress(StorageFault):
            self.release()

    def rows_at(
        self, plan: QueryPlan, bindings: tuple[Value, ...], now_ms: int, position: Position
    ) -> tuple[int, list[Row]]:
        """The index of the state read, not before `position`'s, and the rows; raises `Moved` and as `rows`.

        `Moved`: another schema than `position`'s. A file behind it is not the database's any more: its disk went and
        came back as another one, which a connection to the one before does not notice.
        """
        self.release()
        self._insist("BEGIN")
        try:
            meta = self._uninterrupted(lambda: read_meta(self._connection))
            if meta is None or meta.applied_index < position.index:
                raise StorageFault(OSError(errno.ESTALE, "the file is behind what was committed to it"), "read")
            if meta.schema_version != position.schema.version:
                raise Moved
            return meta.applied_index, self.rows(plan, bindings, now_ms)
        finally:
            self.release()

    def close(self) -> None:
        """Close the connection (no checkpoint: that fsyncs), whatever it has met."""
        with self.lock:
            self._connection.close(True)

    def _insist(self, sql: str) -> list[Row]:
        """Run one statement that is no read of a client's, as `_uninterrupted` does."""
        return self._uninterrupted(lambda: self._connection.execute(sql).fetchall())

    def _uninterrupted(self, work: Callable[[], Found]) -> Found:
        """Do what is no read of a client's: it has no budget, and the watchdog's interrupt may come late and hit it.

        (Of thousands of tables it may have to read the schema anew, which is more than any read's budget.) Raises
        StorageFault.
        """
        self._ticks = _NO_BUDGET
        try:
            with storage_faults("read"):
                while True:
                    with suppress(apsw.InterruptError):
                        return work()
        finally:
            self._ticks = 0

    def _tick(self) -> bool:
        # A cached statement keeps its step counter, so the first tick may come early: it only shortens the budget.
        self._ticks += 1
        return self._ticks > _TICKS
