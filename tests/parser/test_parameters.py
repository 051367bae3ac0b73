"""Parameters: wherever a literal may stand, and never anything but a value, whatever their text says."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dirk_parser.errors import SqlError
from dirk_parser.normalize.normalized_statement import Args
from dirk_parser.normalize.normalizer import placed, split
from dirk_parser.plan.bind import check_surplus
from tests.parser.small_database import SmallDatabase
from tests.parser.twin_text import TEXTS

#: Statements with one value, `{}`, in both vocabularies: every place of an expression and of a change.
PLACES = (
    ("alaivo {}", "SELECT {}"),
    ("alaivo b, {} || b ao@ t", "SELECT b, {} || b FROM t"),
    ("alaivo a ao@ t rehefa b = {}", "SELECT a FROM t WHERE b = {}"),
    ("alaivo a ao@ t rehefa b anaty ('a', {})", "SELECT a FROM t WHERE b IN ('a', {})"),
    ("alaivo a ao@ t rehefa b anelanelana {} ary 'zz'", "SELECT a FROM t WHERE b BETWEEN {} AND 'zz'"),
    ("alaivo a ao@ t rehefa b tahaka {}", "SELECT a FROM t WHERE b LIKE {}"),
    ("alaivo tranga b raha {} omeo {} ankoatra b farany ao@ t", "SELECT CASE b WHEN {} THEN {} ELSE b END FROM t"),
    ("alaivo halava({}), replace(b, 'a', {}) ao@ t", "SELECT length({}), replace(b, 'a', {}) FROM t"),
    ("alaivo avadiho({} antso lahatsoratra)", "SELECT CAST({} AS TEXT)"),
    ("alaivo b ao@ t vondrona b manana ambony(b) > {}", "SELECT b FROM t GROUP BY b HAVING max(b) > {}"),
    ("alaivo b ao@ t alaharo b = {}, b, a", "SELECT b FROM t ORDER BY b = {}, b, a"),
    ("alaivo b ao@ t ankambana alaivo {}", "SELECT b FROM t UNION SELECT {}"),
    ("sanda ({}, 1)", "VALUES ({}, 1)"),
    ("miaraka w(x) antso (alaivo {}) alaivo x ao@ w", "WITH w(x) AS (SELECT {}) SELECT x FROM w"),
    ("alaivo 1 ao@ t tonona t u ka t.b = u.b ary u.b <> {}", "SELECT 1 FROM t JOIN t u ON t.b = u.b AND u.b <> {}"),
    ("alaivo misy (alaivo 1 ao@ t rehefa b = {})", "SELECT EXISTS (SELECT 1 FROM t WHERE b = {})"),
    ("alaivo isaina(*) FILTER (rehefa b > {}) ao@ t", "SELECT count(*) FILTER (WHERE b > {}) FROM t"),
    ("manampia ao@ t (a, b) sanda (9, {})", "INSERT INTO t (a, b) VALUES (9, {})"),
    ("manampia ao@ t alaivo 9, {}", "INSERT INTO t SELECT 9, {}"),
    ("manampia ao@ t sanda (1, 'n') on conflict (a) do update set b = {} returning b, {}",
     "INSERT INTO t VALUES (1, 'n') ON CONFLICT (a) DO UPDATE SET b = {} RETURNING b, {}"),
    ("havaozy t ova b = {} rehefa b <> {}", "UPDATE t SET b = {} WHERE b <> {}"),
    ("fafao ao@ t rehefa b >= {}", "DELETE FROM t WHERE b >= {}"),
)  # fmt: skip
HOSTILE = (
    *TEXTS, "'); DROP TABLE t; --", "' OR '1'='1", '" OR ""="', "\\", "\\'", "?", "$a", "'s'", "'i'", "?1", "*/",
    "/*dirk", "x' UNION SELECT b FROM t --", "`t`", "t.b", "now", "localtime", "\r\n", "\ufeff", "\u202e", "𝕊",
    "ALAIVO * AO@ t;",
)  # fmt: skip


def outcome(text: str, args: Args) -> tuple[object, object]:
    """What a statement answers, and what the table then holds."""
    database = SmallDatabase()
    database.run("create table t (a isa primary key, b text)")
    database.run("insert into t values (1, 'a'), (2, 'b'), (3, 'now'), (4, 'é')")
    answer = database.run(text, args)
    return answer, database.run("select * from t order by a")


def written(value: str) -> str:
    """`value` as a literal."""
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def check(place: tuple[str, str], value: str) -> None:
    """The parameter means what the literal means, in both vocabularies."""
    found = [outcome(text.replace("{}", "?"), (value,) * text.count("{}")) for text in place]
    wanted = outcome(place[1].replace("{}", written(value)), ())
    assert found == [wanted, wanted], (place, value)


@pytest.mark.parametrize("place", PLACES)
def test_a_hostile_text_is_only_a_value(place: tuple[str, str]) -> None:
    for value in HOSTILE[:: 1 if place is PLACES[0] else 8]:
        check(place, value)


@given(st.sampled_from(PLACES), st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12))
@settings(max_examples=60, deadline=None, derandomize=True, database=None)
def test_any_text_is_only_a_value(place: tuple[str, str], value: str) -> None:
    check(place, value)


@pytest.mark.parametrize(
    ("text", "args", "rows"),
    [
        ("alaivo a ao@ t alaharo a fetra ? dingano ?", (2, 1), [(2,), (3,)]),
        ("SELECT a FROM t ORDER BY a LIMIT ?, ?", (1, 1), [(2,)]),
        ("alaivo a ao@ t alaharo a fetra ? ?", (0, 2), [(1,), (2,)]),
        ("alaivo sum(a) over (alaharo a rows ? preceding) ao@ t", (1,), [(1,), (3,), (5,), (7,)]),
        ("alaivo a ao@ t rehefa a anaty ($x, $y)", {"x": 1, "y": 4}, [(1,), (4,)]),
        ("alaivo a ao@ t rehefa (a, b) = (?, ?)", (1, "a"), [(1,)]),
        ("SELECT -?, ? IS NULL, ? + 1, ? / 2", (1, None, 2**62, 7), [(-1, True, 2**62 + 1, 3.5)]),
    ],
)
def test_numbers_in_their_places(text: str, args: Args, rows: object) -> None:
    assert outcome(text, args)[0] == rows


@pytest.mark.parametrize(
    ("text", "key", "column"),
    [
        ("create table u (a isa default ?)", "parameter_misplaced", 31),
        ("create table u (a isa(?, 3))", "parameter_misplaced", 23),
        ("manamboara efitra d (isa($x, 3))", "parameter_misplaced", 26),
        ("select * from ?", "parameter_misplaced", 15),
        ("create table u (a isa check (a > ?))", "argument_not_allowed", 34),
        ("manamboara jery v @ alaivo ?", "argument_not_allowed", 28),
        ("create index i on t (a) where a > ?", "argument_not_allowed", 35),
        ("create table u as select ? x", "argument_not_allowed", 26),
    ],
)
def test_where_a_parameter_can_not_stand_it_is_pointed_at(text: str, key: str, column: int) -> None:
    database = SmallDatabase()
    database.run("create table t (a isa)")
    error = database.error(text, (1,))
    assert (error.key, error.place + 1) == (key, column)


@pytest.mark.parametrize(
    ("text", "args", "column"),
    [
        ("select 'a?', ? antso `?`, 1, ?", (1,), 30),
        ("select 1 `$x`, 'z', $x", {"y": 1}, 21),
        ("manampia ao@ t sanda (?)", (), 23),
    ],
)
def test_a_parameter_without_a_value_is_pointed_at(text: str, args: Args, column: int) -> None:
    database = SmallDatabase()
    database.run("create table t (a isa)")
    error = placed(database.error(text, args), text)
    assert (error.key, error.params["column"]) == ("missing_argument", column)


@pytest.mark.parametrize(
    ("text", "args", "surplus"),
    [
        ("select ?, 'a?', `?` ao@ t -- ?", (1, 2), "?2"),
        ("select 1", (None,), "?1"),
        ("select $x", (1,), "?1"),
        ("select $x, '$y', `$z`", {"x": 1, "y": 2}, "$y"),
        ("select $x, $X", {"x": 1, "X": 2, "z": 3}, "$z"),
        ("select ?", {"x": 1}, "$x"),
    ],
)
def test_a_value_without_a_parameter_is_refused(text: str, args: Args, surplus: str) -> None:
    with pytest.raises(SqlError) as refused:
        check_surplus(split(text).template, args)
    assert (refused.value.sqlstate, refused.value.params["name"]) == ("07001", surplus)


def test_what_has_a_parameter_is_no_surplus() -> None:
    check_surplus(split("manampia ao@ t sanda (1, 2), (?, ?), (3, $a) returning ?").template, (1, 2, 3))
    check_surplus(split("select $a, $a, $été, $b").template, {"a": 1, "été": 2})
    check_surplus("select 1", ())
