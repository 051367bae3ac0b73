"""A syntax fault as the error that teaches: place, the line, what was found, what could have stood there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches

from dirk_parser.errors import SqlError
from dirk_parser.lexical.keywords import (
    KEYWORDS,
    MALAGASY_ONLY,
    NAME_TOKENS,
    RESERVED,
    TOKENS,
    speaks_malagasy,
    words_of,
)
from dirk_parser.lexical.lexer import SIGNS, SyntaxFault
from dirk_parser.lexical.rules import NAME_MARK
from dirk_parser.lexical.tokens import Token
from dirk_parser.normalize.normalized_statement import NormalizedStatement
from dirk_parser.normalize.normalizer import fill, literal_texts, text_place

#: Signs worth naming; operators could stand after nearly every expression and would hide the rest.
_PUNCTUATION = ("LPAREN", "RPAREN", "COMMA", "SEMICOLON", "COLON", "AT", "STAR", "EQ")
#: What is no fixed word: token -> its mark, which the messages put in the reader's language.
_CLASSES = {"ID": "<name>", "TEXT": "<text>", "WHOLE": "<number>"}
_FOUND_CHARACTERS = 40
#: How many words before a fault may be the misspelt one, and how long a statement may be to be tried again for that.
_LOOKED_BACK = 6
_TRIED_CHARACTERS = 2_000

#: What follows a name or a value that somebody forgot, and is no name.
_AFTER_A_GAP = frozenset(
    word for token in ("FROM", "WHERE") for word in KEYWORDS[token].malagasy + KEYWORDS[token].standard
)

#: First words of statements that other databases have and DirkDB does not, and kinds of objects that it does not make.
_FOREIGN = frozenset(("attach", "detach", "grant", "pragma", "release", "revoke", "savepoint", "truncate", "vacuum"))
_FOREIGN_OBJECTS = frozenset(("function", "procedure", "role", "schema", "sequence", "trigger", "user", "virtual"))

#: Where the fault of another template is, None when it has none.
FindFault = Callable[[str], int | None]


@dataclass(frozen=True, slots=True)
class _Meant:
    """A word that was perhaps meant to be a keyword."""

    start: int
    end: int
    keyword: str


def syntax_error(normalized: NormalizedStatement, fault: SyntaxFault, find_fault: FindFault) -> SqlError:
    """The SqlError `syntax`, `parameter_misplaced` for a `?`, or `ends_early` at the statement's end.

    With line, column, source, found, expected, nearest (a keyword that was perhaps meant; the place is then that of
    the word in its stead) and reserved (what was found, when it is a reserved word that was perhaps meant as a name).

    The expected words are in the vocabulary that the statement is written in: in both when it mixes them, in
    Malagasy when it has no keyword. A statement that only other databases have is `not_supported`.
    """
    foreign = _foreign(fault.lexer.tokens[:2])
    if foreign:
        return SqlError("not_supported", what=foreign)
    meant = _meant(fault, find_fault)
    start, end = (meant.start, meant.end) if meant is not None else (fault.start, fault.end)
    fault_shown = _found(normalized, fault, start, end)
    reserved = _reserved(fault, find_fault) if meant is None else ""
    words = [] if meant is not None and start != fault.start else expected_words(_possible(fault), _voice(fault, meant))
    key = "syntax" if fault_shown else "ends_early"
    return SqlError(
        "parameter_misplaced" if fault_shown[:1] in ("?", "$") else key,
        **text_place(normalized, start),
        place=start,
        found=fault_shown,
        expected=", ".join(words),
        nearest=meant.keyword if meant is not None else "",
        reserved=reserved,
    )


# --- the word that was meant ---------------------------------------------------------------------------------


def _foreign(tokens: list[Token]) -> str:
    """The statement's name elsewhere, in capitals, when DirkDB has none of its kind; else ''."""
    words = [str(token.value).lower() for token in tokens]
    if words and tokens[0].type == "ID" and words[0] in _FOREIGN:
        return words[0].upper()
    if len(words) == 2 and tokens[0].type in ("CREATE", "DROP", "ALTER") and words[1] in _FOREIGN_OBJECTS:
        return f"{tokens[0].type} {words[1].upper()}"
    return ""


def _meant(fault: SyntaxFault, find_fault: FindFault) -> _Meant | None:
    """The misspelt keyword: near to a name at or before the fault, it lets the grammar read on, furthest of all."""
    template = fault.lexer.template
    if len(template) > _TRIED_CHARACTERS:
        return None
    best, furthest = None, fault.start
    for token in _names_before(fault):
        for keyword in _near(str(token.value)):
            tried = f"{template[: token.lexpos]}{keyword}{template[token.endlexpos :]}"
            place = find_fault(tried)
            reached = len(template) + 1 if place is None else place - (len(tried) - len(template))
            if reached > furthest and (place is None or place > token.lexpos):
                shown = keyword if keyword in MALAGASY_ONLY else keyword.upper()
                best, furthest = _Meant(token.lexpos, token.endlexpos, shown), reached
    return best


def _names_before(fault: SyntaxFault) -> Iterator[Token]:
    tokens = [token for token in fault.lexer.tokens if token.lexpos <= fault.start][-_LOOKED_BACK:]
    bare = (token for token in reversed(tokens) if token.type == "ID")
    return (token for token in bare if fault.lexer.template[token.lexpos] != NAME_MARK)


def _near(name: str) -> list[str]:
    return get_close_matches(name.lower(), TOKENS, n=3, cutoff=0.65) if len(name) > 1 else []


def _reserved(fault: SyntaxFault, find_fault: FindFault) -> str:
    """The word at the fault when it is reserved, a name could stand there, and as a name it lets the grammar read on.

    Where a value could stand, too, the whole statement must make sense with the name: mostly a value lacks there.
    """
    template = fault.lexer.template
    word = template[fault.start : fault.end]
    is_wanted = word.lower() in RESERVED and "ID" in fault.expected and word.lower() not in _AFTER_A_GAP
    if not is_wanted or len(template) > _TRIED_CHARACTERS:
        return ""
    place = find_fault(f"{template[: fault.start]}`{word}`{template[fault.end :]}")
    following = next((token.lexpos for token in fault.lexer.tokens if token.lexpos >= fault.end), len(template))
    reads_on = place is None or ("WHOLE" not in fault.expected and place - len("``") > following)
    return word if reads_on else ""


# --- the words that could stand there ------------------------------------------------------------------------


def _voice(fault: SyntaxFault, meant: _Meant | None) -> bool | None:
    """True when the statement's keywords are Malagasy (or there are none); None when it has some of each."""
    return speaks_malagasy({*fault.lexer.words, *([meant.keyword.lower()] if meant is not None else [])})


def _possible(fault: SyntaxFault) -> tuple[str, ...]:
    """The expected tokens without the sides of a join, which are words of their own only after `tonona :`."""
    before = [token.type for token in fault.lexer.tokens if token.lexpos < fault.start][-1:]
    if before and before[0] in ("COLON", "NATURAL", "SIDE_NATURAL"):
        return fault.expected
    return tuple(token for token in fault.expected if not token.startswith("SIDE_"))


def expected_words(tokens: tuple[str, ...], malagasy: bool | None) -> list[str]:
    """The words and signs of `tokens`: classes first, then keywords in the table's order, then signs in quotes.

    `malagasy` None: each keyword in both vocabularies, `rehefa/WHERE`.
    """
    wanted = frozenset(tokens)
    words = [mark for token, mark in _CLASSES.items() if token in wanted]
    as_names = frozenset(NAME_TOKENS) if "ID" in wanted else frozenset()
    words += [words_of((token,), malagasy) for token in KEYWORDS if token in wanted and token not in as_names]
    words += [f"'{SIGNS[token]}'" for token in _PUNCTUATION if token in wanted]
    return list(dict.fromkeys(words))


def _found(normalized: NormalizedStatement, fault: SyntaxFault, start: int, end: int) -> str:
    if start >= len(normalized.template):
        return ""
    piece = normalized.template[start:end]
    if piece[:1] == "'":
        before = sum(1 for place in fault.lexer.literal_places if place < start)
        skipped = (
            normalized.row_width * (normalized.rows - 1) if before >= normalized.row_start + normalized.row_width else 0
        )
        piece = fill(piece, literal_texts(normalized)[before + skipped :])
    return piece[:_FOUND_CHARACTERS]
