"""Every node of a kind in a tree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import TypeVar

_Node = TypeVar("_Node")


def every(node: object, kind: type[_Node]) -> Iterator[_Node]:
    """The nodes of class `kind` in `node`, itself included, outermost first."""
    if isinstance(node, kind):
        yield node
    if isinstance(node, tuple):
        for each in node:
            yield from every(each, kind)
    elif is_dataclass(node):
        for each_field in fields(node):
            yield from every(getattr(node, each_field.name), kind)
