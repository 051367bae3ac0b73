"""A program that uses the driver, is interrupted at any instruction, and knows what it was promised."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from dirk_gevent.driver import dbapi
from tests.client.interruptions import Interruption, interrupted_at

#: More instructions than any call of the driver takes here.
_INSTRUCTIONS = 1500
_LONG = 450


def rows_of(number: int) -> int:
    """How many rows the read of this number answers with: every third one takes several pages."""
    return _LONG if number % 3 == 0 else 1


class Program:
    """A program that catches what is raised and goes on, and knows what it was promised.

    `must` was committed for all that commit() said; `may` may have been. `read(number)` is a statement that answers
    with rows `(number, 0)`, `(number, 1)` and on, as many as `rows_of` says.
    """

    def __init__(self, connection: dbapi.Connection, chance: random.Random, read: Callable[[int], str]) -> None:
        self.connection = connection
        self.chance = chance
        self._text = read
        self.must: set[int] = set()
        self.may: set[int] = set()
        self._pending: set[int] = set()
        self._next = 0
        self.interruptions = 0

    def step(self) -> None:
        """One call, which may be left at any instruction; every answer must be its own."""
        name = self.chance.choice(("read", "read", "two", "insert", "insert", "commit", "rollback"))
        instruction = self.chance.randrange(_INSTRUCTIONS) if self.chance.random() < 0.5 else 0
        try:
            with interrupted_at(instruction):
                getattr(self, "commit" if name == "commit" else f"_{name}")()
        except Interruption:
            self.interruptions += 1
            if name in ("commit", "rollback"):
                self._forget()
        except dbapi.OperationalError:
            # The transaction is lost: it is begun anew.
            self._forget()
            with suppress(dbapi.OperationalError):
                self.connection.rollback()

    def _forget(self) -> None:
        self.may |= self._pending
        self._pending.clear()

    def _read(self) -> None:
        self._next += 1
        cursor = self.connection.cursor()
        cursor.execute(self._text(self._next))
        rows = self._fetched(cursor)
        assert rows == [(self._next, row) for row in range(len(rows))]
        assert len(rows) == rows_of(self._next)

    def _two(self) -> None:
        """Two cursors by turns; one of them is never read to its end."""
        self._next += 3 - self._next % 3
        one, two = self.connection.cursor(), self.connection.cursor()
        number = self._next
        one.execute(self._text(number))
        two.execute(self._text(number + 1))
        self._next += 1
        assert self._fetched(one) == [(number, row) for row in range(rows_of(number))]
        assert two.fetchone() == (number + 1, 0)

    def _fetched(self, cursor: dbapi.Cursor) -> list[Any]:
        """All rows, also when a call that fetches was left and is made again."""
        rows: list[Any] = []
        while True:
            try:
                more = cursor.fetchmany(self.chance.randrange(1, 300))
            except Interruption:
                # What that call had taken is gone: the driver must not go on as if it were not.
                self.interruptions += 1
                more = cursor.fetchall()
            if not more:
                return rows
            rows += more

    def _insert(self) -> None:
        self._next += 1
        number = self._next
        self.may.add(number)
        self.connection.cursor().execute(f"manampia ao@ t sanda ({number})")
        if self.connection.autocommit:
            self.must.add(number)
        else:
            self._pending.add(number)

    def commit(self) -> None:
        """Commit; what was inserted must be there then."""
        self.connection.commit()
        self.must |= self._pending
        self._pending.clear()

    def _rollback(self) -> None:
        self.connection.rollback()
        self.may -= self._pending
        self._pending.clear()
