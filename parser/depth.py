"""How deep a tree is, found without recursion, so that what comes after may recurse."""

from __future__ import annotations

from typing import Final

from parser.errors import SqlError
from parser.nodes import Logical

#: Deepest tree of nodes: all that walk a tree do so within Python's own limit of 1,000 calls.
MAX_DEPTH: Final = 220
#: SQLite takes an expression of depth 1,000, and a chain of n operands of AND or OR is n deep to it.
MAX_CHAIN: Final = 800
#: A statement of fewer tokens than this can't be too deep.
FREE_TOKENS: Final = 150


def check(root: object) -> None:
    """Raise SqlError `too_deep` when the tree is deeper than what the compiler and SQLite can take."""
    waiting: list[tuple[object, int]] = [(root, 1)]
    while waiting:
        node, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise SqlError("too_deep", limit=MAX_DEPTH)
        if isinstance(node, Logical) and len(node.operands) > MAX_CHAIN:
            raise SqlError("too_deep", limit=MAX_CHAIN)
        for name in getattr(node, "__slots__", ()):
            _add(waiting, getattr(node, name), depth + 1)


def _add(waiting: list[tuple[object, int]], value: object, depth: int) -> None:
    if isinstance(value, tuple):
        for each in value:
            _add(waiting, each, depth)
    elif hasattr(value, "__dataclass_fields__"):
        waiting.append((value, depth))
