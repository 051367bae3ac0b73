"""The embedded log: a journal in this process, for a cluster whose log lives on one machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dirk_gevent.config.settings import LogSettings
from dirk_gevent.log.clock import LogClock, clock_ms
from dirk_gevent.log.directory import lock_directory, said_unavailable
from dirk_gevent.log.embedded.checked_reads import CheckedJournal
from dirk_gevent.log.embedded.embedded_appends import EmbeddedAppends
from dirk_gevent.log.embedded.embedded_reads import EmbeddedReads
from dirk_gevent.log.embedded.embedded_snapshots import EmbeddedSnapshots
from dirk_gevent.log.embedded.housekeeping import Housekeeping
from dirk_gevent.log.embedded.journal_threads import JournalThreads
from dirk_gevent.log.embedded.log_state import CurrentState, State
from dirk_gevent.log.embedded.log_tasks import LogTask, LogTasks
from dirk_gevent.log.embedded.notifier import Notifier
from dirk_gevent.log.embedded.retention import Retention
from dirk_gevent.log.embedded.tail import Tail
from dirk_gevent.log.epochs import Epochs
from dirk_gevent.log.records import Predecessor


@dataclass(frozen=True, slots=True)
class LogIdentity:
    """Which log this is, as `contract.Log` names it: the same for as long as it is open."""

    genesis: bytes
    predecessors: tuple[Predecessor, ...]
    epochs: Epochs


class EmbeddedLog:
    """`contract.Log` on a directory of this machine, which it locks for life; see the contract for what is not said
    here.
    """

    def __init__(self, settings: LogSettings, clock: Callable[[], int] = clock_ms, vfs: str | None = None) -> None:
        """Opens or makes the log. *Blocks.* `clock` gives Unix ms; `vfs` names an apsw VFS, for tests.

        SqlError `log_locked` (another process has it), `log_damaged`, `log_unavailable`.
        """
        self.clock = LogClock(clock)
        with said_unavailable():
            self._lock = lock_directory(settings.directory)
        self._threads = JournalThreads(settings.directory, settings.reserve_bytes, vfs)
        try:
            contents = self._threads.open()
            self._current = CurrentState(State(contents))
            with said_unavailable():
                self._retention = Retention(settings, self._threads, contents, self._current.get, self._threads.damage)
        except BaseException:
            self._threads.close()
            self._lock.release()
            raise
        self._identity = LogIdentity(contents.genesis, contents.predecessors, self._threads.epochs)
        self.is_copy = contents.is_copy
        self._begin(settings)

    def _begin(self, settings: LogSettings) -> None:
        threads, retention, damage = self._threads, self._retention, self._threads.damage
        tail, self._notifier = Tail(settings.tail_bytes), Notifier()
        checked = CheckedJournal(threads, self._current.get, retention, damage)
        house = Housekeeping(threads, retention, lambda: self.appends.rouse())
        self.reads = EmbeddedReads(self._current, checked, tail, self._notifier, damage)
        self.snapshots = EmbeddedSnapshots(retention, self.reads, tail, self._notifier, self.time_ms)
        self.appends = EmbeddedAppends(
            settings,
            self._current,
            threads,
            retention=retention,
            tail=tail,
            notifier=self._notifier,
            time_ms=self.time_ms,
            published=house.published,
        )
        self._tasks = LogTasks(
            LogTask(self.appends.run, self.appends.close),
            LogTask(house.run, house.close),
            LogTask(checked.scrub, checked.stop),
        )

    @property
    def genesis(self) -> bytes:
        """See `contract.Log.genesis`."""
        return self._identity.genesis

    @property
    def predecessors(self) -> tuple[Predecessor, ...]:
        """See `contract.Log.predecessors`."""
        return self._identity.predecessors

    @property
    def epochs(self) -> Epochs:
        """See `contract.Log.epochs`."""
        return self._identity.epochs

    def time_ms(self) -> int:
        """See `contract.Log.time_ms`."""
        return max(self.clock.now_ms(), self._current.get().last_time_ms)

    def trust(self) -> None:
        """See `contract.Log.trust`."""
        if self.is_copy:
            self._threads.alter(self._threads.journal.claim)
            self.is_copy = False

    def close(self) -> None:
        """See `contract.Log.close`. Safe to call twice."""
        if self._tasks.is_ended:
            return
        self._notifier.close()
        self._tasks.end()
        self._retention.close()
        self._threads.close()
        self._lock.release()
