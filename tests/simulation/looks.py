"""A last look at each node when all is at rest: what it answers is what the log says, whatever it has been through."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tests.simulation.checks import Truth
from tests.simulation.clients import Answer, Client, GiveUp, History
from tests.simulation.loop import Lane
from tests.simulation.schedule import Kind, Operation
from tests.simulation.world import World

_KINDS = (Kind.READ_SHAPE, Kind.READ_NUMBERS, Kind.READ_LIST)
_FIRST_NUMBER = 99_000


@dataclass(frozen=True, slots=True)
class Look:
    """What a node answered to one read; None for nothing."""

    node: str
    kind: Kind
    answer: Answer | None


def look(world: World, lane: Lane, nodes: Iterable[str], found: list[Look], give_up: GiveUp) -> None:
    """Ask each node itself, in words that it has been asked before, until it answers."""
    for node in nodes:
        client = Client(world, lane, f"look{node}", node, History())
        for number, kind in enumerate(_KINDS, _FIRST_NUMBER):
            answer = client.perform(Operation(number, 0, 0.0, kind, 0, level="any"), give_up)
            found.append(Look(node, kind, answer))
        client.leave()


def judge_looks(looks: Iterable[Look], head_index: int, truth: Truth) -> Iterator[str]:
    """The answers that are not those of the log's head."""
    for one in looks:
        answer, rows = one.answer, truth.states[head_index].rows(one.kind)
        if answer is None or answer.rows is None:
            told = answer.text if answer is not None else "nothing"
            yield f"{one.node} answers {one.kind} with {told}, where the log says {rows}"
        elif sorted(answer.rows) != sorted(rows):
            yield f"{one.node} answers {one.kind} with {answer.rows}, where the log says {rows}"
