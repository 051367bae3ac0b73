"""What must hold of databases that come and go: each answer, and in the end what every node knows and has files of."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dirk_gevent.log.entry import CREATE_DATABASE, SYSTEM_LOG_ID, Entry
from tests.simulation.checks import BEGINNING, Commits, Place
from tests.simulation.clients import AGAIN, DATABASE, LOG_ID, History, Step, request_id
from tests.simulation.lives import PARTS, SHARED, rows_of
from tests.simulation.loop import BEGIN_SECONDS
from tests.simulation.schedule import Operation, Plan
from tests.simulation.standing import node_databases, node_files, node_place, node_rows

_UNKNOWN_DATABASE = "3D000"
_DUPLICATE_DATABASE = "42P04"


@dataclass(slots=True)
class Databases:
    """What the system log leads to: names by log id, whose life each is, and where each request took its place."""

    names: dict[int, str] = field(default_factory=lambda: {LOG_ID: DATABASE})
    lives: dict[int, Operation] = field(default_factory=dict)
    places: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


def fold(plan: Plan, entries: dict[int, Entry], base: int, head: int) -> Databases:
    """The system log's entries after `base`, one after the other."""
    lives = [one for one in plan.operations if one.kind.is_of_databases]
    asked = {request_id(one, PARTS[what]): (one, what) for one in lives for what in ("make", "drop")}
    found = Databases()
    for index in range(base + 1, head + 1):
        entry = entries.get(index)
        change = entry.change if entry is not None else None
        if entry is None or change is None or entry.request_id not in asked:
            found.wrong.append(f"entry {index} of the system log is of nobody's asking, or unknown")
            continue
        if entry.request_id in found.places:
            found.wrong.append(f"{entry.request_id} is in the system log twice, at {index} too")
        found.places[entry.request_id] = index
        if change.verb == CREATE_DATABASE:
            found.names[change.log_id] = change.name
            found.lives[change.log_id] = asked[entry.request_id][0]
        else:
            found.names.pop(change.log_id, None)
    return found


@dataclass(frozen=True, slots=True)
class Span:
    """Between these moments (virtual s) the shared name is surely taken, or surely free."""

    begin: float
    end: float


def judge_race(history: History, entries: dict[int, Entry], commits: Commits) -> list[str]:
    """Every refusal of those who race for one name that cannot have been right at any moment of their asking."""
    acknowledged: dict[str, float] = {}
    for step in (one for one in history.steps if one.answer is not None and not one.answer.sqlstate):
        if step.what in PARTS:
            told = request_id(step.operation, PARTS[step.what])
            acknowledged[told] = min(step.ended, acknowledged.get(told, math.inf))
    taken: list[Span] = []
    free: list[Span] = []
    since, spans = 0.0, free
    for index in sorted(entries):
        change, request = entries[index].change, entries[index].request_id
        if change is not None and change.name == SHARED:
            spans.append(Span(since, commits.seconds_of(entries[index]) - BEGIN_SECONDS))
            since, spans = acknowledged.get(request, math.inf), free if spans is taken else taken
    spans.append(Span(since, math.inf))
    never = {_UNKNOWN_DATABASE: taken, _DUPLICATE_DATABASE: free}
    return [
        f"{step.operation.name} {step.what} was answered with {step.answer.text} from {step.began:.6f} on"
        for step in history.steps
        if step.name == SHARED and step.answer is not None
        for span in never.get(step.answer.sqlstate, ())
        if span.begin < step.began and step.ended < span.end
    ]


def judge_steps(history: History, databases: Databases) -> list[str]:
    """Everything that those who made and dropped databases were told and that is not so."""
    return [text for step in history.steps for text in _judge_step(step, databases)]


def _judge_step(step: Step, databases: Databases) -> Iterator[str]:
    answer = step.answer
    if answer is None or answer.sqlstate in AGAIN:
        return
    name = f"{step.operation.name} {step.what} of {step.name} (at {step.began:.6f})"
    expected = _UNKNOWN_DATABASE if step.what == "gone" else ""
    if step.name == SHARED and answer.sqlstate in (_UNKNOWN_DATABASE, _DUPLICATE_DATABASE):
        return
    if answer.sqlstate != expected:
        yield f"{name} was answered with {answer.rows if answer.rows is not None else answer.text}"
    elif step.what == "read" and answer.rows != rows_of(step.operation):
        yield f"{name} saw {answer.rows}, it put in {rows_of(step.operation)}"
    elif step.what in ("make", "drop"):
        place = databases.places.get(request_id(step.operation, PARTS[step.what]))
        if place is None:
            yield f"{name} was acknowledged and is not in the log"
        elif place > answer.index:
            yield f"{name} was acknowledged at {answer.index}, the log has it at {place}"


def judge_node(
    node: str, directory: Path, databases: Databases, heads: dict[int, Place], commits: Commits
) -> list[str]:
    """What a node knows, and has files of, that is not what the logs lead to."""
    wrong = []
    known, files = node_databases(directory), node_files(directory)
    if known != databases.names:
        wrong.append(f"{node} knows the databases {known}, the log says {databases.names}")
    if files - set(databases.names):
        wrong.append(f"{node} has files of {sorted(files)}, there are the databases {sorted(databases.names)}")
    if set(heads) != {SYSTEM_LOG_ID, *databases.names}:
        wrong.append(f"the open logs are {sorted(heads)}, there are the databases {sorted(databases.names)}")
    for log_id in set(heads) & set(databases.lives):
        place = node_place(directory, log_id)
        if place != heads[log_id]:
            wrong.append(f"{node} has another history of log {log_id}: {place} where the log has {heads[log_id]}")
        rows, expected = node_rows(directory, log_id), _rows(databases.lives[log_id], heads[log_id], commits, log_id)
        if rows != expected:
            wrong.append(f"{node} holds {rows} in database {log_id}, the log says {expected}")
    return wrong


def _rows(life: Operation, head: Place, commits: Commits, log_id: int) -> list[list[int]] | None:
    """What a database's log leads to; None before its table is made."""
    entries = commits.leading_to(log_id, head, BEGINNING)
    asked = {entry.request_id for entry in entries.values()}
    if request_id(life, PARTS["table"]) not in asked:
        return None
    return rows_of(life) if request_id(life, PARTS["fill"]) in asked else []
