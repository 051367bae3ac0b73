"""The row that a change failed on, as it would have been: SQLite names the columns of a broken constraint, not the row.

The change is run once more, with a trigger that tells what each row is to hold just before its constraints are looked
at. It fails where it failed before, on the row that was told last, and undoes itself as then.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import apsw

from dirk_parser.normalize.normalized_statement import Value
from dirk_parser.plan.plan import ChangePlan

_TELLS = "dirk_row"
_EVENTS = ("INSERT", "UPDATE")


def failing_row(
    connection: apsw.Connection, table: str, columns: Sequence[str], plan: ChangePlan, bound: Sequence[Value]
) -> dict[str, Value]:
    """The values that `columns` of `table` were to hold in the row that `plan` failed on; empty when no row of it was
    reached.

    `bound` is what the failed run was given. Raises apsw errors: nothing of it is left.
    """
    row: dict[str, Value] = {}

    def tell(*cells: Value) -> None:
        number, value = cells
        assert isinstance(number, int)
        row[columns[number]] = value

    cells = ", ".join(f"{_TELLS}({number}, NEW.{quoted(column)})" for number, column in enumerate(columns))
    # SQLite computes columns of an UPDATE from those that the trigger names; others it takes for null.
    cells += "".join(f", typeof(NEW.{quoted(column)})" for column in columns_of(connection, table))
    connection.create_scalar_function(_TELLS, tell, 2)
    try:
        for event in _EVENTS:
            trigger = f"CREATE TEMP TRIGGER {_TELLS}_{event} BEFORE {event} ON main.{quoted(table)}"
            connection.execute(f"{trigger} BEGIN SELECT {cells}; END", can_cache=False)
        return row if _fails(connection, plan, bound) else {}
    finally:
        _forget(connection)


def _fails(connection: apsw.Connection, plan: ChangePlan, bound: Sequence[Value]) -> bool:
    """True when `plan` ends as it did; nothing of it is left either way.

    SQLite has undone what fails. The savepoint is not gone back to for that: after a trigger was made SQLite would then
    read the whole schema anew.
    """
    connection.execute("SAVEPOINT dirk_again")
    try:
        connection.execute(plan.sql, bound, can_cache=False).fetchall()
    except apsw.ConstraintError:
        connection.execute("RELEASE dirk_again")
        return True
    except BaseException:
        _undo(connection)
        raise
    _undo(connection)
    return False


def _undo(connection: apsw.Connection) -> None:
    if connection.in_transaction:
        connection.execute("ROLLBACK TO dirk_again; RELEASE dirk_again")


def _forget(connection: apsw.Connection) -> None:
    for event in _EVENTS:
        with suppress(apsw.SQLError):
            connection.execute(f"DROP TRIGGER IF EXISTS temp.{_TELLS}_{event}", can_cache=False)
    connection.create_scalar_function(_TELLS, None)


def columns_of(connection: apsw.Connection, table: str) -> list[str]:
    """The columns of a table, computed ones too."""
    named = connection.execute("SELECT name FROM pragma_table_xinfo(?)", (table,))
    return [str(name) for (name,) in named]


# --- indexes ---------------------------------------------------------------------------------------------------

_ON = re.compile(r'CREATE (?:UNIQUE )?INDEX (?:"[^"]*")+ ON ((?:"[^"]*")+) \(')


@dataclass(frozen=True, slots=True)
class IndexParts:
    """A CREATE INDEX as the compiler writes it: its table and its terms, as SQL, and ` WHERE …` or nothing."""

    table: str
    terms: tuple[str, ...]
    where: str


def index_parts(definition: str) -> IndexParts:
    """The parts of `definition`; of the terms without their order."""
    head = _ON.match(definition)
    assert head is not None
    terms, depth, begins, at = [], 0, head.end(), head.end()
    while depth >= 0:
        character = definition[at]
        if character in "'\"":
            at = definition.index(character, at + 1)
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth < 0 or (character == "," and depth == 0):
            terms.append(definition[begins:at].strip().removesuffix(" DESC"))
            begins = at + 1
        at += 1
    return IndexParts(head[1], tuple(terms), definition[at:])


def quoted(name: str) -> str:
    """A name in SQLite's SQL."""
    return '"' + name.replace('"', '""') + '"'
