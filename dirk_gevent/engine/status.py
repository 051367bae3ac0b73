"""The state of one database on a node, and the moves from one state to another.

         a snapshot comes                 the machine fails
    live ----------------> seeding <-------------------------> stalled <---------- blocked
     ^ <------------------  ^        it works again             ^  ^     a way out    ^
     |   all of it is here  |                                   |  |     has come     |
     +----------------------|-----------------------------------+  +------------------+
     |                      | its state is put aside                an entry cannot be applied
     +------------------- fenced                                    (live, seeding, too)

| from | to |
|---|---|
| live | seeding, stalled, fenced, blocked, dropped |
| seeding | live, stalled, fenced, blocked, dropped |
| stalled | live, seeding, fenced, blocked, dropped |
| fenced | live, seeding, stalled, dropped |
| blocked | stalled, dropped |
| dropped | |

A state that the log shuts out is fenced while it is put aside; when that fails it is what it was before. A blocked
database takes no entry until a fence, a snapshot or the word that the entry is skipped has come. Whether a stalled one
goes back to live or to seeding, whoever stalled it knows.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Final


class DatabaseState(StrEnum):
    """The states of a database on a node."""

    LIVE = "live"
    SEEDING = "seeding"
    STALLED = "stalled"
    FENCED = "fenced"
    BLOCKED = "blocked"
    DROPPED = "dropped"


_LIVE, _SEEDING, _STALLED, _FENCED, _BLOCKED, _DROPPED = DatabaseState
MOVES: Final = {
    _LIVE: frozenset((_SEEDING, _STALLED, _FENCED, _BLOCKED, _DROPPED)),
    _SEEDING: frozenset((_LIVE, _STALLED, _FENCED, _BLOCKED, _DROPPED)),
    _STALLED: frozenset((_LIVE, _SEEDING, _FENCED, _BLOCKED, _DROPPED)),
    _FENCED: frozenset((_LIVE, _SEEDING, _STALLED, _DROPPED)),
    _BLOCKED: frozenset((_STALLED, _DROPPED)),
    _DROPPED: frozenset[DatabaseState](),
}
#: What the log's host is told of a blocked database; of the others that are not here: what they were before.
_TOLD: Final = {_LIVE: _LIVE, _SEEDING: _SEEDING, _STALLED: _STALLED, _BLOCKED: _STALLED}


class IllegalMove(AssertionError):
    """A move that is not in the table: a mistake in DirkDB's own code."""


class DatabaseStatus:
    """The state of one database, in memory alone: who is shut out is remembered by the log's host.

    `reason` says why it is stalled or blocked. `told` is the state as the log's host knows it. Any thread may move it.
    """

    def __init__(self) -> None:
        self.state = DatabaseState.LIVE
        self.reason = ""
        self.told = DatabaseState.LIVE
        self._lock = threading.Lock()

    def move(self, to: DatabaseState, reason: str = "") -> None:
        """Change the state, or the reason for it. Raises IllegalMove.

        What still comes of a database that was dropped changes nothing.
        """
        with self._lock:
            if self.state is DatabaseState.DROPPED:
                return
            if to is not self.state and to not in MOVES[self.state]:
                raise IllegalMove(f"{self.state} to {to}")
            self.state, self.reason = to, reason
            self.told = _TOLD.get(to, self.told)

    def fail(self, reason: str) -> None:
        """The machine fails the database, or its file is damaged. A blocked one stays what it is."""
        self.move(_BLOCKED if self.state is _BLOCKED else _STALLED, reason)

    def unblock(self) -> None:
        """Let a blocked database take what may lead out of it. Does nothing in another state."""
        if self.state is _BLOCKED:
            self.move(_STALLED, self.reason)

    @contextmanager
    def fenced(self) -> Iterator[None]:
        """The time in which the state is put aside, until the database moves on; it goes back when that fails."""
        before, reason = self.state, self.reason
        self.move(_FENCED)
        try:
            yield
        except BaseException:
            if self.state is _FENCED:
                self.move(before, reason)
            raise
