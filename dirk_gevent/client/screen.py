"""Where the client writes: relations and messages on one stream, errors and notices on another, colour or not."""

from __future__ import annotations

import os
import time
from typing import TextIO

from dirk_gevent.client.cells import shown
from dirk_gevent.client.formats import Format, Presentation, open_format
from dirk_gevent.driver.answers import End
from dirk_gevent.driver.client_texts import sentence
from dirk_gevent.driver.requests import Answer

_RED, _DIM, _RESET = "\x1b[31m", "\x1b[2m", "\x1b[0m"
_CLEAR = "\x1b[H\x1b[2J\x1b[3J"
# Formats for programs: only relations may stand on their stream.
_MACHINE_FORMATS = ("json", "csv", "tsv")


class Screen:
    """Writes answers, errors and notices. `is_interactive`: a person reads, so errors join the results
    and row counts tell the time a statement took.
    """

    def __init__(self, out: TextIO, err: TextIO, format_name: str, *, is_interactive: bool) -> None:
        self._out = out
        self._err = out if is_interactive else err
        self._format_name = format_name
        self._is_interactive = is_interactive

    def answer(self, answer: Answer, language: str | None) -> End:
        """Write an answer's pages as they come and, unless it is an error, how it ended. Returns its end."""
        written: Format | None = None
        rows = 0
        for page in answer:
            written = written or open_format(self._format_name, self._out, self._look())
            written.page(page)
            rows += len(page.rows)
        end = answer.end
        if not end.is_error:
            if written is not None:
                written.finish()
            self._outcome(end, None if written is None else rows, time.monotonic() - answer.asked_at_seconds, language)
        self._out.flush()
        return end

    def error(self, text: str, location: str = "") -> None:
        """Write an error; `location` (``file:line: ``) stands before its first line."""
        self._out.flush()
        lines = ["\t".join(map(shown, line.split("\t"))) for line in (location + text).split("\n")]
        if has_colour(self._err):
            lines = [f"{_RED}{line}{_RESET}" for line in lines]
        self._err.write("\n".join(lines) + "\n")
        self._err.flush()

    def notice(self, text: str) -> None:
        """Write what the user should know but is no error."""
        self._out.flush()
        self._err.write((f"{_DIM}{text}{_RESET}" if has_colour(self._err) else text) + "\n")
        self._err.flush()

    def clear(self) -> None:
        """Clear the terminal; nothing where there is none."""
        if self._out.isatty():
            self._out.write(_CLEAR)
            self._out.flush()

    def _outcome(self, end: End, rows: int | None, seconds: float, language: str | None) -> None:
        if self._format_name in _MACHINE_FORMATS:
            if rows is None:
                self.notice(shown(end.message))
            return
        if rows is None:
            self._out.write("\n".join(map(shown, end.message.split("\n"))) + "\n")
            return
        count = sentence("client_row_one" if rows == 1 else "client_rows", language, {"count": rows})
        self._out.write(f"({count}, {_duration(seconds)})\n" if self._is_interactive else f"({count})\n")

    def _look(self) -> Presentation:
        if not self._out.isatty():
            return Presentation()
        return Presentation(_can_draw_boxes(self._out), has_colour(self._out), _terminal_columns(self._out))


def has_colour(stream: TextIO) -> bool:
    """True when colour may be written: a terminal that knows it, and NO_COLOR unset."""
    return stream.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM", "dumb") != "dumb"


def _can_draw_boxes(stream: TextIO) -> bool:
    return (stream.encoding or "").lower().replace("-", "") == "utf8"


def _terminal_columns(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):
        return 0


def _duration(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 10 else f"{seconds:.1f} s"
