"""What a statement computes and stores is text that is UTF-8 without a NUL, and numbers that are finite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dirk_gevent.engine.database import Database
from dirk_gevent.engine.results import Outcome
from dirk_parser.normalize.normalizer import split
from tests.engine.plans import START_MS, LogMaker, open_compiled, open_database, work

pytestmark = pytest.mark.usefixtures("unwatched")

#: What SQLite makes of blobs, lone surrogates and NUL: texts, all of them.
UNSOUND = (
    "x'ff' || ''",
    "'a' || x'80'",
    "upper(x'ff')",
    "trim(x'c3')",
    "concat('a', x'e282')",
    "printf('%s', x'ff')",
    "replace(x'ff41', 'A', 'b')",
    "substr('a' || x'ff', 2)",
    "CAST(x'c080' AS TEXT)",
    "CAST(x'ff' AS LAHATSORATRA(0, 9))",
    "char(55296)",
    "json_extract('[\"\\\\ud800\"]', '$[0]')",
    "'[\"\\\\ud800\"]' ->> 0",
    "coalesce(null, char(57343))",
    "CASE WHEN true THEN x'ff' || 'a' ELSE 'a' END",
    "(SELECT group_concat(char(55296)))",
    "'ab' || char(0) || 'cdef'",
    "char(0)",
    "printf('%.*c', 2000, 'x') || x'ff'",
)
INFINITE = (
    "1e308 * 10",
    "-1e308 * 10",
    "exp(1000)",
    "CAST('1e999' AS REAL)",
    "0 + '1e999'",
    "json_extract('9e999', '$')",
)
#: Each form of a write, and the column that it names.
WRITES = (
    ("INSERT INTO t VALUES ({}, 1)", "a"),
    ("INSERT INTO t VALUES (1, 1), ({}, 2)", "a"),
    ("INSERT INTO t (b, a) SELECT 1, {}", "a"),
    ("INSERT INTO t (b) SELECT 'a' UNION ALL SELECT {}", "b"),
    ("WITH w (x) AS (SELECT {}) INSERT INTO t (a) SELECT x FROM w", "a"),
    ("WITH s (x) AS (VALUES (1), ({})) INSERT INTO t (a) SELECT x FROM s", "a"),
    ("REPLACE INTO u VALUES (1, {})", "b"),
    ("INSERT INTO u VALUES (1, 2) ON CONFLICT (k) DO UPDATE SET b = {}", "b"),
    ("INSERT INTO u SELECT 1, {} WHERE true ON CONFLICT (k) DO UPDATE SET b = excluded.b", "b"),
    ("INSERT INTO numbered (a) VALUES ('x' || 'y'), ({})", "a"),
    ("INSERT INTO rounded VALUES ({})", "a"),
    ("UPDATE t SET a = {}", "a"),
    ("UPDATE t SET (a, b) = (1, {})", "b"),
    ("UPDATE t SET (a, b) = (SELECT 1, {})", "b"),
    ("UPDATE t SET b = s.x FROM (SELECT {} AS x) AS s", "b"),
    ("CREATE TABLE made AS SELECT {} AS a", "a"),
)
SETUP = (
    "CREATE TABLE t (a, b)",
    "INSERT INTO t VALUES ('é', 1)",
    "CREATE TABLE u (k PRIMARY KEY, b)",
    "INSERT INTO u VALUES (1, 'x')",
    "CREATE TABLE numbered (id INTEGER PRIMARY KEY, a)",
    "CREATE TABLE rounded (a NUMERIC(6, 2):LAHATSORATRA)",
)
VALID = (
    ("'é' || 'à'", "éà"),
    ("char(128512)", "😀"),
    ("'e' || char(769)", "e\u0301"),
    ("'' || char(65533)", "\ufffd"),
    ("char(57344)", "\ue000"),
    ("char(55295, 1114111)", "\ud7ff\U0010ffff"),
    ("char(65534, 1, 127, 128)", "\ufffe\x01\x7f\x80"),
    ("CAST(x'c3a9' AS TEXT)", "é"),
    ("json_extract('[\"\\\\ud83d\\\\ude00\"]', '$[0]')", "😀"),
    ("'' || ''", ""),
    ("printf('%.*c', 2000, 'x') || 'é'", "x" * 2000 + "é"),
    ("upper(printf('%.*c', 2000, 'x'))", "X" * 2000),
)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A few tables, on the real compiler."""
    engine = open_compiled(tmp_path / "data")
    found = open_database(engine)
    assert not [outcome.sqlstate for outcome in run(found, *SETUP) if outcome.sqlstate]
    yield found
    engine.close()


def run(database: Database, *texts: str) -> list[Outcome]:
    """Apply statements, an entry each."""
    log = LogMaker(1)
    log.index = database.applied_index
    return database.apply(work(*(log.statement(split(text)) for text in texts)))


def rows(database: Database, text: str) -> list[tuple[object, ...]]:
    """The rows of a query."""
    return list(database.reads.read(split(text), (), START_MS).rows)


@pytest.mark.parametrize("source", UNSOUND)
def test_no_write_stores_text_that_is_none(database: Database, source: str) -> None:
    """Each form twice: the plan of the second is kept. Nothing of either is left behind."""
    _, before = database.upkeep.content_digest()
    for form, column in WRITES:
        text = form.format(source)
        refused = run(database, text, text)
        found = [(each.sqlstate, each.key, each.params, each.tables) for each in refused]
        assert found == [("22021", "text_invalid", {"column": column}, ())] * 2, text
    assert database.upkeep.content_digest()[1] == before
    assert rows(database, "SELECT * FROM t") == [("é", 1)]


@pytest.mark.parametrize("source", INFINITE)
def test_no_write_stores_an_infinity(database: Database, source: str) -> None:
    _, before = database.upkeep.content_digest()
    for form, _ in WRITES:
        text = form.format(source)
        assert [each.sqlstate for each in run(database, text, text)] == ["22003"] * 2, text
    assert database.upkeep.content_digest()[1] == before


@pytest.mark.parametrize(("source", "value"), VALID)
def test_every_other_text_is_stored_as_it_is(database: Database, source: str, value: str) -> None:
    for form, column in WRITES:
        text = form.format(source)
        assert run(database, text)[0].sqlstate == "", text
        table = next(word for word in ("made", "rounded", "numbered", "u ", "t ") if f" {word}" in text)
        found = rows(database, f"SELECT {column} FROM {table}")
        assert (value,) in found, text
    assert rows(database, "SELECT typeof(a), a FROM made") == [("text", value)]


@pytest.mark.parametrize(
    ("domain", "accepted", "refused"),
    [
        ("ISA", ("1.7976931348623157e308", "-1.7976931348623157e308"), {"1e308 * 10": "22003", "-1e308 * 10": "22003"}),
        ("ISA(0, null)", ("0", "1.7976931348623157e308"), {"1e308 * 10": "22003", "-1": "23514"}),
        ("ISA(null, 0):TANISA('x')", ("-1.7976931348623157e308", "'x'"), {"-1e308 * 10": "22003", "'y'": "23514"}),
        ("BLOB", ("x'ff'", "1.7976931348623157e308", "zeroblob(2)"), {"1e308 * 10": "22003", "x'ff' || ''": "22021"}),
        ("LAHATSORATRA(1, 3)", ("'abc'",), {"'ab' || char(0) || 'cdef'": "22021", "'abcd'": "23514"}),
        ("TANISA('a')", ("'a'",), {"'a' || char(0)": "22021", "'a' || x'ff'": "22021"}),
    ],
)
def test_domains_keep_what_they_accept(
    database: Database, domain: str, accepted: tuple[str, ...], refused: dict[str, str]
) -> None:
    assert run(database, f"CREATE TABLE n (a {domain})")[0].sqlstate == ""
    for value in accepted:
        assert run(database, f"INSERT INTO n VALUES ({value})", f"INSERT INTO n SELECT {value}")[1].sqlstate == ""
    for value, sqlstate in refused.items():
        assert run(database, f"INSERT INTO n VALUES ({value})")[0].sqlstate == sqlstate, value
        assert run(database, f"UPDATE n SET a = {value}")[0].sqlstate == sqlstate, value
    assert len(rows(database, "SELECT a FROM n")) == 2 * len(accepted)


def test_what_a_column_gives_itself_is_looked_at(database: Database) -> None:
    """Defaults and computed columns, also those that come to a table with rows in it."""
    made = run(
        database,
        "CREATE TABLE d (k, a DEFAULT (char(55296)), b DEFAULT (1e308 * 10), c DEFAULT ('x' || 'é'))",
        "CREATE TABLE g (k, a AS (k || '') STORED)",
        "CREATE TABLE v (k, a AS (upper(k)), b AS (k * 1e308))",
        "INSERT INTO d VALUES (1, 2, 3, 4)",
    )
    assert not [each.sqlstate for each in made if each.sqlstate]
    refused = run(
        database,
        "INSERT INTO d (k, b) VALUES (1, 2)",
        "INSERT INTO d (k, a) VALUES (1, 2)",
        "INSERT INTO g VALUES (x'ff')",
        "INSERT INTO v VALUES (x'ff')",
        "INSERT INTO v VALUES (10)",
        "INSERT INTO t (a) VALUES (x'ff')",
        "ALTER TABLE t ADD COLUMN c AS (a || '')",
        "ALTER TABLE t ADD COLUMN c AS (a || '') STORED",
    )
    found = [f"{each.sqlstate} {each.params.get('column')}" for each in refused]
    assert found == ["22021 a", "22003 b", "22021 a", "22021 a", "22003 b", " None", "22021 c", "22021 c"]
    sound = ("INSERT INTO d (k, a, b) VALUES (1, 2, 3)", "INSERT INTO g VALUES ('é')", "INSERT INTO v VALUES (1)")
    kept = run(database, *sound)
    assert not [each.sqlstate for each in kept if each.sqlstate]
    assert rows(database, "SELECT c FROM d") == [(4,), ("xé",)]
    assert rows(database, "SELECT a FROM g") == [("é",)]
    assert rows(database, "SELECT * FROM v") == [(1, "1", 1e308)]


def test_what_a_view_or_a_recursion_computes_is_looked_at(database: Database) -> None:
    run(database, "CREATE VIEW w AS SELECT char(55296) AS z, 'a' AS a")
    texts = (
        "INSERT INTO t (a) SELECT z FROM w",
        "INSERT INTO t SELECT a, z FROM w",
        # The first column gets what the second held a row earlier.
        "WITH r (x, y) AS (SELECT 'a', 'b' UNION ALL SELECT y, char(55296) FROM r LIMIT 5)"
        " INSERT INTO t (a) SELECT x FROM r",
    )
    assert [each.sqlstate for each in run(database, *texts)] == ["22021"] * 3
    assert rows(database, "SELECT * FROM t") == [("é", 1)]
