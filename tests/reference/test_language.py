"""docs/language.md against the language: every example is run in both vocabularies, every keyword is in the table."""

from __future__ import annotations

import os
import re

import pytest

from dirk_parser.compile.expression.functions import FUNCTIONS as COMPILED
from dirk_parser.lexical.keywords import FUNCTIONS, KEYWORDS, RESERVED
from tests.cluster import ROOT, Cluster
from tests.reference import examples

PATH = ROOT / "docs/language.md"


def page() -> str:
    return PATH.read_text(encoding="utf-8")


def table(title: str) -> list[list[str]]:
    """The cells of the first table under a heading, without its head."""
    section = page().split(f"\n## {title}\n")[1].split("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


@pytest.mark.parametrize(("vocabulary", "part"), [("mg", "proxy"), ("sql", "cache")])
def test_every_example_answers_as_it_says(shared_cluster: Cluster, vocabulary: str, part: str) -> None:
    with shared_cluster.connect(part) as connection:
        found = list(examples.run(page(), connection, vocabulary))
    if os.environ.get("DIRK_UPDATE_GOLDEN") and vocabulary == "mg":
        PATH.write_text(examples.with_answers(page(), iter([answer for _, answer in found])), encoding="utf-8")
        found = [(example, answer) for example, (_, answer) in zip(examples.examples(page()), found, strict=True)]
    wrong = [f"{example.texts}\n{answer}" for example, answer in found if answer != example.answer]
    assert wrong == []
    assert len(found) > 100


def test_the_table_of_keywords_is_the_parsers() -> None:
    shown = {
        (tuple(re.findall(r"`(\w+)`", malagasy)), tuple(re.findall(r"\w+", standard)), reserved == "yes")
        for malagasy, standard, reserved in table("Keywords")
    }
    wanted = {
        (one.malagasy, tuple(word.upper() for word in one.standard), one.reserved)
        for one in KEYWORDS.values()
        if one.malagasy
    }
    assert shown == wanted


def test_the_words_without_a_malagasy_form_are_listed() -> None:
    section = page().split("\n## Keywords\n")[1].split("\n## ")[0]
    reserved, free = (
        set(re.findall(r"[A-Z_]+", re.split(r"\n\n", part)[0]))
        for part in section.split("<!-- standard only -->\n")[1:]
    )
    alone = [one for one in KEYWORDS.values() if not one.malagasy]
    assert reserved == {word.upper() for one in alone for word in one.standard if word in RESERVED}
    assert free == {word.upper() for one in alone for word in one.standard if word not in RESERVED}


def shown_words() -> set[str]:
    """Every word of every executed example, in small letters."""
    texts = [text for example in examples.examples(page()) for text in example.texts.values()]
    return {word.lower() for text in texts for word in re.findall(r"\w+", text)}


def test_every_keyword_is_in_an_example() -> None:
    words = {word for keyword in KEYWORDS.values() for word in keyword.malagasy + keyword.standard}
    assert sorted(words - shown_words()) == []


def test_every_function_is_in_an_example() -> None:
    assert sorted(({*COMPILED, *FUNCTIONS}) - shown_words()) == []


def test_every_difference_from_sqlite_has_its_example() -> None:
    section = page().split("\n## What is not as in SQLite\n")[1].split("\n## ")[0]
    differences = re.split(r"^\*\*", section, flags=re.MULTILINE)[1:]
    assert [each.split("**")[0] for each in differences if "```dirkdb\n" not in each] == []
    assert len(differences) > 10


def test_the_contents_list_is_the_pages() -> None:
    heads = re.findall(r"^## (.+)$", page(), flags=re.MULTILINE)
    listed = re.findall(r"\[([^\]]+)\]\(#([\w-]+)\)", page().split("\n## ")[0])
    assert listed == [(head, re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-")) for head in heads]


def test_every_function_is_listed() -> None:
    section = page().split("\n## Functions\n")[1].split("\n## ")[0]
    listed = set(re.findall(r"`(\w+)`", section))
    assert sorted(set(COMPILED) - listed) == []
    assert sorted(set(FUNCTIONS) - listed) == []
