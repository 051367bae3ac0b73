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

from dirk_parser.normalize.literal_text import WHOLE_MAX, WHOLE_MIN
from dirk_parser.normalize.normalized_statement import Value

#: What is read at once: no other thread runs Python meanwhile.
_PIECE_CHARACTERS: Final = 128 * 1024
_AS_JSON: Final = bytes.maketrans(b"()'", b'[]"')
#: Parentheses become white space that no JSON string may hold as it is.
_AS_FLAT_JSON: Final = bytes.maketrans(b"()'", b'\n\t"')
_ALL_BUT_MARKS: Final = bytes(set(range(256)) - set(b"(),"))
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
    pieces = [piece.encode() for piece in _pieces(block)]
    rows = _flat(pieces) or _nested(pieces)
    if rows is None:
        return None
    values, width = rows
    if not all(_is_simple(values[at::width]) for at in range(width)):
        return None
    return Rows(tuple(values), width, len(values) // width)


def _flat(pieces: list[bytes]) -> tuple[list[Value], int] | None:
    """All values and the width of the rows, read without making a list of each row; None when some string holds a
    parenthesis or a comma, or the rows are not simple.

    As many values as the marks of the rows make room for: so no comma is in a string. No parenthesis is, for JSON
    takes no control character there. So the marks are those of the rows and say how wide each is.
    """
    values: list[Value] = []
    width = 0
    for piece in pieces:
        marks = piece.translate(None, _ALL_BUT_MARKS)
        width = width or marks.find(b")")
        rows = piece.count(b"(")
        # Their number first: what a text holds is not to be multiplied.
        if width < 1 or len(marks) != rows * (width + 2) - 1 or marks != _marks(rows, width):
            return None
        try:
            flat_values = orjson.loads(b"[%b]" % piece.translate(_AS_FLAT_JSON))
        except ValueError:
            return None
        if len(flat_values) != rows * width:
            return None
        values += flat_values
    return values, width


def _marks(rows: int, width: int) -> bytes:
    """Parentheses and commas of `rows` rows of `width` values: `rows * (width + 2) - 1` bytes."""
    return b",".join([b"(%b)" % (b"," * (width - 1))] * rows)


def _nested(pieces: list[bytes]) -> tuple[list[Value], int] | None:
    """As `_flat`, for rows whose strings may hold commas."""
    rows: list[list[Value]] = []
    try:
        for piece in pieces:
            rows += orjson.loads(b"[%b]" % piece.translate(_AS_JSON))
    except ValueError:
        return None
    parentheses = [sum(piece.count(mark) for piece in pieces) for mark in (b"(", b")")]
    if set(map(type, rows)) != {list} or parentheses != [len(rows), len(rows)]:
        return None
    widths = set(map(len, rows))
    return (list(chain.from_iterable(rows)), widths.pop()) if len(widths) == 1 and 0 not in widths else None


def _is_simple(column: list[Value]) -> bool:
    """True when a column holds nothing but simple values, no whole number past 64 bits among them (SQL has it real)."""
    types = set(map(type, column))
    if not types <= _SIMPLE:
        return False
    if int not in types:
        return True
    whole = column if len(types) == 1 else [value for value in column if type(value) is int]
    return max(whole) <= WHOLE_MAX and min(whole) >= WHOLE_MIN  # type: ignore[type-var, operator]


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
