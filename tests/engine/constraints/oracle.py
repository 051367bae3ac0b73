"""Plain SQLite: what a change does to the same tables, how many rows it changes, and which constraint refuses it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import apsw

from dirk_parser.normalize.normalized_statement import Value
from tests.engine.constraints.tables import Features, setup

_SQLSTATES = {
    apsw.SQLITE_CONSTRAINT_UNIQUE: "23505",
    apsw.SQLITE_CONSTRAINT_PRIMARYKEY: "23505",
    apsw.SQLITE_CONSTRAINT_ROWID: "23505",
    apsw.SQLITE_CONSTRAINT_NOTNULL: "23502",
    apsw.SQLITE_CONSTRAINT_CHECK: "23514",
    apsw.SQLITE_CONSTRAINT_FOREIGNKEY: "23503",
    apsw.SQLITE_CONSTRAINT_TRIGGER: "23503",
}


@dataclass(frozen=True)
class Expected:
    """How a change ends: rows changed and returned, or the SQLSTATE that refuses it."""

    sqlstate: str
    rows: int = 0
    returned: tuple[tuple[Value, ...], ...] = ()


class Oracle:
    """The tables of one run in memory."""

    def __init__(self, features: Features) -> None:
        self._connection = apsw.Connection(":memory:")
        self._connection.execute("PRAGMA foreign_keys = ON")
        for text in setup(features, is_plain=True):
            self._connection.execute(text).fetchall()
        self._order = {"t": "u", "p": "id", **({"w": "id"} if features.child else {})}

    def run(self, statements: Sequence[tuple[str, tuple[Value, ...]]]) -> Expected:
        """Run all of `statements` or nothing."""
        rows, returned = 0, ()
        self._connection.execute("SAVEPOINT one")
        try:
            for text, args in statements:
                returned = tuple(self._connection.execute(text, args).fetchall())
                rows += self._connection.changes()
        except apsw.ConstraintError as error:
            self._connection.execute("ROLLBACK TO one; RELEASE one")
            return Expected(_SQLSTATES[error.extendedresult])
        self._connection.execute("RELEASE one")
        return Expected("", rows, returned if len(statements) == 1 else ())

    def values(self, table: str, column: str) -> list[Value]:
        """What a column holds."""
        return [value for (value,) in self._connection.execute(f"SELECT {column} FROM {table} ORDER BY 1")]

    def queries(self) -> list[str]:
        """Queries that between them show everything."""
        return [f"SELECT * FROM {table} ORDER BY {column}" for table, column in self._order.items()]

    def state(self) -> list[list[tuple[Value, ...]]]:
        """What the queries answer here."""
        return [list(self._connection.execute(text)) for text in self.queries()]
