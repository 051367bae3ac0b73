"""Errors as the text a user reads.

An error is ``Hadisoana : <sentence> (<SQLSTATE>)`` in the session's language. One that has a place in the statement
gets the source line, a caret under the place and the words that could have stood there; the SQLSTATE then ends the
last line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from dirk_gevent.messages.caret import source_and_caret
from dirk_gevent.messages.catalogue.language_text import MARKS
from dirk_gevent.messages.catalogue.reasons import reason_in
from dirk_gevent.messages.lookup import messages
from dirk_gevent.messages.texts import Texts
from dirk_parser.errors import SqlError
from dirk_parser.lexical.keywords import KEYWORDS, words_of

#: How an error's message begins, in every language: old clients recognise errors by it.
ERROR_PREFIX = "Hadisoana : "

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

def render(error: SqlError, language: str) -> str:
    """The error as the client shows it; several lines when it has a `source` line.

    Never raises: a parameter that a sentence wants and the error lacks shows as `?`, a key without texts
    as the key itself (tests find both).
    """
    lines = [ERROR_PREFIX + sentence(error.key, language, error.params)]
    source = error.params.get("source")
    if source is not None:
        lines[0] += _where(error, language)
        lines += source_and_caret(str(source), _whole(error.params.get("column", 1)))
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
