"""What must hold of a run: the log is folded into what each state must be, and everything told is held against it.

The truth is the chain of entries that ends at the log's head. `Commits` has seen every batch that the journal was
asked to write, so a truncated log is no gap.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from dirk_gevent.log.embedded.journal import Journal
from dirk_gevent.log.embedded.journal_rows import JournalCommit
from dirk_gevent.log.entry import NO_CHAIN, Entry, chain
from tests.simulation.clients import AGAIN, FIRST_BALANCE, Answer, Attempt, History, request_id
from tests.simulation.schedule import Kind, Operation, Plan
from tests.simulation.transacting import ACCOUNTS, accounts
from tests.simulation.world import put, the_world

#: What an edited file holds besides: a row (w, n) of `lisitra`.
EDITED_ROW = (99, 1)
#: SQLSTATEs that say: nothing was appended.
NOT_APPENDED = ("57P03", "53300", "53100")
_UNIQUE = "23505"
_CONFLICT = "40001"
#: Stands for all tables: their definitions have changed.
_EVERY_TABLE = "*"
#: How a request ends whose id was burnt before it came.
_NO_TRANSACTION = "25P01"
#: What a transaction reads or writes.
TOUCHED = {
    Kind.TRANSFER: ("banky",),
    Kind.BUMP: ("isany",),
    Kind.SIGHT: ("isany", "banky"),
    Kind.GLANCE: ("isany", "banky"),
}
_CHANGED = {
    Kind.APPEND: "lisitra",
    Kind.ADD: "isany",
    Kind.SET: "isany",
    Kind.CLAIM: "anjara",
    Kind.TRANSFER: "banky",
    Kind.BUMP: "isany",
    Kind.GLANCE: "isany",
    Kind.DEFINE: _EVERY_TABLE,
}


@dataclass(frozen=True, slots=True)
class Written:
    """An entry as a journal was given it, and when (virtual s of the world's loop)."""

    chain: bytes
    encoded: bytes
    at_seconds: float


@dataclass(frozen=True, slots=True)
class Place:
    """An index of a log and the chain hash there."""

    index: int
    chain: bytes


#: Where a log begins.
BEGINNING = Place(0, NO_CHAIN)


class Commits:
    """Every entry that was ever handed to a journal, by log and index."""

    def __init__(self) -> None:
        self._written: dict[tuple[int, int], list[Written]] = {}

    @contextmanager
    def watch(self) -> Iterator[None]:
        """See what `Journal.commit` is given meanwhile."""
        commit = Journal.commit

        def seen(journal: Journal, batch: JournalCommit) -> None:
            now = the_world().loop.time
            for row in batch.entries:
                self._written.setdefault((row.log_id, row.index), []).append(Written(row.chain, row.encoded, now))
            commit(journal, batch)

        put(Journal, "commit", seen)
        try:
            yield
        finally:
            put(Journal, "commit", commit)

    def leading_to(self, log_id: int, head: Place, base: Place) -> dict[int, Entry]:
        """The entries, by index, whose chain leads from `base` to `head`; those that nobody saw are missing."""
        found: dict[int, Entry] = {}
        index, wanted = head.index, head.chain
        while index > base.index:
            written = self._find(log_id, index, wanted)
            if written is None:
                break
            found[index] = Entry.decode(written.encoded)
            index -= 1
            before = [one.chain for one in self._written.get((log_id, index), ())]
            before = [base.chain] if index == base.index else before
            wanted = next((one for one in before if chain(one, written.encoded) == written.chain), b"")
        return found

    def seconds_of(self, entry: Entry) -> float:
        """When the entry was handed to a journal first (virtual s of the world's loop)."""
        written = self._written[entry.log_id, entry.index]
        return min(one.at_seconds for one in written if Entry.decode(one.encoded) == entry)

    def _find(self, log_id: int, index: int, wanted: bytes) -> Written | None:
        return next((one for one in self._written.get((log_id, index), ()) if one.chain == wanted), None)


@dataclass(slots=True)
class Tables:
    """The content of the database at one index."""

    lisitra: list[tuple[int, int]] = field(default_factory=list)
    isany: dict[int, int] = field(default_factory=lambda: {1: 0, 2: 0})
    anjara: set[int] = field(default_factory=set)
    banky: dict[int, int] = field(default_factory=lambda: dict.fromkeys(range(1, ACCOUNTS + 1), FIRST_BALANCE))
    #: The one row of a table that gets more and more columns.
    endrika: list[int] = field(default_factory=lambda: [1])

    def apply(self, operation: Operation) -> str:
        """Do what it asks; its SQLSTATE."""
        if operation.kind is Kind.APPEND:
            self.lisitra.append((operation.client, operation.value))
        elif operation.kind in (Kind.ADD, Kind.BUMP):
            self.isany[1] += 1
        elif operation.kind is Kind.GLANCE:
            self.isany = {k: n + 1 for k, n in self.isany.items()}
        elif operation.kind is Kind.TRANSFER:
            source, target = accounts(operation)
            self.banky[source] -= operation.value
            self.banky[target] += operation.value
        elif operation.kind is Kind.DEFINE:
            self.endrika.append(operation.number)
        elif operation.kind is Kind.SET:
            self.isany[2] = operation.value
        elif operation.value in self.anjara:
            return _UNIQUE
        else:
            self.anjara.add(operation.value)
        return ""

    def copy(self) -> Tables:
        """The same content, which no later change reaches."""
        endrika = self.endrika.copy()
        return Tables(self.lisitra.copy(), self.isany.copy(), self.anjara.copy(), self.banky.copy(), endrika)

    def rows(self, kind: Kind) -> list[list[int]]:
        """What a read of that kind answers."""
        if kind is Kind.READ_LIST:
            return [list(row) for row in self.lisitra]
        if kind is Kind.READ_NUMBERS:
            return [[k, self.isany[k]] for k in sorted(self.isany)]
        if kind is Kind.READ_SHAPE:
            return [self.endrika]
        if kind is Kind.READ_BANK:
            return [[k, self.banky[k]] for k in sorted(self.banky)]
        return [[k] for k in sorted(self.anjara)]

    def same_as(self, other: Tables) -> bool:
        """Equal, whatever the order of the list's rows on the disk."""
        if sorted(self.lisitra) != sorted(other.lisitra):
            return False
        mine, others = ((one.isany, one.anjara, one.banky, one.endrika) for one in (self, other))
        return mine == others


@dataclass(slots=True)
class Truth:
    """The final log, replayed: the state at each index, where each operation took its place, and how it ended."""

    base: int
    states: dict[int, Tables]
    places: dict[int, int]
    outcomes: dict[int, str]
    strangers: list[int]


def replay(plan: Plan, base: int, entries: dict[int, Entry], head: int) -> Truth:
    """Fold the log's entries after `base`, where the template ended."""
    by_request = {request_id(one): one for one in plan.operations}
    tables = Tables()
    truth = Truth(base, {base: tables.copy()}, {}, {}, [])
    changed: dict[str, int] = {}
    for index in range(base + 1, head + 1):
        entry = entries.get(index)
        operation = by_request.get(entry.request_id) if entry is not None else None
        if entry is None or operation is None:
            truth.strangers.append(index)
        elif operation.number not in truth.places:
            truth.places[operation.number] = index
            if entry.is_burn:
                outcome = _NO_TRANSACTION
            else:
                outcome = _conflict(operation, entry, changed, base) or tables.apply(operation)
            truth.outcomes[operation.number] = outcome
            if not outcome:
                changed[_CHANGED[operation.kind]] = index
        truth.states[index] = tables.copy()
    return truth


def _conflict(operation: Operation, entry: Entry, changed: dict[str, int], base: int) -> str:
    """The SQLSTATE of a transaction that touched a table which has changed since: the first to commit wins."""
    if not operation.kind.is_transaction:
        return ""
    touched = (*TOUCHED[operation.kind], _EVERY_TABLE)
    return _CONFLICT if any(changed.get(table, base) > (entry.base_index or 0) for table in touched) else ""


def judge(plan: Plan, history: History, truth: Truth) -> list[str]:
    """Everything that the clients were told and that is not so."""
    wrong = [f"entry {index} of the log is of nobody's asking, or unknown" for index in truth.strangers]
    for operation in plan.operations:
        attempts = history.of(operation)
        if operation.kind.is_write:
            wrong += _judge_write(plan, operation, attempts, truth)
        elif not (operation.kind.is_transaction or operation.kind.is_of_databases or plan.loses_history):
            wrong += [text for one in attempts for text in _judge_read(one, truth, plan.has_edits)]
    if not plan.loses_history:
        wrong += _judge_order(history, truth)
    return wrong


def answers(attempts: list[Attempt]) -> list[Answer]:
    """Those that say how it ended."""
    return [one.answer for one in attempts if one.answer is not None and one.answer.sqlstate not in AGAIN]


def _judge_write(plan: Plan, operation: Operation, attempts: list[Attempt], truth: Truth) -> list[str]:
    wrong = []
    ended = answers(attempts)
    told = {(answer.sqlstate, answer.text) for answer in ended}
    if len(told) > 1 and not plan.loses_history:
        wrong.append(f"{operation.name} was told two outcomes: {sorted(told)}")
    place = truth.places.get(operation.number)
    if ended and place is None and not plan.loses_history:
        wrong.append(f"{operation.name} was acknowledged and is not in the log")
    if ended and place is not None and not plan.loses_history:
        sqlstate = truth.outcomes[operation.number]
        if {answer.sqlstate for answer in ended} != {sqlstate}:
            wrong.append(f"{operation.name} ended with {sorted(told)}, its place in the log says {sqlstate or 'done'}")
    refused = [one.answer is not None and one.answer.sqlstate in NOT_APPENDED for one in attempts]
    if attempts and all(refused) and place is not None:
        wrong.append(f"{operation.name} was always refused and is in the log at {place}")
    return wrong


def least_index(attempt: Attempt) -> int:
    """What a read must not be older than."""
    known = {"any": 0, "session": attempt.floor, "strong": max(attempt.floor, attempt.known)}
    return known[attempt.operation.level]


def unedited(rows: list[list[Any]], has_edits: bool) -> list[list[Any]]:
    """Rows that were read, less what somebody put into a file: it is answered until it is found."""
    return [row for row in rows if not has_edits or row != list(EDITED_ROW)]


def _judge_read(attempt: Attempt, truth: Truth, has_edits: bool) -> list[str]:
    answer, operation = attempt.answer, attempt.operation
    if answer is None or answer.sqlstate or answer.is_hit:
        return []
    name = f"{operation.name} ({operation.level} read at {attempt.began:.6f})"
    if answer.rows is None:
        return [f"{name} was answered with {answer.text}"]
    least = least_index(attempt)
    if answer.index < least:
        return [f"{name} saw index {answer.index} and must not be older than {least}"]
    state = truth.states.get(answer.index)
    if state is None:
        return [f"{name} saw index {answer.index}, which the log does not have"]
    rows = unedited(answer.rows, has_edits)
    if sorted(rows) != sorted(state.rows(operation.kind)):
        return [f"{name} saw {answer.rows} at index {answer.index}, where the log says {state.rows(operation.kind)}"]
    return []


def _judge_order(history: History, truth: Truth) -> list[str]:
    """Writes that were acknowledged before others began stand before them in the log."""
    began: dict[int, float] = {}
    ended: dict[int, float] = {}
    for one in history.attempts:
        number = one.operation.number
        began[number] = min(one.began, began.get(number, one.began))
        # A transaction that only read has no entry; saying its COMMIT again burns its id, which orders nothing.
        if number in truth.places and truth.outcomes[number] != _NO_TRANSACTION and answers([one]):
            ended[number] = min(one.ended, ended.get(number, one.ended))
    return [
        f"o{second} began after o{first} ended and stands before it in the log"
        for first, end in ended.items()
        for second, place in truth.places.items()
        if second in began and end < began[second] and truth.places[first] > place
    ]
