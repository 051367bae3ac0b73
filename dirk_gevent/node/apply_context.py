"""Objects that the parts of a node which follow the log share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dirk_gevent.base.logger import Logger
from dirk_gevent.engine.database import Database
from dirk_gevent.engine.engine import Engine
from dirk_gevent.engine.status import DatabaseState
from dirk_gevent.loop.threads import NativeThreads
from dirk_gevent.node.answer_work import AnswersUnderWay
from dirk_gevent.node.file_watch import FileWatch
from dirk_gevent.node.log_link import LogLink
from dirk_gevent.node.progress import Progress


@dataclass(frozen=True, slots=True)
class ApplyContext:
    """The engine, how far it is, and the threads that work on it; the host, and what it is told.

    `appliers` run what takes a database's writer, `slow` what takes long beside it. `answers` are those to marks.
    """

    engine: Engine
    progress: Progress
    appliers: NativeThreads
    slow: NativeThreads
    link: LogLink
    files: FileWatch
    answers: AnswersUnderWay
    logger: Logger

    def report_damage(self, database: Database, reason: str) -> None:
        """Say once that a file can't be read any more, and have the host shut it out. Does nothing without a host."""
        if not self.link.is_connected:
            return
        log_id, index = database.log_id, database.applied_index
        if database.status.told is DatabaseState.LIVE:
            self.logger.error("damaged", log=log_id, index=index, reason=reason)
        database.status.fail(reason)
        self.link.send({"t": "damaged", "log": log_id, "index": index})

    def log_errors(self, work: Callable[..., None], *arguments: Any) -> None:
        """Do `work`, or log why it fails: the top of a greenlet, or one round of one that goes on."""
        try:
            work(*arguments)
        except Exception as error:
            self.logger.exception("follower_failed", error)
