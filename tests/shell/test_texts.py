"""What a reader takes from a sentence: keywords are no everyday words, signs to type stand in quotes, and what a
parameter is can be told from where it stands."""

from __future__ import annotations

import errno
import os
import re

import pytest

from dirk_gevent.messages import error_text, lookup
from dirk_gevent.messages.texts import LANGUAGES
from dirk_parser.errors import SqlError
from dirk_parser.lexical.keywords import KEYWORDS

TEXTS = lookup.messages()
#: What stands in a message to be typed or read as it is, in the quotes of each language.
QUOTED = re.compile(r"«[^»]*»|“[^”]*”|/\*dirk …\*/|\( … \)|<[^>]*>")
FIELD = re.compile(r"\{\w+\}")
#: The tokens that begin statements.
VERBS = (
    *("SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "USE", "BEGIN", "COMMIT", "ROLLBACK"),
    *("SHOW", "DESCRIBE", "EXPLAIN", "TRANSLATE", "SET"),
)
#: All but the one that shows statements as examples.
SENTENCES = {key: texts for key, texts in TEXTS.items() if key != "client_help"}
#: Parameters that are signs or words of the statement itself.
SIGNS = ("mark", "inside", "found", "character")
#: Numbers that bear the name of such a parameter.
COUNTS = ("argument_count", "column_count", "set_columns", "subquery_columns", "values_width")


def plain(text: str) -> str:
    """A sentence without what it quotes."""
    return FIELD.sub("x", QUOTED.sub("x", text))


def test_the_verbs_are_those_of_the_language() -> None:
    assert {token for token in VERBS if token not in KEYWORDS} == set()


def test_no_keyword_of_a_statement_is_an_everyday_verb() -> None:
    """`avereno ilay asa`, meant as “run it again”, says ROLLBACK."""
    words = {word for token in VERBS for word in KEYWORDS[token].malagasy}
    said = {key: set(re.findall(r"[^\W\d]+", plain(texts.mg).lower())) & words for key, texts in SENTENCES.items()}
    assert {key: verbs for key, verbs in said.items() if verbs} == {}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_sign_that_is_meant_stands_in_quotes(language: str) -> None:
    space = "" if language == "en" else " "
    for texts in SENTENCES.values():
        text = plain(texts.in_language(language))
        for sign in re.finditer(r"\s?;(?=(.?))", text):
            # Punctuation stands as the language has it: after a space or none, before one or an optional part.
            assert sign[0] == f"{space};" and sign[1] in (" ", "[", "]", ""), text
        assert re.findall(r"(?<![\w/])[*?$'](?![\w/*?])(?<! \?)", text) == [], text


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_piece_of_the_statement_stands_in_quotes(language: str) -> None:
    for key in TEXTS.keys() - set(COUNTS):
        text = TEXTS[key].in_language(language)
        for found in re.finditer(rf"\{{({'|'.join(SIGNS)})\}}", text):
            around = text[max(0, found.start() - 2) : found.end() + 2]
            assert re.search(r"« \{\w+\} »|“\{\w+\}”", around), text


def test_only_the_words_that_could_stand_there_are_called_expected() -> None:
    """The line of expected words is made of the parameter `expected`, whatever the error: a number is none."""
    for key, texts in TEXTS.items():
        assert "{expected}" not in texts.mg + texts.fr + texts.en, key
    for key in COUNTS:
        said = error_text.render(SqlError(key, name="f", wanted=2, found=3), "en")
        assert "expected" not in said and "3" in said


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_sentence_names_keywords_as_the_statement_writes_them(language: str) -> None:
    for speaks, words in (("malagasy", "vondrona"), ("standard", "GROUP BY"), ("both", "vondrona/GROUP BY")):
        assert words in error_text.render(SqlError("having_without_group", speaks=speaks), language)


@pytest.mark.parametrize(
    ("reason", "mg", "fr"),
    [
        (str(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/srv/x")), "feno ny kapila: '/srv/x'", "disque plein"),
        (os.strerror(errno.ECONNREFUSED), "tsy misy mandray ny fifandraisana", "connexion refusée"),
        ("FullError: database or disk is full", "feno ny kapila", "disque plein"),
        ("entry 7 of log 3 is not in the journal", "tsy ao amin'ny diary 3 ny laharana 7", "l'entrée 7 du journal 3"),
        ("what nobody foresaw", "what nobody foresaw", "what nobody foresaw"),
    ],
)
def test_a_reason_is_told_in_the_language_of_its_sentence(reason: str, mg: str, fr: str) -> None:
    error = SqlError("storage_fault", node="m1", reason=reason)
    assert mg in error_text.render(error, "mg")
    assert fr in error_text.render(error, "fr")
    assert reason in error_text.render(error, "en")
