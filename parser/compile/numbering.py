"""Columns that number themselves: INTEGER PRIMARY KEY gets the number after the highest where none is given.

AUTOINCREMENT never gives a number twice: the highest that ever was is kept in `dirk_sequence`, by a trigger that
follows the table's inserts.
"""

from __future__ import annotations

from parser import nodes
from parser.compile import sql
from parser.errors import SqlError
from parser.schema import Column, Table, key

_SEQUENCE = "dirk_sequence"
#: What makes it; a file of an earlier build may lack it.
SEQUENCE_TABLE = (
    f"CREATE TABLE IF NOT EXISTS {_SEQUENCE} (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID"
)


def numbered_column(node: nodes.CreateTable) -> tuple[str, bool]:
    """The key of the column that numbers itself ('' when none does), and whether it never repeats a number."""
    whole = {key(column.name.text): column for column in node.columns if _is_integer(column)}
    for name, column in whole.items():
        own = next((each for each in column.constraints if isinstance(each, nodes.PrimaryKey)), None)
        if own is not None:
            return name, own.autoincrement
    for each in node.constraints:
        if isinstance(each, nodes.PrimaryKey) and len(each.columns) == 1:
            term = each.columns[0].expr
            if isinstance(term, nodes.Column) and key(term.name.text) in whole:
                return key(term.name.text), False
    return "", False


def check(node: nodes.CreateTable) -> None:
    """Raises autoincrement_misplaced (42P16) for a column that could not number itself."""
    for column in node.columns:
        says_so = any(isinstance(each, nodes.PrimaryKey) and each.autoincrement for each in column.constraints)
        if says_so and not _is_integer(column):
            raise SqlError("autoincrement_misplaced", name=column.name.text, place=column.place)


def _is_integer(column: nodes.ColumnDef) -> bool:
    """Only the word INTEGER alone says it, as in SQLite: an ISA or INT key is what the user gives."""
    atoms = column.domain.atoms if column.domain is not None else ()
    return len(atoms) == 1 and atoms[0].name.text.lower() == "integer" and not atoms[0].arguments


def column(table: Table) -> Column | None:
    """The column of `table` that numbers itself."""
    return next((each for each in table.columns if each.key == table.numbered), None)


def highest(table: Table) -> str:
    """SQLite's text of the highest number so far; 0 in an empty table."""
    name = next(each.name for each in table.columns if each.key == table.numbered)
    found = f"(SELECT coalesce(max({sql.name(name)}), 0) FROM {sql.name(table.name)})"
    if not table.sequenced:
        return found
    # A table that an earlier build made has no row: it numbers as one without AUTOINCREMENT, alike on all nodes.
    noted = f"(SELECT value FROM {_SEQUENCE} WHERE name = {sql.literal(table.key)})"
    return f"max({found}, coalesce({noted}, 0))"


def one(table: Table, given: str | None) -> str:
    """The number of one row; `given` is what the statement says, None when it says nothing."""
    following = f"{highest(table)} + 1"
    return following if given is None else f"coalesce({given}, {following})"


def each_row(table: Table, given: str | None) -> str:
    """As `one` for a row of a query: rows without a number get those after the highest, the query's own included."""
    if given is None:
        return f"{highest(table)} + row_number() OVER ()"
    return f"coalesce({given}, max({highest(table)}, coalesce(max({given}) OVER (), 0)) + row_number() OVER ())"


# --- the sequence --------------------------------------------------------------------------------------------


def created(table: Table) -> tuple[str, ...]:
    """What follows the CREATE of a table: nothing without AUTOINCREMENT."""
    if not table.sequenced:
        return ()
    return (
        SEQUENCE_TABLE,
        f"INSERT OR REPLACE INTO {_SEQUENCE} VALUES ({sql.literal(table.key)}, 0)",
        *followed(table),
    )


def followed(table: Table) -> tuple[str, ...]:
    """The trigger that notes each new number; a table made anew needs it anew."""
    numbers = column(table)
    if not table.sequenced or numbers is None:
        return ()
    number = f"NEW.{sql.name(numbers.name)}"
    update = f"UPDATE {_SEQUENCE} SET value = {number} WHERE name = {sql.literal(table.key)} AND value < {number}"
    trigger = sql.name(f"{_SEQUENCE}_{table.key}")
    return (f"CREATE TRIGGER {trigger} AFTER INSERT ON {sql.name(table.name)} BEGIN {update}; END",)


def renamed(before: Table, after: Table) -> tuple[str, ...]:
    """What follows the renaming of a table: its sequence goes by its key."""
    if not before.sequenced:
        return ()
    return (f"DROP TRIGGER {sql.name(f'{_SEQUENCE}_{before.key}')}", *moved(before, after))


def moved(before: Table, after: Table) -> tuple[str, ...]:
    """What follows the making of a table in another's place, whose triggers went with it."""
    if not before.sequenced:
        return ()
    update = f"UPDATE {_SEQUENCE} SET name = {sql.literal(after.key)} WHERE name = {sql.literal(before.key)}"
    return (update, *followed(after)) if before.key != after.key else followed(after)


def dropped(table: Table) -> tuple[str, ...]:
    """What follows the DROP of a table."""
    return (f"DELETE FROM {_SEQUENCE} WHERE name = {sql.literal(table.key)}",) if table.sequenced else ()
