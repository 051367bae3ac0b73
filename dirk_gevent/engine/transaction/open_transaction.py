"""One session's transaction on one node: what it read, what it wrote, and the index at which all of that was so.

It is optimistic. Nothing is locked; before each statement the tables it has touched are looked at, and one that
changed after `base_index` ends it (40001). Else its base moves on to the state that the statement sees, so that all
it ever read was so at one index. The same look, at the same tables, decides on every node when its one entry is
applied (`Applier`). Whole tables are compared, so rows that were not there when they were looked for count too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import orjson

from dirk_gevent.engine.committed_state import CommittedState
from dirk_gevent.engine.transaction.conflict import conflict
from dirk_gevent.log.entry import LoggedStatement
from dirk_parser.errors import SqlError

#: The table of definitions. It is never among the tables changed: what is touched always includes the definitions.
_CATALOG = "dirk_catalog"
#: Changes a transaction may hold.
MOST_STATEMENTS = 10_000


@dataclass(frozen=True, slots=True)
class BaseState:
    """The state that a transaction begins on.

    `check_current` raises SqlError once the database of log `log_id` has another: unknown_database when it was dropped,
    transaction_lost when its whole state was replaced.
    """

    log_id: int
    committed: CommittedState
    check_current: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Written:
    """A change of a transaction as it came, and as it goes into the log: with its own time and seed."""

    text: str
    statement: LoggedStatement
    size_bytes: int


@dataclass(frozen=True, slots=True)
class TransactionWork:
    """The part of a transaction that is to be committed: no statements when it only read."""

    log_id: int
    base_index: int
    tables: tuple[str, ...]
    statements: tuple[Written, ...]


class Transaction:
    """A transaction on the state `base`. One statement at a time; `written` is changed by `SpeculativeExecutor` alone.

    `step_limit`: SQLite VM steps that one statement, with the changes before it, may take. `most_bytes`: what its
    changes may take in memory. `ticks` is what its changes took, as `StepCounter` counts.
    """

    def __init__(self, base: BaseState, step_limit: int, most_bytes: int) -> None:
        self.step_limit = step_limit
        self.written: list[Written] = []
        self.written_bytes = 0
        self.ticks = 0
        self.base_index = base.committed.position.index
        self._most_bytes = most_bytes
        self._base = base
        self._touched: dict[str, None] = {}

    def renew(self) -> None:
        """Move on to the state there is now. Raises what `_check` raises."""
        # In this order: what is committed from here on shows in the tables that are looked at.
        index = self._base.committed.position.index
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

    def emptied(self, base: BaseState) -> Transaction:
        """A transaction of the same limits without anything: what is left of one that was aborted."""
        return Transaction(base, self.step_limit, self._most_bytes)

    def work(self) -> TransactionWork:
        """The work to be committed."""
        return TransactionWork(self._base.log_id, self.base_index, tuple(sorted(self._touched)), tuple(self.written))

    def _check(self) -> None:
        """Raises what `BaseState.check_current` raises, and `conflict`'s."""
        self._base.check_current()
        error = conflict(self._touched, self.base_index, self._base.committed.tables)
        if error is not None:
            raise error
