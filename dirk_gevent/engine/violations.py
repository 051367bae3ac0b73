"""A broken constraint told in full: which columns, which values, which table at the other end of a foreign key.

SQLite names columns at most. The rest is found only once a statement has failed, from its plan and what it bound;
what the plan does not know of one row (INSERT … SELECT, expressions) stays unsaid, and so does what may be another
table's, where the change reaches several through foreign key actions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import apsw

from dirk_gevent import logs
from dirk_gevent.engine.failures import statement_failure
from parser.domains import shown_value
from parser.errors import SqlError
from parser.plan import Change, Foreign, Value

#: A word of a condition, quoted names without their quotes.
_WORD = re.compile(r"\w+")
_log = logs.logger("engine")


def violation(
    connection: apsw.Connection, error: apsw.ConstraintError, plan: Change, bound: Sequence[Value]
) -> SqlError:
    """The error of a change that broke a constraint. `bound` is what the failed row's run was given.

    Looks into the tables as they are without the row, which every node has alike.
    """
    found = statement_failure(error, plan.table)
    try:
        found.params.update(_details(connection, found, plan, bound))
    except Exception as problem:
        # A mistake in the details may cost the refusal the details, never the database its replay.
        _log.exception("details_failed", problem, key=found.key, table=plan.table)
    return found


def _details(
    connection: apsw.Connection, found: SqlError, plan: Change, bound: Sequence[Value]
) -> dict[str, str | int]:
    known = {column: bound[number] for column, number in plan.cells}
    if found.key == "unique_violation":
        names = str(found.params.get("columns", "")).split(", ")
        if found.params.get("table") == plan.table and all(name in known for name in names):
            return {"values": ", ".join(shown_value(known[name]) for name in names)}
    elif found.key == "check_violation":
        if plan.writes != (plan.table,):
            return {"table": ""}
        words = set(_WORD.findall(str(found.params.get("check", ""))))
        values = ", ".join(f"{name} = {shown_value(known[name])}" for name in known if name in words)
        return {"values": values} if values else {}
    elif found.key == "foreign_key_violation":
        return _foreign(connection, plan, known)
    return {}


def _foreign(connection: apsw.Connection, plan: Change, known: Mapping[str, Value]) -> dict[str, str | int]:
    """The foreign key that has no parent, or the one table that may still refer to what would go."""
    broken = next((each for each in plan.parents if _lacks_parent(connection, each, known)), None)
    only_adds = plan.verb == "insert" and plan.table not in plan.reads
    if broken is None and only_adds and len(plan.parents) == 1:
        broken = plan.parents[0]
    if broken is not None:
        told: dict[str, str | int] = {"columns": ", ".join(broken.columns), "parent": broken.parent}
        if all(column in known for column in broken.columns):
            told["values"] = ", ".join(shown_value(known[column]) for column in broken.columns)
        return told
    return {"child": plan.children[0]} if len(plan.children) == 1 and plan.writes == (plan.table,) else {}


def _lacks_parent(connection: apsw.Connection, foreign: Foreign, known: Mapping[str, Value]) -> bool:
    values = [known.get(column) for column in foreign.columns]
    if None in values:
        return False
    tests = " AND ".join(f"{_quoted(column)} = ?" for column in foreign.parent_columns)
    text = f"SELECT 1 FROM {_quoted(foreign.parent)} WHERE {tests}"
    return not connection.execute(text, values, can_cache=False).fetchall()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
