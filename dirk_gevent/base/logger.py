"""Log lines: one fact a line on stderr, for people and for grep.

::

    2026-11-22T18:30:00.123Z info component=node node=m1 event=ready listen=127.0.0.1:3948

A value is quoted when it holds white space, `"`, `=` or a control character, or is empty; inside quotes only `"`,
`\\` and control characters are escaped, so a sentence stands in the line as it is:
``event=replication_down text="Erreur réplication sur m2"``. A traceback is one quoted value of one line.
`DIRK_LOG_LEVEL` (debug, info, warning, error; default info) is the least level written.
"""

from __future__ import annotations

import os
import re
import time
import traceback
from contextlib import suppress

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_NEEDS_QUOTES = re.compile(r"[\s\"=\x00-\x1f\x7f-\x9f\u2028\u2029]|^$")
_ESCAPED = re.compile(r"[\"\\\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SHORT_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}

#: File descriptor that lines go to.
_STDERR = 2


class Logger:
    """Writes the facts of one component of one process. Safe from any greenlet and any native thread."""

    __slots__ = ("_head", "_least")

    def __init__(self, component: str, node: str = "") -> None:
        self._head = f"component={_value(component)}" + (f" node={_value(node)}" if node else "")
        self._least = _LEVELS.get(os.environ.get("DIRK_LOG_LEVEL", "info"), _LEVELS["info"])

    def debug(self, event: str, **facts: object) -> None:
        """Log a fact for those who look for a fault."""
        self._write("debug", event, facts)

    def info(self, event: str, **facts: object) -> None:
        """A change in the life of the process: started, connected, caught up."""
        self._write("info", event, facts)

    def warning(self, event: str, **facts: object) -> None:
        """Something that DirkDB deals with by itself and an operator may want to know."""
        self._write("warning", event, facts)

    def error(self, event: str, **facts: object) -> None:
        """Something that does not work now. A literal sentence goes in the fact `text`."""
        self._write("error", event, facts)

    def exception(self, event: str, error: BaseException, **facts: object) -> None:
        """An error nobody expected, with its traceback as the last fact of the line."""
        trace = "".join(traceback.format_exception(error)).rstrip("\n")
        self._write("error", event, {**facts, "traceback": trace})

    def _write(self, level: str, event: str, facts: dict[str, object]) -> None:
        if _LEVELS[level] < self._least:
            return
        tail = "".join(f" {name}={_value(fact)}" for name, fact in facts.items())
        line = f"{_now()} {level} {self._head} event={_value(event)}{tail}\n"
        # One write a line: lines of several threads do not mix. A reader that is gone is no reason to stop.
        with suppress(OSError):
            os.write(_STDERR, line.encode("utf-8", "backslashreplace"))


def logger(component: str, node: str = "") -> Logger:
    """The logger of a component (`node`, `proxy`, `cache`, `up`, …) of the process called `node`."""
    return Logger(component, node)


def _now() -> str:
    moment = time.time()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment)) + f".{int(moment * 1000) % 1000:03d}Z"


def _value(fact: object) -> str:
    text = f"{fact:.3f}" if isinstance(fact, float) else str(fact)
    if not _NEEDS_QUOTES.search(text):
        return text
    return '"' + _ESCAPED.sub(lambda found: _escape(found.group()), text) + '"'


def _escape(character: str) -> str:
    return _SHORT_ESCAPES.get(character) or f"\\u{ord(character):04x}"
