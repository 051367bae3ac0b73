"""Relations as text, page by page: tables for people, JSON, CSV and TSV for programs, one field a line for wide rows.

Every format writes a page as soon as it has it and holds no more than that page. A table takes its widths from its
first page; a later page that needs more gets a new rule with wider columns from there on.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TextIO

from dirk_gevent.client.cells import NULL, is_number, plain, shown, width_columns
from dirk_gevent.driver.answers import Cell, Page

#: The values of ``--format``.
FORMATS = ("table", "vertical", "json", "csv", "tsv")

_DIM, _BOLD, _RESET = "\x1b[2m", "\x1b[1m", "\x1b[0m"
_CSV_QUOTED = re.compile(r'[",\r\n]|^\s|\s$')
_TSV_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


@dataclass(frozen=True, slots=True)
class Presentation:
    """How tables are drawn. `most_columns` is the terminal's width; wider tables become vertical (0: no limit)."""

    has_boxes: bool = False
    has_colour: bool = False
    most_columns: int = 0


class Format(Protocol):
    """One relation being written."""

    def page(self, page: Page) -> None:
        """Write one more page."""

    def finish(self) -> None:
        """Write what closes the relation (nothing when no page came)."""


def open_format(name: str, out: TextIO, look: Presentation) -> Format:
    """A fresh writer for one relation in the format `name`, one of `FORMATS`."""
    if name == "json":
        return Json(out)
    if name == "csv":
        return Delimited(out, ",", _csv)
    if name == "tsv":
        return Delimited(out, "\t", _tsv)
    return Vertical(out, look) if name == "vertical" else TableFormat(out, look)


@dataclass(frozen=True, slots=True)
class _Rules:
    """The characters of a table: rules are (left, middle, right), `bar` stands between cells."""

    line: str
    bar: str
    top: tuple[str, str, str]
    middle: tuple[str, str, str]
    bottom: tuple[str, str, str]

    def rule(self, ends: tuple[str, str, str], widths: Sequence[int]) -> str:
        left, middle, right = ends
        return left + middle.join(self.line * (width + 2) for width in widths) + right


_BOXES = _Rules("─", "│", ("┌", "┬", "┐"), ("├", "┼", "┤"), ("└", "┴", "┘"))
_ASCII = _Rules("-", "|", ("+", "+", "+"), ("+", "+", "+"), ("+", "+", "+"))


class TableFormat:
    """A table with ruled columns: numbers at the right, everything else at the left."""

    def __init__(self, out: TextIO, look: Presentation) -> None:
        self._out = out
        self._look = look
        self._rules = _BOXES if look.has_boxes else _ASCII
        self._widths: list[int] = []
        self._instead: Vertical | None = None

    def page(self, page: Page) -> None:
        """Write one more page; the first one draws the head."""
        if self._instead is not None:
            self._instead.page(page)
            return
        texts = [[shown(cell) for cell in row] for row in page.rows]
        names = [shown(column.name) for column in page.columns]
        widths = _widths(names, texts)
        lines: list[str] = []
        if not self._widths:
            if self._is_too_wide(widths):
                self._instead = Vertical(self._out, self._look)
                self._instead.page(page)
                return
            self._widths = widths
            lines.append(self._rules.rule(self._rules.top, widths))
            lines.append(self._head(names, page.rows))
            lines.append(self._rules.rule(self._rules.middle, widths))
        elif any(new > old for new, old in zip(widths, self._widths, strict=True)):
            self._widths = [max(pair) for pair in zip(widths, self._widths, strict=True)]
            lines.append(self._rules.rule(self._rules.middle, self._widths))
        lines += [self._row(row, cells) for row, cells in zip(page.rows, texts, strict=True)]
        self._out.write("\n".join(lines) + "\n" if lines else "")

    def finish(self) -> None:
        """Draw the bottom rule."""
        if self._widths:
            self._out.write(self._rules.rule(self._rules.bottom, self._widths) + "\n")

    def _is_too_wide(self, widths: Sequence[int]) -> bool:
        return 0 < self._look.most_columns < sum(widths) + 3 * len(widths) + 1

    def _head(self, names: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
        cells = []
        for at, (name, width) in enumerate(zip(names, self._widths, strict=True)):
            padded = _pad(name, width, at_right=_is_numeric(rows, at))
            cells.append(f"{_BOLD}{padded}{_RESET}" if self._look.has_colour else padded)
        return self._joined(cells)

    def _row(self, row: Sequence[Cell], texts: Sequence[str]) -> str:
        cells = []
        for cell, text, width in zip(row, texts, self._widths, strict=True):
            padded = _pad(text, width, at_right=is_number(cell))
            cells.append(f"{_DIM}{padded}{_RESET}" if cell is None and self._look.has_colour else padded)
        return self._joined(cells)

    def _joined(self, cells: Sequence[str]) -> str:
        bar = self._rules.bar
        return f"{bar} " + f" {bar} ".join(cells) + f" {bar}"


class Vertical:
    """One field a line, under a line with the row's number."""

    def __init__(self, out: TextIO, look: Presentation) -> None:
        self._out = out
        self._look = look
        self._rows = 0

    def page(self, page: Page) -> None:
        """Write one more page."""
        names = [shown(column.name) for column in page.columns]
        width = max(map(width_columns, names), default=0)
        heads = [_pad(name, width, at_right=True) for name in names]
        for row in page.rows:
            self._rows += 1
            self._out.write(f"*** {self._rows} ***\n")
            for head, cell in zip(heads, row, strict=True):
                self._out.write(f"{head}: {self._text(cell)}\n")

    def finish(self) -> None:
        """Nothing closes this format."""

    def _text(self, cell: Cell) -> str:
        return f"{_DIM}{NULL}{_RESET}" if cell is None and self._look.has_colour else shown(cell)


class Json:
    """An array of objects, one a line. A name that comes again gets ``_2``, ``_3``…: an object holds a key once."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._keys: list[str] | None = None
        self._separator = "\n"

    def page(self, page: Page) -> None:
        """Write one more page."""
        import orjson

        if self._keys is None:
            self._keys = _unique([column.name for column in page.columns])
            self._out.write("[")
        for row in page.rows:
            encoded = orjson.dumps(dict(zip(self._keys, row, strict=True)), default=_as_blob)
            self._out.write(self._separator + encoded.decode())
            self._separator = ",\n"

    def finish(self) -> None:
        """Close the array."""
        if self._keys is not None:
            self._out.write("\n]\n" if self._separator != "\n" else "]\n")


class Delimited:
    """A head line and a line a row: cells made by `cell`, `delimiter` between them."""

    def __init__(self, out: TextIO, delimiter: str, cell: Callable[[Cell], str]) -> None:
        self._out = out
        self._delimiter = delimiter
        self._cell = cell
        self._has_head = False

    def page(self, page: Page) -> None:
        """Write one more page."""
        if not self._has_head:
            self._has_head = True
            self._line([column.name for column in page.columns])
        for row in page.rows:
            self._line(row)

    def finish(self) -> None:
        """Nothing closes this format."""

    def _line(self, values: Sequence[Cell]) -> None:
        self._out.write(self._delimiter.join(map(self._cell, values)) + "\n")


def _widths(names: Sequence[str], texts: Sequence[Sequence[str]]) -> list[int]:
    columns: Iterable[Sequence[str]] = zip(*texts, strict=True) if texts else ((),) * len(names)
    return [
        max(width_columns(name), max(map(width_columns, column), default=0))
        for name, column in zip(names, columns, strict=True)
    ]


def _is_numeric(rows: Sequence[Sequence[Cell]], at: int) -> bool:
    cells = [row[at] for row in rows if row[at] is not None]
    return bool(cells) and all(map(is_number, cells))


def _pad(text: str, width: int, *, at_right: bool) -> str:
    blank = " " * (width - width_columns(text))
    return blank + text if at_right else text + blank


def _as_blob(value: bytes) -> dict[str, str]:
    """A blob as the protocol has it, so that what is read from the output is what was stored."""
    return {"blob": b64encode(value).decode("ascii")}


def _unique(names: Sequence[str]) -> list[str]:
    taken = set(names)
    seen: set[str] = set()
    keys: list[str] = []
    for name in names:
        key, count = name, 1
        while key in seen or (count > 1 and key in taken):
            count += 1
            key = f"{name}_{count}"
        seen.add(key)
        keys.append(key)
    return keys


def _csv(cell: Cell) -> str:
    """RFC 4180; NULL is nothing, the empty text is ``""``."""
    if cell == "":
        return '""'
    text = plain(cell)
    return '"' + text.replace('"', '""') + '"' if _CSV_QUOTED.search(text) else text


def _tsv(cell: Cell) -> str:
    r"""Tabs, line ends and backslashes escaped, NULL is ``\N``."""
    return "\\N" if cell is None else plain(cell).translate(_TSV_ESCAPES)

