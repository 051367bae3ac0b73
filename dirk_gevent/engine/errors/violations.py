"""A broken constraint told in full: which columns, which values, which table at the other end of a foreign key.

SQLite names columns at most. The rest is found only once a statement has failed: from its plan and what it bound, and
where that does not say what the row was to hold (INSERT … SELECT, expressions, upserts), by asking the statement itself
(`failing_row`). What may be another table's, where the change reaches several through foreign key actions, stays unsaid
of checks, which SQLite names without their table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

import apsw

from dirk_gevent.base import logger
from dirk_gevent.engine.errors.failing_row import columns_of, index_parts, quoted
from dirk_gevent.engine.errors.failures import broken, columns_at, statement_failure
from dirk_parser.compile.ddl.rebuild import REBUILT
from dirk_parser.errors import SqlError
from dirk_parser.normalize.normalized_statement import Value
from dirk_parser.plan.plan import ChangePlan, DdlPlan, Foreign
from dirk_parser.schema.domains import shown_value

#: A word of a condition, quoted names without their quotes.
_WORD = re.compile(r"\w+")
#: What SQLite calls an index on expressions whose uniqueness was broken.
_INDEX = re.compile("index '(.*)'")
_log = logger.logger("engine")


#: What columns of a table were to hold in the row that failed (`failing_row`).
Look = Callable[[str, Sequence[str]], Mapping[str, Value]]


def violation(
    connection: apsw.Connection, error: apsw.ConstraintError, plan: ChangePlan, bound: Sequence[Value], look: Look
) -> SqlError:
    """The error of a change that broke a constraint. `bound` is what the failed row's run was given.

    Looks into the tables as they are without the row, which every node has alike.
    """
    failure = statement_failure(error, plan.table)
    try:
        details = _details(connection, broken(error), failure, plan=plan, bound=bound, look=look)
        if "child" in details:
            return SqlError("foreign_key_in_use", table=plan.table, **details)
        failure.params.update(details)
    except Exception as problem:
        # A mistake in the details may cost the refusal the details, never the database its replay.
        _log.exception("details_failed", problem, key=failure.key, table=plan.table)
    return failure


def _details(
    connection: apsw.Connection, detail: str, found: SqlError, plan: ChangePlan, bound: Sequence[Value], look: Look
) -> dict[str, str | int]:
    given = {column: bound[number] for column, number in plan.cells}
    if found.key == "unique_violation":
        return _unique(connection, detail, plan, given, look)
    if found.key == "not_null_violation":
        table, columns = columns_at(detail, _columns_by_table(connection, plan.writes))
        return {"table": table, "columns": ", ".join(columns)} if columns else {}
    if found.key == "check_violation":
        if plan.writes != (plan.table,):
            return {"table": ""}
        words = set(_WORD.findall(str(found.params.get("check", ""))))
        names = [name for name in columns_of(connection, plan.table) if name in words]
        row = _row(plan.table, names, given, look)
        values = ", ".join(f"{name} = {shown_value(row[name])}" for name in names if name in row)
        return {"values": values} if values else {}
    if found.key == "foreign_key_violation":
        return _foreign(connection, plan, given)
    return {}


def _unique(
    connection: apsw.Connection, detail: str, plan: ChangePlan, known: Mapping[str, Value], look: Look
) -> dict[str, str | int]:
    """The values that are there already, of an index on expressions what they come to."""
    index = _INDEX.fullmatch(detail)
    if index is not None:
        return _indexed(connection, index[1], look)
    table, names = columns_at(detail, _columns_by_table(connection, plan.writes))
    row = _row(table, names, known if table == plan.table else {}, look)
    params: dict[str, str | int] = {"table": table, "columns": ", ".join(names)} if names else {}
    return {**params, "values": ", ".join(shown_value(row[name]) for name in names)} if names and row else params


def _row(table: str, names: Sequence[str], known: Mapping[str, Value], look: Look) -> Mapping[str, Value]:
    """The values that the refused row was to hold in the columns `names`; without those that nobody can tell."""
    if not names or all(name in known for name in names):
        return known
    return {**known, **look(table, names)}


def _indexed(connection: apsw.Connection, index: str, look: Look) -> dict[str, str | int]:
    """An index on expressions: what it is called, and what its terms come to for the refused row."""
    defined = "SELECT tbl_name, sql FROM sqlite_schema WHERE type = 'index' AND name = ?"
    table, definition = map(str, connection.execute(defined, (index,)).fetchall()[0])
    columns = columns_of(connection, table)
    params: dict[str, str | int] = {"table": table, "columns": index}
    row = look(table, columns)
    if row:
        named = ", ".join(f"? AS {quoted(column)}" for column in columns)
        terms = f"SELECT {', '.join(index_parts(definition).terms)} FROM (SELECT {named})"
        values = connection.execute(terms, [row[column] for column in columns], can_cache=False).fetchall()[0]
        params["values"] = ", ".join(map(shown_value, values))
    return params


def _foreign(connection: apsw.Connection, plan: ChangePlan, known: Mapping[str, Value]) -> dict[str, str | int]:
    """The foreign key that has no parent, or the one table that may still refer to what would go."""
    broken = next((parent for parent in plan.parents if _lacks_parent(connection, parent, known)), None)
    only_adds = plan.verb == "insert" and plan.table not in plan.reads
    if broken is None and only_adds and len(plan.parents) == 1:
        broken = plan.parents[0]
    if broken is not None:
        params: dict[str, str | int] = {"columns": ", ".join(broken.columns), "parent": broken.parent}
        if all(column in known for column in broken.columns):
            params["values"] = ", ".join(shown_value(known[column]) for column in broken.columns)
        return params
    if len(plan.children) == 1 and plan.writes == (plan.table,):
        return {"child": plan.children[0]}
    # Whose foreign key it is cannot be told: that of the table itself, or of one that refers to it.
    return {} if only_adds else {"table": ""}


def _lacks_parent(connection: apsw.Connection, foreign: Foreign, known: Mapping[str, Value]) -> bool:
    values = [known.get(column) for column in foreign.columns]
    if None in values:
        return False
    tests = " AND ".join(f"{quoted(column)} = ?" for column in foreign.parent_columns)
    text = f"SELECT 1 FROM {quoted(foreign.parent)} WHERE {tests}"
    return not connection.execute(text, values, can_cache=False).fetchall()


# --- definitions -------------------------------------------------------------------------------------------------


def definition_violation(connection: apsw.Connection, error: apsw.ConstraintError, plan: DdlPlan) -> SqlError:
    """The error of a definition that the rows of its table don't allow, with the first value that is there twice."""
    failure = statement_failure(error, plan.name)
    if failure.key == "not_null_violation":
        return SqlError("rows_have_null", table=plan.name, columns=", ".join(_named(plan.name, broken(error))))
    if failure.key == "unique_violation":
        try:
            failure.params.update(_twice(connection, plan, broken(error)))
        except Exception as problem:
            _log.exception("details_failed", problem, key=failure.key, table=plan.name)
    return failure


def _twice(connection: apsw.Connection, plan: DdlPlan, detail: str) -> dict[str, str | int]:
    """The first value that the rows would have twice; what a new column was to hold is not looked for."""
    params: dict[str, str | int] = {}
    if plan.kind == "index":
        parts = index_parts(plan.sql[0])
        table, terms, where = parts.table, parts.terms, parts.where
        name = table[1:-1].replace('""', '"')
        params["table"] = name
        params["columns"] = plan.name if _INDEX.fullmatch(detail) else ", ".join(_named(name, detail))
    else:
        names = _named(plan.name, detail)
        if not set(names) <= set(columns_of(connection, plan.name)):
            return params
        params["columns"] = ", ".join(names)
        table, terms, where = quoted(plan.name), tuple(map(quoted, names)), ""
    tests = " AND ".join([f"{term} IS NOT NULL" for term in terms] + ([f"({where[7:]})"] if where else []))
    numbers = ", ".join(str(number) for number in range(1, len(terms) + 1))
    twice = f"SELECT {', '.join(terms)} FROM {table} WHERE {tests} GROUP BY {numbers} HAVING count(*) > 1 LIMIT 1"
    rows = connection.execute(twice, can_cache=False).fetchall()
    return {**params, "values": ", ".join(map(shown_value, rows[0]))} if rows else params


def _named(table: str, detail: str) -> list[str]:
    """The columns that `detail` names, of a table that may be under construction under another name."""
    before = f"{REBUILT}." if detail.startswith(f"{REBUILT}.") else f"{table}."
    return detail.removeprefix(before).split(f", {before}")


def _columns_by_table(connection: apsw.Connection, tables: Iterable[str]) -> dict[str, list[str]]:
    return {table: columns_of(connection, table) for table in tables}
