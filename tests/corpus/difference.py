"""The same script in SQLite and in DirkDB: where their answers differ, and in what."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import apsw

from tests.corpus.runner import Ask, Refused, Rows

#: How a statement's two endings compare.
SAME, REFUSED, ACCEPTED, ROWS = "same", "refused here only", "refused by SQLite only", "other rows"


@dataclass(frozen=True, slots=True)
class Difference:
    """One statement whose endings differ: the class, and both endings as text."""

    sql: str
    kind: str
    ours: str
    theirs: str


@dataclass(slots=True)
class Comparison:
    """How many statements ended how, and those that differ."""

    counts: Counter[str] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)

    def __str__(self) -> str:
        return "\n".join(f"{each.kind}: {each.sql}\n  {each.ours}\n  {each.theirs}" for each in self.differences)


def compare(statements: Iterable[str], ask: Ask) -> Comparison:
    """Runs each statement in an empty SQLite database and through `ask`. Rows without an ORDER BY are a set."""
    found = Comparison()
    sqlite = apsw.Connection(":memory:")
    sqlite.execute("PRAGMA foreign_keys = ON")
    for sql in statements:
        ours, theirs = _ours(sql, ask), _theirs(sql, sqlite)
        kind = _kind(ours, theirs, "order by" in sql.lower())
        found.counts[kind] += 1
        if kind != SAME:
            found.differences.append(Difference(sql, kind, str(ours)[:500], str(theirs)[:500]))
    sqlite.close()
    return found


def _kind(ours: Rows | str, theirs: Rows | str, ordered: bool) -> str:
    if isinstance(ours, str) or isinstance(theirs, str):
        if isinstance(ours, str) and isinstance(theirs, str):
            return SAME
        return REFUSED if isinstance(ours, str) else ACCEPTED
    if ordered:
        return SAME if ours == theirs else ROWS
    return SAME if sorted(map(repr, ours)) == sorted(map(repr, theirs)) else ROWS


def _ours(sql: str, ask: Ask) -> Rows | str:
    try:
        return _canonical(ask(sql) or [])
    except Refused as refused:
        return str(refused)


def _theirs(sql: str, sqlite: apsw.Connection) -> Rows | str:
    try:
        return _canonical([list(row) for row in sqlite.execute(sql).fetchall()])
    except apsw.Error as error:
        return str(error)


def _canonical(rows: Rows) -> Rows:
    return [[_same(value) for value in row] for row in rows]


def _same(value: Any) -> Any:
    """Truth as 1 and 0, whole reals as whole numbers, reals to twelve digits, blobs as the text they hold."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, float):
        is_whole = math.isfinite(value) and value.is_integer() and abs(value) < 2**53
        return int(value) if is_whole else float(f"{value:.12g}")
    return value
