"""One session's transaction on one node: what it read, what it wrote, and the index at which all of that was so.

It is optimistic. Nothing is locked; before each statement the tables it has touched are looked at, and one that
changed after `base_index` ends it (40001). Else its base moves on to the state that the statement sees, so that all
it ever read was so at one index. The same look, at the same tables, decides on every node when its one entry is
applied (`Applier`). Whole tables are compared, so rows that were not there when they were looked for count too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from dirk_gevent.log.entry import LoggedStatement
from parser.errors import SqlError
from parser.plan.plan import Change, Plan, Query

if TYPE_CHECKING:
    from dirk_gevent.engine.database import Database

#: Among tables changed: some definition. Among tables touched: every table (a transaction that changes definitions).
EVERY_TABLE = "*"
#: The table of definitions. It is never among the tables changed: what is touched always includes the definitions.
_CATALOG = "dirk_catalog"
#: Changes a transaction may hold.
MOST_STATEMENTS = 10_000


def conflict(touched: Iterable[str], base_index: int, *changed: Mapping[str, int]) -> SqlError | None:
    """Why what was so at `base_index` is no longer so; None when nothing touched has changed after it.

    Each of `changed` tells the index that last changed a table. Definitions count as soon as anything was touched.
    """
    names = list(touched)
    if not names:
        return None
    if any(one.get(EVERY_TABLE, 0) > base_index for one in changed):
        return SqlError("definitions_changed")
    if EVERY_TABLE in names:
        names = sorted({name for one in changed for name in list(one)})
    for name in names:
        if any(one.get(name, 0) > base_index for one in changed):
            return SqlError("serialization_conflict", table=name)
    return None


def tables_of(plan: Plan) -> tuple[str, ...]:
    """The tables whose content or definition decides what a statement does."""
    if isinstance(plan, Query):
        return plan.tables
    return (*plan.reads, *plan.writes) if isinstance(plan, Change) else (EVERY_TABLE,)


@dataclass(frozen=True, slots=True)
class Written:
    """A change of a transaction as it came, and as it goes into the log: with its own time and seed."""

    text: str
    statement: LoggedStatement
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Work:
    """What a transaction leaves to be committed: no statements when it only read."""

    log_id: int
    base_index: int
    tables: tuple[str, ...]
    statements: tuple[Written, ...]


class Transaction:
    """A transaction of `database`. One statement at a time; `written` is changed by `Rehearsal` alone.

    `step_limit`: SQLite VM steps that one statement, with the changes before it, may take. `most_bytes`: what its
    changes may take in memory. `ticks` is what its changes took, as `StepCounter` counts.
    """

    def __init__(self, database: Database, step_limit: int, most_bytes: int) -> None:
        self.database = database
        self.step_limit = step_limit
        self.written: list[Written] = []
        self.written_bytes = 0
        self.ticks = 0
        self._most_bytes = most_bytes
        self._seen = database.seen
        self._touched: dict[str, None] = {}
        self.base_index = self._seen.position.index

    def renew(self) -> None:
        """Move on to the state there is now. Raises what `_check` raises."""
        # In this order: what is committed from here on shows in the tables that are looked at.
        index = self._seen.position.index
        self._check()
        self.base_index = max(self.base_index, index)

    def read_at(self, index: int, tables: Iterable[str]) -> None:
        """`tables` were read in the state at `index`, which this node has applied. Raises what `_check` raises."""
        self._check()
        self.base_index = max(self.base_index, index)
        self.touch(tables)

    def touch(self, tables: Iterable[str]) -> None:
        """A statement depends on `tables` as they are at the base, whether it succeeds or not."""
        self._touched[_CATALOG] = None
        self._touched.update(dict.fromkeys(tables))

    def written_as(self, text: str, statement: LoggedStatement) -> Written:
        """A change about to be made. Raises transaction_too_large."""
        args = statement.args
        # What it takes on its way to the log, where `*/` is written with one character more.
        encoded = orjson.dumps((text, args if isinstance(args, Mapping) else list(args)))
        size_bytes = len(encoded) + encoded.count(b"*/") + 64
        if len(self.written) >= MOST_STATEMENTS or self.written_bytes + size_bytes > self._most_bytes:
            raise SqlError("transaction_too_large", statements=MOST_STATEMENTS, limit_bytes=self._most_bytes)
        return Written(text, statement, size_bytes)

    def keep(self, written: Written) -> None:
        """The change was made."""
        self.written.append(written)
        self.written_bytes += written.size_bytes

    def emptied(self) -> Transaction:
        """A transaction of the same database without anything: what is left of one that was aborted."""
        return Transaction(self.database, self.step_limit, self._most_bytes)

    def work(self) -> Work:
        """What is to be committed."""
        return Work(self.database.log_id, self.base_index, tuple(sorted(self._touched)), tuple(self.written))

    def _check(self) -> None:
        """Raises unknown_database (dropped), transaction_lost (the whole state was replaced), and `conflict`'s."""
        database, seen = self.database, self._seen
        if database.is_dropped:
            raise SqlError("unknown_database", name=database.name)
        if database.seen is not seen:
            raise SqlError("transaction_lost")
        error = conflict(self._touched, self.base_index, seen.tables)
        if error is not None:
            raise error
