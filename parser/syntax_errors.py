"""A syntax fault as the error that teaches: place, the line, what was found, what could have stood there."""

from __future__ import annotations

from parser.errors import SqlError
from parser.keywords import KEYWORDS, MALAGASY_ONLY, NAME_TOKENS, STANDARD_ONLY, word
from parser.lexer import SIGNS, SyntaxFault
from parser.plan import Shaped
from parser.shape import fill, text_place
from parser.suggest import nearest

#: Signs worth naming; operators could stand after nearly every expression and would hide the rest.
_PUNCTUATION = ("LPAREN", "RPAREN", "COMMA", "SEMICOLON", "COLON", "AT", "STAR", "EQ")
#: What is no fixed word: token -> its mark, which the messages put in the reader's language.
_CLASSES = {"ID": "<name>", "TEXT": "<text>", "WHOLE": "<number>"}
_FOUND_CHARACTERS = 40


def syntax_error(shaped: Shaped, fault: SyntaxFault) -> SqlError:
    """The SqlError `syntax`: line, column, source, found, expected, and nearest (a word that was perhaps meant).

    The expected words are in the vocabulary of which the statement has more words; Malagasy when it has none.
    """
    malagasy = is_malagasy(fault.lexer.words)
    found = _found(shaped, fault)
    words = expected_words(fault.expected, malagasy)
    return SqlError(
        "syntax",
        **text_place(shaped, fault.start),
        found=found,
        expected=", ".join(words),
        nearest=_nearest(fault),
    )


def _nearest(fault: SyntaxFault) -> str:
    """The keyword that was perhaps meant: by the word found, or by the name before it (`alaivo a form t`)."""
    both = [*expected_words(fault.expected, True), *expected_words(fault.expected, False)]
    keywords = [each for each in both if each.isalpha()]
    names = [
        str(token.value)
        for token in fault.lexer.tokens
        if token.type == "ID" and token.lexpos <= fault.start and fault.start - token.endlexpos <= 1
    ]
    return next(filter(None, (nearest(name, keywords) for name in reversed(names))), "")


def is_malagasy(words: list[str]) -> bool:
    """Whether a statement with these keywords is rather a Malagasy one."""
    standard = sum(1 for each in words if each in STANDARD_ONLY)
    return sum(1 for each in words if each in MALAGASY_ONLY) >= standard


def expected_words(tokens: tuple[str, ...], malagasy: bool) -> list[str]:
    """The words and signs of `tokens`: classes first, then keywords in the table's order, then signs in quotes."""
    wanted = frozenset(tokens)
    words = [mark for token, mark in _CLASSES.items() if token in wanted]
    as_names = frozenset(NAME_TOKENS) if "ID" in wanted else frozenset()
    words += [word(token, malagasy) for token in KEYWORDS if token in wanted and token not in as_names]
    words += [f"'{SIGNS[token]}'" for token in _PUNCTUATION if token in wanted]
    return list(dict.fromkeys(words))


def _found(shaped: Shaped, fault: SyntaxFault) -> str:
    if fault.start >= len(shaped.shape):
        return ""
    piece = shaped.shape[fault.start : fault.end]
    if piece[:1] == "'":
        before = sum(1 for place in fault.lexer.literal_places if place < fault.start)
        skipped = shaped.row_width * (shaped.rows - 1) if before >= shaped.row_start + shaped.row_width else 0
        piece = fill(piece, shaped.texts[before + skipped :])
    return piece[:_FOUND_CHARACTERS]
