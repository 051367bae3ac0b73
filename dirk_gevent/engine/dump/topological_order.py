"""Things put behind what they need, and those that need each other found (Tarjan 1972)."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Generic, TypeVar

_Node = TypeVar("_Node", bound=Hashable)


def in_order(nodes: Iterable[_Node], needs: Callable[[_Node], Iterable[_Node]]) -> list[_Node]:
    """`nodes`, and what they need, each behind what it needs; otherwise as they come. A ring is cut anywhere."""
    return [node for group in groups(nodes, needs) for node in group]


def groups(nodes: Iterable[_Node], needs: Callable[[_Node], Iterable[_Node]]) -> Iterable[list[_Node]]:
    """The nodes in groups, each behind those that it needs: one node, or all that need each other."""
    search = _Search(needs)
    for node in nodes:
        if node not in search.numbers:
            yield from search.run(node)


class _Search(Generic[_Node]):
    """A depth-first search without recursion; `numbers`: when each node was found."""

    def __init__(self, needs: Callable[[_Node], Iterable[_Node]]) -> None:
        self.numbers: dict[_Node, int] = {}
        self._needs = needs
        self._least: dict[_Node, int] = {}
        self._open: dict[_Node, None] = {}

    def run(self, start: _Node) -> Iterable[list[_Node]]:
        """The groups that are found from `start`."""
        self._enter(start)
        path = [(start, iter(self._needs(start)))]
        while path:
            node, rest = path[-1]
            following = next(rest, None)
            if following is None:
                path.pop()
                if path:
                    self._lower(path[-1][0], self._least[node])
                if self._least[node] == self.numbers[node]:
                    yield self._closed(node)
            elif following not in self.numbers:
                self._enter(following)
                path.append((following, iter(self._needs(following))))
            elif following in self._open:
                self._lower(node, self.numbers[following])

    def _enter(self, node: _Node) -> None:
        self.numbers[node] = self._least[node] = len(self.numbers)
        self._open[node] = None

    def _lower(self, node: _Node, number: int) -> None:
        self._least[node] = min(self._least[node], number)

    def _closed(self, root: _Node) -> list[_Node]:
        group: list[_Node] = []
        while not group or group[-1] != root:
            group.append(self._open.popitem()[0])
        return group[::-1]
