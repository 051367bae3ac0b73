"""The place of a row in its table, SQLite's rowid: an INSERT may give it, so that a dump makes the same table again.

It is no column: nothing reads or changes it. Rows stand in the order of their places.
"""

from __future__ import annotations

from collections.abc import Collection

from dirk_parser.schema.schema import Column, Table

#: What an INSERT calls it in its list of columns; a column of that name is what is meant where there is one.
ROW_PLACE = "dirk_rowid"
#: SQLite's names of it; a column hides one that is called so.
SQLITE_NAMES = ("rowid", "_rowid_", "oid")
#: Behind the largest rowid SQLite would choose places by chance.
_MOST = 2**62


def place_column(columns: Collection[Column]) -> Column | None:
    """The place as an INSERT's column; None for a table whose columns have all of its names."""
    taken = {column.name.lower() for column in columns}
    name = next((sqlite_name for sqlite_name in SQLITE_NAMES if sqlite_name not in taken), None)
    return None if name is None else Column(name, ROW_PLACE, not_null=True)


def insertable(table: Table) -> dict[str, Column]:
    """The columns that an INSERT may name in its list, by key."""
    place = place_column(table.columns)
    columns = {} if place is None else {place.key: place}
    return columns | {column.key: column for column in table.columns}


def placed(value: str) -> str:
    """`value` as a place; out_of_range (22003) for what is none. It is written several times."""
    is_place = f"typeof({value}) = 'integer' AND {value} BETWEEN 1 AND {_MOST}"
    return f"CASE WHEN {is_place} THEN {value} ELSE dirk_refuse('{ROW_PLACE}', {value}, 'INTEGER') END"
