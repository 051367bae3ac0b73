"""How deep a tree is, found without recursion, so that what comes after may recurse."""

from __future__ import annotations

from typing import Final

from dirk_parser.ast.expression import Binary, Logical
from dirk_parser.ast.query import Compound
from dirk_parser.errors import SqlError

#: Deepest tree of nodes: all that walk a tree do so within Python's own limit of 1,000 calls.
MAX_DEPTH: Final = 220
#: Most operands of one AND or OR: SQLite's planner looks at each with each.
MAX_OPERANDS: Final = 5_000
#: Most operators of one chain (a + b + c, one UNION after another), which is walked in a loop. SQLite takes fewer.
MAX_CHAIN: Final = 1_000
#: A statement of fewer tokens than this can't be too deep.
FREE_TOKENS: Final = 150


def check(root: object) -> None:
    """Raise SqlError `too_deep` when the tree is deeper than what the compiler and SQLite can take."""
    #: Nodes with their depth, and how far in a chain they are.
    waiting: list[tuple[object, int, int]] = [(root, 1, 0)]
    while waiting:
        node, depth, chain = waiting.pop()
        _bound(depth, MAX_DEPTH)
        _bound(chain, MAX_CHAIN)
        if isinstance(node, Logical):
            _bound(len(node.operands), MAX_OPERANDS)
        for name in getattr(node, "__slots__", ()):
            value = getattr(node, name)
            if name == "left" and isinstance(value, Binary | Compound) and type(value) is type(node):
                waiting.append((value, depth, chain + 1))
            else:
                _add(waiting, value, depth + 1)


def _bound(found: int, limit: int) -> None:
    if found > limit:
        raise SqlError("too_deep", limit=limit)


def _add(waiting: list[tuple[object, int, int]], value: object, depth: int) -> None:
    if isinstance(value, tuple):
        for item in value:
            _add(waiting, item, depth)
    elif hasattr(value, "__dataclass_fields__"):
        waiting.append((value, depth, 0))
