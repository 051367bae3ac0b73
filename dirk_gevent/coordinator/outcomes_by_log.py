"""The outcomes of all logs, what caches are told of them, and which logs are known at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from dirk_gevent.coordinator.known_outcomes import Known
from dirk_gevent.coordinator.outcomes import InvalidationNotice, Kept, LogOutcomes
from dirk_gevent.log.entry import SYSTEM_LOG_ID


class CacheFeed(Protocol):
    """Those who hold answers and must hear what has changed (`CacheLinks`)."""

    def headers(self, headers: list[InvalidationNotice]) -> None:
        """Entries whose outcomes are known, in the order of their log."""

    def opened(self, log_id: int, index: int) -> None:
        """A log that is new to them: its headers begin after `index`."""

    def dropped(self, log_id: int) -> None:
        """A database is gone, or nothing that was said of it holds."""


class OutcomesByLog:
    """The `LogOutcomes` of each log of one coordinator.

    `first_heads` are the heads of the logs as they were opened, `masters` counts those of a log, `is_open` says
    whether a log has a database.
    """

    def __init__(
        self,
        first_heads: dict[int, int],
        masters: Callable[[int], int],
        is_open: Callable[[int], bool],
        caches: CacheFeed,
    ) -> None:
        self._first_heads = first_heads
        self._masters = masters
        self._is_open = is_open
        self._caches = caches
        self._outcomes: dict[int, LogOutcomes] = {}
        self._kept = Kept()
        #: Logs of dropped databases that nodes may still work on, each with the index of the entry that dropped it.
        self._dropped: dict[int, int] = {}

    def of(self, log_id: int) -> LogOutcomes:
        """The known outcomes of one log."""
        outcomes = self._outcomes.get(log_id)
        if outcomes is None:
            outcomes = self._outcomes[log_id] = LogOutcomes(
                log_id, self._first_heads.get(log_id, 0), self._masters(log_id), self._kept
            )
        return outcomes

    def known(self, log_id: int) -> Known | None:
        """Up to where it is known how the entries of a log ended; None for a log that is gone."""
        outcomes = self._outcomes.get(log_id)
        if outcomes is None and self.is_known(log_id):
            outcomes = self.of(log_id)
        return outcomes.known if outcomes is not None else None

    def is_known(self, log_id: int) -> bool:
        """True when a log is open, or was dropped so lately that nodes still work on it."""
        return self._is_open(log_id) or log_id in self._dropped

    def begin(self, log_id: int) -> None:
        """A database was made: caches hear of its log. Nothing happens when that is known already."""
        if log_id not in self._outcomes:
            self.of(log_id)
            self._caches.opened(log_id, 0)

    def drop(self, log_id: int, index: int) -> None:
        """A database was dropped by the entry at `index` of the system log: caches forget it."""
        self._dropped[log_id] = index
        self._caches.dropped(log_id)

    def dropped(self) -> list[tuple[int, int]]:
        """The logs of dropped databases that are not forgotten yet, each with the index that dropped it."""
        return list(self._dropped.items())

    def forget(self, log_id: int) -> None:
        """No node works on a dropped database any more."""
        del self._dropped[log_id]
        if (outcomes := self._outcomes.pop(log_id, None)) is not None:
            outcomes.forget()
        self._first_heads.pop(log_id, None)

    def release(self, log_id: int) -> None:
        """Let out to the caches what is known now, without gaps."""
        if headers := self.of(log_id).release():
            self._caches.headers(headers)

    def replaced(self, log_id: int, index: int) -> None:
        """A log's state was replaced as a whole at `index`: no outcome leads there, and caches forget what was."""
        outcomes = self.of(log_id)
        outcomes.released = index
        outcomes.known.told(index)
        self._forget_cached(log_id, index)

    def discard_reports(self, node: str, log_id: int) -> None:
        """Count nothing that a node has said of a log, and have caches forget what it may have answered."""
        if log_id == SYSTEM_LOG_ID or not self._is_open(log_id):
            return
        outcomes = self.of(log_id)
        outcomes.discard_reports(node)
        self._forget_cached(log_id, outcomes.released)

    def unreported_index(self, log_id: int, applied: int, is_master: bool) -> int:
        """The index up to which outcomes are known; `applied` when a node's word on later ones is not needed."""
        if not is_master or log_id in self._dropped:
            return applied
        return min(applied, self.of(log_id).released)

    def _forget_cached(self, log_id: int, index: int) -> None:
        self._caches.dropped(log_id)
        self._caches.opened(log_id, index)
