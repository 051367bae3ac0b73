"""Every node of a kind in a tree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import TypeVar

_Node = TypeVar("_Node")


def find_all(node: object, kind: type[_Node]) -> Iterator[_Node]:
    """The nodes of class `kind` in `node`, itself included, in the order of the text. No recursion: chains are long."""
    waiting = [node]
    while waiting:
        node = waiting.pop()
        if isinstance(node, kind):
            yield node
        if isinstance(node, tuple):
            waiting += reversed(node)
        elif is_dataclass(node):
            waiting += [getattr(node, field.name) for field in reversed(fields(node))]
