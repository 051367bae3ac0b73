"""Appends to the embedded log, committed in groups.

One greenlet takes all drafts that wait, gives them their places, and hands one transaction to the writer's thread: one
commit, one fsync. What arrives meanwhile shares the next.
"""

from __future__ import annotations

from collections.abc import Callable

from gevent.event import Event

from dirk_gevent.base import logger
from dirk_gevent.config.settings import LogSettings
from dirk_gevent.log.embedded.append_queue import Waiting, WaitingQueue, refuse
from dirk_gevent.log.embedded.journal_threads import CommitFailedError, JournalThreads, NoRoomError
from dirk_gevent.log.embedded.log_state import ChangeRequest, CommitPlan, CurrentState, State, Write, answer_again
from dirk_gevent.log.embedded.notifier import Notifier
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
from dirk_gevent.log.records import Appended, DatabaseChanged
from dirk_parser.errors import SqlError
from dirk_parser.names import key as name_key


class EmbeddedAppends:
    """`contract.LogAppends` on a journal; see the contract for every method.

    `time_ms` is log time. `published` is called after each commit.
    """

    def __init__(
        self,
        settings: LogSettings,
        current: CurrentState,
        threads: JournalThreads,
        *,
        retention: Retention,
        tail: Tail,
        notifier: Notifier,
        time_ms: Callable[[], int],
        published: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._current = current
        self._threads = threads
        self._retention = retention
        self._tail = tail
        self._notifier = notifier
        self._time_ms = time_ms
        self._published = published
        self._logger = logger.logger("log")
        self._waiting = WaitingQueue(settings.max_waiting)
        self._wanted = Event()
        self._is_closed = False

    @property
    def is_in_doubt(self) -> bool:
        """See `contract.LogAppends.is_in_doubt`."""
        return self._threads.is_faulty

    def append(self, log_id: int, draft: Draft) -> Appended:
        """See `contract.LogAppends.append`."""
        request_time_ms(draft.request_id)
        log = self._current.get().log(log_id)
        if not log.is_open:
            raise SqlError("unknown_database", name=log.row.name)
        statements = encode_statements(draft.statements)
        appended = self._wait_for(Waiting(Write(log_id, draft, statements), len(statements)))
        assert isinstance(appended, Appended)
        return appended

    def create_database(self, name: str, request_id: str, optional: bool = False) -> DatabaseChanged:
        """See `contract.LogAppends.create_database`."""
        return self._change(ChangeRequest(CREATE_DATABASE, name, request_id, optional))

    def drop_database(self, name: str, request_id: str, optional: bool = False) -> DatabaseChanged:
        """See `contract.LogAppends.drop_database`."""
        state = self._current.get()
        if state.names.get(name_key(name)) == SYSTEM_LOG_ID:
            raise SqlError("not_droppable", name=state.info(SYSTEM_LOG_ID).name)
        return self._change(ChangeRequest(DROP_DATABASE, name, request_id, optional))

    def skip(self, log_id: int, index: int) -> None:
        """See `contract.LogAppends.skip`."""
        self._threads.alter(self._threads.journal.skip, log_id, index)
        self._current.get().log(log_id).skips.add(index)

    def rouse(self) -> None:
        """Wake the appender, though nothing may wait: after a fault it reads the journal again."""
        self._wanted.set()

    def run(self) -> None:
        """Append what waits, group by group, until `close`. *Blocks.*"""
        while True:
            self._wanted.wait()
            if self._is_closed:
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

    def close(self) -> None:
        """End `run` once the group on its way is committed; what waits is refused (`log_closed`)."""
        self._is_closed = True
        self._wanted.set()

    def _change(self, request: ChangeRequest) -> DatabaseChanged:
        request_time_ms(request.request_id)
        if request.request_id not in self._current.get().requests:
            done = self._threads.read(self._threads.reader.request, request.request_id)
            if done is not None:
                return answer_again(request, done)
        changed = self._wait_for(Waiting(request, 0))
        assert isinstance(changed, DatabaseChanged)
        return changed

    def _wait_for(self, waiting: Waiting) -> Appended | DatabaseChanged:
        if self._is_closed:
            raise SqlError("log_closed")
        self._waiting.put(waiting)
        self._wanted.set()
        # Once a commit has it nobody can take it back: then the answer is waited for, however slow the disk is.
        if not waiting.answer.wait(self._settings.max_wait_ms / 1000) and self._waiting.withdraw(waiting):
            raise SqlError("overloaded", waiting=len(self._waiting))
        answer = waiting.answer.get()
        assert answer is not None
        return answer

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
        plan = CommitPlan(self._current.get(), self._time_ms())
        planned: list[tuple[Waiting, Appended | DatabaseChanged]] = []
        for waiting in batch:
            item = waiting.item
            try:
                answer = plan.write(item) if isinstance(item, Write) else plan.change(item)
            except SqlError as error:
                waiting.answer.set_exception(error)
            else:
                planned.append((waiting, answer))
        if not plan.commit.entries or self._is_committed(plan, batch, may_use_reserve):
            self._publish(plan)
            for waiting, answer in planned:
                waiting.answer.set(answer)

    def _is_committed(self, plan: CommitPlan, batch: list[Waiting], may_use_reserve: bool) -> bool:
        try:
            self._threads.commit(plan.commit, may_use_reserve)
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

    def _publish(self, plan: CommitPlan) -> None:
        published = plan.publish()
        for chain_before, appended in published:
            self._tail.add(appended.entry.log_id, chain_before, appended)
        if published:
            self._notifier.ring({appended.entry.log_id for _, appended in published})
            self._published()

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
        state = State(contents)
        self._current.replace(state)
        self._retention.reread(state, contents)
        self._tail.clear()
        # Entries whose writers were told that nobody knows may be there: followers must look.
        self._notifier.ring(state.logs)
        self._logger.info("log_reopened", logs=len(contents.logs))
        return True


def _frees_space(waiting: Waiting) -> bool:
    return isinstance(waiting.item, ChangeRequest) and waiting.item.verb == DROP_DATABASE
