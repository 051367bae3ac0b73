"""What a read may answer, told in a few lines, and what has happened so far that this depends on.

`needed` is the whole rule. The rest keeps the history of one name (which log it stood for after each entry of the log
of databases) and of two tables in each log, and checks answers against both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

#: What a table answers with before it is made, and before it has a row.
NO_TABLE, NO_ROW = "42P01", None
Value = str | int | None
#: The first entries of each log: `t` and `u`, each with its row.
FIRST = (
    ("manamboara tabilao t (n ISA)", "t", NO_ROW),
    ("manamboara tabilao u (n ISA)", "u", NO_ROW),
    ("manampia ao@ t sanda (0)", "t", 0),
    ("manampia ao@ u sanda (0)", "u", 0),
)


def needed(seen: Mapping[int, int], least: Mapping[int, int], level: str, log: int, known: Mapping[int, int]) -> int:
    """The index of `log` that a state must have reached: demanded, seen, known."""
    index = least.get(log, 0)
    if log == 0:
        index = max([index, *least])
    if level != "any":
        index = max(index, seen.get(log, 0))
    if level == "strong":
        index = max(index, known.get(log, 0))
    return index


@dataclass
class History:
    """What the logs hold. `names[i]` is the log that the name stands for after entry i of the log of databases."""

    names: list[int | None] = field(default_factory=lambda: [None])
    states: dict[int, list[dict[str, Value]]] = field(default_factory=dict)

    @property
    def head(self) -> int:
        """Where the log of databases ends."""
        return len(self.names) - 1

    def created(self, log: int) -> None:
        """The name stands for a new database."""
        self.names.append(log)
        self.states[log] = [{"t": NO_TABLE, "u": NO_TABLE}]

    def dropped(self) -> None:
        """It stands for none."""
        self.names.append(None)

    def wrote(self, log: int, table: str, value: Value) -> None:
        """One more entry of a log."""
        self.states[log].append({**self.states[log][-1], table: value})

    def logs_since(self, index: int) -> set[int | None]:
        """What the name has stood for from an index of the log of databases on; None: nothing."""
        return set(self.names[index:])

    def explains(self, log: int, table: str, value: Value, least: int) -> bool:
        """Whether a table of a log had this value at an index from `least` on."""
        return any(state[table] == value for state in self.states[log][least:])


@dataclass
class Standing:
    """What a session has been told, by log: at least (`low`), and at most (`high`), where an answer did not say."""

    low: dict[int, int] = field(default_factory=dict)
    high: dict[int, int] = field(default_factory=dict)
    begun: set[int] = field(default_factory=set)

    def told(self, log: int, index: int) -> None:
        """An answer of a log at an index, which tells of the log's making, too."""
        for one, at in ((log, index), (0, log)):
            self.low[one] = max(self.low.get(one, 0), at)
        self.perhaps(log, index)

    def perhaps(self, log: int, index: int) -> None:
        """It may have been told of a log at this index."""
        for one, at in ((log, index), (0, log)):
            self.high[one] = max(self.high.get(one, 0), at)

    def begins(self, log: int, least: int, most: int) -> None:
        """Its first request in a log, at a part that has it begin with what is known there."""
        if log not in self.begun:
            self.begun.add(log)
            # It need not have been told of the log: a cache may have answered from another, without a word of which.
            self.low[log] = max(self.low.get(log, 0), least)
            self.perhaps(log, most)
