"""Columns that number themselves: INTEGER PRIMARY KEY gets the number after the highest where none is given.

AUTOINCREMENT never gives a number twice: the highest that ever was is kept in `dirk_sequence`, by triggers that follow
the table's inserts and the updates of its numbers; of a table that an earlier build made, its inserts alone.
"""

from __future__ import annotations

from dirk_parser.ast.expression import ColumnRef
from dirk_parser.ast.statement import ColumnDef, CreateTable, PrimaryKey, RestartNumbers
from dirk_parser.compile.base import sql
from dirk_parser.compile.base.context import Context
from dirk_parser.errors import SqlError
from dirk_parser.names import key
from dirk_parser.plan.plan import DdlPlan
from dirk_parser.schema.schema import Column, Table

_SEQUENCE = "dirk_sequence"
_RENUMBERED = "dirk_renumbered"
#: Behind the largest number there is none: this one says so.
_FOLLOWING_MOST = 2**63
#: What makes it; a file of an earlier build may lack it.
SEQUENCE_TABLE = (
    f"CREATE TABLE IF NOT EXISTS {_SEQUENCE} (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID"
)


def numbered_column(node: CreateTable) -> tuple[str, bool]:
    """The key of the column that numbers itself ('' when none does), and whether it never repeats a number."""
    whole = {key(column.name.text): column for column in node.columns if _is_integer(column)}
    for name, column in whole.items():
        own = next((constraint for constraint in column.constraints if isinstance(constraint, PrimaryKey)), None)
        if own is not None:
            return name, own.autoincrement
    for constraint in node.constraints:
        if isinstance(constraint, PrimaryKey) and len(constraint.columns) == 1:
            term = constraint.columns[0].expr
            if isinstance(term, ColumnRef) and key(term.name.text) in whole:
                return key(term.name.text), False
    return "", False


def check(node: CreateTable) -> None:
    """Raises autoincrement_misplaced (42P16) for a column that could not number itself."""
    for column in node.columns:
        says_so = any(
            isinstance(constraint, PrimaryKey) and constraint.autoincrement for constraint in column.constraints
        )
        if says_so and not _is_integer(column):
            raise SqlError("autoincrement_misplaced", name=column.name.text, place=column.place)


def _is_integer(column: ColumnDef) -> bool:
    """Only the word INTEGER alone says it, as in SQLite: an ISA or INT key is what the user gives."""
    atoms = column.domain.atoms if column.domain is not None else ()
    return len(atoms) == 1 and atoms[0].name.text.lower() == "integer" and not atoms[0].arguments


def column(table: Table) -> Column | None:
    """The column of `table` that numbers itself."""
    return next((candidate for candidate in table.columns if candidate.key == table.numbered), None)


def highest(table: Table) -> str:
    """SQLite's text of the highest number so far; 0 in an empty table."""
    number = f"coalesce({_highest_there(table)}, 0)"
    if not table.sequenced:
        return number
    # A table that an earlier build made has no row: it numbers as one without AUTOINCREMENT, alike on all nodes.
    noted = f"(SELECT value FROM {_SEQUENCE} WHERE name = {sql.literal(table.key)})"
    return f"max({number}, coalesce({noted}, 0))"


def _highest_there(table: Table) -> str:
    name = next(candidate.name for candidate in table.columns if candidate.key == table.numbered)
    return f"(SELECT max({sql.name(name)}) FROM {sql.name(table.name)})"


def one(table: Table, given: str | None) -> str:
    """The number of one row; `given` is what the statement says, None when it says nothing."""
    following = f"{highest(table)} + 1"
    return following if given is None else f"coalesce({given}, {following})"


#: Columns that `each_row` counts with: the rows without a number so far, and what the highest number so far would be
#: without them; and the window that both are counted in.
_BLANKS, _PAST, _SO_FAR = "dirk_blanks", "dirk_past", "ROWS UNBOUNDED PRECEDING"
_LEAST = "-9223372036854775808"


def counted(rows: str, given: str) -> str:
    """The rows of the common table `rows`, with what `each_row` needs to know of those before each; `given` is their
    column that may hold a number.

    Each number that was given counts less the blanks before it: so the highest of them, and the blanks so far, make
    the number of the next blank. What is below any number there is counts for nothing, and must not become a real.
    """
    blanks = f"SELECT *, sum({given} IS NULL) OVER ({_SO_FAR}) AS {_BLANKS} FROM {rows}"
    past = f"max(max({given}, {_LEAST} + {_BLANKS}) - {_BLANKS}) OVER ({_SO_FAR})"
    return f"(SELECT *, {past} AS {_PAST} FROM ({blanks}))"


def each_row(table: Table, rows: str, given: str) -> str:
    """As `one` for a row of `counted(rows, given)`, where each sees those before it: one without a number gets that
    after the highest in the table and among the rows so far. `rows` is materialized, so that it has a first row."""
    before = highest(table)
    if not table.sequenced:
        # In an empty table a blank that comes first is 1; one behind a number below 0 is the one after that.
        begins = f"CASE WHEN (SELECT {given} IS NULL FROM {rows} LIMIT 1) THEN 0 END"
        before = f"coalesce({_highest_there(table)}, {begins})"
    return f"coalesce({given}, {_BLANKS} + coalesce(max({before}, {_PAST}), {before}, {_PAST}))"


def all_rows(table: Table) -> str:
    """As `each_row` for the rows of a query that gives none a number."""
    return f"{highest(table)} + row_number() OVER ()"


# --- the sequence --------------------------------------------------------------------------------------------


def created(table: Table) -> tuple[str, ...]:
    """Statements that follow the CREATE of a table: nothing without AUTOINCREMENT."""
    if not table.sequenced:
        return ()
    return (
        SEQUENCE_TABLE,
        f"INSERT OR REPLACE INTO {_SEQUENCE} VALUES ({sql.literal(table.key)}, 0)",
        *followed(table),
    )


def followed(table: Table) -> tuple[str, ...]:
    """The triggers that note each new number; a table made anew needs them anew."""
    numbers = column(table)
    if not table.sequenced or numbers is None:
        return ()
    head = sql.name(numbers.name)
    update = f"UPDATE {_SEQUENCE} SET value = NEW.{head} WHERE name = {sql.literal(table.key)} AND value < NEW.{head}"
    inserting, updating = _triggers(table)
    return (
        f"CREATE TRIGGER {inserting} AFTER INSERT ON {sql.name(table.name)} BEGIN {update}; END",
        f"CREATE TRIGGER {updating} AFTER UPDATE OF {head} ON {sql.name(table.name)} BEGIN {update}; END",
    )


def _triggers(table: Table) -> tuple[str, str]:
    return sql.name(f"{_SEQUENCE}_{table.key}"), sql.name(f"{_RENUMBERED}_{table.key}")


def renamed(before: Table, after: Table) -> tuple[str, ...]:
    """Statements that follow the renaming of a table: its sequence goes by its key."""
    if not before.sequenced:
        return ()
    return (*(f"DROP TRIGGER IF EXISTS {trigger}" for trigger in _triggers(before)), *moved(before, after))


def moved(before: Table, after: Table) -> tuple[str, ...]:
    """Statements that follow the making of a table in another's place, whose triggers went with it."""
    if not before.sequenced:
        return ()
    if not after.sequenced:
        return dropped(before)
    update = f"UPDATE {_SEQUENCE} SET name = {sql.literal(after.key)} WHERE name = {sql.literal(before.key)}"
    return (update, *followed(after)) if before.key != after.key else followed(after)


def restart(context: Context, table: Table, node: RestartNumbers) -> DdlPlan:
    """ALTER TABLE … AUTOINCREMENT = n: the next row gets n, or the number after the highest that was ever given.

    Raises not_numbered (55000) for a table without AUTOINCREMENT, out_of_range for an n that is none.
    """
    following = context.literals.value(node.following.index)
    if not table.sequenced:
        raise SqlError("not_numbered", name=table.name)
    if not isinstance(following, int | float) or following != int(following) or not 1 <= following <= _FOLLOWING_MOST:
        raise SqlError("out_of_range", value=str(following), place=node.following.place)
    given = f"VALUES ({sql.literal(table.key)}, {int(following) - 1})"
    raised = f"INSERT INTO {_SEQUENCE} {given} ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)"
    return DdlPlan((SEQUENCE_TABLE, raised), (), "alter_table", "table", table.name)


def dropped(table: Table) -> tuple[str, ...]:
    """Statements that follow the DROP of a table."""
    return (f"DELETE FROM {_SEQUENCE} WHERE name = {sql.literal(table.key)}",) if table.sequenced else ()
