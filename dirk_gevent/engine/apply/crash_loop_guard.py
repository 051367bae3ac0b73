"""After a crash: a marker beside the file says what is being applied, so that an entry that kills is found out.

The first entries after an unclean end go in short pieces, each behind a marker that names it. Only when a process died
inside a piece do that piece's entries go one by one, each behind a marker of its own that also says how many deaths it
has seen: a kill that no entry is to blame for costs a catch-up next to nothing. An entry that two processes died in is
suspected: it is tried out in a process of its own first (`suspects`), which tells an entry that kills from somebody who
kills. Nothing of this is on the path of a node that was shut down cleanly. The marker is not fsynced: a process's death
leaves it, and a power cut says nothing against an entry.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dirk_gevent.engine.apply import suspects
from dirk_gevent.engine.apply.applier import Applier, Work
from dirk_gevent.engine.results import Outcome
from dirk_gevent.log.entry import Entry

#: So many entries of each database are applied carefully after an unclean end: no batch is longer.
CAREFUL_ENTRIES = 1024
#: Entries under one marker, and one commit: as many go one by one after a death in between.
_PIECE_ENTRIES = 256
_DEATHS = 2
#: In a marker: the entry was tried out and does not kill. Whoever dies in it now was killed from outside.
_CLEARED = "cleared"


class CrashLoopGuard:
    """The marker of one database after an unclean end. Starts with what the process before left."""

    def __init__(self, marker: Path) -> None:
        self._marker = marker
        self._left = CAREFUL_ENTRIES
        self._first, self._last, self._deaths, self._is_cleared = _read(marker)

    @property
    def done(self) -> bool:
        """True once the entries that may have killed are behind."""
        return self._left <= 0

    def piece(self, index: int) -> int:
        """The number of entries from `index` on that go under one marker: one where a process died, else more."""
        if self._first <= index <= self._last:
            return 1
        return min(_PIECE_ENTRIES, self._first - index) if index < self._first else _PIECE_ENTRIES

    def is_suspected(self, index: int) -> bool:
        """True when so many processes died in this entry that it must be tried out first."""
        return index == self._first == self._last and self._deaths >= _DEATHS and not self._is_cleared

    def try_out(self, path: Path, entry: Entry, encoded: bytes) -> None:
        """Find out whether a suspected entry kills; raises as `suspects.try_out`, and what is known stays as it was."""
        suspects.try_out(path, entry, encoded)
        self._is_cleared = True

    def apply(
        self, applier: Applier, path: Path, work: Sequence[Work], expected_chain: bytes | None
    ) -> list[Outcome]:
        """`Applier.apply` for the database at `path`, a piece behind each marker. Raises PoisonedEntry, too."""
        outcomes: list[Outcome] = []
        at = 0
        while at < len(work):
            first = work[at].entry.index
            # A person decided about an entry that is skipped: it is not run, and needs no marker. It goes alone, for
            # those behind it need one.
            is_skipped = work[at].is_skipped
            piece = work[at : at + (1 if is_skipped else self.piece(first))]
            if piece[-1].entry.index > applier.committed.position.index and not is_skipped:
                if self.is_suspected(first):
                    self.try_out(path, piece[0].entry, piece[0].encoded)
                    applier.room.rolled_back()
                self.begin(first, piece[-1].entry.index)
            try:
                outcomes += applier.apply(piece, expected_chain if piece[-1] is work[-1] else None)
            finally:
                self.survived(len(piece))
            at += len(piece)
        return outcomes

    def begin(self, first: int, last: int) -> None:
        """Entries `first` to `last` are next. Raises OSError."""
        if first != last:
            self._marker.write_text(f"{first}-{last}\n")
        elif first != self._first or first != self._last:
            self._marker.write_text(f"{first} 1\n")
        elif self._is_cleared:
            self._marker.write_text(f"{first} {self._deaths} {_CLEARED}\n")
        else:
            self._marker.write_text(f"{first} {self._deaths + 1}\n")

    def survived(self, entries: int) -> None:
        """So many entries were applied, or refused by the machine without a death."""
        self._left -= entries
        self._marker.unlink(missing_ok=True)

    def forget_past(self, index: int) -> None:
        """The database is past `index`: a marker of what is behind says nothing any more. Raises OSError."""
        if self._last <= index:
            self._first = self._last = self._deaths = 0
            self._is_cleared = False
            self._marker.unlink(missing_ok=True)


def _read(marker: Path) -> tuple[int, int, int, bool]:
    """First and last of the entries that a process died in, how many deaths the one has seen if it is one, and
    whether it has been cleared."""
    try:
        indexes, *rest = marker.read_text().split()
        first, _, last = indexes.partition("-")
        deaths = int(rest[0]) if rest else 0
        return int(first), int(last or first), deaths, _CLEARED in rest[1:]
    except (FileNotFoundError, ValueError):
        return 0, 0, 0, False
