"""A definition's statements on the writer's connection: foreign keys while a table is made anew, and after it.

A table that others refer to is made anew by dropping the old one. SQLite would carry that out on those who refer to
it: rows deleted, set to null, or the DROP refused. So it does not look at foreign keys meanwhile. The flag that PRAGMA
foreign_keys sets outside transactions only is set on the connection itself, which may be done at any time: nothing is
deferred in a DirkDB database, so no count of what is still broken stands open.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import apsw

from dirk_gevent.engine.errors.failing_row import quoted
from dirk_gevent.engine.row_ids import rowid_name
from dirk_parser.errors import SqlError
from dirk_parser.normalize.normalized_statement import Value
from dirk_parser.plan.plan import DdlPlan
from dirk_parser.schema.domains import shown_value


def define(connection: apsw.Connection, plan: DdlPlan) -> None:
    """Run the statements of `plan`, within a savepoint of the caller's.

    Raises apsw errors, and foreign_key_violation (23503) when the rows of a table don't fulfil its foreign keys.
    """
    if not plan.rebuilds:
        _run(connection, plan)
        return
    with _foreign_keys_ignored(connection):
        _run(connection, plan)
    if plan.checks:
        _check(connection, plan.checks)


def _run(connection: apsw.Connection, plan: DdlPlan) -> None:
    for sql in plan.sql:
        connection.execute(sql, can_cache=False).fetchall()


@contextmanager
def _foreign_keys_ignored(connection: apsw.Connection) -> Iterator[None]:
    were_guarded = connection.config(apsw.SQLITE_DBCONFIG_ENABLE_FKEY, -1)
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_FKEY, 0)
    try:
        yield
    finally:
        connection.config(apsw.SQLITE_DBCONFIG_ENABLE_FKEY, were_guarded)


def _check(connection: apsw.Connection, table: str) -> None:
    """Raises foreign_key_violation for the first row that has no parent."""
    broken = connection.execute(f"SELECT rowid, parent, fkid FROM pragma_foreign_key_check({_text(table)}) LIMIT 1")
    rows = broken.fetchall()
    if not rows:
        return
    rowid, parent, number = rows[0]
    listed = f"SELECT \"from\" FROM pragma_foreign_key_list({_text(table)}) WHERE id = ? ORDER BY seq"
    columns = [str(name) for (name,) in connection.execute(listed, (number,))]
    refusal = SqlError("foreign_key_violation", table=table, columns=", ".join(columns), parent=str(parent))
    # Where columns have all the names of the row's number, the row can't be asked for.
    if name := rowid_name(connection, table):
        asked = f"SELECT {', '.join(map(quoted, columns))} FROM {quoted(table)} WHERE {name} = ?"
        values: list[tuple[Value, ...]] = connection.execute(asked, (rowid,)).fetchall()
        refusal.params["values"] = ", ".join(map(shown_value, values[0]))
    raise refusal


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
