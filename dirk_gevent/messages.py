"""Errors and successes as the text a user reads: the one place that formats for a person.

An error is ``Hadisoana : <sentence> (<SQLSTATE>)`` in the session's language. One that has a place in the statement
gets the source line, a caret under the place and the words that could have stood there; the SQLSTATE then ends the
last line. Success texts are the same in every language, because clients match on them.
"""

from __future__ import annotations

import re
import time
import unicodedata
from collections.abc import Mapping

from dirk_gevent.catalogue import LANGUAGES, Texts, messages
from dirk_gevent.catalogue.language_text import MARKS
from dirk_gevent.catalogue.reasons import reason_in
from parser.errors import SqlError
from parser.lexical.keywords import KEYWORDS, words_of

__all__ = ["LANGUAGES", "render", "sentence", "success"]

#: How an error's message begins, in every language: old clients recognise errors by it.
ERROR_PREFIX = "Hadisoana : "

#: Source lines longer than this are shown as a window around the caret.
_SOURCE_COLUMNS = 100

#: Parameters longer than this are shortened: a message may name a value of 16 MiB.
_PARAMETER_CHARACTERS = 400

_OPTIONAL = re.compile(r"\[\[(.*?)\]\]", re.DOTALL)
_CAPITALS = re.compile(r"\b[A-Z]+\b")
_FIELD = re.compile(r"\{([a-z]\w*)")

#: The parameter `speaks` of an error that has a place in a statement: which vocabulary that is written in.
_SPEAKS = {"malagasy": True, "standard": False, "both": None}

_WHERE = Texts(
    mg=" (andalana faha-{line}, tarehintsoratra faha-{column})",
    fr=" (ligne {line}, caractère {column})",
    en=" (line {line}, character {column})",
)
_EXPECTED = Texts(mg="andrasana : {words}", fr="attendu : {words}", en="expected: {words}")

_OBJECTS = {
    "database": "tahiry",
    "table": "tabilao",
    "domain": "efitra",
    "view": "jery",
    "index": "tondro",
}

_FIXED = {
    "begin": "Nanomboka ny asa",
    "commit": "Voatahiry ny asa",
    "rollback": "Naverina ny asa",
}


def render(error: SqlError, language: str) -> str:
    """The error as the client shows it; several lines when it has a `source` line.

    Never raises: a parameter that a sentence wants and the error lacks shows as `?`, a key without texts
    as the key itself (tests find both).
    """
    lines = [ERROR_PREFIX + sentence(error.key, language, error.params)]
    source = error.params.get("source")
    if source is not None:
        lines[0] += _where(error, language)
        lines += _place(str(source), _whole(error.params.get("column", 1)))
    expected = error.params.get("expected")
    if expected:
        words = _short(_in_words(str(expected), language))
        lines.append(_EXPECTED.in_language(language).format(words=words))
    return "\n".join(lines) + f" ({error.sqlstate})"


def _where(error: SqlError, language: str) -> str:
    """Line and column, for errors whose sentence does not say them."""
    texts = messages().get(error.key)
    if texts is None or "{line}" in texts.mg:
        return ""
    return _fill(_WHERE.in_language(language), error.params, language)


def sentence(key: str, language: str, params: Mapping[str, object]) -> str:
    """The sentence of `key` in `language` with its parameters, without prefix or SQLSTATE. Never raises.

    It names keywords in the vocabulary of the statement it is about, or else in that of its language.
    """
    texts = messages().get(key)
    if texts is None:
        return key
    return _fill(texts.in_language(language), params, language)


def success(verb: str, name: str = "", rows: int = 0) -> str:
    """The fixed text of a statement that succeeded; `OK` for one that answers with a relation.

    `verb` as in `parser.grammar.route.Route`; `name` is the database, object or language it was about;
    `rows` counts the rows that INSERT, UPDATE or DELETE changed.
    """
    if verb in ("insert", "update", "delete"):
        return f"Tafinditra ny fiovana ny tabilao ({rows})"
    if verb == "use":
        return f"Ny tahiry : {name} dia miasa ankehitriny"
    if verb == "set_language":
        return f"Ny fiteny : {name}"
    if verb in _FIXED:
        return _FIXED[verb]
    action, _, kind = verb.partition("_")
    thing = _OBJECTS.get(kind.partition("_")[0], "tabilao")
    if action == "create":
        return f"Ny {thing} : {name} dia voaforona soamantsara"
    if action == "drop":
        return f"Ny {thing} : {name} dia voarava"
    if action == "alter":
        return f"Ny {thing} : {name} dia voaova soamantsara"
    return "OK"


class _Shown(dict[str, str]):
    """Parameters as text, `?` for those that are missing; a field in capitals names keywords by their tokens."""

    def __init__(self, params: Mapping[str, object], malagasy: bool | None) -> None:
        super().__init__({name: _short(str(value)) for name, value in params.items()})
        self._malagasy = malagasy
        if params.get("speaks") == "malagasy" and "what" in self:
            self["what"] = _CAPITALS.sub(lambda each: self._keyword(each[0]) or each[0], self["what"])

    def __missing__(self, key: str) -> str:
        return self._keyword(key) or "?"

    def _keyword(self, key: str) -> str:
        """The words of one token, or of several (`GROUP_BY`); empty for what is none."""
        tokens = (key,) if key in KEYWORDS else tuple(key.split("_"))
        return words_of(tokens, self._malagasy) if KEYWORDS.keys() >= set(tokens) else ""


def _fill(template: str, params: Mapping[str, object], language: str) -> str:
    def keep(part: re.Match[str]) -> str:
        inner = part.group(1)
        return inner if all(params.get(field) for field in _FIELD.findall(inner)) else ""

    if "reason" in params:
        params = {**params, "reason": reason_in(language, str(params["reason"]))}
    shown = _Shown(params, _SPEAKS.get(str(params.get("speaks")), language == "mg"))
    return _OPTIONAL.sub(keep, template).format_map(shown)


def _in_words(expected: str, language: str) -> str:
    """`expected` with its marks (`<name>`) in `language`."""
    for mark, texts in MARKS.items():
        expected = expected.replace(mark, texts.in_language(language))
    return expected


def _short(text: str) -> str:
    if len(text) <= _PARAMETER_CHARACTERS:
        return text
    return text[: _PARAMETER_CHARACTERS - 1] + "…"


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 1


def _place(source: str, column: int) -> list[str]:
    """The source line and the caret under its `column` (from 1), both cut to a window around the caret."""
    at = min(max(column - 1, 0), len(source))
    start = 0 if len(source) <= _SOURCE_COLUMNS else max(0, at - _SOURCE_COLUMNS * 2 // 3)
    end = start + _SOURCE_COLUMNS
    before, after = source[start:at], source[at:end]
    lead = "…" if start else ""
    tail = "…" if end < len(source) else ""
    pad = " " * len(lead) + "".join(_blank(character) for character in before)
    return ["  " + lead + _printable(before + after) + tail, "  " + pad + "^"]


def _blank(character: str) -> str:
    """White space as wide as `character` is on a terminal."""
    if character == "\t":
        return "\t"
    if unicodedata.combining(character):
        return ""
    return "  " if unicodedata.east_asian_width(character) in "WF" else " "


def _printable(text: str) -> str:
    """`text` with control characters (but tabs) as spaces, so that it stays one line and moves no cursor."""
    return "".join(" " if unicodedata.category(c) == "Cc" and c != "\t" else c for c in text)


def moment(time_ms: int) -> str:
    """A moment (Unix ms) as a person reads it: to the second, in UTC."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(time_ms // 1000))
