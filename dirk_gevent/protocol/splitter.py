"""Statements cut out of a stream of bytes, at each ``;`` that stands outside strings, names and comments."""

from __future__ import annotations

import re

from dirk_parser.lexical import rules
from dirk_parser.lexical.repetition import repeated

_METADATA_OPEN = rules.METADATA_OPEN.encode()
_SEPARATOR = rules.SEPARATOR.encode()
_BLOCK_CLOSE = rules.BLOCK_CLOSE.encode()
_DASHES = rules.DASHES.encode()
_STRING_MARK = rules.STRING_MARKS[0].encode()
_ESCAPE = rules.ESCAPE.encode()
_FIRST_HALVES = tuple(first.encode() for first in rules.FIRST_HALVES)
_SPECIAL = re.compile(f"{rules.MARK}|{rules.COMMENT_OPENER}".encode())
_NEXT = re.compile(f"{rules.SEPARATOR}|{rules.OPENER}".encode())
_UNBROKEN = re.compile(rules.UNBROKEN_SO_FAR.encode(), re.DOTALL)
#: What may end, quote or comment; a minus does so only with another.
_ALL_BUT_SIGNS = bytes(set(range(256)) - set(f"{rules.SEPARATOR}{rules.MARKS}{rules.ESCAPE}{rules.SLASHES}".encode()))
# Atomic: a comment ends at its first `*/`, also when what follows it is not blank but ends in another `*/`.
_BLANK = re.compile((repeated(rf"\s+|{rules.COMMENT}") + r"\Z").encode(), re.DOTALL)
_BLANK_BEGINNINGS = "".join(sorted({opener[0] for opener in (*rules.LINE_COMMENTS, rules.BLOCK_OPEN)})).encode()
#: What the scan is inside of: a string or name by its mark, a comment up to the end of its line, another.
_LINE, _BLOCK = ord(rules.LINE_END), ord(rules.BLOCK_CLOSE[0])
_MODES = {
    **{mark.encode(): ord(mark) for mark in rules.MARKS},
    **{opener.encode(): _LINE for opener in rules.LINE_COMMENTS},
    rules.BLOCK_OPEN.encode(): _BLOCK,
}
_COMMENT_CLOSERS = {_LINE: rules.LINE_END.encode(), _BLOCK: _BLOCK_CLOSE}
#: What matters inside a string or name: its mark and, in a string, a backslash.
_CLOSERS = {
    ord(mark): re.compile(f"[{mark}{re.escape(rules.ESCAPE) if mark in rules.STRING_MARKS else ''}]".encode())
    for mark in rules.MARKS
}
#: So much without a ``;`` is looked at when one comes, and then once; more at once would hold the hub.
_LOOKED_AT_LATER_BYTES = 128 * 1024


class StatementTooLongError(Exception):
    """A statement grew past `limits.maxStatementBytes`: answer it, then close (the rest can't be framed)."""


class StatementSplitter:
    """Cuts a byte stream into statements at each ``;`` that stands outside strings, back-quotes and comments.

    `feed` is linear in the bytes it is given whatever the segments are: the scan resumes where it stopped.
    Statements come without their ``;`` and without surrounding white space; those of white space alone are dropped,
    since they get no answer (those of comments alone get one). Bytes are not decoded: every delimiter is ASCII.
    """

    __slots__ = ("_buffer", "_max_bytes", "_mode", "_scan", "_start")

    def __init__(self, max_bytes: int = 16 * 1024 * 1024) -> None:
        self._buffer = bytearray()
        self._scan = 0
        self._start = 0
        self._mode = 0
        self._max_bytes = max_bytes

    @property
    def pending_bytes(self) -> int:
        """How many bytes of an unfinished statement are held."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """The statements that `data` completes, in order.

        Raises StatementTooLongError after which the splitter is of no more use.
        """
        if not self._buffer:
            # One plain statement a segment, with or without metadata, is what nearly all segments are.
            start = data.find(_BLOCK_CLOSE) + 2 if data.startswith(_METADATA_OPEN) else 0
            if data.find(_SEPARATOR, start) == len(data) - 1 and not _SPECIAL.search(data, start) and start != 1:
                statement = data[:-1].strip()
                if len(statement) > self._max_bytes:
                    raise StatementTooLongError
                return [statement] if statement else []
        self._buffer += data
        if _SEPARATOR not in data and len(self._buffer) <= _LOOKED_AT_LATER_BYTES:
            statements = []
        elif not self._scan and not self._mode and _is_one_plain(self._buffer):
            statements = [bytes(self._buffer[: self._buffer.rindex(_SEPARATOR)]).strip()]
            self._start = len(self._buffer)
        else:
            statements = self._cut()
        if self._start:
            del self._buffer[: self._start]
            self._scan = max(0, self._scan - self._start)
            self._start = 0
        if not self._mode and self._buffer.isspace():
            self._buffer.clear()
            self._scan = 0
        if len(self._buffer) > self._max_bytes or (statements and len(statements[0]) > self._max_bytes):
            raise StatementTooLongError
        return statements

    def missing(self) -> str:
        """The missing part of the statement that is held: the sign that closes a string, name or comment, ``;``, or the
        line feed behind a comment that a ``;`` stands in. Empty when none has begun: white space, comments.
        """
        self._cut()
        if self._mode not in (0, _LINE):
            return rules.BLOCK_CLOSE if self._mode == _BLOCK else chr(self._mode)
        held = bytes(self._buffer).strip() if len(self._buffer) <= _LOOKED_AT_LATER_BYTES else b"a"
        if held.endswith(_SEPARATOR):
            return rules.LINE_END
        return "" if is_blank(held) else rules.SEPARATOR

    def _cut(self) -> list[bytes]:
        statements: list[bytes] = []
        buffer = self._buffer
        while True:
            if self._mode and not self._leave_mode(buffer):
                return statements
            unbroken = _UNBROKEN.match(buffer, self._scan)
            match = _NEXT.search(buffer, unbroken.end() if unbroken else self._scan)
            if match is None:
                # The last byte may be the first half of a two-byte opener.
                self._scan = max(self._scan, len(buffer) - buffer.endswith(_FIRST_HALVES))
                return statements
            self._scan = match.end()
            token = match.group()
            if token == _SEPARATOR:
                statement = bytes(buffer[self._start : match.start()]).strip()
                if len(statement) > self._max_bytes:
                    raise StatementTooLongError
                if statement:
                    statements.append(statement)
                self._start = self._scan
            else:
                self._mode = _MODES.get(token, 0)

    def _leave_mode(self, buffer: bytearray) -> bool:
        """Move the scan past the open string or comment; False when its end has not come yet."""
        if self._mode in (_LINE, _BLOCK):
            closer = _COMMENT_CLOSERS[self._mode]
            at = buffer.find(closer, self._scan)
            if at < 0:
                self._scan = max(self._scan, len(buffer) - (len(closer) - 1))
                return False
            self._scan = at + len(closer)
            self._mode = 0
            return True
        closing = _CLOSERS[self._mode]
        while match := closing.search(buffer, self._scan):
            if match.group() != _ESCAPE:
                self._scan = match.end()
                self._mode = 0
                return True
            if match.end() == len(buffer):
                self._scan = match.start()
                return False
            self._scan = match.end() + 1
        self._scan = len(buffer)
        return False


def _is_one_plain(data: bytearray) -> bool:
    """True when a few searches in C tell that `data` is one statement: behind its metadata no comment and no quote but
    `'`, all of them closed before its only `;`, which ends it."""
    start = data.find(_BLOCK_CLOSE) + 2 if data.startswith(_METADATA_OPEN) else 0
    end = data.rfind(_SEPARATOR)
    if start == 1 or data[end + 1 :].strip() or data.find(_DASHES, start) >= 0 or not data[start:end].strip():
        return False
    signs = data[start:].translate(None, _ALL_BUT_SIGNS)
    return len(signs) % 2 == 1 and signs == _STRING_MARK * (len(signs) - 1) + _SEPARATOR


def is_blank(statement: bytes) -> bool:
    """True when a statement is nothing but white space and comments."""
    return statement[:1] in _BLANK_BEGINNINGS and _BLANK.match(statement) is not None
