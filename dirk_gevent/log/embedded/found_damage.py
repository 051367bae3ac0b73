"""Damage found in the embedded log: remembered until the log begins behind it, and told once."""

from __future__ import annotations

from dirk_gevent.base.logger import Logger
from dirk_gevent.log.embedded.journal_rows import JournalContents
from dirk_gevent.log.records import Damage

#: So many damaged entries of a log are remembered, and told.
_MOST_KEPT = 1000


class FoundDamage:
    """The damage known of one journal, by log.

    An index is damaged when the log cannot give what leads to the state there: its entry is not what was appended or
    is gone, or it is where the log begins and the snapshot there is not what was stored.
    """

    def __init__(self, logger: Logger) -> None:
        self._logger = logger
        self._found: dict[int, dict[int, str]] = {}
        self._doubted: dict[int, bytes] = {}
        self._scrubbed: set[int] = set()

    def opened(self, contents: JournalContents) -> None:
        """Takes what a reading of the journal has found."""
        self._doubted = {log.row.log_id: log.doubt for log in contents.logs if log.doubt}
        for log in contents.logs:
            for index, reason in log.damage:
                self.note(log.row.log_id, index, reason)

    def note(self, log_id: int, index: int, reason: str) -> None:
        """Remembers damage, and says so if it is news."""
        damages = self._found.setdefault(log_id, {})
        if index in damages:
            return
        is_told = len(damages) < _MOST_KEPT
        if not is_told:
            # The first and the last are what counts.
            del damages[sorted(damages)[1]]
        damages[index] = reason
        if is_told:
            self._logger.error("log_entry_damaged", log=log_id, index=index, reason=reason)

    def of(self, log_id: int) -> Damage | None:
        """See `contract.Log.damage`."""
        damages = self._found.get(log_id)
        if not damages:
            return None
        first = min(damages)
        return Damage(first, max(damages), damages[first], log_id in self._doubted)

    def other_chain(self, log_id: int) -> bytes | None:
        """The hash that may be the right one at a head in doubt; None when it is in none."""
        return self._doubted.get(log_id)

    def settled(self, log_id: int, mended: int | None = None) -> None:
        """It is known which hash the head has; with that put right, index `mended` is whole."""
        self._doubted.pop(log_id, None)
        if mended is not None:
            self._found.get(log_id, {}).pop(mended, None)

    def begins_behind(self, log_id: int, base_index: int) -> None:
        """The log begins behind a whole snapshot at `base_index`: what lies before, and there, is of no concern."""
        damages = self._found.get(log_id)
        if damages:
            self._found[log_id] = {index: why for index, why in damages.items() if index > base_index}
            if not self._found[log_id]:
                self._doubted.pop(log_id, None)
                self._logger.info("log_healed", log=log_id, index=base_index)

    def scrubbed(self, log_id: int) -> None:
        """All of a log has been read."""
        self._scrubbed.add(log_id)

    def is_scrubbed(self, log_id: int) -> bool:
        """See `contract.Log.is_scrubbed`."""
        return log_id in self._scrubbed

    def forget(self, log_id: int) -> None:
        """The log is gone."""
        self._found.pop(log_id, None)
        self._doubted.pop(log_id, None)
        self._scrubbed.discard(log_id)
