"""Up to where the log's host knows how the entries of a log ended: where sessions begin and what strong reads need.

An entry that is in the log may run for minutes. Nobody has been told how it ended, so nobody has to see it yet.
"""

from __future__ import annotations

import time

from gevent.event import Event


class Known:
    """The known outcomes of one log.

    `outcome_index` is the last entry whose outcome a master has told, `passed_index` the highest state of which an
    answer was passed on: a node may answer from an entry before its word of it has come. Neither goes down.
    """

    def __init__(self, index: int) -> None:
        self.outcome_index = self.passed_index = index
        self._event: Event | None = None

    @property
    def index(self) -> int:
        """The index that whoever comes now must see."""
        return max(self.outcome_index, self.passed_index)

    def told(self, index: int) -> None:
        """A master has told how the entry at `index` ended, so all before it have run there, too."""
        if index > self.outcome_index:
            self.outcome_index = index
            event, self._event = self._event, None
            if event is not None:
                event.set()

    def pass_on(self, index: int) -> None:
        """Somebody is given an answer of the state at `index`."""
        if index > self.passed_index:
            self.passed_index = index

    def wait(self, index: int, seconds: float) -> bool:
        """Wait until the outcome of `index` is known; whether it is."""
        deadline = time.monotonic() + seconds
        while self.outcome_index < index:
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            if self._event is None:
                self._event = Event()
            self._event.wait(left)
        return True
