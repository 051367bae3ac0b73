"""Runs of one prepared change on many rows: SQLite takes them one at a time, and what each changed is counted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import apsw

from dirk_parser.normalize.normalized_statement import Value


class RowRun:
    """Bindings for `executemany`. `given`: the last one that SQLite took; `changed_rows`: what those before it changed.

    Counted is what SQLite counts of a statement: not what triggers and foreign key actions change besides.
    """

    __slots__ = ("_connection", "_rows", "changed_rows", "given")

    def __init__(self, connection: apsw.Connection, rows: Iterable[Sequence[Value]]) -> None:
        self.given: Sequence[Value] = ()
        self.changed_rows = 0
        self._connection = connection
        self._rows = rows

    def __iter__(self) -> Iterator[Sequence[Value]]:
        """SQLite takes a row only when it is done with the one before it."""
        changes = self._connection.changes
        for row in self._rows:
            self.given = row
            yield row
            self.changed_rows += changes()
