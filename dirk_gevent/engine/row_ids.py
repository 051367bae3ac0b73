"""SQLite's own number of each row, under a name that no column of the table hides."""

from __future__ import annotations

from itertools import count

import apsw

from dirk_parser.compile.dml.rowid import SQLITE_NAMES


def rowid_name(connection: apsw.Connection, table: str) -> str | None:
    """SQLite's name of the rowid of a table; None where columns have all its names."""
    taken = _columns(connection, table)
    return next((name for name in SQLITE_NAMES if name not in taken), None)


def numbered_rows(connection: apsw.Connection, table: str) -> tuple[str, str]:
    """The FROM for the rows of a table, and the column there that tells them apart and has their order: the
    rowid, or where columns have all its names how many rows there are up to each."""
    rowid, source = rowid_name(connection, table), '"' + table.replace('"', '""') + '"'
    if rowid is not None:
        return source, rowid
    taken = _columns(connection, table)
    number = next(name for ordinal in count() if (name := f"dirk_place_{ordinal}") not in taken)
    return f"(SELECT *, row_number() OVER () AS {number} FROM {source} NOT INDEXED)", number


def _columns(connection: apsw.Connection, table: str) -> set[str]:
    text = "'" + table.replace("'", "''") + "'"
    named = connection.execute(f"SELECT name FROM pragma_table_xinfo({text})").fetchall()
    return {str(name).lower() for (name,) in named}
