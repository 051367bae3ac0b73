"""The embedded log: a journal in this process, for a cluster whose log lives on one machine.

Appends are committed in groups. One greenlet, the appender, takes all drafts that wait, gives them their
places, and hands one transaction to the writer's thread: one commit, one fsync. What arrives meanwhile
shares the next.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping

import gevent
from gevent.event import Event

from dirk_gevent.base import logger
from dirk_gevent.config.settings import LogSettings
from dirk_gevent.log.clock import LogClock, clock_ms
from dirk_gevent.log.contract import (
    Appended,
    Chunk,
    Damage,
    DatabaseChanged,
    DatabaseInfo,
    Head,
    Predecessor,
    Size,
    SnapshotInfo,
    SnapshotReader,
)
from dirk_gevent.log.directory import lock_directory, said_unavailable
from dirk_gevent.log.embedded.append_queue import Waiting, WaitingQueue, refuse
from dirk_gevent.log.embedded.checked_reads import CheckedJournal
from dirk_gevent.log.embedded.journal_threads import WAL_SOFT_PAGES, CommitFailedError, JournalThreads, NoRoomError
from dirk_gevent.log.embedded.log_state import ChangeRequest, Stage, State, Write, answer_again
from dirk_gevent.log.embedded.notifier import Bell, Bells
from dirk_gevent.log.embedded.retention import Retention
from dirk_gevent.log.embedded.tail import Tail
from dirk_gevent.log.entry import (
    CREATE_DATABASE,
    DROP_DATABASE,
    SYSTEM_LOG_ID,
    Draft,
    encode_statements,
    request_time_ms,
)
from parser.errors import SqlError
from parser.names import key as name_key

_HOUSEKEEPING_SECONDS = 1.0


class EmbeddedLog:
    """`contract.Log` on a directory of this machine, which it locks for life. See the contract for every
    method.
    """

    def __init__(self, settings: LogSettings, clock: Callable[[], int] = clock_ms, vfs: str | None = None) -> None:
        """Opens or makes the log. *Blocks.* `clock` gives Unix ms; `vfs` names an apsw VFS, for tests.

        SqlError `log_locked` (another process has it), `log_damaged`, `log_unavailable`.
        """
        self._settings = settings
        self.clock = LogClock(clock)
        self._logger = logger.logger("log")
        with said_unavailable():
            self._lock = lock_directory(settings.directory)
        self._threads = JournalThreads(settings.directory, settings.reserve_bytes, vfs)
        try:
            contents = self._threads.open()
            self._state = State(contents)
            with said_unavailable():
                self._retention = Retention(
                    settings, self._threads, contents, lambda: self._state, self._threads.damage
                )
        except BaseException:
            self._threads.close()
            self._lock.release()
            raise
        self.genesis = contents.genesis
        self.predecessors: tuple[Predecessor, ...] = contents.predecessors
        self.is_copy = contents.is_copy
        self.epochs = self._threads.epochs
        self._checked = CheckedJournal(self._threads, lambda: self._state, self._retention, self._threads.damage)
        self._tail = Tail(settings.tail_bytes)
        self._bells = Bells()
        self._waiting = WaitingQueue(settings.max_waiting)
        self._wanted = Event()
        self._rouse = Event()
        self._closed = False
        self._appended_at = 0.0
        self._appender = gevent.spawn(self._append_forever)
        self._housekeeper = gevent.spawn(self._keep_house)
        self._scrubber = gevent.spawn(self._checked.scrub)

    @property
    def is_in_doubt(self) -> bool:
        """See `contract.Log.is_in_doubt`."""
        return self._threads.is_faulty

    def time_ms(self) -> int:
        """See `contract.Log.time_ms`."""
        return max(self.clock.now_ms(), self._state.last_time_ms)

    def trust(self) -> None:
        """See `contract.Log.trust`."""
        if self.is_copy:
            self._threads.alter(self._threads.journal.claim)
            self.is_copy = False

    def databases(self) -> tuple[DatabaseInfo, ...]:
        """See `contract.Log.databases`."""
        ids = sorted(self._state.names.values())
        return tuple(self._state.info(log_id) for log_id in ids if log_id != SYSTEM_LOG_ID)

    def find(self, name: str) -> DatabaseInfo | None:
        """See `contract.Log.find`."""
        log_id = self._state.names.get(name_key(name))
        return None if log_id is None else self._state.info(log_id)

    def is_open(self, log_id: int) -> bool:
        """See `contract.Log.is_open`."""
        log = self._state.logs.get(log_id)
        return log is not None and log.is_open

    def heads(self) -> Mapping[int, Head]:
        """See `contract.Log.heads`."""
        return {log_id: log.head for log_id, log in self._state.logs.items() if log.is_open}

    def head(self, log_id: int) -> Head:
        """See `contract.Log.head`."""
        return self._state.log(log_id).head

    def oldest(self, log_id: int) -> int:
        """See `contract.Log.oldest`."""
        return self._state.log(log_id).row.base.index + 1

    def older_upto(self, log_id: int) -> int:
        """See `contract.Log.older_upto`."""
        log = self._state.logs.get(log_id)
        return log.older_upto if log is not None and log.older_upto > log.row.base.index else 0

    def size(self, log_id: int) -> Size:
        """See `contract.Log.size`."""
        return self._state.log(log_id).size()

    def append(self, log_id: int, draft: Draft) -> Appended:
        """See `contract.Log.append`."""
        request_time_ms(draft.request_id)
        log = self._state.log(log_id)
        if not log.is_open:
            raise SqlError("unknown_database", name=log.row.name)
        statements = encode_statements(draft.statements)
        appended = self._wait_for(Waiting(Write(log_id, draft, statements), len(statements)))
        assert isinstance(appended, Appended)
        return appended

    def create_database(self, name: str, request_id: str, optional: bool = False) -> DatabaseChanged:
        """See `contract.Log.create_database`."""
        return self._change(ChangeRequest(CREATE_DATABASE, name, request_id, optional))

    def drop_database(self, name: str, request_id: str, optional: bool = False) -> DatabaseChanged:
        """See `contract.Log.drop_database`."""
        info = self.find(name)
        if info is not None and info.log_id == SYSTEM_LOG_ID:
            raise SqlError("not_droppable", name=info.name)
        return self._change(ChangeRequest(DROP_DATABASE, name, request_id, optional))

    def read(self, log_id: int, after_index: int, max_bytes: int) -> Chunk:
        """See `contract.Log.read`; ValueError for an index beyond the head."""
        return self._checked.read(self._tail, log_id, after_index, max_bytes)

    def skip(self, log_id: int, index: int) -> None:
        """See `contract.Log.skip`."""
        self._retention.skip(log_id, index)

    def chain_at(self, log_id: int, index: int) -> bytes | None:
        """See `contract.Log.chain_at`."""
        log = self._state.logs.get(log_id)
        if log is None or not log.row.base.index <= index <= log.head.index:
            return None
        return self._tail.chain_at(log_id, index) or self._checked.chain_at(log_id, index)

    def damage(self, log_id: int) -> Damage | None:
        """See `contract.Log.damage`."""
        return self._threads.damage.of(log_id)

    def is_scrubbed(self, log_id: int) -> bool:
        """See `contract.Log.is_scrubbed`."""
        return self._threads.damage.is_scrubbed(log_id)

    def vouch(self, log_id: int, index: int, chain: bytes) -> None:
        """See `contract.Log.vouch`."""
        self._checked.vouch(log_id, index, chain)

    def watch(self) -> Bell:
        """See `contract.Log.watch`."""
        return self._bells.new()

    def store_snapshot(self, info: SnapshotInfo, chunks: Iterable[bytes]) -> SnapshotInfo:
        """See `contract.Log.store_snapshot`."""
        return self._retention.store(info, chunks, self.chain_at(info.log_id, info.index))

    def latest_snapshot(self, log_id: int) -> SnapshotInfo | None:
        """See `contract.Log.latest_snapshot`."""
        return self._retention.latest(log_id)

    def snapshots(self, log_id: int) -> tuple[SnapshotInfo, ...]:
        """See `contract.Log.snapshots`."""
        return self._retention.all(log_id)

    def open_snapshot(self, log_id: int, index: int) -> SnapshotReader:
        """See `contract.Log.open_snapshot`."""
        return self._retention.open(log_id, index)

    def confirm_snapshot(self, log_id: int, index: int, digest: bytes) -> bool:
        """See `contract.Log.confirm_snapshot`."""
        return self._retention.confirm(log_id, index, digest)

    def delete_snapshot(self, log_id: int, index: int) -> None:
        """See `contract.Log.delete_snapshot`."""
        self._retention.delete(log_id, index)

    def adopt_snapshot(self, info: SnapshotInfo, chunks: Iterable[bytes]) -> SnapshotInfo:
        """See `contract.Log.adopt_snapshot`."""
        adopted = self._retention.adopt(info, chunks, self.time_ms())
        self._tail.forget(info.log_id)
        self._bells.ring((info.log_id,))
        self._retention.discard(info.log_id)
        return adopted

    def index_at(self, log_id: int, time_ms: int) -> int:
        """See `contract.Log.index_at`."""
        return self._checked.index_at(log_id, time_ms)

    def truncate(self, log_id: int, upto: int) -> int:
        """See `contract.Log.truncate`."""
        return self._retention.truncate(log_id, upto)

    def forget(self, log_id: int) -> None:
        """See `contract.Log.forget`."""
        self._retention.forget(log_id)

    def close(self) -> None:
        """See `contract.Log.close`. Safe to call twice."""
        if self._closed:
            return
        self._closed = True
        self._wanted.set()
        self._rouse.set()
        self._bells.close()
        self._checked.stop()
        gevent.joinall([self._appender, self._housekeeper, self._scrubber])
        self._retention.close()
        self._threads.close()
        self._lock.release()

    def _change(self, request: ChangeRequest) -> DatabaseChanged:
        request_time_ms(request.request_id)
        if request.request_id not in self._state.requests:
            done = self._threads.read(self._threads.reader.request, request.request_id)
            if done is not None:
                return answer_again(request, done)
        changed = self._wait_for(Waiting(request, 0))
        assert isinstance(changed, DatabaseChanged)
        return changed

    def _wait_for(self, waiting: Waiting) -> Appended | DatabaseChanged:
        if self._closed:
            raise SqlError("log_closed")
        self._waiting.put(waiting)
        self._wanted.set()
        # Once a commit has it nobody can take it back: then the answer is waited for, however slow the disk is.
        if not waiting.answer.wait(self._settings.max_wait_ms / 1000) and self._waiting.withdraw(waiting):
            raise SqlError("overloaded", waiting=len(self._waiting))
        answer = waiting.answer.get()
        assert answer is not None
        return answer

    def _append_forever(self) -> None:
        while True:
            self._wanted.wait()
            if self._closed:
                break
            batch = self._waiting.take()
            if not self._waiting:
                self._wanted.clear()
            try:
                self._append_batch(batch)
            except Exception as error:
                # Nobody knows how far it came: what is on the disk is read again before the next append.
                self._logger.exception("append_failed", error)
                self._threads.is_faulty = True
                refuse(batch, lambda waiting: SqlError("outcome_unknown", request_id=waiting.request_id))
        self._waiting.refuse_all("log_closed")

    def _append_batch(self, batch: list[Waiting]) -> None:
        if self._threads.is_faulty and not self._reread(batch):
            return
        try:
            self._commit(batch)
        except NoRoomError:
            refuse(
                [waiting for waiting in batch if not _frees_space(waiting)],
                lambda _: SqlError("disk_full_log", path=str(self._settings.directory)),
            )
            self._commit([waiting for waiting in batch if _frees_space(waiting)], may_use_reserve=True)

    def _commit(self, batch: list[Waiting], may_use_reserve: bool = False) -> None:
        stage = Stage(self._state, self.time_ms())
        planned: list[tuple[Waiting, Appended | DatabaseChanged]] = []
        for waiting in batch:
            item = waiting.item
            try:
                answer = stage.write(item) if isinstance(item, Write) else stage.change(item)
            except SqlError as error:
                waiting.answer.set_exception(error)
            else:
                planned.append((waiting, answer))
        if not stage.commit.entries or self._is_committed(stage, batch, may_use_reserve):
            self._publish(stage)
            for waiting, answer in planned:
                waiting.answer.set(answer)

    def _is_committed(self, stage: Stage, batch: list[Waiting], may_use_reserve: bool) -> bool:
        try:
            self._threads.commit(stage.commit, may_use_reserve)
        except SqlError as error:
            full = error
            refuse(batch, lambda _: full)
            return False
        except CommitFailedError as error:
            self._logger.error("commit_failed", reason=error)
            refuse(batch, lambda waiting: SqlError("outcome_unknown", request_id=waiting.request_id))
            self._reread([])
            return False
        return True

    def _publish(self, stage: Stage) -> None:
        published = stage.publish()
        for chain_before, appended in published:
            self._tail.add(appended.entry.log_id, chain_before, appended)
        if published:
            self._bells.ring({appended.entry.log_id for _, appended in published})
            self._appended_at = time.monotonic()
        if self._threads.wal_pages > WAL_SOFT_PAGES:
            self._rouse.set()

    def _reread(self, batch: list[Waiting]) -> bool:
        """Reads the journal again after a fault; if that fails too, refuses the batch and is False."""
        try:
            contents = self._threads.reopen()
        except SqlError as error:
            reason = error
            self._logger.error("log_unavailable", reason=error)
            refuse(batch, lambda _: reason)
            return False
        # Nothing may block between the reading and this, and what was written right after it counts.
        self._state = State(contents)
        self._retention.bring_up(self._state)
        self._retention.reread(contents)
        self._tail.clear()
        # Entries whose writers were told that nobody knows may be there: followers must look.
        self._bells.ring(self._state.logs)
        self._logger.info("log_reopened", logs=len(contents.logs))
        return True

    def _keep_house(self) -> None:
        while not self._closed:
            self._rouse.wait(_HOUSEKEEPING_SECONDS)
            self._rouse.clear()
            if self._threads.is_faulty:
                # Who asks how a write ended can be told only when the journal has been read again.
                self._wanted.set()
            try:
                self._checkpoint()
                self._retention.forget_long_dropped()
            except (CommitFailedError, SqlError) as error:
                self._logger.error("housekeeping_failed", reason=error)
            except Exception as error:
                self._logger.exception("housekeeping_failed", error)

    def _checkpoint(self) -> None:
        if self._closed or self._threads.is_faulty or not self._threads.wal_pages:
            return
        if time.monotonic() - self._appended_at > _HOUSEKEEPING_SECONDS:
            self._threads.checkpoint_now()
        elif self._threads.wal_pages > WAL_SOFT_PAGES:
            self._threads.checkpoint_beside()


def _frees_space(waiting: Waiting) -> bool:
    return isinstance(waiting.item, ChangeRequest) and waiting.item.verb == DROP_DATABASE
