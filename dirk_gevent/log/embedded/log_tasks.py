"""The greenlets of an open log, begun and ended together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import gevent


@dataclass(frozen=True, slots=True)
class LogTask:
    """Something the log does in a greenlet: `run` returns soon after `end` was called."""

    run: Callable[[], None]
    end: Callable[[], None]


class LogTasks:
    """The tasks of one log, each in its greenlet from now on."""

    def __init__(self, *tasks: LogTask) -> None:
        self._tasks = tasks
        self._greenlets = [gevent.spawn(task.run) for task in tasks]

    @property
    def is_ended(self) -> bool:
        """True when `end` was called."""
        return not self._greenlets

    def end(self) -> None:
        """End every task and wait for its greenlet. *Blocks.*"""
        greenlets, self._greenlets = self._greenlets, []
        for task in self._tasks:
            task.end()
        gevent.joinall(greenlets)
