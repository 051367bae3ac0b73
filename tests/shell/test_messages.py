"""Messages: every error has its sentence in three languages, and success texts are those that clients match on."""

from __future__ import annotations

import re

import pytest

from dirk_gevent.messages import error_text, lookup, success_text
from dirk_gevent.messages.lookup import SUBJECTS
from dirk_gevent.messages.texts import LANGUAGES, Texts
from dirk_parser.errors import SQLSTATE, SqlError

FIELD = re.compile(r"\{(\w*)[^}]*\}")


def test_every_error_has_one_sentence_in_each_language() -> None:
    known = lookup.messages()
    missing = sorted(set(SQLSTATE) - set(known))
    assert not missing, f"no texts for {missing}"
    empty = [(key, one) for key, texts in known.items() for one in LANGUAGES if not texts.in_language(one).strip()]
    assert not empty


def test_no_key_is_in_two_files() -> None:
    seen: dict[str, str] = {}
    for area, texts in SUBJECTS.items():
        for key in texts:
            assert key not in seen, f"{key} is in {seen.get(key)} and {area}"
            seen[key] = area


def test_a_sentence_names_the_same_things_in_each_language() -> None:
    for key, texts in lookup.messages().items():
        fields = [sorted(set(FIELD.findall(texts.in_language(one)))) for one in LANGUAGES]
        assert fields[0] == fields[1] == fields[2], f"{key}: {fields}"
        assert "" not in fields[0], f"{key}: parameters have names"


def test_sqlstates_are_five_letters_or_digits() -> None:
    assert all(re.fullmatch(r"[0-9A-Z]{5}", state) for state in SQLSTATE.values())


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_error_renders_in_its_frame(language: str) -> None:
    for key, state in SQLSTATE.items():
        text = error_text.render(SqlError(key), language)
        assert text.startswith("Hadisoana : ")
        assert text.endswith(f" ({state})")


def test_an_unknown_language_is_malagasy() -> None:
    error = SqlError("internal")
    assert error_text.render(error, "xx") == error_text.render(error, "mg")


def test_a_place_shows_the_line_the_caret_and_the_words() -> None:
    error = SqlError("syntax", line=2, column=9, source="alaivo 1 ao t;", expected="ary, na")
    lines = error_text.render(error, "en").split("\n")
    assert lines[1:] == ["  alaivo 1 ao t;", "          ^", "expected: ary, na (42601)"]


def test_the_caret_stands_under_its_character_whatever_stands_before() -> None:
    wide = error_text.render(SqlError("syntax", line=1, column=4, source="漢é\tx"), "mg").split("\n")
    assert wide[-2:] == ["  漢é\tx", "     \t^ (42601)"]
    combining = error_text.render(SqlError("syntax", line=1, column=3, source="e\u0301x"), "mg").split("\n")
    assert combining[-1] == "   ^ (42601)"


def test_a_long_line_is_cut_around_the_caret() -> None:
    error = SqlError("syntax", line=1, column=5000, source="a" * 4999 + "!" + "b" * 10_000_000)
    _, shown, caret = error_text.render(error, "mg").split("\n")
    assert len(shown) < 120
    assert shown.startswith("  …")
    assert shown.endswith("…")
    assert shown[caret.index("^")] == "!"


def test_a_huge_parameter_is_shortened(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {"internal": Texts("{detail}", "{detail}", "{detail}")}
    monkeypatch.setattr(error_text, "messages", lambda: texts)
    assert len(error_text.render(SqlError("internal", detail="x" * 10_000_000), "mg")) < 500


def test_optional_parts_go_with_their_parameter(monkeypatch: pytest.MonkeyPatch) -> None:
    template = "no {name}[[; did you mean {nearest}?]]"
    monkeypatch.setattr(error_text, "messages", lambda: {"internal": Texts(template, template, template)})
    assert error_text.sentence("internal", "mg", {"name": "x"}) == "no x"
    assert error_text.sentence("internal", "mg", {"name": "x", "nearest": ""}) == "no x"
    assert error_text.sentence("internal", "mg", {"name": "{y}", "nearest": "[[z]]"}) == "no {y}; did you mean [[z]]?"
    assert error_text.sentence("internal", "mg", {}) == "no ?"


SUCCESSES = [
    (("use", "sekoly", 0), "Ny tahiry : sekoly dia miasa ankehitriny"),
    (("create_database", "x", 0), "Ny tahiry : x dia voaforona soamantsara"),
    (("create_domain", "x", 0), "Ny efitra : x dia voaforona soamantsara"),
    (("create_table", "x", 0), "Ny tabilao : x dia voaforona soamantsara"),
    (("create_view", "x", 0), "Ny jery : x dia voaforona soamantsara"),
    (("create_index", "x", 0), "Ny tondro : x dia voaforona soamantsara"),
    (("insert", "t", 3), "Tafinditra ny fiovana ny tabilao (3)"),
    (("update", "t", 0), "Tafinditra ny fiovana ny tabilao (0)"),
    (("delete", "t", 1), "Tafinditra ny fiovana ny tabilao (1)"),
    (("drop_table", "x", 0), "Ny tabilao : x dia voarava"),
    (("drop_database", "x", 0), "Ny tahiry : x dia voarava"),
    (("drop_index", "x", 0), "Ny tondro : x dia voarava"),
    (("alter_table", "x", 0), "Ny tabilao : x dia voaova soamantsara"),
    (("begin", "", 0), "Nanomboka ny asa"),
    (("commit", "", 0), "Voatahiry ny asa"),
    (("rollback", "", 0), "Naverina ny asa"),
    (("set_language", "fr", 0), "Ny fiteny : fr"),
    (("select", "", 0), "OK"),
    (("show", "", 0), "OK"),
]


@pytest.mark.parametrize(("arguments", "text"), SUCCESSES, ids=lambda value: str(value))
def test_success_texts_are_fixed(arguments: tuple[str, str, int], text: str) -> None:
    assert success_text.success(*arguments) == text
