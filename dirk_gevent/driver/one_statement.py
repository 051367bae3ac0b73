"""The one statement that a text for the driver holds: with another, every later answer would be an earlier one's."""

from __future__ import annotations

import re

from dirk_gevent.driver.client_splitter import CLOSERS, FIRST, NEXT
from dirk_parser.lexical import rules

# The usual text, told in one go: no comment, a `;` at its end at most.
_PLAIN = re.compile(rf"{rules.UNBROKEN}{rules.SEPARATOR}?\s*", re.DOTALL)


class NotOneError(ValueError):
    """The text is not one statement: `key` names the sentence in `catalogue.client`, `inside` is what is not closed."""

    def __init__(self, key: str, inside: str = "") -> None:
        super().__init__(key)
        self.key = key
        self.inside = inside


def the_statement(text: str) -> str:
    """The one statement of `text` without its ``;``, with the comments and line feeds before it, so that the lines of
    an error are those of `text`. Empty when there is none: white space, comments and ``;`` alone.

    Raises NotOneError: client_several, client_unclosed.
    """
    if _PLAIN.fullmatch(text):
        return text.rstrip().removesuffix(rules.SEPARATOR).rstrip()
    statement = ""
    begins_at = at = 0
    has_begun = False
    while (match := (NEXT if has_begun else FIRST).search(text, at)) is not None:
        token, at = match.group(), match.end()
        if token == rules.SEPARATOR:
            statement = _only(statement, text[begins_at : match.start()] if has_begun else "")
            begins_at, has_begun = at, False
        elif token == rules.BLOCK_OPEN or token in rules.LINE_COMMENTS:
            at = _after_comment(text, token, at)
        else:
            has_begun = True
            at = _after_quotes(text, token, at)
    return _only(statement, text[begins_at:] if has_begun else "").rstrip()


def _only(statement: str, another: str) -> str:
    if statement and another:
        raise NotOneError("client_several")
    return statement or another


def _after_comment(text: str, token: str, at: int) -> int:
    closer = rules.LINE_END if token in rules.LINE_COMMENTS else rules.BLOCK_CLOSE
    end = text.find(closer, at)
    if end >= 0:
        return end + len(closer)
    if token in rules.LINE_COMMENTS:
        return len(text)
    raise NotOneError("client_unclosed", token)


def _after_quotes(text: str, token: str, at: int) -> int:
    """Where the string or name ends that `token` opens; `at` when it opens none."""
    if token not in CLOSERS:
        return at
    closed = CLOSERS[token].match(text, at)
    if closed is None:
        raise NotOneError("client_unclosed", token)
    return closed.end()
