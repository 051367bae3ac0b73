"""What must hold of what a cache served: nothing that its session can know to have changed, nothing past its lease."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tests.simulation.checks import Truth, answers, least_index, unedited
from tests.simulation.clients import Answer, Attempt, History
from tests.simulation.machines import CACHE_SECONDS
from tests.simulation.schedule import Plan

#: An acknowledgement may be here a moment before the host has told the caches.
_SLACK_SECONDS = 0.1


def judge_hits(plan: Plan, history: History, truth: Truth) -> Iterator[str]:
    """The answers of a cache that it had to ask for anew.

    What was read at an index is right for every later one up to the next change of what was asked for.
    """
    if plan.loses_history:
        return
    acknowledged = _acknowledged(history, truth)
    for attempt in history.attempts:
        answer = attempt.answer
        if answer is not None and answer.is_hit and answer.rows is not None:
            yield from _judge_hit(attempt, answer, truth, acknowledged, plan.has_edits)


def _judge_hit(
    attempt: Attempt, answer: Answer, truth: Truth, acknowledged: Mapping[int, float], has_edits: bool
) -> Iterator[str]:
    operation, index = attempt.operation, answer.index
    name = f"{operation.name} ({operation.level} read at {attempt.began:.6f})"
    if index not in truth.states or answer.rows is None:
        yield f"{name} was served index {index}, which the log does not have"
        return
    rows = sorted(truth.states[index].rows(operation.kind))
    if sorted(unedited(answer.rows, has_edits)) != rows:
        yield f"{name} was served {answer.rows} at index {index}, where the log says {rows}"
    later = range(index + 1, max(truth.states) + 1)
    changed = next((at for at in later if sorted(truth.states[at].rows(operation.kind)) != rows), None)
    if changed is None:
        return
    if changed <= least_index(attempt):
        yield f"{name} was served what changed at {changed} and must not be older than {least_index(attempt)}"
    if attempt.began > acknowledged.get(changed, attempt.began) + CACHE_SECONDS + _SLACK_SECONDS:
        late = attempt.began - acknowledged[changed]
        yield f"{name} was served what changed at {changed}, {late:.3f} s ago, past the cache's lease"


def _acknowledged(history: History, truth: Truth) -> dict[int, float]:
    """When anybody was told first of each write, by its index."""
    found: dict[int, float] = {}
    for one in history.attempts:
        place = truth.places.get(one.operation.number)
        if place is not None and answers([one]):
            found[place] = min(one.ended, found.get(place, one.ended))
    return found
