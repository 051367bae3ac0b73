"""Is a history of appends to lists and of reads of them serializable? (After Elle: Kingsbury and Alvaro, VLDB 2020.)

A list's value says which appends came before it, and in which order. So what transactions read gives the order of the
versions of each key, and from it who depends on whom:

    ww   the second overwrote (appended after) what the first wrote
    wr   the second read what the first wrote
    rw   the first read what the second then overwrote
    so   one session ran the first, then the second (when nobody told how the first ended, it may still be on its way)

A cycle among them is a history that no serial order explains. Values are appended once in a history, at most. What
became of a transaction may be unknown: then it counts as committed once somebody has seen its work.

    anomalies(history)  ->  sentences, none when the history is serializable
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise


class Ending(StrEnum):
    """What is known of a transaction's end."""

    COMMITTED = "committed"
    ABORTED = "aborted"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Append:
    """`value` was put at the end of the list `key`."""

    key: int
    value: int


@dataclass(frozen=True, slots=True)
class Read:
    """The list `key` was read, whole."""

    key: int
    values: tuple[int, ...]


Step = Append | Read


@dataclass(frozen=True, slots=True)
class Transaction:
    """One transaction of session `session` and what it did, in order. `name` is its own; for reports."""

    name: str
    session: int
    ending: Ending
    steps: tuple[Step, ...]

    def appends(self) -> Iterator[Append]:
        """What it wrote."""
        return (step for step in self.steps if isinstance(step, Append))

    def reads(self) -> Iterator[Read]:
        """What it read."""
        return (step for step in self.steps if isinstance(step, Read))


@dataclass(frozen=True, slots=True)
class Edge:
    """`before` must come before `after` in every serial order, for a reason: ww, wr, rw, so."""

    before: str
    after: str
    kind: str
    key: int = -1

    def __str__(self) -> str:
        return f"{self.before} -{self.kind}{f'({self.key})' if self.key >= 0 else ''}-> {self.after}"


def anomalies(history: Sequence[Transaction]) -> list[str]:
    """What is wrong with `history`: sentences; none when it is serializable, each session's order kept."""
    writers = {(step.key, step.value): each for each in history for step in each.appends()}
    found = [*_inner(history), *_dirty(history, writers)]
    counted = _counted(history)
    orders, torn = _orders(counted)
    found += torn
    if not found:
        found += [_named(cycle) for cycle in cycles(edges(counted, orders, writers))]
    return found


def lost(history: Sequence[Transaction], final: Mapping[int, tuple[int, ...]]) -> list[str]:
    """Appends that were acknowledged and are not in the lists as they are in the end."""
    return [
        f"{each.name} put {step.value} into {step.key}; in the end there is {list(final[step.key])}"
        for each in history
        if each.ending is Ending.COMMITTED
        for step in each.appends()
        if step.value not in final[step.key]
    ]


def _counted(history: Sequence[Transaction]) -> list[Transaction]:
    """The transactions that happened: those that committed, and those unknown whose work they saw."""
    committed = [each for each in history if each.ending is Ending.COMMITTED]
    seen = {(read.key, value) for each in committed for read in each.reads() for value in read.values}
    own = {each.name for each in history if any((step.key, step.value) in seen for step in each.appends())}
    return [
        each
        for each in history
        if each.ending is Ending.COMMITTED or (each.ending is Ending.UNKNOWN and each.name in own)
    ]


# --- each transaction by itself ------------------------------------------------------------------------------


def _inner(history: Sequence[Transaction]) -> Iterator[str]:
    """Reads that do not go with what the transaction itself read and wrote before, whether it committed or not."""
    for each in history:
        known: dict[int, tuple[int, ...]] = {}
        written: dict[int, tuple[int, ...]] = defaultdict(tuple)
        for step in each.steps:
            if isinstance(step, Append):
                written[step.key] += (step.value,)
                if step.key in known:
                    known[step.key] += (step.value,)
                continue
            if step.key in known and known[step.key] != step.values:
                yield f"{each.name} expected {list(known[step.key])} of {step.key} and read {list(step.values)}"
            own = written[step.key]
            if own and step.values[-len(own) :] != own:
                yield f"{each.name} does not see its own {list(own)} in {step.key}: {list(step.values)}"
            known[step.key] = step.values


def _dirty(history: Sequence[Transaction], writers: dict[tuple[int, int], Transaction]) -> Iterator[str]:
    """Reads of what was never written, was undone (G1a), or was not yet all (G1b)."""
    for each in history:
        for read in each.reads():
            if len(set(read.values)) != len(read.values):
                yield f"{each.name} read a value twice in {read.key}: {list(read.values)}"
            for value in read.values:
                writer = writers.get((read.key, value))
                if writer is None:
                    yield f"{each.name} read {value} in {read.key}, which nobody wrote"
                elif writer.ending is Ending.ABORTED and writer is not each:
                    yield f"G1a: {each.name} read {value} in {read.key}, which {writer.name} had undone"
            yield from _intermediate(each, read, writers)


def _intermediate(each: Transaction, read: Read, writers: dict[tuple[int, int], Transaction]) -> Iterator[str]:
    last = writers.get((read.key, read.values[-1])) if read.values else None
    if last is None or last is each:
        return
    wrote = [step.value for step in last.appends() if step.key == read.key]
    if read.values[-1] != wrote[-1]:
        yield f"G1b: {each.name} read {read.values[-1]} in {read.key} without the {wrote[-1]} that {last.name} added"


# --- versions and dependencies -------------------------------------------------------------------------------


def _orders(counted: Sequence[Transaction]) -> tuple[dict[int, tuple[int, ...]], list[str]]:
    """The order of each key's values, from the longest read of it; reads that are no beginning of it."""
    shared = [(each, read) for each in counted for read in each.reads()]
    longest: dict[int, tuple[int, ...]] = {}
    for _, read in shared:
        if len(read.values) > len(longest.get(read.key, ())):
            longest[read.key] = read.values
    torn = [
        f"{each.name} read {list(read.values)} in {read.key}, others {list(longest[read.key])}"
        for each, read in shared
        if longest.get(read.key, ())[: len(read.values)] != read.values
    ]
    return longest, torn


def edges(
    history: Sequence[Transaction], orders: dict[int, tuple[int, ...]], writers: dict[tuple[int, int], Transaction]
) -> set[Edge]:
    """Who comes before whom, and why. Appends that nobody saw come after all that was seen of their key."""
    found = set(_session_order(history))
    unseen: dict[int, list[str]] = defaultdict(list)
    for each in history:
        for step in each.appends():
            if step.value not in orders.get(step.key, ()):
                unseen[step.key].append(each.name)
    for key, order in orders.items():
        names = [writers[key, value].name for value in order]
        found |= {Edge(one, other, "ww", key) for one, other in pairwise(names)}
        found |= {Edge(names[-1], other, "ww", key) for other in unseen[key] if names}
    for each in history:
        for read in each.reads():
            found |= set(_read_edges(each, read, orders.get(read.key, ()), writers, unseen[read.key]))
    return {edge for edge in found if edge.before != edge.after}


def _session_order(history: Sequence[Transaction]) -> Iterator[Edge]:
    last: dict[int, str] = {}
    for each in history:
        if each.session in last:
            yield Edge(last[each.session], each.name, "so")
        if each.ending is not Ending.UNKNOWN:
            last[each.session] = each.name


def _read_edges(
    each: Transaction,
    read: Read,
    order: tuple[int, ...],
    writers: dict[tuple[int, int], Transaction],
    unseen: Iterable[str],
) -> Iterator[Edge]:
    theirs = [value for value in read.values if writers[read.key, value] is not each]
    if theirs:
        yield Edge(writers[read.key, theirs[-1]].name, each.name, "wr", read.key)
    following = [value for value in order[len(theirs) :] if writers[read.key, value] is not each]
    if following:
        yield Edge(each.name, writers[read.key, following[0]].name, "rw", read.key)
    for other in unseen:
        if not following:
            yield Edge(each.name, other, "rw", read.key)


# --- cycles --------------------------------------------------------------------------------------------------


def cycles(found: Iterable[Edge]) -> list[list[Edge]]:
    """A shortest cycle of each knot of transactions that must all come before each other."""
    after: dict[str, list[Edge]] = defaultdict(list)
    # Among ways of one length the one with the fewest rw says most.
    for edge in sorted(found, key=lambda edge: (edge.kind == "rw", str(edge))):
        after[edge.before].append(edge)
    return [_shortest(knot, after) for knot in _knots(after) if len(knot) > 1]


def _named(cycle: list[Edge]) -> str:
    """The cycle with the name that Adya gave its kind."""
    kinds = [edge.kind for edge in cycle]
    name = "G2"
    if "rw" not in kinds:
        name = "G1c" if "wr" in kinds else "G0"
    elif kinds.count("rw") == 1:
        name = "G-single"
    return f"{name}: " + ", ".join(map(str, cycle))


def _shortest(knot: set[str], after: dict[str, list[Edge]]) -> list[Edge]:
    paths = (_path(start, knot, after) for start in sorted(knot))
    return min(paths, key=len)


def _path(start: str, knot: set[str], after: dict[str, list[Edge]]) -> list[Edge]:
    """A shortest way from `start` back to it, inside the knot."""
    waiting: deque[list[Edge]] = deque([edge] for edge in after[start] if edge.after in knot)
    reached = {path[0].after for path in waiting}
    while waiting:
        path = waiting.popleft()
        if path[-1].after == start:
            return path
        for edge in after[path[-1].after]:
            if edge.after in knot and (edge.after not in reached or edge.after == start):
                reached.add(edge.after)
                waiting.append([*path, edge])
    raise AssertionError(f"{start} is in no cycle")


def _knots(after: dict[str, list[Edge]]) -> list[set[str]]:
    """Strongly connected components (Kosaraju), without recursion."""
    names = sorted({*after, *(edge.after for edges_of in after.values() for edge in edges_of)})
    before: dict[str, list[str]] = defaultdict(list)
    for edges_of in after.values():
        for edge in edges_of:
            before[edge.after].append(edge.before)
    following = {name: [edge.after for edge in after.get(name, ())] for name in names}
    order: list[str] = []
    seen: set[str] = set()
    for name in names:
        order += _finished(name, following, seen)
    taken: set[str] = set()
    return [set(_finished(name, before, taken)) for name in reversed(order) if name not in taken]


def _finished(start: str, following: dict[str, list[str]], seen: set[str]) -> list[str]:
    """What can be reached from `start` and was not seen, in the order in which a walk is done with it."""
    if start in seen:
        return []
    seen.add(start)
    done: list[str] = []
    stack = [(start, iter(following.get(start, ())))]
    while stack:
        name, rest = stack[-1]
        step = next((one for one in rest if one not in seen), None)
        if step is None:
            done.append(name)
            stack.pop()
        else:
            seen.add(step)
            stack.append((step, iter(following.get(step, ()))))
    return done
