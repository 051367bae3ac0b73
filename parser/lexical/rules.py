r"""The table of lexical rules: how strings, quoted names and comments begin and end, and which sign goes before which.

Whatever reads the text of statements is built from it: the statement splitter, the client's splitter, the normaliser,
the lexer and the highlighter.

    'text' "text"      a backslash takes the next character along; a doubled mark is one mark
    `name`             a doubled mark is one mark
    [name]             on one line and not empty; only the normaliser knows it, so a `;` or a mark inside still counts
                       for those that cut statements
    -- text  // text   up to the line feed, which is no part of the comment
    /* text */         up to the first `*/`: comments do not nest
    #- #+ #^           set operators; `#-` goes before `--`, so `#--1` holds no comment
    ;                  ends a statement outside all of these (but brackets)

Patterns are compiled with DOTALL, with or without VERBOSE. They are ASCII: `.encode()` makes those for bytes.
"""

from __future__ import annotations

import re
from typing import Final

from dirk_parser.lexical.repetition import repeated

SEPARATOR: Final = ";"
LINE_END: Final = "\n"
#: White space to every reader, of text or of bytes.
BLANKS: Final = " \t\r\n\f\v"
STRING_MARKS: Final = "'\""
NAME_MARK: Final = "`"
MARKS: Final = STRING_MARKS + NAME_MARK
ESCAPE: Final = "\\"
#: The letters that a backslash makes control characters; any other character stands for itself.
CONTROLS: Final = {"n": "\n", "t": "\t", "r": "\r"}
BRACKETS: Final = "[]"
BLOCK_OPEN: Final = "/*"
BLOCK_CLOSE: Final = "*/"
DASHES: Final = "--"
SLASHES: Final = "//"
#: What opens a comment up to the end of its line.
LINE_COMMENTS: Final = (DASHES, SLASHES)
#: How the comment begins that holds a request's metadata.
METADATA_OPEN: Final = f"{BLOCK_OPEN}dirk "
#: The set operators and their tokens.
SET_OPERATORS: Final = {"#+": "UNION", "#-": "EXCEPT", "#^": "INTERSECT"}
_BEFORE_DASHES: Final = "#-"
_SIGNS: Final = (_BEFORE_DASHES, *LINE_COMMENTS, BLOCK_OPEN)
#: First character of a sign that matters to those that cut statements -> what may be its second.
_SECONDS: Final = {first: "".join(sign[1] for sign in _SIGNS if sign[0] == first) for first in "#-/"}
#: What a text that goes on elsewhere may end with, as the first half of a sign.
FIRST_HALVES: Final = "".join(_SECONDS)


def body(mark: str) -> str:
    """A pattern for what stands behind `mark` up to where a reader that takes `''` for two strings sees its end."""
    plain, pairs = _inside(mark)
    return plain + (repeated(pairs + plain) if pairs else "")


def whole_body(mark: str) -> str:
    """A pattern for what stands behind `mark` up to its end, doubled marks included."""
    plain, pairs = _inside(mark)
    return plain + repeated(f"(?:{'|'.join(filter(None, (mark + mark, pairs)))}){plain}")


def so_far(mark: str) -> str:
    """A pattern for a string or a name that may lack its end, as while it is typed."""
    return rf"{mark}{body(mark)}(?:{mark}|\\?)"


def _inside(mark: str) -> tuple[str, str]:
    """Patterns for the plain characters between two marks, and for a backslash with what it takes along."""
    return (rf"[^{mark}\\]*+", r"\\.") if mark in STRING_MARKS else (f"[^{mark}]*+", "")


def string_text(value: str) -> str:
    """A string literal that reads back as `value`."""
    mark = STRING_MARKS[0]
    return mark + value.replace(ESCAPE, ESCAPE + ESCAPE).replace(mark, mark + mark) + mark


def name_text(name: str) -> str:
    """A name in back quotes."""
    return NAME_MARK + name.replace(NAME_MARK, NAME_MARK + NAME_MARK) + NAME_MARK


def name_of(text: str) -> str:
    """The name that a text in back quotes stands for."""
    return text[1:-1].replace(NAME_MARK + NAME_MARK, NAME_MARK)


# --- patterns ----------------------------------------------------------------------------------------------

_LINE_REST: Final = r"[^\n]*+"
_BLOCK_REST: Final = rf".*?{re.escape(BLOCK_CLOSE)}"
#: What opens a string or a name.
MARK: Final = f"[{MARKS}]"
COMMENT_OPENER: Final = "|".join(map(re.escape, (*LINE_COMMENTS, BLOCK_OPEN)))
#: What opens a string, a name or a comment, and the sign that goes before one.
OPENER: Final = f"{MARK}|{re.escape(_BEFORE_DASHES)}|{COMMENT_OPENER}"
#: It comes without its line feed.
LINE_COMMENT: Final = f"{DASHES}{_LINE_REST}|{SLASHES}{_LINE_REST}"
COMMENT: Final = f"{LINE_COMMENT}|{re.escape(BLOCK_OPEN)}{_BLOCK_REST}"
#: A comment that may lack its end.
BLOCK_COMMENT_SO_FAR: Final = rf"{re.escape(BLOCK_OPEN)}.*?(?:{re.escape(BLOCK_CLOSE)}|\Z)"
#: `#` as mere decoration.
DECORATION: Final = rf"\#(?![{_SECONDS['#']}])"
QUOTED_NAME: Final = NAME_MARK + whole_body(NAME_MARK) + NAME_MARK
SET_OPERATOR: Final = "|".join(map(re.escape, SET_OPERATORS))

_PLAIN: Final = f"[^{re.escape(SEPARATOR + MARKS + FIRST_HALVES)}]++"
_CLOSED: Final = "|".join(mark + body(mark) + mark for mark in MARKS)
#: No `;` and no comment: plain characters, whole strings and names, signs that open nothing.
UNBROKEN: Final = repeated(
    "|".join((_PLAIN, _CLOSED, *(f"{re.escape(first)}(?![{seconds}])" for first, seconds in _SECONDS.items())))
)
#: The same of a text that may go on elsewhere: it never ends behind a sign at the very end.
UNBROKEN_SO_FAR: Final = repeated(
    "|".join((_PLAIN, _CLOSED, *(f"{re.escape(first)}(?=[^{seconds}])" for first, seconds in _SECONDS.items())))
)

# The rest of something behind its first character, for an expression that begins with one set of characters.
#: Of a string or a name, up to its end.
QUOTED_REST: Final = "|".join((*(f"(?<={mark}){whole_body(mark)}{mark}" for mark in MARKS), r"(?<=\[)[^\]\n]++\]"))
#: Of a comment, up to its end.
COMMENT_REST: Final = (
    rf"(?<=-)(?<!{re.escape(_BEFORE_DASHES)})-{_LINE_REST}|(?<=/)/{_LINE_REST}|(?<=/)\*{_BLOCK_REST}"
)
#: Of a string that never ends, or of a name or comment: all the text, so that it is looked at once.
STRING_WITHOUT_END: Final = f"(?<=[{STRING_MARKS}]).*+"
WITHOUT_END: Final = rf"(?<={MARK}).*+|(?<=/)\*.*+"
#: Of a bracket without its end: the rest of the line.
BRACKET_WITHOUT_END: Final = r"(?<=\[)[^\]\n]++"
