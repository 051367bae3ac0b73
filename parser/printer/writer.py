"""The ground of all printing: the registry of writers, one function for each kind of node, and the `Writer` of a text.

The files that print expressions, queries and statements register their functions here; `printer` loads them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from dirk_parser.ast.expression import Literal, Name
from dirk_parser.lexical.keywords import KEYWORDS, RESERVED, TOKENS, word
from dirk_parser.lexical.rules import name_text
from dirk_parser.normalize.literal_text import text_of
from dirk_parser.normalize.normalized_statement import NormalizedStatement

#: Node type -> the function that writes it.
WRITERS: dict[type, Callable[[Writer, Any], str]] = {}
_BARE_NAME = re.compile(r"[^\W\d]\w*")
#: Not reserved, yet read as more than a name in some places.
_CONTEXT_WORDS: Final = frozenset(("if", "conflict"))


def quoted(name: str) -> str:
    """A name as text: bare where that reads back as the name, else in back quotes."""
    if _BARE_NAME.fullmatch(name) and name.lower() not in RESERVED and name.lower() not in _CONTEXT_WORDS:
        return name
    return name_text(name)


class Writer:
    """One statement on its way to text: the vocabulary and the literals.

    `portable`: forms that standard SQL lacks are written as it says them, which gives another tree of the same meaning.
    `keeps_names`: a column that is called by its text gets AS with what it was called, where the new text is another.
    `named`: whether it matters now what the columns of a query are called. `given`: keys of the names given so.
    """

    def __init__(
        self, normalized: NormalizedStatement, malagasy: bool, portable: bool = False, keeps_names: bool = False
    ) -> None:
        self.malagasy = malagasy
        self.portable = portable
        self.normalized = normalized
        self.named = keeps_names
        self.given: set[str] = set()
        #: Whether names say which database they are in, where the statement did.
        self.has_databases = False
        self._keeps_names = keeps_names
        self._row = 0

    def node(self, node: object) -> str:
        """The text of a node."""
        return WRITERS[type(node)](self, node)

    def query(self, node: object, named: bool) -> str:
        """The text of a query, or of a part of one, whose columns are `named`: somebody may call them so."""
        before, self.named = self.named, named and self._keeps_names
        text = self.node(node)
        self.named = before
        return text

    def quoted(self, name: Name) -> str:
        """A name where the grammar takes no keyword for one."""
        return f"`{name.text}`" if name.text.lower() in TOKENS else self.node(name)

    def list(self, nodes: Iterable[object]) -> str:
        """Nodes with commas between."""
        return ", ".join(self.node(node) for node in nodes)

    def words(self, *tokens: str) -> str:
        """Keywords; in Malagasy the FROM is written `ao@`."""
        chosen = (word(token, self.malagasy) for token in tokens)
        return " ".join("ao@" if chosen_word == "ao" else chosen_word for chosen_word in chosen)

    def say(self, phrase: str) -> str:
        """A phrase of standard words (`current row`) in the vocabulary; words that are no keywords stay."""
        return " ".join(word(part.upper(), self.malagasy) for part in phrase.split() if part.upper() in KEYWORDS)

    def clause(self, tokens: str, node: object) -> str:
        """` WORDS node`, or nothing when the node is None or an empty tuple."""
        if node is None or node == ():
            return ""
        text = self.list(node) if isinstance(node, tuple) else self.node(node)
        return f" {self.words(*tokens.split())} {text}"

    def literal(self, literal: Literal) -> str:
        """A literal's text; in repeated VALUES rows that of the row being written."""
        normalized, index = self.normalized, literal.index
        if normalized.rows > 1 and index >= normalized.row_start:
            after_rows = index >= normalized.row_start + normalized.row_width
            index += normalized.row_width * (normalized.rows - 1 if after_rows else self._row)
        text = text_of(normalized.literals[index])
        return f"x{text}" if literal.kind == "blob" else text

    def rows(self, rows: tuple[tuple[object, ...], ...]) -> str:
        """VALUES rows; one that stands for many is written for each."""
        if not self._is_repeated(rows):
            return ", ".join(f"({self.list(row)})" for row in rows)
        texts = []
        for row in range(self.normalized.rows):
            self._row = row
            texts.append(f"({self.list(rows[0])})")
        self._row = 0
        return ", ".join(texts)

    def _is_repeated(self, rows: tuple[tuple[object, ...], ...]) -> bool:
        first = rows[0][0]
        is_start = isinstance(first, Literal) and first.kind == "value" and first.index == self.normalized.row_start
        return is_start and len(rows) == 1 and self.normalized.rows > 1


def writes(*types: type) -> Callable[[Callable[[Writer, Any], str]], Callable[[Writer, Any], str]]:
    """Register the decorated function as the writer of node types."""

    def register(function: Callable[[Writer, Any], str]) -> Callable[[Writer, Any], str]:
        for node_type in types:
            WRITERS[node_type] = function
        return function

    return register


@writes(Name)
def _name(writer: Writer, name: Name) -> str:
    before = f"{quoted(name.database)}." if name.database and writer.has_databases else ""
    return before + quoted(name.text)
