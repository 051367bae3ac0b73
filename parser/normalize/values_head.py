"""The head of `INSERT … VALUES`, up to its first row: the grammar's own productions, written as one regular expression.

Only here a statement is recognised before the grammar has read it. So the expression says no more than the grammar
does: `insert : inserting into object_name insert_alias [( [names] )] VALUES rows`, with the noise that the lexer drops
between the words. A head that is not of this form (a WITH, a comment, a string for a name) takes the long way.
"""

from __future__ import annotations

import re
from typing import Final

from dirk_parser.lexical.keywords import KEYWORDS
from dirk_parser.lexical.repetition import optional, repeated
from dirk_parser.lexical.rules import QUOTED_NAME

#: What the lexer's words are made of past their first letter: a class, for a group costs memory each time it repeats.
_LETTER: Final = r"[^\x00-\x2f\x3a-\x40\x5b-\x5e\x60\x7b-\x7f\s]"
_NAME: Final = rf"(?>{QUOTED_NAME}|[^\W\d]{_LETTER}*+)"


def _word(*tokens: str) -> str:
    """A keyword of one of `tokens`. Other letters that case folding makes equal to these are none of the lexer's."""
    words = {word for token in tokens for word in KEYWORDS[token].malagasy + KEYWORDS[token].standard}
    spelt = ("".join(f"[{letter}{letter.upper()}]" for letter in word) for word in sorted(words))
    return rf"(?:{'|'.join(spelt)})(?!{_LETTER})"


def _noise(signs: str) -> str:
    """White space, `signs` and the word `ny`."""
    spaces = rf"[\s{signs}]*+"
    return spaces + repeated(_word("NY") + spaces)


#: Noise by what stands before it and after it: `@` follows a keyword, `#` goes before one.
_BETWEEN_WORDS: Final = _noise("@#")
_AFTER_WORD: Final = _noise("@")
_BEFORE_WORD: Final = _noise("#")
_NOISE: Final = _noise("")

_RESOLUTION: Final = rf"{_word('OR')}{_BETWEEN_WORDS}{_word('REPLACE', 'IGNORE', 'ABORT', 'FAIL', 'ROLLBACK')}"
_INSERTING: Final = rf"(?:{_word('INSERT')}(?:{_BETWEEN_WORDS}{_RESOLUTION})?|{_word('REPLACE')})"
_TABLE: Final = rf"{_NAME}(?:{_NOISE}\.{_NOISE}{_NAME})?"
_ALIAS: Final = rf"{_BEFORE_WORD}{_word('AS')}{_AFTER_WORD}{_NAME}"
_NAMES: Final = optional(rf"{_NAME}{_NOISE}{repeated(f',{_NOISE}{_NAME}{_NOISE}')}")
_COLUMNS: Final = rf"{_NOISE}\({_NOISE}{_NAMES}\)"

#: Matches from the first word up to the parenthesis of the first row. What stands where a name may is not looked at: a
#: reserved word there is no statement of any kind.
VALUES_HEAD: Final = re.compile(
    rf"{_INSERTING}{_BETWEEN_WORDS}{_word('INTO', 'FROM')}{_AFTER_WORD}{_TABLE}(?:{_ALIAS})?(?:{_COLUMNS})?"
    rf"{_BEFORE_WORD}{_word('VALUES')}{_AFTER_WORD}(?=\()"
)
