"""Whose entries wait for a round: nobody's, until what was written has overtaken two rounds in a row.

A node whose WAL is full (`limits.walBytes`) gives up the state that a round asked it for, and says so: the round begins
again at a newer index. The one after the second has precedence. Its author (without one: the node that was overtaken
last) then has the entries of that database wait when its WAL is full, and no other node does; all of them copy the
pages, without rests, and read the copy, which takes the shortest time that a state can be needed for.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

#: So many rounds in a row are overtaken before one has precedence.
_ROUNDS = 2


class Way(StrEnum):
    """How a node comes to what a round asks of it: beside its entries, from a copy, from a copy before its entries."""

    BESIDE = ""
    COPY = "copy"
    FIRST = "first"


@dataclass(slots=True)
class _Overtaken:
    """The rounds of one log in a row that were overtaken; the last one's index, and the node that said so last."""

    rounds: int = 0
    index: int = -1
    node: str = ""


class Precedence:
    """The rounds of one host that were overtaken. One line of memory a log."""

    def __init__(self) -> None:
        self._known: dict[int, _Overtaken] = {}

    def overtaken(self, log_id: int, index: int, node: str) -> None:
        """A node gave up the state at `index`."""
        memory = self._known.setdefault(log_id, _Overtaken())
        memory.rounds += memory.index != index
        memory.index, memory.node = index, node

    def ended(self, log_id: int) -> None:
        """A round found out what it was for."""
        self._known.pop(log_id, None)

    def was_overtaken(self, log_id: int, index: int) -> bool:
        """True when a node gave up the state at `index`."""
        memory = self._known.get(log_id)
        return memory is not None and memory.index == index

    def first(self, log_id: int, able: Collection[str]) -> str | None:
        """The node, of those that can be asked, which a round that begins now puts before its entries; None as a rule.

        Another one each time: the one that was overtaken last.
        """
        memory = self._known.get(log_id)
        if memory is None or memory.rounds < _ROUNDS or not able:
            return None
        return memory.node if memory.node in able else min(able)

    def keep_only(self, logs: Collection[int]) -> None:
        """Forget the logs of databases that are gone."""
        for gone in self._known.keys() - set(logs):
            del self._known[gone]
