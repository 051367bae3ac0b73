"""The glossary: one line a term, in three languages, and the code that it names uses it."""

from __future__ import annotations

import re

from tests.cluster import ROOT

COLUMNS = ["English", "Français", "Malagasy", "where it comes from", "in the code"]
#: Words of a term that only tell it from another of the name.
_ASIDE = re.compile(r"\(.*?\)")


def rows() -> list[list[str]]:
    """The cells of each term's line."""
    found = []
    for line in (ROOT / "docs/glossary.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("| "):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            assert len(cells) == len(COLUMNS), line
            if cells != COLUMNS:
                found.append(cells)
    return found


def test_each_term_has_three_languages() -> None:
    assert [cells for cells in rows() if not all(cells)] == []


def test_no_term_stands_twice() -> None:
    terms = [cells[0] for cells in rows()]
    assert sorted({term for term in terms if terms.count(term) > 1}) == []


def test_the_code_that_a_term_names_uses_it() -> None:
    missing = []
    for term, *_, code in rows():
        if code == "—":
            continue
        path = ROOT / code.strip("`")
        # A name in the code joins words by `_`, or by capitals.
        text = path.read_text(encoding="utf-8").lower() + path.stem if path.exists() else ""
        words = re.findall(r"[a-z]+", _ASIDE.sub("", term.lower()))
        missing += [f"{term}: {word!r} is not in {code}" for word in words if word not in text]
    assert missing == []


def test_most_terms_are_in_the_code() -> None:
    named = [cells for cells in rows() if cells[-1] != "—"]
    assert len(named) > len(rows()) * 3 // 4
