"""Literals: how their text becomes a value and a value becomes text again."""

from __future__ import annotations

import math
import re
from typing import Final

from dirk_parser.errors import SqlError
from dirk_parser.lexical import rules
from dirk_parser.normalize.normalized_statement import Value

#: The largest and smallest whole numbers; past them a number is real, as in SQLite.
WHOLE_MAX: Final = 2**63 - 1
WHOLE_MIN: Final = -(2**63)
_HEXADECIMAL = re.compile(r"0[xX][0-9a-fA-F]+")
_SURELY_WHOLE_DIGITS: Final = 18
_ESCAPE = re.compile("|".join((r"\\(.)", *(mark + mark for mark in rules.STRING_MARKS))), re.DOTALL)
#: The words that are literals in the rows of VALUES.
WORDS: Final[dict[str, Value]] = {"null": None, "marina": 1, "true": 1, "diso": 0, "false": 0}


def number(text: str) -> int | float:
    """The value of an unsigned number as written.

    Whole numbers past 64 bits are real. Raises SqlError: `out_of_range` when a real is too large for a
    double, `number_glued` when letters follow the digits (`12abc`).
    """
    if text.isdecimal() and text.isascii():
        if len(text) <= _SURELY_WHOLE_DIGITS:
            return int(text)
        return _large(text)
    return _hexadecimal(text) if text[:2] in ("0x", "0X") else _real(text)


def _hexadecimal(text: str) -> int:
    """64 bits in two's complement, as in SQLite. Raises `out_of_range` for more."""
    if not _HEXADECIMAL.fullmatch(text):
        raise SqlError("number_glued", text=text[:40])
    value = int(text[2:], 16)
    if value >= 2**64:
        raise SqlError("out_of_range", value=text[:40])
    return value - 2**64 if value > WHOLE_MAX else value


def signed(text: str) -> int | float:
    """The value of a number that may have a minus before it (rows of VALUES)."""
    if text[0] != "-":
        return number(text)
    digits = text[1:].lstrip()
    if len(digits) == len(str(WHOLE_MAX)) and digits.isdecimal() and digits.isascii() and int(digits) == -WHOLE_MIN:
        return WHOLE_MIN
    return -number(digits)


def _large(digits: str) -> int | float:
    significant = digits.lstrip("0") or "0"
    if len(significant) <= len(str(WHOLE_MAX)) and int(significant) <= WHOLE_MAX:
        return int(significant)
    return _real(significant)


def _real(text: str) -> float:
    """The text begins with a digit or a point, so only `float`'s underscores and other scripts' digits are too much."""
    try:
        value = float(text)
    except ValueError:
        raise SqlError("number_glued", text=text[:40]) from None
    if value == math.inf:
        raise SqlError("out_of_range", value=text[:40])
    if "_" in text or not text.isascii():
        raise SqlError("number_glued", text=text[:40])
    return value


def string(text: str) -> str:
    """The value of a quoted string: doubled quotes are one, a backslash before n, t, r is that control character
    and before any other character that character."""
    quote, body = text[0], text[1:-1]
    if rules.ESCAPE not in body:
        return body.replace(quote + quote, quote) if quote in body else body
    return _ESCAPE.sub(lambda match: _unescaped(match, quote), body)


def _unescaped(match: re.Match[str], quote: str) -> str:
    character: str | None = match[1]
    if character is not None:
        return rules.CONTROLS.get(character, character)
    return quote if match[0][0] == quote else match[0]


def text_of(value: Value) -> str:
    """A literal that reads back as `value`."""
    if value is None:
        return "null"
    if isinstance(value, str):
        return rules.string_text(value)
    if value == -WHOLE_MIN:
        # Real by itself, but the smallest whole number once a minus stands before it.
        return str(-WHOLE_MIN)
    return repr(value)
