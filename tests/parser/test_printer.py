"""Parse → print → parse gives the same tree and the same literals, in both vocabularies."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dirk_parser.grammar.statements import Statements
from dirk_parser.normalize.normalizer import split
from dirk_parser.printer import printer
from tests.parser.names_kept import as_it_was


def round_trip(statements: Statements, text: str, malagasy: bool) -> str:
    """The printed text of a statement; fails unless it means the same."""
    normalized = split(text)
    tree = statements.parse(normalized)
    printed = printer.write(tree, normalized, malagasy)
    again = split(printed)
    assert as_it_was(tree, statements.parse(again), normalized) == tree, printed
    assert again.literals == normalized.literals, printed
    return printed


@pytest.mark.parametrize("malagasy", [False, True])
def test_every_form_survives_the_round_trip(
    statements: Statements, identity_lines: list[str], malagasy: bool
) -> None:
    for line in identity_lines:
        printed = round_trip(statements, line, malagasy)
        assert round_trip(statements, printed, malagasy) == printed


@pytest.mark.parametrize(
    ("text", "standard", "malagasy"),
    [
        (
            "alaivo a, count(*) antso n #ao@ t #rehefa a dia tsy null #vondrona (a) #alaharo n midina #fetra 3",
            "SELECT a, count(*) AS n FROM t WHERE a IS NOT NULL GROUP BY a ORDER BY n DESC LIMIT 3",
            "alaivo a, isaina(*) antso n ao@ t rehefa a dia tsy null vondrona a alaharo n midina fetra 3",
        ),
        (
            "SELECT * FROM a LEFT JOIN b ON a.x = b.x",
            "SELECT * FROM a LEFT JOIN b ON a.x = b.x",
            "alaivo * ao@ a tonona:avia@ b ka a.x = b.x",
        ),
        (
            "insert into t values (1, 'it''s', null), (-2, 'y', true)",
            "INSERT INTO t VALUES (1, 'it''s', null), (-2, 'y', 1)",
            "manampia ao@ t sanda (1, 'it''s', null), (-2, 'y', 1)",
        ),
        (
            "create table if not exists t (id int primary key, a text not null default 'x')",
            "CREATE TABLE IF NOT EXISTS t (id int PRIMARY KEY, a text NOT NULL DEFAULT 'x')",
            "manamboara tabilao raha tsy misy t (id int fanalahidy, a text tsy null sanda fototra 'x')",
        ),
    ],
)
def test_text_in_each_vocabulary(statements: Statements, text: str, standard: str, malagasy: str) -> None:
    assert round_trip(statements, text, False) == standard
    assert round_trip(statements, text, True) == malagasy


_CONSTANTS = ("1", "2.5", "'x'", "x'0a'", "null", "marina", "?", "$p")
_LEAVES = st.sampled_from((*_CONSTANTS, "a", "b.c", "count(*)", "(alaivo 1)", "misy (alaivo 1)"))
_ARITHMETIC = ("+", "-", "*", "/", "DIV", "%", "||", "&", "|", "<<", ">>", "->", "->>")
_BINARY = st.sampled_from((*_ARITHMETIC, "=", "<>", "<", "<=", ">", ">=", "ary", "na", "dia", "tahaka"))
_PREFIX = st.sampled_from(["- ", "+ ", "~ ", "! ", "tsy "])


def _larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    grouped = inner.map(lambda text: f"({text})")
    either = st.one_of(inner, grouped)
    return st.one_of(
        st.tuples(either, _BINARY, grouped).map(" ".join),
        # Its list ends a condition: an operator after it would have nothing to stand on.
        st.tuples(either, grouped).map(lambda each: f"({each[0]} anaty {each[1]})"),
        st.tuples(_PREFIX, grouped).map("".join),
        st.tuples(either, grouped, grouped).map(lambda each: f"{each[0]} tsy anelanelana {each[1]} ary {each[2]}"),
        st.tuples(inner, inner).map(lambda each: f"tranga raha {each[0]} omeo {each[1]} farany"),
        st.tuples(inner, inner).map(lambda each: f"coalesce({each[0]}, {each[1]})"),
    )


@settings(deadline=None, derandomize=True, database=None)
@given(st.recursive(_LEAVES, _larger, max_leaves=12), st.booleans())
def test_any_expression_survives_the_round_trip(statements: Statements, text: str, malagasy: bool) -> None:
    printed = round_trip(statements, f"alaivo {text} antso x", malagasy)
    assert round_trip(statements, printed, not malagasy)
