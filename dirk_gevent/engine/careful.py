"""After a crash: entries one by one with a marker beside the file, so that an entry that kills is found out.

The marker is written before an entry and names it and how many deaths it has seen. Nothing of this is on the path
of a node that was shut down cleanly. The marker is not fsynced: a process's death leaves it, and a power cut says
nothing against an entry.
"""

from __future__ import annotations

from pathlib import Path

from dirk_gevent.engine.faults import PoisonedEntry

#: So many entries of each database are applied one by one after an unclean end: no batch is longer.
CAREFUL_ENTRIES = 1024
_DEATHS = 2


class CarefulApply:
    """The marker of one database after an unclean end. Starts with what the process before left."""

    def __init__(self, log_id: int, marker: Path) -> None:
        self._log_id = log_id
        self._marker = marker
        self._left = CAREFUL_ENTRIES
        self._died_in, self._deaths = _read(marker)

    @property
    def done(self) -> bool:
        """Whether the entries that may have killed are behind."""
        return self._left <= 0

    def begin(self, index: int) -> None:
        """Entry `index` is next; raises PoisonedEntry when two processes died in it already."""
        deaths = self._deaths if index == self._died_in else 0
        if deaths >= _DEATHS:
            raise PoisonedEntry(self._log_id, index)
        self._marker.write_text(f"{index} {deaths + 1}\n")

    def survived(self) -> None:
        """The entry was applied, or refused by the machine without a death."""
        self._left -= 1
        self._marker.unlink(missing_ok=True)

    def forgive(self) -> None:
        """A person decided to try a poisoned entry again."""
        self._deaths = 0
        self._marker.unlink(missing_ok=True)


def _read(marker: Path) -> tuple[int, int]:
    try:
        index, deaths = marker.read_text().split()
        return int(index), int(deaths)
    except (FileNotFoundError, ValueError):
        return 0, 0
