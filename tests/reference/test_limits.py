"""The limits that docs/language.md names are the limits: so much is taken, one more is refused with its SQLSTATE."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from dirk_parser.errors import SqlError
from tests.parser.small_database import SmallDatabase

PAGE = Path(__file__).resolve().parents[2] / "docs" / "language.md"
_ROW = re.compile(r"^\| (?P<what>[^|]+) \| (?P<most>[0-9,]+) \| (?P<sqlstate>[0-9A-Z]{5}) \|$", re.MULTILINE)


def words(count: int) -> str:
    """A statement of so many words and signs."""
    head = "select distinct 1 where 1 in (" if count % 2 else "select 1 where 1 in ("
    taken = 8 if count % 2 else 7
    return f"{head}{', '.join(['1'] * ((count - taken + 1) // 2))})"


#: What the page calls a limit -> a statement that has so much of it.
STATEMENTS: dict[str, Callable[[int], str]] = {
    "words and signs of a statement": words,
    "parentheses inside each other": lambda count: f"select {'(' * count}1{')' * count}",
    "selects in one chain of set operators": lambda count: " union all ".join(["select 1"] * count),
    "operators in one chain (`a + b + c`)": lambda count: "select 1" + " + 1" * count,
    "conditions in one chain of AND or OR": lambda count: "select 1 where " + " or ".join(["1"] * count),
    "columns of a result": lambda count: f"select {', '.join(['1'] * count)}",
    "columns of a table": lambda count: f"create table t ({', '.join(f'c{n}' for n in range(count))})",
    "tables in one FROM": lambda count: f"select 1 from {', '.join(f'(select 1) t{n}' for n in range(count))}",
    "arguments of a function": lambda count: f"select coalesce({', '.join(['1'] * count)})",
}
#: What SQLite bounds by itself while a statement runs.
SETTINGS = {
    "bytes of a pattern of LIKE or GLOB": apsw.SQLITE_LIMIT_LIKE_PATTERN_LENGTH,
    "rows that foreign keys change one through the other": apsw.SQLITE_LIMIT_TRIGGER_DEPTH,
}


def limits() -> dict[str, tuple[int, str]]:
    """What the page says: how much of what, and the SQLSTATE past it."""
    section = PAGE.read_text(encoding="utf-8").partition("\n### Limits\n")[2].partition("\n#")[0]
    return {row["what"]: (int(row["most"].replace(",", "")), row["sqlstate"]) for row in _ROW.finditer(section)}


def test_every_limit_of_the_page_is_looked_at() -> None:
    assert limits().keys() == STATEMENTS.keys() | SETTINGS.keys()


@pytest.mark.parametrize("what", STATEMENTS)
def test_so_much_is_taken_and_one_more_is_refused(what: str) -> None:
    most, sqlstate = limits()[what]
    SmallDatabase().run(STATEMENTS[what](most))
    with pytest.raises(SqlError) as refused:
        SmallDatabase().run(STATEMENTS[what](most + 1))
    assert refused.value.sqlstate == sqlstate


@pytest.mark.parametrize("what", SETTINGS)
def test_what_sqlite_bounds(what: str) -> None:
    assert limits()[what][0] == SmallDatabase().connection.limit(SETTINGS[what])
