"""Which stored values are looked at: what is computed, and nothing that is known to be sound."""

from __future__ import annotations

import pytest

from dirk_parser.normalize.normalizer import split
from dirk_parser.plan.plan import ChangePlan
from tests.parser.small_database import SmallDatabase


@pytest.fixture(scope="module")
def database() -> SmallDatabase:
    """Tables with domains and without, and a view."""
    found = SmallDatabase()
    found.run("CREATE TABLE t (a, b)")
    found.run("CREATE TABLE n (a ISA, b LAHATSORATRA)")
    found.run("CREATE VIEW w AS SELECT a, b FROM t")
    return found


def sql(database: SmallDatabase, text: str) -> str:
    """SQLite's text of a change."""
    plan = database.plan(text, True)
    assert isinstance(plan, ChangePlan)
    return plan.sql


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("INSERT INTO t VALUES (1, 'a')", 'INSERT INTO "t" AS t1 ("a", "b") VALUES (?1, ?2)'),
        ("INSERT INTO n VALUES (-1.5, null), (2, 'b')", 'INSERT INTO "n" AS t1 ("a", "b") VALUES (?1, ?2)'),
        ("INSERT INTO t VALUES (?, ?)", 'INSERT INTO "t" AS t1 ("a", "b") VALUES (?1, ?2)'),
        ("INSERT INTO t SELECT a, b FROM n", 'INSERT INTO "t" AS t1 ("a", "b") SELECT t2."a", t2."b" FROM "n" AS t2'),
        ("UPDATE t SET a = ?, b = 'x'", 'UPDATE "t" AS t1 SET "a" = ?2, "b" = ?1'),
        ("UPDATE n SET a = a + 1", 'UPDATE "n" AS t1 SET "a" = (t1."a" + ?1)'),
    ],
)
def test_what_is_sound_is_stored_as_it_stands(database: SmallDatabase, text: str, expected: str) -> None:
    assert sql(database, text) == expected


@pytest.mark.parametrize(
    "value",
    [
        "a = b",
        "a AND b",
        "a LIKE 'x'",
        "length(a)",
        "hex(a)",
        "a & 3",
        "-7",
        "x'ff'",
        "now()",
        "date(a)",
        "CAST(a AS INTEGER)",
        "CAST(a AS BLOB)",
        "coalesce(a, 'x')",
        "CASE WHEN a THEN a ELSE b END",
        "(SELECT count(*) FROM t)",
        "(SELECT max(a) FROM t)",
        "(SELECT x FROM (SELECT a AS x FROM n UNION SELECT b FROM t) AS s LIMIT 1)",
        "a COLLATE NOCASE",
        "random()",
    ],
)
def test_what_can_be_nothing_else_than_sound_is_not_looked_at(database: SmallDatabase, value: str) -> None:
    text = sql(database, f"UPDATE t SET a = {value}")
    assert "dirk_text" not in text and "dirk_refuse" not in text


@pytest.mark.parametrize(
    ("value", "is_text", "is_number"),
    [
        ("a || b", True, False),
        ("upper(a)", True, True),
        ("a + b", False, True),
        ("-a", False, True),
        ("sum(1) OVER ()", False, True),
        ("a -> 'x'", True, False),
        ("a ->> 'x'", True, True),
        ("strftime(a)", True, True),
        ("coalesce(a, b || 'x')", True, False),
        ("CASE WHEN a THEN a * 2 ELSE b || a END", True, True),
        ("(SELECT group_concat(a) FROM t)", True, True),
        ("(SELECT a FROM w)", True, True),
        ("CAST(a AS TEXT)", True, True),
        ("CAST(a AS REAL)", False, True),
    ],
)
def test_what_is_computed_is_looked_at(database: SmallDatabase, value: str, is_text: bool, is_number: bool) -> None:
    text = sql(database, f"INSERT INTO t (a) SELECT {value} FROM t")
    assert ("dirk_text" in text, "dirk_refuse" in text) == (is_text, is_number)
    held = sql(database, f"INSERT INTO n (a) SELECT {value} FROM t")
    assert ("dirk_text" in held, "dirk_refuse" in held) == (is_text, False), "a domain keeps infinities out itself"


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO t (a) SELECT 'x' || random() FROM (VALUES (1), (2), (3)) AS s",
        "INSERT INTO t (a) VALUES ('x' || random()), ('y' || random()), ('z' || random())",
        "INSERT INTO numbered (a) SELECT random() * 2.0 FROM (VALUES (1), (2), (3)) AS s",
        "UPDATE three SET a = char(random() & 63)",
        "UPDATE three SET (a, b) = ('x' || random(), 1)",
        "UPDATE three SET b = 'x' || random() FROM (SELECT 1 AS a) AS s",
    ],
)
def test_what_is_looked_at_is_computed_once(text: str) -> None:
    """Else chance could give one value to be looked at and another to be stored."""
    found = SmallDatabase()
    found.run("CREATE TABLE t (a, b)")
    found.run("CREATE TABLE numbered (id INTEGER PRIMARY KEY, a)")
    found.run("CREATE TABLE three (a, b)")
    found.run("INSERT INTO three VALUES (1, 1), (2, 2), (3, 3)")
    plan = found.plan(text, True)
    assert isinstance(plan, ChangePlan) and ("dirk_text" in plan.sql or "dirk_refuse" in plan.sql)
    found.context.begin(0, 7)
    fourth = [found.context.random() for _ in range(4)][-1]
    found.context.begin(0, 7)
    found.connection.execute(plan.sql, [*split(text).literals]).fetchall()
    assert found.connection.changes() == 3
    assert found.context.random() == fourth
