"""All who read the text of statements see the same strings, names and comments, and the same `;` between statements.

A reader written here character by character, from the table in `dirk_parser.lexical.rules`' docstring, says what each
must see on random texts. They differ in this alone:

- What is unfinished: the server's splitter waits and says what is missing (a line feed, too, behind a comment that runs
  to the end of the text), the client's says what is open, the driver and the normaliser raise, the highlighter colours
  it up to the end of the text.
- Comments before a statement: the server's splitter leaves them with it, and so does the driver (for the lines of its
  errors); the client's reader drops them and calls comments alone no statement, as the driver does.
- White space that is not ASCII begins a statement for the server's splitter, which does not decode bytes.
- A name in brackets is one to the normaliser alone: the others read what is inside, so one that holds a mark, the sign
  of a comment or `;` is not read alike. No text here has brackets but in the test of just that.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from pygments.token import Comment, String

from dirk_gevent.client.highlighter import DirkLexer
from dirk_gevent.driver.client_splitter import Statement, StatementReader
from dirk_gevent.driver.one_statement import NotOneError, the_statement
from dirk_gevent.driver.requests import first_word
from dirk_gevent.protocol.metadata import METADATA_OPEN
from dirk_gevent.protocol.splitter import StatementSplitter
from dirk_parser.errors import SqlError
from dirk_parser.lexical import rules
from dirk_parser.lexical.lexer import Lexer, SyntaxFault
from dirk_parser.normalize import normalizer
from dirk_parser.normalize.normalizer import split
from tests.seeds import chosen_seed

PIECES = (
    *"'\"`;\\-/*#\n\r ", "''", '""', "``", "\\'", '\\"', "\\\\", "\\\n", "--", "//", "/*", "*/", "#-", "#+", "#^",
    "---", "#--", "##-", "/*/", "/**/", "-- x\n", "// it's;\n", "/* ; ' */", "'a;b'", '"c--d"', "`e//f`", "a", " as ",
    " é", "𝕊 ", " 1 ", "\u00a0", "\u2028", "+", "=", "(", "/*dirk {}*/",
)  # fmt: skip
TEXTS = 5000


@dataclass(frozen=True)
class Span:
    """One string, name or comment of a text: `opener` is what it begins with, up to `end`."""

    opener: str
    start: int
    end: int
    is_closed: bool = True


@dataclass(frozen=True)
class Reading:
    """What a text holds: its spans and where a `;` separates statements."""

    text: str
    spans: tuple[Span, ...]
    separators: tuple[int, ...]

    @property
    def open(self) -> str:
        """What the text ends inside of, by what opened it."""
        last = self.spans[-1] if self.spans else None
        return last.opener if last and not last.is_closed else ""

    def blanked(self, start: int, end: int) -> str:
        """A part of the text with blanks for its comments, without white space round it."""
        characters = list(self.text)
        for span in self.spans:
            if span.opener in ("--", "//", "/*"):
                for at in range(span.start, span.end):
                    characters[at] = "\n" if characters[at] == "\n" else " "
        return "".join(characters[start:end]).strip()

    def statements(self) -> list[tuple[int, int]]:
        """Where each statement that a `;` ends begins and ends, those of nothing included."""
        return list(zip((0, *(at + 1 for at in self.separators)), self.separators, strict=False))


def read(text: str) -> Reading:
    """Reads a text character by character."""
    spans: list[Span] = []
    separators: list[int] = []
    at = 0
    while at < len(text):
        two = text[at : at + 2]
        end, is_closed, opener = at + 1, True, ""
        if two == "#-":
            end = at + 2
        elif two in ("--", "//"):
            opener, end = two, text.find("\n", at)
            is_closed, end = end >= 0, end if end >= 0 else len(text)
        elif two == "/*":
            opener, end = two, text.find("*/", at + 2) + 2
            is_closed, end = end >= 2, end if end >= 2 else len(text)
        elif text[at] in "'\"`":
            opener = text[at]
            end, is_closed = _quoted_end(text, at)
        elif text[at] == ";":
            separators.append(at)
        if opener:
            spans.append(Span(opener, at, end, is_closed))
        at = end
    return Reading(text, tuple(spans), tuple(separators))


def _quoted_end(text: str, start: int) -> tuple[int, bool]:
    mark, at = text[start], start + 1
    while at < len(text):
        if text[at] == "\\" and mark != "`":
            at += 1
        elif text[at] == mark:
            return at + 1, True
        at += 1
    return len(text), False


def merged(spans: tuple[Span, ...]) -> Iterator[Span]:
    """The spans, those of a mark that is doubled as one."""
    last: Span | None = None
    for span in spans:
        if last and last.end == span.start and last.opener == span.opener and span.opener in "'\"`":
            last = Span(span.opener, last.start, span.end, span.is_closed)
            continue
        if last:
            yield last
        last = span
    if last:
        yield last


@pytest.fixture(scope="module")
def readings() -> list[Reading]:
    chance = random.Random(chosen_seed())
    return [read("".join(chance.choices(PIECES, k=chance.randint(1, 16)))) for _ in range(TEXTS)]


def server_cuts(text: str) -> tuple[list[str], str]:
    """The statements that the server's splitter finds, and what it misses then."""
    splitter = StatementSplitter()
    return [statement.decode() for statement in splitter.feed(text.encode())], splitter.missing()


_CLOSER = {"'": "'", '"': '"', "`": "`", "/*": "*/", "--": "\n", "//": "\n", "": ""}


def test_the_server_cuts_there(readings: list[Reading]) -> None:
    """At each place of a text: inside of what the splitter is there, told by what it misses once a `;` has come."""
    for reading in readings:
        whole = [reading.text[a:b].strip(rules.BLANKS) for a, b in reading.statements()]
        assert server_cuts(reading.text)[0] == [one for one in whole if one]
        for at in range(len(reading.text)):
            before = read(reading.text[:at] + "a;")
            assert server_cuts(before.text)[1] == _CLOSER[before.open], before.text


def client_cuts(text: str) -> tuple[list[str], str]:
    reader = StatementReader()
    found = [one for line in text.split("\n") for one in reader.feed(line + "\n")]
    rest = reader.finish()
    return [one.text for one in found if isinstance(one, Statement)], rest.inside if rest else ""


def test_the_client_cuts_there(readings: list[Reading]) -> None:
    for reading in readings:
        found, inside = client_cuts(reading.text)
        # The line feed behind it closes a comment, so none of these is open.
        ended = read(reading.text + "\n")
        assert inside == ended.open, reading.text
        whole = [(reading.blanked(a, b), reading.text[a:b].strip()) for a, b in reading.statements()]
        expected = [text for blanked, text in whole if blanked]
        assert len(found) == len(expected), reading.text
        assert all(theirs.endswith(ours) for theirs, ours in zip(expected, found, strict=True)), reading.text


def test_the_driver_takes_one_statement_of_it(readings: list[Reading]) -> None:
    for reading in readings:
        last = (reading.separators[-1] + 1 if reading.separators else 0, len(reading.text))
        all_of_it = [reading.text[a:b] for a, b in (*reading.statements(), last) if reading.blanked(a, b)]
        is_open = reading.open in ("'", '"', "`", "/*")
        try:
            found = the_statement(reading.text)
        except NotOneError as error:
            # Whichever comes first in the text is told.
            assert (error.key == "client_several" and len(all_of_it) > 1) or (
                error.key == "client_unclosed" and is_open and error.inside == reading.open
            ), reading.text
        else:
            assert not is_open and len(all_of_it) <= 1, reading.text
            assert found == (all_of_it[0].rstrip() if all_of_it else ""), reading.text


def test_the_first_word_stands_behind_the_same_comments(readings: list[Reading]) -> None:
    for reading in readings:
        text = reading.text + "\na"
        blanked = read(text).blanked(0, len(text))
        while blanked[:1] in ("(", "#") and not blanked.startswith("#-"):
            blanked = blanked[1:].lstrip()
        word = "".join(character if character.isalnum() or character == "_" else " " for character in blanked)
        assert first_word(text) == (word.split()[0].casefold() if blanked[:1].isalpha() else ""), text


def test_the_normaliser_takes_the_same_literals_out(readings: list[Reading]) -> None:
    for reading in readings:
        for start, end in (*reading.statements(), (0, len(reading.text))):
            part = read(reading.text[start:end])
            try:
                normalized = split(part.text)
            except SqlError as error:
                if error.key == "number_glued":
                    continue
                assert error.key == "unterminated" and error.params["mark"] == part.open, part.text
                continue
            assert part.open in ("", "--", "//"), part.text
            if " as " not in part.text:
                strings = [part.text[one.start : one.end] for one in merged(part.spans) if one.opener in "'\""]
                assert [one for one in normalized.texts if one[0] in "'\""] == strings, part.text
                expected = part.blanked(0, len(part.text)).rstrip(rules.BLANKS + ";")
                assert normalizer.text(normalized) == expected, part.text


def test_the_lexer_sees_the_same_names_and_operators(readings: list[Reading]) -> None:
    """Where it sees tokens at all: a backslash outside strings is none, nor is a lone `#`."""
    seen = 0
    for reading in readings:
        if reading.open in ("'", '"', "`", "/*") or " as " in reading.text:
            continue
        try:
            lexer = Lexer(split(reading.text).template)
        except (SyntaxFault, SqlError):
            continue
        spans = list(merged(reading.spans))
        names = [reading.text[one.start + 1 : one.end - 1].replace("``", "`") for one in spans if one.opener == "`"]
        found = [token for token in lexer.tokens if token.type == "ID" and lexer.template[token.lexpos] == "`"]
        assert [token.value for token in found] == names, reading.text
        strings = [token for token in lexer.tokens if token.type in ("TEXT", "BLOB")]
        assert len(strings) == sum(one.opener in "'\"" for one in spans), reading.text
        outside = "".join(
            " " if any(one.start <= at < one.end for one in spans) else character
            for at, character in enumerate(reading.text)
        )
        operators = [
            token for token in lexer.tokens
            if token.type in rules.SET_OPERATORS.values() and token.value in rules.SET_OPERATORS
        ]
        assert len(operators) == sum(outside.count(sign) for sign in rules.SET_OPERATORS), reading.text
        seen += 1
    assert seen > TEXTS // 50


def test_the_highlighter_colours_the_same_places(readings: list[Reading]) -> None:
    lexer = DirkLexer()
    for reading in readings:
        coloured = {}
        for start, kind, value in lexer.get_tokens_unprocessed(reading.text):
            if kind in Comment or kind in String or value[0] == "`":
                coloured.update(dict.fromkeys(range(start, start + len(value)), value[:1]))
        expected = {at: span.opener[0] for span in reading.spans for at in range(span.start, span.end)}
        assert coloured == expected, reading.text


def test_brackets_hide_nothing_from_those_that_cut() -> None:
    """But the normaliser reads a name: where no `;`, mark or sign of a comment is inside, that makes no difference."""
    assert split("alaivo [a'b]").template == "alaivo `a'b`"
    assert server_cuts("alaivo [a;b];") == (["alaivo [a", "b]"], "")
    assert server_cuts("alaivo [a'b];")[1] == "'"
    assert client_cuts("alaivo [a;b];") == (["alaivo [a", "b]"], "")
    with pytest.raises(NotOneError):
        the_statement("alaivo [a;b]")


def test_many_brackets_without_an_end_are_looked_at_once() -> None:
    """Each by itself would cost the rest of the line; a name in brackets stays one."""
    text = f"alaivo [a b], {'[c ' * 200_000}\n, [d], '[' , [], [e]"
    normalized = split(text)
    assert normalized.texts == ("'['",)
    assert normalized.template.startswith("alaivo `a b`, [c [c ") and normalized.template.endswith(
        ", `d`, 's' , [], `e`"
    )
    with pytest.raises(SyntaxFault):
        Lexer(normalized.template)


def test_the_comment_of_metadata_is_that_of_the_table() -> None:
    assert rules.METADATA_OPEN.encode() == METADATA_OPEN
