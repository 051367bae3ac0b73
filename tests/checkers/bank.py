"""Accounts between which money moves: no transfer is lost, none is seen half done, the total never changes.

Each transfer leaves its number in the database, in the same transaction as the money; so what happened to one whose
outcome is not known can be read there.

    complaints(history)  ->  sentences, none when all is right
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.checkers.list_append import Ending


@dataclass(frozen=True, slots=True)
class Transfer:
    """`amount` went from one account to another, if it ended so."""

    number: int
    source: int
    target: int
    amount: int
    ending: Ending


@dataclass(frozen=True, slots=True)
class Sight:
    """All balances by account, as one transaction or one statement saw them; `by` says who."""

    by: str
    balances: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class History:
    """What was done and seen. `first` are the balances at the beginning.

    `last` and `numbers` are what is there in the end: balances, and the numbers of the transfers that happened; one
    pair for each node that was asked.
    """

    first: tuple[int, ...]
    transfers: tuple[Transfer, ...]
    sights: tuple[Sight, ...]
    last: tuple[tuple[tuple[int, ...], frozenset[int]], ...]


def complaints(history: History) -> list[str]:
    """What is wrong: sentences."""
    return [*_seen(history), *_kept(history)]


def _seen(history: History) -> Iterator[str]:
    total = sum(history.first)
    for sight in history.sights:
        if sum(sight.balances) != total:
            yield f"{sight.by} saw {sum(sight.balances)} in all, not {total}: {list(sight.balances)}"
        if min(sight.balances) < 0:
            yield f"{sight.by} saw an account below 0: {list(sight.balances)}"


def _kept(history: History) -> Iterator[str]:
    for balances, numbers in history.last:
        yield from _numbers(history, numbers)
        expected = list(history.first)
        for transfer in history.transfers:
            if transfer.number in numbers:
                expected[transfer.source] -= transfer.amount
                expected[transfer.target] += transfer.amount
        if tuple(expected) != balances:
            yield f"the transfers that happened lead to {expected}, there is {list(balances)}"
    if len(set(history.last)) > 1:
        yield f"nodes differ in the end: {sorted(set(history.last), key=str)}"


def _numbers(history: History, numbers: frozenset[int]) -> Iterator[str]:
    for transfer in history.transfers:
        if transfer.ending is Ending.COMMITTED and transfer.number not in numbers:
            yield f"transfer {transfer.number} was acknowledged and is lost"
        if transfer.ending is Ending.ABORTED and transfer.number in numbers:
            yield f"transfer {transfer.number} was refused and happened"
    if unknown := numbers - {transfer.number for transfer in history.transfers}:
        yield f"transfers that nobody made: {sorted(unknown)}"
