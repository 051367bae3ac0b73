"""Rows of an INSERT that must be inserted by one statement of SQLite's.

Rows of plain values are one row template, run once for each of them. But a foreign key is looked at when a statement
ends: rows that refer to each other, or that replace what others refer to, stand only together.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any

from dirk_parser.ast.expression import Literal
from dirk_parser.ast.query import Values
from dirk_parser.ast.statement import Insert
from dirk_parser.compile.base.context import Context
from dirk_parser.names import key
from dirk_parser.normalize.literals import Literals
from dirk_parser.normalize.normalized_statement import NormalizedStatement
from dirk_parser.schema.schema import Schema


def needs_single_statement(schema: Schema, node: Insert) -> bool:
    """True when a foreign key may hold for all rows of `node` and not for each row by itself."""
    table = schema.tables.get(key(node.table.text))
    if table is None:
        return False
    if any(reference.table == table.key for reference in table.references):
        return True
    if node.conflict != "replace" and not node.upserts:
        return False
    # A later row may take back what an earlier one broke.
    children = (
        reference for other in schema.tables.values() for reference in other.references if reference.table == table.key
    )
    return bool(table.references) or any(children)


def together(context: Context, node: Insert) -> tuple[Context, Insert]:
    """The same INSERT with every row of the request in it, and a context in which its literals are written out."""
    normalized = context.literals.normalized
    start, width = normalized.row_start, normalized.row_width
    skipped = width * (normalized.rows - 1)
    whole = NormalizedStatement("", normalized.literals, normalized.texts)
    assert node.source is not None
    body = Values(
        tuple(
            tuple(Literal(index, "value") for index in range(first, first + width))
            for first in range(start, start + width * normalized.rows, width)
        ),
        node.source.body.place,
    )
    rest = _shifted(replace(node, source=None), start + width, skipped)
    context.findings.reusable = False
    written = replace(context.copied(replace(context.purpose, written=True)), literals=Literals(whole))
    return written, replace(rest, source=replace(node.source, body=body))


def _shifted(node: Any, first: int, by: int) -> Any:
    """A tree whose literals from `first` on are `by` further."""
    if isinstance(node, Literal):
        return replace(node, index=node.index + by) if node.index >= first else node
    if isinstance(node, tuple):
        return tuple(_shifted(item, first, by) for item in node)
    if not is_dataclass(node) or isinstance(node, type):
        return node
    return replace(node, **{field.name: _shifted(getattr(node, field.name), first, by) for field in fields(node)})
