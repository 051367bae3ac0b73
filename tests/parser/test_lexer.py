"""Tokens: noise goes, names and keywords are told apart, depth is bounded."""

from __future__ import annotations

import pytest

from dirk_parser.errors import SqlError
from dirk_parser.lexical.lexer import MAX_NESTING, MAX_TOKENS, Lexer, SyntaxFault
from dirk_parser.normalize.normalizer import split


def types(text: str) -> list[str]:
    """The token types of a statement."""
    return [token.type for token in Lexer(split(text).template).tokens]


@pytest.mark.parametrize("text", ["#ao@ t", "#ao @ t", "ao@ t", "ao t", "# ao@ t", "#AO@t", "FROM t", "#from @ ny t"])
def test_noise_marks_and_ny_vanish(text: str) -> None:
    assert types(text) == ["FROM", "ID"]


def test_at_means_something_after_a_name_only() -> None:
    assert types("jery v @ alaivo") == ["VIEW", "ID", "AT", "SELECT"]
    assert types("jery anarana @ alaivo") == ["VIEW", "ANARANA", "AT", "SELECT"]
    assert types("`ao`@ t") == ["ID", "AT", "ID"]
    assert types("a #ankambana@ b #-@ c") == ["ID", "UNION", "ID", "EXCEPT", "ID"]


def test_sides_of_a_join_are_words_only_there() -> None:
    assert types("tonona:avia@ b") == ["JOIN", "COLON", "SIDE_LEFT", "ID"]
    assert types("tonona : natoraly avia@ b") == ["JOIN", "COLON", "SIDE_NATURAL", "SIDE_LEFT", "ID"]
    assert types("tonona:@ b") == ["JOIN", "COLON", "ID"]
    assert types("avia feno") == ["ID", "ID"]


def test_if_and_on_conflict_depend_on_what_follows() -> None:
    assert types("if not exists if (") == ["IF", "NOT", "EXISTS", "ID", "LPAREN"]
    assert types("on conflict do") == ["ON_CONFLICT", "DO"]
    assert types("on conflict = 1") == ["ON", "CONFLICT", "EQ", "WHOLE"]


def test_names_of_all_scripts_and_quoted_ones() -> None:
    tokens = Lexer("été _x 名前 हिन्दी e\u0301t `a``b` `select`").tokens
    assert [token.value for token in tokens] == ["été", "_x", "名前", "हिन्दी", "e\u0301t", "a`b", "select"]
    assert {token.type for token in tokens} == {"ID"}


def test_parameters_are_counted() -> None:
    assert [token.value for token in Lexer("? , $nom ?").tokens] == [0, ",", "nom", 1]


@pytest.mark.parametrize("text", ["a #b", "#(", "a×b", "``", "[a]", "a $ b", "#`ao`"])
def test_what_no_token_begins_with(text: str) -> None:
    with pytest.raises(SyntaxFault):
        Lexer(text)


def test_nesting_is_bounded_without_recursion() -> None:
    assert len(Lexer("(" * MAX_NESTING + ")" * MAX_NESTING).tokens) == 2 * MAX_NESTING
    with pytest.raises(SqlError) as caught:
        Lexer("(" * 10_000)
    assert caught.value.sqlstate == "54001"


def test_the_number_of_tokens_is_bounded() -> None:
    with pytest.raises(SqlError) as caught:
        Lexer("a " * (MAX_TOKENS + 1))
    assert caught.value.key == "too_complex"
