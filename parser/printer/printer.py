"""AST → text, in Malagasy or in standard SQL. Parsing the text again gives an equal tree.

The catalog keeps definitions in this form, and TRANSLATE shows it. Each kind of node has a writer function, which the
files imported here register with `dirk_parser.printer.writer`.
"""

from __future__ import annotations

from collections.abc import Sequence

from dirk_parser.ast.statement import Statement
from dirk_parser.normalize.normalized_statement import NormalizedStatement, Value
from dirk_parser.printer import expression, query, statement  # noqa: F401 — they register writers
from dirk_parser.printer.writer import Writer


def write(tree: Statement, normalized: NormalizedStatement, malagasy: bool = False) -> str:
    """The statement as text on one line, with the request's literals in place, and the names of its columns."""
    return Writer(normalized, malagasy, keeps_names=True).node(tree)


def write_node(node: object, literals: Sequence[Value], malagasy: bool = False) -> str:
    """Any node (an expression, a domain, a column definition) as text; `literals` are its statement's."""
    return Writer(NormalizedStatement("", tuple(literals)), malagasy).node(node)


def translate(tree: Statement, normalized: NormalizedStatement, malagasy: bool) -> str:
    """A statement as text for a reader; in standard SQL, what only DirkDB's own words have is said by others.

    Raises limit_invalid (2201W), not_supported (0A000) when there are no others (`fetra ? ?`).
    """
    writer = Writer(normalized, malagasy, portable=not malagasy, keeps_names=True)
    writer.has_databases = True
    return writer.node(tree)
