"""Cutting what a person typed, or a script holds, into statements: no grammar, only what hides a ``;``.

Strings (``'…'``, ``"…"``), back-quoted names and comments hide it. The client needs what the server's splitter
does not: the line on which each statement begins, and the words for the client itself (`miala`, `diovy`, `fanampiana`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from dirk_parser.lexical import rules

#: Words that end the client, with or without ``;``.
LEAVE_WORDS = frozenset({"miala", "mivoaka", "mivaoka", "exit", "quit"})
#: Words that clear the screen, with or without ``;``.
CLEAR_WORDS = frozenset({"diovy", "!"})
#: Words that ask for a short help, with or without ``;``.
HELP_WORDS = frozenset({"fanampiana", "aide", "help", "vonjy", "?"})

#: What matters to a statement's end: ``;``, and what opens a string, a name or a comment.
NEXT = re.compile(f"{rules.SEPARATOR}|{rules.OPENER}")
#: The same before a statement has begun, when any visible character begins it.
FIRST = re.compile(rf"{rules.SEPARATOR}|{rules.OPENER}|\S")
#: What closes a quote. With no way back, so that a long string that is still open is looked at once only.
CLOSERS = {mark: re.compile(rules.body(mark) + mark, re.DOTALL) for mark in rules.MARKS}


class Word(Enum):
    """A line that is for the client, not for the server."""

    LEAVE = "leave"
    CLEAR = "clear"
    HELP = "help"


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement without its ``;``, and without what stood before its first character.

    `line` (from 1) is the line of that character in its input: the server's line 1 of this statement.
    """

    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Unfinished:
    """Unfinished text at the end of the input: a statement without ``;``.

    `inside` is the quote or ``/*`` that was still open, empty when only the ``;`` is missing.
    """

    text: str
    line: int
    inside: str


class StatementReader:
    """Takes lines, gives statements and words. `feed` is linear in the text, however long a statement grows.

    Invariant: `_parts` holds the unfinished statement from its first significant character on, already scanned.
    """

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._inside = ""
        self._line = 1
        self._started_at = 1

    @property
    def is_pending(self) -> bool:
        """True when an unfinished statement, or an open comment, is held."""
        return bool(self._parts) or bool(self._inside)

    def feed(self, line: str) -> Iterator[Statement | Word]:
        """The statements and words that one more line (ended by a line feed) completes.

        The iterator must be used up before the next line.
        """
        if not self.is_pending and (word := word_of(line)) is not None:
            self._line += 1
            yield word
            return
        yield from self._cut(line)
        self._line += line.count("\n")

    def finish(self) -> Unfinished | None:
        """The construct that the input ended in the middle of; None when everything was complete. Forgets it."""
        unfinished = None
        text = "".join(self._parts).strip()
        if text or self._inside:
            line = self._started_at if text else self._line
            unfinished = Unfinished(text, line, self._inside)
        self._parts.clear()
        self._inside = ""
        return unfinished

    def _cut(self, line: str) -> Iterator[Statement | Word]:
        at = kept_from = 0
        if self._inside:
            at = self._close(line, 0)
        while at < len(line):
            match = (NEXT if self._parts else FIRST).search(line, at)
            if match is None:
                break
            token, at = match.group(), match.end()
            if token == rules.SEPARATOR:
                text = "".join([*self._parts, line[kept_from : match.start()]]).strip()
                if self._parts:
                    yield word_of(text) or Statement(text, self._started_at)
                self._parts.clear()
                kept_from = at
                continue
            if token in rules.LINE_COMMENTS or token == rules.BLOCK_OPEN:
                at = self._comment(line, token, at)
                if not self._parts:
                    kept_from = at
                continue
            if not self._parts:
                self._started_at = self._line + line.count("\n", 0, match.start())
                kept_from = match.start()
                self._parts.append("")
            if token in CLOSERS:
                self._inside = token
                at = self._close(line, at)
        if self._parts:
            self._parts.append(line[kept_from:])

    def _comment(self, line: str, token: str, at: int) -> int:
        if token in rules.LINE_COMMENTS:
            end = line.find(rules.LINE_END, at)
            return len(line) if end < 0 else end
        self._inside = token
        return self._close(line, at)

    def _close(self, line: str, at: int) -> int:
        """Where the open string or comment ends in `line`: just past it, or the line's end while it is open."""
        if self._inside == rules.BLOCK_OPEN:
            end = line.find(rules.BLOCK_CLOSE, at) + 2
            if end < 2:
                return len(line)
        else:
            match = CLOSERS[self._inside].match(line, at)
            if match is None:
                return len(line)
            end = match.end()
        self._inside = ""
        return end


def word_of(line: str) -> Word | None:
    """The client's own word that a line is, if it is one: ``miala``, ``MIALA ;``, ``!``."""
    bare = line.strip().rstrip("; \t").casefold()
    if bare in LEAVE_WORDS:
        return Word.LEAVE
    if bare in HELP_WORDS:
        return Word.HELP
    return Word.CLEAR if bare in CLEAR_WORDS else None


def is_complete(text: str) -> bool:
    """True when Enter should send `text`: nothing unfinished is in it (a client's word and blank text included)."""
    reader = StatementReader()
    for line in text.split("\n"):
        for _ in reader.feed(line + "\n"):
            pass
    return not reader.is_pending
