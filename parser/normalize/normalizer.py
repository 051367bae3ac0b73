"""Statement text ↔ `NormalizedStatement`: the literals are split off by one regular expression, without the grammar.

In a template a literal is a marker that no statement can contain: `'s'` text, `'i'` a whole number, `'r'` a real
one, `'v'` any value (only in simple VALUES rows of an INSERT, where null, marina, diso, true, false and a minus
before a number belong to the literal, so that all rows are one row template). A string after AS is a name, and so
is what stands in brackets.
Comments become blanks of the same length, so that a place in the template is a place in the text. White space stays as
written: it is part of the names of unaliased columns.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from dirk_parser.errors import SqlError
from dirk_parser.lexical import rules
from dirk_parser.lexical.keywords import speaks_malagasy
from dirk_parser.lexical.lexer import MAX_TOKENS
from dirk_parser.lexical.repetition import optional, repeated
from dirk_parser.lexical.rules import BRACKETS, ESCAPE, NAME_MARK, STRING_MARKS
from dirk_parser.normalize import literal_text as literals
from dirk_parser.normalize.json_rows import json_rows
from dirk_parser.normalize.normalized_statement import NormalizedStatement, Value
from dirk_parser.normalize.values_head import VALUES_HEAD

_FRACTION: Final = optional(r"\.[0-9]*+")
_EXPONENT: Final = optional("[eE][+-]?[0-9]++")
# A digit begins a number unless a name goes before it: `a1`, or a name that ends in a combining mark.
_NUMBER: Final = rf"""
    (?<=[0-9]) (?<!\w.) (?<![^\x00-\x7f\s].) [0-9]*+ {_FRACTION} {_EXPONENT} \w*
  | (?<=\.) (?<!\w.) [0-9]++ {_EXPONENT} \w*
"""
_WHOLE = re.compile(rf"{rules.MARK}(?:{rules.QUOTED_REST})|{rules.COMMENT}", re.DOTALL)
# The first character set lets the engine skip to where anything of interest can begin.
_PARTS: Final = (
    rf"[{rules.MARKS}\[/.\-0-9](?:{rules.QUOTED_REST}|{_NUMBER}|{rules.COMMENT_REST}|{rules.WITHOUT_END}"
)
_SPLIT = re.compile(rf"({_PARTS}))", re.VERBOSE | re.DOTALL)
#: A bracket without its end takes the rest of the line. No statement has one, but which error is told may differ.
_SPLIT_BRACKETS = re.compile(rf"({_PARTS}|{rules.BRACKET_WITHOUT_END}))", re.VERBOSE | re.DOTALL)
#: In a text of fewer characters brackets without an end cost nothing to speak of.
_SHORT_TEXT: Final = 1024
#: From so many brackets times characters on: each bracket that is looked at may cost the rest of its line.
_MOST_BRACKET_STEPS: Final = 2_000_000
_LEADING = re.compile(rf"(?:\s++|{rules.COMMENT})+", re.DOTALL)
_LEADING_FIRST: Final = frozenset(rules.BLANKS + rules.FIRST_HALVES) - {"#"}
_HEAD_LETTERS: Final = frozenset("mMiIrR")
_WORD: Final = r"""
    (?<=[nN]) (?<!\w.) [uU][lL][lL] (?!\w) | (?<=[mM]) (?<!\w.) [aA][rR][iI][nN][aA] (?!\w)
  | (?<=[dD]) (?<!\w.) [iI][sS][oO] (?!\w) | (?<=[tT]) (?<!\w.) [rR][uU][eE] (?!\w)
  | (?<=[fF]) (?<!\w.) [aA][lL][sS][eE] (?!\w)
"""
_MINUS: Final = rf"(?<=-) \s*+ (?:[0-9]++ {_FRACTION} | \.[0-9]++) {_EXPONENT} \w*"
_ROW_LITERAL = re.compile(
    rf"([{rules.STRING_MARKS}0-9.\-nNmMdDtTfF]"
    rf"(?:{_NUMBER}|{rules.QUOTED_REST}|{_WORD}|{_MINUS}|{rules.STRING_WITHOUT_END}))",
    re.VERBOSE | re.DOTALL,
)
_MARKER = re.compile(rf"{rules.QUOTED_NAME}|'[sirv]'")
_KEYWORD = re.compile(r"[^\W\d]\w*+")
_SPACE = re.compile(rf"({rules.QUOTED_NAME})|\s++")
_MAY_LACK_END: Final = frozenset(rules.MARKS + rules.BLOCK_OPEN[0])
#: After it a string is a name: `SELECT a AS "b"`.
_AS = re.compile(r"(?<![\w`])(?:as|antso)\s*+$", re.IGNORECASE)
_NEWLINES_KEPT = re.compile(f"[^{rules.LINE_END}]")
#: The first characters of names and comments. A minus is a number's in rows of VALUES only.
_NO_LITERALS: Final = frozenset(rules.NAME_MARK + rules.BRACKETS + rules.FIRST_HALVES)
#: Literals and comments that are split off before it is asked whether a statement can have so many.
_MOST_SPLITS: Final = 2 * MAX_TOKENS


def split(text: str) -> NormalizedStatement:
    """Split a statement into its template and its literals.

    White space and comments before the first word, white space after the last, and a `;` at the end go away: an
    error's line and column count from the first word. Raises SqlError: `unterminated` (a string, quoted name or
    comment), `number_glued`, `out_of_range`.
    """
    text = _from_first_word(text)
    if text[:1] in _HEAD_LETTERS:
        head = VALUES_HEAD.match(text)
        if head is not None:
            normalized = _split_rows(text, head.end())
            if normalized is not None:
                return normalized
    if len(text) > _MOST_SPLITS:
        _check_literals(text)
    return _split_plain(text)


def split_large_insert(text: str) -> NormalizedStatement | None:
    """`split` of an insert whose rows are JSON but for brackets and quotes, at some 20 µs a kilobyte; None for any
    other statement, which may take a hundred times as long to understand."""
    text = _from_first_word(text)
    head = VALUES_HEAD.match(text) if text[:1] in _HEAD_LETTERS else None
    return _split_json_rows(text, head.end()) if head is not None else None


def _from_first_word(text: str) -> str:
    if text[:1] in _LEADING_FIRST:
        leading = _LEADING.match(text)
        return text[leading.end() :] if leading else text
    return text


def _split_plain(text: str) -> NormalizedStatement:
    """As `split`, from the first word on, with all rows of VALUES."""
    parts = (_SPLIT if len(text) < _SHORT_TEXT else _expression(text)).split(text)
    if len(parts) == 1:
        return NormalizedStatement(_trimmed(text), ())
    if not parts[-1]:
        _must_end(parts[-2], text)
    values, texts = _take_literals(parts)
    return NormalizedStatement(_trimmed("".join(parts)), tuple(values), tuple(texts))


def _check_literals(text: str) -> None:
    """Raise `too_complex` for more literals than a statement may have tokens, before each costs a hundred bytes."""
    parts = _expression(text).split(text, maxsplit=_MOST_SPLITS)
    if len(parts) > 2 * _MOST_SPLITS:
        literals_there = sum(part[0] not in _NO_LITERALS for part in parts[1::2])
        if literals_there > MAX_TOKENS:
            raise SqlError("too_complex", limit=MAX_TOKENS)


def _expression(text: str) -> re.Pattern[str]:
    """The expression that splits `text`: in a long one with many brackets, one that looks at those without an end only
    once."""
    brackets = text.count(BRACKETS[0])
    return _SPLIT if brackets * len(text) < _MOST_BRACKET_STEPS else _SPLIT_BRACKETS


def _trimmed(template: str) -> str:
    return template.strip().rstrip(_ROWS_TAIL)


def _must_end(last: str, text: str) -> None:
    """Raise `unterminated` when the last part, which reaches the end of the text, has no end of its own."""
    if _is_broken(last):
        mark = last[0] if last[0] in rules.MARKS else rules.BLOCK_OPEN
        raise SqlError("unterminated", mark=mark, **place(text, len(text) - len(last)))


def _is_broken(part: str) -> bool:
    return part[0] in _MAY_LACK_END and not _WHOLE.fullmatch(part)


def _take_literals(parts: list[str]) -> tuple[list[Value], list[str]]:
    """Put markers for the literals among `parts` (every second one) and blanks for comments."""
    values: list[Value] = []
    texts: list[str] = []
    for index in range(1, len(parts), 2):
        part = parts[index]
        first = part[0]
        if first in "0123456789.":
            number = literals.number(part)
            values.append(number)
            parts[index] = "'i'" if type(number) is int else "'r'"
        elif first in STRING_MARKS and len(part) > 2 and _AS.search(parts[index - 1]):
            parts[index] = rules.name_text(literals.string(part))
            continue
        elif first in STRING_MARKS:
            values.append(literals.string(part))
            parts[index] = "'s'"
        elif first in BRACKETS:
            parts[index] = rules.name_text(part[1:-1]) if part.endswith(BRACKETS[1]) else part
            continue
        else:
            parts[index] = part if first == NAME_MARK else _NEWLINES_KEPT.sub(" ", part)
            continue
        texts.append(part)
    return values, texts


def place(text: str, offset: int) -> dict[str, str | int]:
    """Line and column (both from 1) of an offset, and the source line, as parameters of an error."""
    start = text.rfind("\n", 0, offset) + 1
    end = text.find("\n", offset)
    source = text[start : end if end >= 0 else len(text)]
    return {"line": text.count("\n", 0, offset) + 1, "column": offset - start + 1, "source": source}


# --- INSERT … VALUES ---------------------------------------------------------------------------------------


#: From so many characters on rows are tried as JSON, and their literals' texts are not kept.
_LARGE_BLOCK: Final = 1024
_ROWS_TAIL: Final = rules.BLANKS + rules.SEPARATOR


def _split_rows(text: str, start: int) -> NormalizedStatement | None:
    """The rows of VALUES as one row template, or None when they are not all literals of one width."""
    if len(text) - start >= _LARGE_BLOCK:
        normalized = _split_json_rows(text, start)
        if normalized is not None:
            return normalized
    parts = _ROW_LITERAL.split(text[start:])
    gaps = parts[0::2]
    count = len(gaps) - 1
    if count == 0 or gaps[0].strip() != "(" or (not gaps[-1] and _is_broken(parts[-2])):
        return None
    ends = {gap: gap.translate(_NO_SPACE) for gap in set(gaps)}
    steps = [ends[gap] for gap in gaps]
    simple = next((i for i in range(1, count) if steps[i] not in _STEPS), count)
    if not steps[simple].startswith(")") or steps[simple] == "),(":
        return None
    width = next((i for i in range(1, simple) if steps[i] == "),("), simple)
    rows = simple // width
    if steps[1 : simple + 1] != _row_steps(width, rows, steps[simple]):
        return None
    return _one_row(text, start, parts, width, rows)


#: Fewer digits than this always fit 64 bits.
_SHORT_NUMBER: Final = 18
_NO_SPACE: Final = dict.fromkeys(map(ord, rules.BLANKS))
_STEPS: Final = frozenset((",", "),("))
#: What may follow rows that are run one by one: nothing, an upsert, RETURNING. Neither another row that is no simple
#: one (`(abs(3), $p)`), nor a set operator or a limit, which are about all rows together.
_ROWS_END = re.compile(
    r"\)" + repeated(rf"[\s;]++|{rules.DECORATION}|{rules.COMMENT}") + r"(?:$|(?:on|ka|returning)\b)",
    re.DOTALL | re.IGNORECASE,
)


def _row_steps(width: int, rows: int, last: str) -> list[str]:
    """The pieces after each literal of `rows` rows of `width` literals."""
    return ([","] * (width - 1) + ["),("]) * (rows - 1) + [","] * (width - 1) + [last]


def _one_row(text: str, start: int, parts: list[str], width: int, rows: int) -> NormalizedStatement | None:
    count = width * rows
    texts = parts[1 : 2 * count : 2]
    end = start + sum(map(len, parts[: 2 * count]))
    if not _ROWS_END.match(text, end):
        return None
    values = [_row_value(part) for part in texts]
    tail = split("x" + text[end:])
    template = _row_template(text, start, width) + tail.template[1:]
    all_values = (*values, *tail.literals)
    return NormalizedStatement(template, all_values, (*texts, *tail.texts), rows=rows, row_width=width)


def _split_json_rows(text: str, start: int) -> NormalizedStatement | None:
    rows = json_rows(text[start:].rstrip(_ROWS_TAIL))
    if rows is None:
        return None
    return NormalizedStatement(
        _row_template(text, start, rows.width) + ")", rows.values, rows=rows.count, row_width=rows.width
    )


def _row_template(text: str, start: int, width: int) -> str:
    """The statement up to the rows at `start`, and one row of them but for its last parenthesis."""
    markers = ", ".join(["'v'"] * width)
    return f"{text[:start].strip()} ({markers}"


def _row_value(part: str) -> Value:
    first = part[0]
    if part.isdecimal() and len(part) < _SHORT_NUMBER and part.isascii():
        return int(part)
    if first in STRING_MARKS:
        body = part[1:-1]
        return literals.string(part) if ESCAPE in body or first in body else body
    if first in "-.0123456789":
        return literals.signed(part)
    return literals.WORDS[part.lower()]


# --- back to text ------------------------------------------------------------------------------------------


def text(normalized: NormalizedStatement) -> str:
    """The statement's text with its literals back in place; splitting it again gives an equal template and values."""
    texts = literal_texts(normalized)
    if normalized.rows == 1:
        return fill(normalized.template, texts)
    width, start = normalized.row_width, normalized.row_start
    opening = [match.start() for match in _MARKER.finditer(normalized.template) if match[0][0] == "'"][start]
    row_end = normalized.template.index(")", opening) + 1
    row_begin = normalized.template.rindex("(", 0, opening)
    end = start + width * normalized.rows
    rows = ", ".join(f"({', '.join(texts[i : i + width])})" for i in range(start, end, width))
    head = fill(normalized.template[:row_begin], texts[:start])
    return head + rows + fill(normalized.template[row_end:], texts[end:])


def literal_texts(normalized: NormalizedStatement) -> Sequence[str]:
    """The literals as they were written, or as they may be where that was not kept (rows of large inserts)."""
    return normalized.texts or [literals.text_of(value) for value in normalized.literals]


def fill(template: str, texts: Sequence[str]) -> str:
    """`template` with its markers replaced by `texts`, in order."""
    following = iter(texts)
    return _MARKER.sub(lambda match: match[0] if match[0][0] == NAME_MARK else next(following), template)


def column_name(source: str, first_literal: int, normalized: NormalizedStatement) -> str:
    """The name of an unaliased column in this request. `source` and `first_literal` are an `Item`'s."""
    return source_text(source, first_literal, normalized) if "'" in source else plain_name(source)


def plain_name(source: str) -> str:
    """The name of an unaliased column whose text `source` holds no literal."""
    return source if NAME_MARK in source else " ".join(source.split())


def source_text(source: str, first_literal: int, normalized: NormalizedStatement) -> str:
    """The name of an unaliased column: its text in this request, white space collapsed.

    `source` and `first_literal` are an `Item`'s.
    """
    collapsed = _SPACE.sub(lambda match: match[1] or " ", source)
    if "'" not in collapsed:
        return collapsed
    texts = literal_texts(normalized)
    skipped = (
        normalized.row_width * (normalized.rows - 1)
        if first_literal >= normalized.row_start + normalized.row_width
        else 0
    )
    return fill(collapsed, texts[first_literal + skipped :])


def text_place(normalized: NormalizedStatement, offset: int) -> dict[str, str | int]:
    """Line, column and source line, in the statement's own text, of a place in its template."""
    return placed(SqlError("syntax", place=offset), text(normalized)).params


def placed(error: SqlError, text: str) -> SqlError:
    """An error with the line, column and source line of its place in `text`, the statement's own; as it is when it
    has no place."""
    if error.place < 0:
        return error
    text = _from_first_word(text)
    normalized, plain = split(text), _split_plain(text)
    markers = sum(1 for match in _MARKER.finditer(normalized.template[: error.place]) if match[0][0] == "'")
    # What follows rows that one row stands for is as far from the end in both templates.
    past_rows = markers >= normalized.row_start + normalized.row_width > normalized.row_start
    offset = len(plain.template) - len(normalized.template) + error.place if past_rows else error.place
    before = fill(plain.template[:offset], plain.texts)
    params = {**error.params, **place(text, len(before)), "speaks": _vocabulary(normalized.template)}
    return SqlError(error.key, **params)


def _vocabulary(template: str) -> str:
    """Which words a statement is written in, as its errors' parameter `speaks`: `malagasy`, `standard` or `both`."""
    malagasy = speaks_malagasy(frozenset(_KEYWORD.findall(_MARKER.sub(" ", template).lower())))
    return "both" if malagasy is None else "malagasy" if malagasy else "standard"
