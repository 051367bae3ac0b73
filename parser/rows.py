"""The rows of a large VALUES list, read by a JSON parser written in C.

Most rows of large inserts are JSON but for their brackets and quotes: `(1, 'a'), (2, null)`. Whatever might mean
something else in SQL is left to the lexer's own expression, which is some eight times as slow.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Final

import orjson

from parser.literal_text import WHOLE_MAX, WHOLE_MIN
from parser.plan import Value

#: What is read at once: no other thread runs Python meanwhile.
_PIECE_CHARACTERS: Final = 128 * 1024
_AS_JSON: Final = bytes.maketrans(b"()'", b'[]"')
#: What JSON reads otherwise than SQL does, inside strings or outside.
_OTHERWISE: Final = ('"', "\\", "[", "]")
_SIMPLE: Final = frozenset((int, float, str, type(None)))


@dataclass(frozen=True, slots=True)
class Rows:
    """`count` rows of `width` literals each, their values one after another."""

    values: tuple[Value, ...]
    width: int
    count: int


def json_rows(block: str) -> Rows | None:
    """The rows of `block`, which begins at the first row's parenthesis and ends with the last one's; None when they
    are not as simple as that (not when they are wrong: that is found elsewhere).

    A doubled quote, a comment, a word of the language, a number that only SQL knows: each is no JSON once the quotes
    are JSON's. A parenthesis inside a string would become a bracket, but then there are more of them than rows.
    """
    if not block.endswith(")") or any(mark in block for mark in _OTHERWISE):
        return None
    rows: list[list[Value]] = []
    try:
        for piece in _pieces(block):
            rows += orjson.loads(b"[%b]" % piece.encode().translate(_AS_JSON))
    except ValueError:
        return None
    if set(map(type, rows)) != {list} or not block.count("(") == len(rows) == block.count(")"):
        return None
    widths = set(map(len, rows))
    if len(widths) != 1 or 0 in widths:
        return None
    values = tuple(chain.from_iterable(rows))
    if not set(map(type, values)) <= _SIMPLE or not _all_fit(values):
        return None
    return Rows(values, widths.pop(), len(rows))


def _all_fit(values: tuple[Value, ...]) -> bool:
    """Whether no whole number is past 64 bits (SQL has it real)."""
    whole = [value for value in values if type(value) is int]
    return not whole or (max(whole) <= WHOLE_MAX and min(whole) >= WHOLE_MIN)


def _pieces(block: str) -> Iterator[str]:
    """The block cut behind rows, as it seems: a cut inside a string makes pieces that are no JSON."""
    start = 0
    while len(block) - start > _PIECE_CHARACTERS:
        end = block.rfind("),", start, start + _PIECE_CHARACTERS)
        if end < 0:
            break
        yield block[start : end + 1]
        start = end + 2
    yield block[start:]
