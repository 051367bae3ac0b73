"""What must hold while masters disagree and nobody knows yet who is right: no write is taken."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from dirk_gevent.log.entry import Entry
from tests.simulation.checks import Commits
from tests.simulation.clients import LOG_ID, History, request_id
from tests.simulation.loop import BEGIN_SECONDS
from tests.simulation.machines import PROXY
from tests.simulation.schedule import Plan
from tests.simulation.world import Logged


@dataclass(frozen=True, slots=True)
class _Dispute:
    """From when until when (virtual s of the run) it was open."""

    began: float
    ended: float


def judge_disputes(
    plan: Plan, history: History, entries: Mapping[int, Entry], commits: Commits, logged: list[Logged]
) -> Iterator[str]:
    """The writes that were asked for, and taken, while a dispute was open; where the log's host stays the same."""
    if any(fault.target == PROXY for fault in plan.faults) or plan.loses_history:
        return
    disputes = list(_disputes(logged))
    begun = {request_id(one.operation): one.began for one in reversed(history.attempts)}
    for index, entry in entries.items():
        taken = commits.seconds_of(entry) - BEGIN_SECONDS
        began = begun.get(entry.request_id)
        for dispute in disputes if began is not None else ():
            if dispute.began < began and taken < dispute.ended:
                yield f"entry {index} was taken at {taken:.6f} while masters disagreed, from {dispute.began:.6f} on"


def _disputes(logged: list[Logged]) -> Iterator[_Dispute]:
    began: float | None = None
    for one in logged:
        if one.facts.get("log") != LOG_ID:
            continue
        if one.event == "masters_disagree":
            began = one.at_seconds
        elif one.event == "node_fenced" and began is not None:
            yield _Dispute(began, one.at_seconds)
            began = None
