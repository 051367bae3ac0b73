"""Each listing of SHOW is said in both vocabularies, goes where its rows are known, and is in the language's page."""

from __future__ import annotations

import pytest

from dirk_gevent.coordinator.requests.cluster_listings import LISTERS
from dirk_parser.grammar.route import Kind
from dirk_parser.grammar.statements import Statements
from dirk_parser.lexical.keywords import KEYWORDS
from dirk_parser.lexical.listings import LISTINGS, ListingScope
from dirk_parser.normalize.normalizer import split
from dirk_parser.printer.printer import write
from tests.cluster import ROOT


@pytest.mark.parametrize("name", LISTINGS)
def test_a_listing_is_read_and_written_in_both_vocabularies(name: str) -> None:
    statements = Statements()
    word = KEYWORDS[LISTINGS[name].token].malagasy[0]
    trees = [statements.parse(split(text)) for text in (f"SHOW {name}", f"asehoy ny {word}")]
    assert trees[0] == trees[1]
    normalized = split(f"SHOW {name}")
    assert write(trees[0], normalized, False) == f"SHOW {name.upper()}"
    assert write(trees[0], normalized, True) == f"asehoy ny {word}"


@pytest.mark.parametrize("name", LISTINGS)
def test_a_listing_goes_to_who_knows_its_rows(name: str) -> None:
    route, scope = Statements().route(split(f"SHOW {name}")), LISTINGS[name].scope
    assert (route.kind is Kind.ADMIN) == (scope is ListingScope.CLUSTER)
    assert route.is_of_names == (scope is ListingScope.NAMES)
    assert bool(LISTINGS[name].kind) == (scope is ListingScope.CATALOG)


def test_the_log_s_side_lists_all_that_no_catalog_does_and_nothing_else() -> None:
    assert LISTERS.keys() == {name for name, one in LISTINGS.items() if one.scope is not ListingScope.CATALOG}
    assert all(lister.columns[0] == "fanasehoana" for lister in LISTERS.values())


def test_the_language_s_page_has_each() -> None:
    text = (ROOT / "docs/language.md").read_text(encoding="utf-8")
    assert [name for name in LISTINGS if f"SHOW {name.upper()}" not in text.replace("\n", " ")] == []
