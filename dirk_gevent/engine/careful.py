"""After a crash: a marker beside the file says what is being applied, so that an entry that kills is found out.

The first entries after an unclean end go in short pieces, each behind a marker that names it. Only when a process died
inside a piece do that piece's entries go one by one, each behind a marker of its own that also says how many deaths it
has seen: a kill that no entry is to blame for costs a catch-up next to nothing. Nothing of this is on the path of a
node that was shut down cleanly. The marker is not fsynced: a process's death leaves it, and a power cut says nothing
against an entry.
"""

from __future__ import annotations

from pathlib import Path

from dirk_gevent.engine.faults import PoisonedEntry

#: So many entries of each database are applied carefully after an unclean end: no batch is longer.
CAREFUL_ENTRIES = 1024
#: Entries under one marker, and one commit: as many go one by one after a death in between.
_PIECE_ENTRIES = 256
_DEATHS = 2


class CarefulApply:
    """The marker of one database after an unclean end. Starts with what the process before left."""

    def __init__(self, log_id: int, marker: Path) -> None:
        self._log_id = log_id
        self._marker = marker
        self._left = CAREFUL_ENTRIES
        self._first, self._last, self._deaths = _read(marker)

    @property
    def done(self) -> bool:
        """Whether the entries that may have killed are behind."""
        return self._left <= 0

    def piece(self, index: int) -> int:
        """How many entries from `index` on may go under one marker: one where a process died, else more."""
        if self._first <= index <= self._last:
            return 1
        return min(_PIECE_ENTRIES, self._first - index) if index < self._first else _PIECE_ENTRIES

    def begin(self, first: int, last: int) -> None:
        """Entries `first` to `last` are next; raises PoisonedEntry for one that two processes died in already."""
        if first != last:
            self._marker.write_text(f"{first}-{last}\n")
            return
        deaths = self._deaths if first == self._first == self._last else 0
        if deaths >= _DEATHS:
            raise PoisonedEntry(self._log_id, first)
        self._marker.write_text(f"{first} {deaths + 1}\n")

    def survived(self, entries: int) -> None:
        """So many entries were applied, or refused by the machine without a death."""
        self._left -= entries
        self._marker.unlink(missing_ok=True)

    def forgive(self) -> None:
        """A person decided to try a poisoned entry again."""
        self._deaths = 0
        self._marker.unlink(missing_ok=True)


def _read(marker: Path) -> tuple[int, int, int]:
    """First and last of the entries that a process died in, and how many deaths the one has seen if it is one."""
    try:
        place, _, deaths = marker.read_text().partition(" ")
        first, _, last = place.partition("-")
        return int(first), int(last or first), int(deaths or 0)
    except (FileNotFoundError, ValueError):
        return 0, 0, 0
