"""One value as text that is safe on a terminal, and how many columns a text takes there."""

from __future__ import annotations

import re

from dirk_gevent.driver.answers import Cell

#: How NULL reads in a table: no text is written so by accident.
NULL = "<null>"

# Control characters would break the table or move the cursor; the marks that change the writing direction would
# show a text other than the one that is there; lone surrogates cannot be written at all.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_NAMED = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}


def shown(cell: Cell) -> str:
    """A value on one line, without control characters."""
    if isinstance(cell, str):
        return cell if cell.isascii() and cell.isprintable() else _UNPRINTABLE.sub(_escape, cell)
    return NULL if cell is None else plain(cell)


def plain(cell: Cell) -> str:
    """A value as itself: text unchanged, ``true``/``false``, numbers as JSON writes them, NULL as nothing, a blob as it
    is written in a statement.
    """
    if isinstance(cell, str):
        return cell
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return f"x'{cell.hex()}'" if isinstance(cell, bytes) else repr(cell)


def is_number(cell: Cell) -> bool:
    """True when a value stands at the right of its column (booleans are words)."""
    return isinstance(cell, int | float) and not isinstance(cell, bool)


def width_columns(text: str) -> int:
    """How many terminal columns `text` (as `shown` gives it) takes: 2 for CJK, 0 for a combining mark."""
    if text.isascii():
        return len(text)
    from wcwidth import wcswidth

    width: int = wcswidth(text)
    return width if width >= 0 else len(text)


def _escape(found: re.Match[str]) -> str:
    character = found.group()
    code = ord(character)
    return _NAMED.get(character) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")
