"""SQLite's refusals as DirkDB's errors. What it cannot name it does not hide: see `statement_failure`."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

import apsw

from dirk_gevent.engine.errors.mistakes import mistake
from dirk_parser.errors import SqlError

#: What depends on the data alone: the same on every node, so it may be an outcome.
DATA_ERRORS: tuple[type[Exception], ...] = (
    SqlError,
    apsw.ConstraintError,
    apsw.SQLError,
    apsw.MismatchError,
    apsw.TooBigError,
    apsw.BindingsError,
    OverflowError,
    # SQLite makes texts of blobs, lone surrogates and the like; who takes one as text finds out what it is.
    UnicodeDecodeError,
)

#: What SQLite says of 'now' or 'localtime' in a computed column or an index.
_KEPT_MOMENT = re.compile(r"non-deterministic use of (\w+)\(\)")
_CONSTRAINTS = {
    apsw.SQLITE_CONSTRAINT_UNIQUE: "unique_violation",
    apsw.SQLITE_CONSTRAINT_PRIMARYKEY: "unique_violation",
    apsw.SQLITE_CONSTRAINT_ROWID: "unique_violation",
    apsw.SQLITE_CONSTRAINT_NOTNULL: "not_null_violation",
    apsw.SQLITE_CONSTRAINT_CHECK: "check_violation",
    apsw.SQLITE_CONSTRAINT_FOREIGNKEY: "foreign_key_violation",
    apsw.SQLITE_CONSTRAINT_TRIGGER: "foreign_key_violation",
}


def statement_failure(error: Exception, table: str = "") -> SqlError:
    """The error a user reads for one of `DATA_ERRORS`; `table` is the statement's, where SQLite names none."""
    if isinstance(error, SqlError):
        return error
    if isinstance(error, apsw.ConstraintError):
        return _constraint(error, table)
    if isinstance(error, UnicodeDecodeError):
        return SqlError("text_not_utf8")
    if isinstance(error, OverflowError) or "integer overflow" in str(error):
        return SqlError("out_of_range")
    if isinstance(error, apsw.TooBigError):
        return SqlError("value_too_big")
    if "misuse of aggregate" in str(error) or "misuse of window" in str(error):
        return SqlError("aggregate_misplaced")
    if "ON CONFLICT clause does not match" in str(error):
        return SqlError("conflict_target_invalid", table=table)
    moment = _KEPT_MOMENT.search(str(error))
    if moment is not None:
        return SqlError("moment_not_kept", name=moment[1])
    return mistake(_reason(error)) or SqlError("execution_failed", reason=_reason(error))


def _constraint(error: apsw.ConstraintError, table: str) -> SqlError:
    key = _CONSTRAINTS.get(getattr(error, "extendedresult", 0), "check_violation")
    detail = broken(error)
    if key == "check_violation":
        return SqlError(key, table=table, check=detail)
    if key == "foreign_key_violation":
        return SqlError(key, table=table)
    named, columns = _places(detail)
    if named.startswith("dirk_"):  # a table that ALTER builds in place of the statement's
        named = table
    return SqlError(key, table=named or table, columns=columns)


def broken(error: apsw.ConstraintError) -> str:
    """The constraint that SQLite says was broken: the columns, each behind its table and a dot, a check, or `index
    'i'`."""
    return _reason(error).partition("constraint failed: ")[2]


def columns_at(detail: str, tables: Mapping[str, Collection[str]]) -> tuple[str, list[str]]:
    """The table and the columns that `detail` (see `broken`) names, by the columns of all tables that it may be about:
    names may hold what stands between them. '' and none where it names others."""
    for table in sorted(tables, key=len, reverse=True):
        before = f"{table}."
        named = detail.removeprefix(before).split(f", {before}")
        if detail.startswith(before) and all(column in tables[table] for column in named):
            return table, named
    return "", []


def _places(detail: str) -> tuple[str, str]:
    """Table and columns of `t.a, t.b`; an index on expressions is named as it is."""
    columns = [column.rpartition(".") for column in detail.split(", ")]
    return columns[0][0], ", ".join(column for _, _, column in columns)


def _reason(error: Exception) -> str:
    text = str(error)
    return text.partition(": ")[2] if text.startswith(type(error).__name__) else text
