"""Whether a history and what the nodes hold in the end go together.

The nodes' own records of requests say which index each request has; all must agree, and then the single-statement
operations are run again, in that order, on a model in memory. Every answer must be the model's at some index that
the client was allowed to see.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.clients import ACCOUNTS, FIRST_BALANCE
from tests.chaos.found import Found
from tests.chaos.history import Operation
from tests.chaos.linearizable import Call, is_linearizable
from tests.checkers import bank, list_append
from tests.checkers.list_append import Ending


@dataclass(frozen=True, slots=True)
class Violation:
    """What is wrong, and the operations that show it."""

    what: str
    operations: tuple[Operation, ...] = ()


@dataclass(slots=True)
class _Model:
    """The single-statement operations run again: each key's versions as (index, value), from index 0 on."""

    registers: dict[int, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(lambda: [(0, 0)]))
    counters: dict[int, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(lambda: [(0, 0)]))
    elements: dict[int, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))
    #: All balances together, since each read is of all.
    accounts: list[tuple[int, list[int]]] = field(default_factory=lambda: [(0, [FIRST_BALANCE] * ACCOUNTS)])

    def transfer(self, operation: Operation, index: int) -> None:
        """Move the money of a transfer that happened at `index`."""
        source, target, amount, _ = operation.value
        balances = self.accounts[-1][1].copy()
        balances[source] -= amount
        balances[target] += amount
        self.accounts.append((index, balances))

    def run(self, operation: Operation, index: int) -> int:
        """Run one operation at `index`; rows changed."""
        key = operation.key
        if operation.kind == "write":
            self.registers[key].append((index, operation.value))
        elif operation.kind == "add":
            self.counters[key].append((index, self.counters[key][-1][1] + 1))
        elif operation.kind == "insert":
            self.elements[key].append((index, operation.value))
        elif operation.kind == "cas":
            old, new = operation.value
            if self.registers[key][-1][1] != old:
                return 0
            self.registers[key].append((index, new))
        return 1


class Checker:
    """All checks of one run. `operations` in the order of their beginning; `found` one for each master."""

    def __init__(self, operations: Sequence[Operation], found: Sequence[Found]) -> None:
        self._operations = operations
        self._found = found
        self._by_request = {one.request_id: one for one in operations if one.is_write}
        self._index = {ran.request_id: ran.index for ran in found[0].ran}
        self._model = _Model()

    def violations(self) -> list[Violation]:
        """Everything that is wrong."""
        return [
            *self._nodes_agree(),
            *self._acknowledged(),
            *self._real_time(),
            *self._replayed(),
            *self._contents(),
            *self._reads(),
            *self._registers(),
            *self._transactions(),
        ]

    def _nodes_agree(self) -> Iterator[Violation]:
        first = self._found[0]
        for other in self._found[1:]:
            for what in ("applied", "chain", "digest"):
                one, two = getattr(first, what), getattr(other, what)
                if one != two:
                    yield Violation(f"{first.node} and {other.node} differ in {what}: {_shown(one)}, {_shown(two)}")
            differing = sorted(set(first.ran) ^ set(other.ran), key=lambda ran: ran.index)[:6]
            if differing:
                named = [self._by_request[ran.request_id] for ran in differing if ran.request_id in self._by_request]
                yield Violation(f"{first.node} and {other.node} ran different requests: {differing}", tuple(named))

    def _acknowledged(self) -> Iterator[Violation]:
        for operation in self._by_request.values():
            index = self._index.get(operation.request_id)
            if operation.kind == "lists" and not any(kind == "append" for kind, *_ in operation.value):
                continue  # a transaction that only read has no entry
            if operation.status == "ok" and index is None:
                yield Violation("acknowledged and lost", (operation,))
            elif operation.status == "ok" and index is not None and index > operation.index:
                # Lower is right: one that came twice is answered with the index of its later coming.
                yield Violation(f"acknowledged at {operation.index}, the nodes have it at {index}", (operation,))

    def _real_time(self) -> Iterator[Violation]:
        """A write that was acknowledged before another began has the lower index."""
        placed = [one for one in self._by_request.values() if one.request_id in self._index]
        ended = sorted((one for one in placed if one.status == "ok"), key=lambda one: one.ended)
        highest: Operation | None = None
        at = 0
        for operation in placed:
            while at < len(ended) and ended[at].ended < operation.begun:
                if highest is None or self._at(ended[at]) > self._at(highest):
                    highest = ended[at]
                at += 1
            if highest is not None and self._at(operation) < self._at(highest):
                yield Violation("a later write has an earlier index", (highest, operation))

    def _at(self, operation: Operation) -> int:
        return self._index[operation.request_id]

    def _replayed(self) -> Iterator[Violation]:
        """Run the model, and compare how many rows each write said it changed."""
        for request_id, index in sorted(self._index.items(), key=lambda item: item[1]):
            operation = self._by_request.get(request_id)
            if operation is None or operation.kind == "lists":
                continue
            if operation.kind == "transfer":
                # One that lost against another has its place in the log too.
                if operation.value[-1] in self._found[0].transfers:
                    self._model.transfer(operation, index)
                continue
            changed = self._model.run(operation, index)
            if operation.status == "ok" and operation.result != changed:
                yield Violation(f"it changes {changed} rows at {index}, says its log", (operation,))

    def _contents(self) -> Iterator[Violation]:
        """What each node holds is what the model holds: nothing is missing, doubled or in another order."""
        model = self._model
        for found in self._found:
            for kind, versions, held in (
                ("register", model.registers, found.registers),
                ("counter", model.counters, found.counters),
            ):
                for key, value in held.items():
                    if versions[key][-1][1] != value:
                        what = f"{kind} {key} is {value} on {found.node}, its writes lead to {versions[key][-1][1]}"
                        yield Violation(what, self._of_key(kind, key))
            for key in set(found.elements) | set(model.elements):
                wanted = [value for _, value in model.elements[key]]
                if found.elements.get(key, []) != wanted:
                    what = f"set {key} is {found.elements.get(key)} on {found.node}, its inserts lead to {wanted}"
                    yield Violation(what, self._of_key("elements", key))

    def _of_key(self, kind: str, key: int) -> tuple[Operation, ...]:
        kinds = {
            "register": ("write", "cas", "register"),
            "counter": ("add", "counter"),
            "accounts": ("transfer", "accounts"),
        }.get(kind, ("insert", kind))
        return tuple(one for one in self._operations if one.key == key and one.kind in kinds)[-12:]

    # -- reads ------------------------------------------------------------------------------------------------

    def _reads(self) -> Iterator[Violation]:
        """Each session goes forward only and sees its own writes; a strong read sees all that was acknowledged."""
        seen: dict[int, tuple[int, Operation | None]] = defaultdict(lambda: (0, None))
        acknowledged = [one for one in self._by_request.values() if one.status == "ok"]
        acknowledged.sort(key=lambda one: one.ended)
        ends = [one.ended for one in acknowledged]
        highest = list(_running_maximum([self._index.get(one.request_id, 0) for one in acknowledged]))
        for operation in sorted(self._operations, key=lambda one: one.ended):
            if operation.status != "ok" or _is_early(operation):
                continue
            least, because = seen[operation.client] if operation.level != "any" else (0, None)
            if operation.level == "strong" and (count := bisect_left(ends, operation.begun)):
                least = max(least, highest[count - 1])
            reached = self._index.get(operation.request_id, 0)
            if operation.kind in ("register", "counter", "elements", "accounts"):
                span = self._span(operation)
                if span is None:
                    others = self._of_key(operation.kind, operation.key)
                    yield Violation("it read what was never there", (operation, *others))
                    continue
                if span[1] <= least:
                    what = f"a {operation.level} read of a state before {span[1]}, though {least} had been seen"
                    yield Violation(what, tuple(one for one in (because, operation) if one))
                if not span[0] <= operation.index < span[1]:
                    yield Violation(f"META says {operation.index}, the value is that of {span}", (operation,))
                reached = span[0]
            if operation.level != "any" and max(reached, operation.index) > least:
                seen[operation.client] = max(reached, operation.index, seen[operation.client][0]), operation

    def _span(self, operation: Operation) -> tuple[int, float] | None:
        """From which index to before which the key had the value that was read; None for never."""
        if operation.kind == "accounts":
            return self._span_of_accounts(operation)
        if operation.kind == "elements":
            versions = self._model.elements[operation.key]
            read = operation.result
            if [value for _, value in versions[: len(read)]] != read:
                return None
            start = versions[len(read) - 1][0] if read else 0
            return start, versions[len(read)][0] if len(read) < len(versions) else math.inf
        values = self._model.registers if operation.kind == "register" else self._model.counters
        versions = values[operation.key]
        for place, (index, value) in enumerate(versions):
            if [value] == operation.result:
                return index, versions[place + 1][0] if place + 1 < len(versions) else math.inf
        return None

    def _span_of_accounts(self, operation: Operation) -> tuple[int, float] | None:
        """The span of the state that META names if that is what was read, else the last of those that are."""
        versions = self._model.accounts
        ends = [index for index, _ in versions[1:]] + [math.inf]
        spans = [(index, end) for (index, held), end in zip(versions, ends, strict=True) if held == operation.result]
        named = [span for span in spans if span[0] <= operation.index < span[1]]
        return next(iter(named or spans[::-1]), None)

    def _registers(self) -> Iterator[Violation]:
        """Strong reads and writes of each register are linearizable, from what clients saw alone."""
        calls: dict[int, list[Call]] = defaultdict(list)
        for one in self._operations:
            if one.kind in ("write", "cas") and one.status != "fail":
                calls[one.key].append(Call(one.begun, one.ended, one.kind, _value(one.value), one.result))
            elif one.kind == "register" and one.level == "strong" and one.status == "ok":
                calls[one.key].append(Call(one.begun, one.ended, "read", None, one.result[0]))
        for key, of_key in calls.items():
            if not is_linearizable(of_key, 0):
                yield Violation(f"register {key} is not linearizable", self._of_key("register", key))

    # -- transactions -----------------------------------------------------------------------------------------

    def _transactions(self) -> Iterator[Violation]:
        lists = [one for one in self._operations if one.kind == "lists"]
        sessions = [
            list_append.Transaction(f"T{one.number}", one.client, self._ending(one), tuple(_steps(one)))
            for one in lists
        ]
        for found in self._found:
            final = tuple(list_append.Read(key, values) for key, values in sorted(found.lists.items()))
            sessions.append(list_append.Transaction(f"end-{found.node}", -1, Ending.COMMITTED, final))
        by_name = {f"T{one.number}": one for one in lists}
        for sentence in list_append.anomalies(sessions):
            named = [by_name[word.strip(",:")] for word in sentence.split() if word.strip(",:") in by_name]
            yield Violation(f"lists: {sentence}", tuple(dict.fromkeys(named)))
        for sentence in bank.complaints(self._bank()):
            yield Violation(f"bank: {sentence}", self._named_transfers(sentence))

    def _named_transfers(self, sentence: str) -> tuple[Operation, ...]:
        """The transfer whose number a sentence names; the last ones when it names none."""
        transfers = [one for one in self._operations if one.kind == "transfer"]
        named = [one for one in transfers if f"transfer {one.value[-1]} " in sentence]
        return tuple(named or transfers[-6:])

    def _bank(self) -> bank.History:
        transfers = [one for one in self._operations if one.kind == "transfer"]
        sights = [one for one in self._operations if one.kind == "accounts" and one.status == "ok"]
        sights = [one for one in sights if not _is_early(one)]
        return bank.History(
            (FIRST_BALANCE,) * ACCOUNTS,
            tuple(_transfer(one, self._ending(one)) for one in transfers),
            tuple(bank.Sight(f"operation {one.number}", tuple(one.result)) for one in sights),
            tuple((found.accounts, frozenset(found.transfers)) for found in self._found),
        )

    @staticmethod
    def _ending(operation: Operation) -> Ending:
        return {"ok": Ending.COMMITTED, "fail": Ending.ABORTED}.get(operation.status, Ending.UNKNOWN)


def _steps(operation: Operation) -> Iterator[list_append.Step]:
    for kind, key, value in operation.value:
        yield list_append.Read(key, tuple(value)) if kind == "read" else list_append.Append(key, value)


def _is_early(operation: Operation) -> bool:
    """Whether it saw a state from before the first rows, which only "any" may."""
    return operation.level == "any" and operation.kind != "elements" and not operation.result


def _transfer(operation: Operation, ending: Ending) -> bank.Transfer:
    source, target, amount, number = operation.value
    return bank.Transfer(number, source, target, amount, ending)


def _value(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _running_maximum(values: Sequence[int]) -> Iterator[int]:
    highest = 0
    for value in values:
        highest = max(highest, value)
        yield highest


def _shown(value: object) -> object:
    return value.hex()[:16] if isinstance(value, bytes) else value
