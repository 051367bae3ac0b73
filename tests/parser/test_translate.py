"""TRANSLATE: any statement, in either vocabulary, as text that means the same."""

from __future__ import annotations

import pytest

from dirk_parser.errors import SqlError
from dirk_parser.grammar.route import Kind
from dirk_parser.grammar.statements import Statements
from dirk_parser.normalize.normalizer import split
from tests.parser.names_kept import as_it_was
from tests.parser.small_database import SmallDatabase


def translated(text: str, to: str = "") -> str:
    """What `adikao` answers for a statement, in a database that holds nothing."""
    ((found,),) = SmallDatabase().run(f"adikao {to and f'ho {to} '}{text}")
    return str(found)


@pytest.mark.parametrize("to", ["SQL", "gasy"])
def test_every_form_means_the_same_after_translation(
    statements: Statements, identity_lines: list[str], to: str
) -> None:
    database = SmallDatabase()
    for line in identity_lines:
        ((found,),) = database.run(f"adikao ho {to} {line}")
        before, after = split(line), split(found)
        if "fetra 2 5" in line and to == "SQL":
            assert found.endswith("LIMIT 3 OFFSET 2")
            continue
        tree = statements.parse(before)
        assert as_it_was(tree, statements.parse(after), before) == tree, found
        assert after.literals == before.literals, found
        assert translated(found, to) == found


@pytest.mark.parametrize(
    ("text", "standard", "malagasy"),
    [
        (
            "alaivo a ao@ t rehefa ! b alaharo (a midina) fetra 2 5",
            "SELECT a FROM t WHERE NOT b ORDER BY a DESC LIMIT 3 OFFSET 2",
            "alaivo a ao@ t rehefa tsy b alaharo a midina fetra 2 5",
        ),
        ("alaivo 1 fetra 5 2", "SELECT 1 LIMIT 0 OFFSET 5", "alaivo 1 fetra 5 2"),
        ("SELECT 'it''s' FROM `order`", "SELECT 'it''s' FROM `order`", "alaivo 'it''s' ao@ `order`"),
        ("use testdb", "USE testdb", "ampiasao testdb"),
        ("hazavao alaivo 1", "EXPLAIN SELECT 1", "hazavao alaivo 1"),
        ("adikao ho `a b` alaivo 1", "TRANSLATE TO `a b` SELECT 1", "adikao ho `a b` alaivo 1"),
    ],
)
def test_the_text_in_each_vocabulary(text: str, standard: str, malagasy: str) -> None:
    assert translated(text) == translated(text, "SQL") == translated(text, "sql") == standard
    assert translated(text, "gasy") == malagasy
    ((found,),) = SmallDatabase().run(f"TRANSLATE TO GASY {text}")
    assert found == malagasy


def test_two_texts_of_one_shape_are_two_answers() -> None:
    database = SmallDatabase()
    assert database.run("adikao alaivo 1, 'a' fetra 0 1") == [("SELECT 1, 'a' LIMIT 1 OFFSET 0",)]
    assert database.run("adikao alaivo 2, 'b' fetra 1 4") == [("SELECT 2, 'b' LIMIT 3 OFFSET 1",)]


def test_the_smallest_whole_number_stays_whole() -> None:
    database = SmallDatabase()
    ((text,),) = database.run("adikao alaivo -9223372036854775808 antso x")
    assert database.run(text) == [(-(2**63),)]


def test_it_is_a_read_of_nothing_with_one_column(statements: Statements) -> None:
    text = "adikao ravao ny tahiry sekoly"
    assert statements.route(split(text)).kind is Kind.READ
    database = SmallDatabase()
    plan = database.plan(text)
    assert (database.names(text), plan.tables, plan.repeatable, plan.relation) == (  # type: ignore[union-attr]
        ["fanasehoana"], (), True, "fanasehoana",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "key", "params"),
    [
        ("adikao ho frantsay alaivo 1", "unknown_vocabulary", {"name": "frantsay", "known": "SQL, malagasy"}),
        ("adikao alaivo 1 fetra ? ?", "not_supported", {"what": "fetra ? ?"}),
        ("adikao alaivo 1 fetra -1 5", "limit_invalid", {}),
        ("adikao alaivo 1 fetra 0.5 5", "limit_invalid", {}),
    ],
)
def test_what_has_no_translation(text: str, key: str, params: dict[str, str]) -> None:
    error: SqlError = SmallDatabase().error(text)
    assert (error.key, error.params) == (key, params)


def test_parameters_stay_parameters() -> None:
    assert translated("alaivo ?, $a fetra ?") == "SELECT ?, $a LIMIT ?"
    assert translated("SELECT ? LIMIT ?", "gasy") == "alaivo ? fetra ?"
