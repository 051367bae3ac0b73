"""Colours for the language: a Pygments lexer, and the words that completion offers. Loaded at the first key."""

from __future__ import annotations

import re
from typing import ClassVar

from pygments.lexer import RegexLexer, words
from pygments.token import (
    Comment,
    Keyword,
    Name,
    Number,
    Operator,
    Punctuation,
    String,
    Text,
)

from dirk_parser.lexical import rules
from dirk_parser.lexical.keywords import FUNCTIONS, KEYWORDS, MALAGASY_FUNCTIONS, RESERVED, TOKENS

#: What completion offers, sorted: every keyword and function, Malagasy and standard.
COMPLETIONS: tuple[str, ...] = tuple(
    sorted(
        {word for word in TOKENS if len(word) > 2}
        | set(FUNCTIONS)
        | set(MALAGASY_FUNCTIONS)
        | {"miala", "diovy"}
    )
)
_OTHER_WORDS = frozenset(
    word for keyword in KEYWORDS.values() if not keyword.reserved for word in keyword.malagasy + keyword.standard
)


class DirkLexer(RegexLexer):
    """DirkDB's SQL in Malagasy, with the standard words mixed in."""

    name = "DirkDB"
    aliases: ClassVar[list[str]] = ["dirkdb"]
    filenames: ClassVar[list[str]] = ["*.dirkdb"]
    flags = re.IGNORECASE | re.DOTALL
    tokens: ClassVar[dict[str, list[tuple[object, ...]]]] = {
        "root": [
            (r"\s+", Text),
            (rules.SET_OPERATOR, Operator),
            (rules.LINE_COMMENT, Comment.Single),
            (rules.BLOCK_COMMENT_SO_FAR, Comment.Multiline),
            *((rules.so_far(mark), String) for mark in rules.STRING_MARKS),
            (rules.so_far(rules.NAME_MARK), Name),
            (words(tuple(RESERVED), prefix=r"\b", suffix=r"\b"), Keyword),
            (words(tuple(_OTHER_WORDS), prefix=r"\b", suffix=r"\b"), Keyword.Type),
            (r"\d+(\.\d+)?(e[-+]?\d+)?", Number),
            (r"[^\W\d]\w*", Name),
            (r"[?$@#]", Operator),
            (rf"(?:(?!{rules.COMMENT_OPENER})[-+*/%=<>!|&~^])+", Operator),
            (r"[(),.;:]", Punctuation),
            (r".", Text),
        ],
    }
