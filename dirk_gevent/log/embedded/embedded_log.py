"""The embedded log: a journal in this process, for a cluster whose log lives on one machine."""

from __future__ import annotations

from collections.abc import Callable

import gevent

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
from dirk_gevent.log.embedded.notifier import Notifier
from dirk_gevent.log.embedded.retention import Retention
from dirk_gevent.log.embedded.tail import Tail
from dirk_gevent.log.records import Predecessor


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
        self.genesis = contents.genesis
        self.predecessors: tuple[Predecessor, ...] = contents.predecessors
        self.is_copy = contents.is_copy
        self.epochs = self._threads.epochs
        self._begin(settings)

    def _begin(self, settings: LogSettings) -> None:
        tail, self._bells = Tail(settings.tail_bytes), Notifier()
        threads, retention, damage = self._threads, self._retention, self._threads.damage
        self._checked = CheckedJournal(threads, self._current.get, retention, damage)
        house = self._housekeeping = Housekeeping(threads, retention, lambda: self.appends.rouse())
        self.reads = EmbeddedReads(self._current, self._checked, tail, self._bells, damage)
        self.snapshots = EmbeddedSnapshots(retention, self.reads, tail, self._bells, self.time_ms)
        self.appends = EmbeddedAppends(
            settings,
            self._current,
            threads,
            retention=retention,
            tail=tail,
            bells=self._bells,
            time_ms=self.time_ms,
            published=house.published,
        )
        self._running = [gevent.spawn(run) for run in (self.appends.run, house.run, self._checked.scrub)]

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
        if not self._running:
            return
        running, self._running = self._running, []
        self.appends.close()
        self._housekeeping.close()
        self._bells.close()
        self._checked.stop()
        gevent.joinall(running)
        self._retention.close()
        self._threads.close()
        self._lock.release()
