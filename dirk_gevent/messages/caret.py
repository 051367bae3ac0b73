"""The line of a statement that an error is about, and the caret under its place."""

from __future__ import annotations

import unicodedata

#: Source lines longer than this are shown as a window around the caret.
_SOURCE_COLUMNS = 100


def source_and_caret(source: str, column: int) -> list[str]:
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
