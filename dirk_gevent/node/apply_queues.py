"""The apply queues of a node's logs, one a log of which something came."""

from __future__ import annotations

import time

import gevent

from dirk_gevent.log.entry import SYSTEM_LOG_ID
from dirk_gevent.node.apply_context import ApplyContext
from dirk_gevent.node.apply_queue import ApplyQueue
from dirk_gevent.node.catch_up import CatchUp
from dirk_gevent.node.kept_states import KeptStates

_SEAL_SECONDS = 2.0
_LOOK_SECONDS = 0.01
_MOST_GONE = 4096


class ApplyQueues:
    """Opens the queue of a log when it is first needed, and ends it with its database."""

    def __init__(self, context: ApplyContext, catch_up: CatchUp, kept_states: KeptStates) -> None:
        self._context = context
        self._catch_up = catch_up
        self._kept_states = kept_states
        self._queues: dict[int, ApplyQueue] = {}
        #: Databases dropped since the connection began: what still comes of them is not for anybody.
        self._gone: set[int] = set()

    def open(self, log_id: int) -> ApplyQueue:
        """The queue of a log, which there is from now on."""
        queue = self._queues.get(log_id)
        if queue is None:
            queue = self._queues[log_id] = ApplyQueue(
                log_id, self._context, self._catch_up, self._kept_states, self.end
            )
        return queue

    def get(self, log_id: int) -> ApplyQueue | None:
        """The queue of a log, if anything of it came on this connection or before."""
        return self._queues.get(log_id)

    def welcomed(self) -> None:
        """A connection begins, and the log has told where it is.

        Who died before all of a former list of databases was put aside does that now, if the list is whole; else what
        comes of it leads to that.
        """
        self._gone.clear()
        if self._context.engine.former.is_replaced:
            self.open(SYSTEM_LOG_ID).retry()

    def is_gone(self, log_id: int) -> bool:
        """True when the database of a log was dropped since the connection began."""
        return log_id in self._gone

    def cut_all(self) -> None:
        """The connection is gone: what has not begun will be sent again."""
        for queue in self._queues.values():
            queue.cut()

    def stop_all(self) -> None:
        """Take nothing more."""
        for queue in self._queues.values():
            queue.stop()

    def end(self, log_id: int, sealed_at: int) -> None:
        """End the queue of a database that is about to be dropped.

        Before that its last entries, up to `sealed_at`, are applied if that is soon done, so that their writers get
        their outcome.
        """
        queue, database = self._queues.get(log_id), self._context.engine.of_log(log_id)
        deadline = time.monotonic() + _SEAL_SECONDS
        while queue and database and database.applied_index < sealed_at and time.monotonic() < deadline:
            gevent.sleep(_LOOK_SECONDS)
        self._gone.add(log_id)
        if len(self._gone) > _MOST_GONE:
            # Nothing comes any more of those that were made, and dropped, so long ago.
            self._gone = set(sorted(self._gone)[_MOST_GONE // 2 :])
        queue = self._queues.pop(log_id, None)
        if queue is not None:
            queue.stop()
