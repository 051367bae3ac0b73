"""EXPLAIN: the tree of relational algebra, and SQLite's plan below it."""

from __future__ import annotations

import pytest

from dirk_gevent.engine.read.explain import explanation
from dirk_parser.ast.query import Query
from dirk_parser.ast.statement import Delete, Insert, Update
from dirk_parser.compile.algebra import lines
from dirk_parser.grammar.statements import Statements
from dirk_parser.normalize.normalizer import split
from dirk_parser.plan.plan import Explained, QueryPlan
from tests.parser.small_database import SmallDatabase


@pytest.fixture
def database() -> SmallDatabase:
    """Two tables and an index."""
    found = SmallDatabase()
    for text in ("create table t (a isa, b isa, s text)", "create table u (a isa)", "create index i on t (a)"):
        found.run(text)
    return found


def explained(database: SmallDatabase, text: str) -> list[str]:
    """All lines that EXPLAIN answers for a query."""
    plan = database.plan(text)
    assert isinstance(plan, QueryPlan) and plan.explained is not None
    assert plan.repeatable is False, "an index made later would change the answer"
    rows = database.connection.execute(plan.sql, split(text).literals[: len(plan.binds)]).fetchall()
    return [str(line) for (line,) in explanation(plan.explained, rows)]


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("SELECT 1", "π 1"),
        ("alaivo a ao t rehefa a > 1 ary s = 'x'", "π a\n└ σ a > 1 AND s = 'x'\n  └ t"),
        (
            "SELECT DISTINCT a FROM t ORDER BY a DESC LIMIT 3 OFFSET 1",
            "λ 3 OFFSET 1\n└ τ a DESC\n  └ δ\n    └ π a\n      └ t",
        ),
        ("alaivo a ao t fetra 1 4", "λ [1, 4)\n└ π a\n  └ t"),
        (
            "SELECT b, count(*), max(a) + 1 FROM t GROUP BY b HAVING sum(a) > 1 ORDER BY min(a)",
            "τ min(a)\n└ π b, count(*), max(a) + 1\n"
            "  └ σ sum(a) > 1\n    └ γ b; count(*), max(a), sum(a), min(a)\n      └ t",
        ),
        ("SELECT max(a, b), isaina(*) FROM t", "π max(a, b), count(*)\n└ γ count(*)\n  └ t"),
        ("SELECT rank() OVER (ORDER BY a) FROM t", "π rank() OVER (ORDER BY a)\n└ ω rank() OVER (ORDER BY a)\n  └ t"),
        ("SELECT * FROM t x LEFT JOIN u ON x.a = u.a", "π *\n└ ⟕ x.a = u.a\n  ├ ρ x\n  │ └ t\n  └ u"),
        ("SELECT 1 FROM t NATURAL JOIN u", "π 1\n└ ⋈\n  ├ t\n  └ u"),
        ("SELECT 1 FROM t NATURAL JOIN u ON 1", "π 1\n└ ⋈ NATURAL 1\n  ├ t\n  └ u"),
        ("SELECT 1 FROM t FULL JOIN u USING (a)", "π 1\n└ ⟗ a\n  ├ t\n  └ u"),
        ("SELECT 1 FROM t CROSS JOIN u, u v", "π 1\n└ ×\n  ├ ×\n  │ ├ t\n  │ └ u\n  └ ρ v\n    └ u"),
        ("SELECT a FROM t UNION SELECT a FROM u", "∪\n├ π a\n│ └ t\n└ π a\n  └ u"),
        ("SELECT a FROM t EXCEPT VALUES (1), (2)", "−\n├ π a\n│ └ t\n└ VALUES (2)"),
        ("SELECT a FROM t INTERSECT SELECT 1 UNION ALL SELECT 2", "⊎\n├ ∩\n│ ├ π a\n│ │ └ t\n│ └ π 1\n└ π 2"),
        ("WITH w AS (SELECT a FROM u) SELECT * FROM w", "WITH\n├ w ≔\n│ └ π a\n│   └ u\n└ π *\n  └ w"),
        ("SELECT q.a FROM (SELECT a FROM t) q", "π q.a\n└ ρ q\n  └ π a\n    └ t"),
        (
            "SELECT a FROM t WHERE b IN (SELECT count(*) FROM u)",
            "π a\n└ σ b IN (SELECT count(*) FROM u)\n  └ t",
        ),
    ],
)
def test_the_tree_of_a_query(database: SmallDatabase, text: str, tree: str) -> None:
    found = explained(database, f"hazavao {text}")
    assert found[: found.index("SQLite")] == tree.split("\n")
    assert explained(database, f"EXPLAIN QUERY PLAN {text}") == found


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("insert into t (a, b) values (1, 2), (3, 4)", "t ← t(a, b) ∪\n└ VALUES (2)"),
        ("manampia ao@ t (a) alaivo a ao@ u rehefa a > 1", "t ← t(a) ∪\n└ π a\n  └ σ a > 1\n    └ u"),
        ("insert or ignore into t default values", "t ← t ∪ OR IGNORE\n└ DEFAULT VALUES"),
        (
            "insert into u values (1) on conflict (a) do update set a = excluded.a + 1 where u.a > 2 returning a",
            "π a\n└ u ← u ∪ ON CONFLICT (a) u[a ≔ excluded.a + 1] σ u.a > 2\n  └ VALUES (1)",
        ),
        ("insert into u values (1) on conflict do nothing", "u ← u ∪ ON CONFLICT NOTHING\n└ VALUES (1)"),
        ("havaozy t ova a = a + 1, s = 'x' rehefa b = 2", "t ← t[a ≔ a + 1, s ≔ 'x']\n└ σ b = 2\n  └ t"),
        ("update t set a = u.a from u where b = u.a", "t ← t[a ≔ u.a]\n└ σ b = u.a\n  └ ×\n    ├ t\n    └ u"),
        ("fafao ao@ t rehefa a = 1", "t ← t −\n└ σ a = 1\n  └ t"),
        ("delete from t", "t ← t −\n└ t"),
        (
            "with w as (select a from u) delete from t where a in (select a from w)",
            "WITH\n├ w ≔\n│ └ π a\n│   └ u\n└ t ← t −\n  └ σ a IN (SELECT a FROM w)\n    └ t",
        ),
    ],
)
def test_the_tree_of_a_change(database: SmallDatabase, text: str, tree: str) -> None:
    database.run("create unique index one on u (a)")
    found = explained(database, f"hazavao {text}")
    end = found.index("SQLite") if "SQLite" in found else len(found)
    assert found[:end] == tree.split("\n")
    assert database.run("select count(*) from t") == [(0,)]


def test_a_change_that_looks_for_rows_shows_how(database: SmallDatabase) -> None:
    assert explained(database, "hazavao fafao ao@ t rehefa a = 1")[-1] == "  SEARCH t USING INDEX i (a=?)"


def test_sqlites_plan_names_tables_as_the_statement_does(database: SmallDatabase) -> None:
    text = "hazavao alaivo x.s ao@ t x tonona u ka x.a = u.a"
    assert explained(database, text)[-3:] == ["SQLite", "  SCAN u", "  SEARCH x USING INDEX i (a=?)"]
    materialized = explained(database, "explain with w as materialized (select a from u) select * from w, w z")
    assert "  MATERIALIZE w" in materialized and "    SCAN u" in materialized and "  SCAN z" in materialized


def test_an_index_called_like_an_alias_keeps_its_name() -> None:
    rows = [(2, 0, 0, "SEARCH t1 USING INDEX t2 (a=?)"), (5, 2, 0, "SCAN t9")]
    explained = Explained(("π *",), (("t1", "mine"), ("t2", "other")))
    found = explanation(explained, rows)
    assert found == [("π *",), ("SQLite",), ("  SEARCH mine USING INDEX t2 (a=?)",), ("    SCAN t9",)]


def test_two_texts_of_one_shape_show_their_own_literals(database: SmallDatabase) -> None:
    first, second = (explained(database, f"hazavao alaivo a ao t rehefa a = {number}")[1] for number in (1, 2))
    assert (first, second) == ("└ σ a = 1", "└ σ a = 2")


def test_every_form_of_a_query_has_a_tree(statements: Statements, identity_lines: list[str]) -> None:
    trees = 0
    for line in identity_lines:
        normalized = split(line)
        statement = statements.parse(normalized)
        if isinstance(statement, Query | Insert | Update | Delete):
            assert all(lines(statement, normalized.literals)), line
            trees += 1
    assert trees > 50


def test_what_can_not_be_explained(database: SmallDatabase) -> None:
    for text, what in (
        ("ravao ny tabilao t", "DROP TABLE"), ("create table v as select 1", "CREATE TABLE"), ("use t", "USE"),
        ("alter table t add column z", "ALTER TABLE"), ("explain select 1", "EXPLAIN"), ("atombohy", "BEGIN"),
    ):  # fmt: skip
        refused = database.error(f"hazavao {text}")
        assert (refused.key, refused.params) == ("not_explainable", {"what": what})
    assert database.error("hazavao fafao ao@ t rehefa tsisy = 1").key == "unknown_column"
    assert database.error("hazavao alaivo tsisy ao@ t").key == "unknown_column"
    assert database.error("hazavao alaivo 1 ao@ tsisy").key == "unknown_table"
