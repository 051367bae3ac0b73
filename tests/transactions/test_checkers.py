"""The checkers find what they are there to find: histories made by hand, each wrong in one way."""

from __future__ import annotations

import pytest

from tests.checkers import bank
from tests.checkers.list_append import Append, Ending, Read, Step, Transaction, anomalies, lost

X, Y = 1, 2


def did(name: str, *steps: Step, ending: Ending = Ending.COMMITTED, session: int | None = None) -> Transaction:
    """A transaction of a session of its own, unless told otherwise."""
    return Transaction(name, hash(name) if session is None else session, ending, steps)


def test_a_serial_history_is_right() -> None:
    history = [
        did("a", Append(X, 1), Read(X, (1,)), session=1),
        did("b", Read(X, (1,)), Append(X, 2), Append(Y, 3), session=2),
        did("gone", Append(X, 9), ending=Ending.ABORTED),
        did("perhaps", Append(Y, 4), ending=Ending.UNKNOWN),
        did("c", Read(Y, (3, 4)), Read(X, (1, 2)), session=1),
        did("never", Append(X, 8), Read(X, (1, 2, 8)), ending=Ending.UNKNOWN),
    ]
    assert anomalies(history) == []
    assert lost(history, {X: (1, 2), Y: (3, 4)}) == []


def test_what_nobody_answered_may_happen_later() -> None:
    """The COMMIT was on its way when its connection broke; the same client goes on meanwhile, and sees it come."""
    history = [
        did("before", Append(X, 1), session=1),
        did("unanswered", Append(X, 2), session=1, ending=Ending.UNKNOWN),
        did("meanwhile", Read(X, (1,)), session=1),
        did("end", Read(X, (1, 2)), session=1),
    ]
    assert anomalies(history) == []
    history[2] = did("meanwhile", Read(X, ()), session=1)
    assert "so" in anomalies(history)[0], "what was answered before it still counts"


@pytest.mark.parametrize(
    ("name", "history"),
    [
        ("G0", [did("a", Append(X, 1), Append(Y, 1)), did("b", Append(X, 2), Append(Y, 2)),
                did("end", Read(X, (1, 2)), Read(Y, (2, 1)))]),
        ("G1a", [did("a", Append(X, 1), ending=Ending.ABORTED), did("b", Read(X, (1,)))]),
        ("G1b", [did("a", Append(X, 1), Append(X, 2)), did("b", Read(X, (1,))), did("end", Read(X, (1, 2)))]),
        ("G1c", [did("a", Append(X, 1), Read(Y, (2,))), did("b", Append(Y, 2), Read(X, (1,)))]),
        ("G-single", [did("a", Read(X, ()), Read(Y, (2,))), did("b", Append(X, 1), Append(Y, 2)),
                      did("end", Read(X, (1,)))]),
        ("G-single", [did("a", Read(X, ()), Append(X, 1)), did("b", Read(X, ()), Append(X, 2)),
                      did("end", Read(X, (1, 2)))]),
        ("G2", [did("a", Read(X, ()), Append(Y, 1)), did("b", Read(Y, ()), Append(X, 2)),
                did("end", Read(X, (2,)), Read(Y, (1,)))]),
        ("G2", [did("a", Read(X, ()), Append(Y, 1)), did("b", Read(Y, ()), Append(X, 2))]),
        ("expected", [did("a", Read(X, ()), Read(X, (1,))), did("b", Append(X, 1))]),
        ("its own", [did("a", Append(X, 1), Read(X, ()))]),
        ("nobody wrote", [did("a", Read(X, (7,)))]),
        ("twice", [did("a", Append(X, 1)), did("b", Read(X, (1, 1)))]),
        ("others", [did("a", Append(X, 1)), did("b", Append(X, 2)), did("c", Read(X, (1, 2))),
                    did("d", Read(X, (2,)))]),
        ("so", [did("a", Append(X, 1), session=1), did("b", Read(X, ()), session=1), did("end", Read(X, (1,)))]),
    ],
)  # fmt: skip
def test_a_wrong_history_is_found(name: str, history: list[Transaction]) -> None:
    found = anomalies(history)
    assert found and name in found[0], found


def test_a_lost_append_is_found() -> None:
    assert lost([did("a", Append(X, 1))], {X: ()})
    assert not lost([did("a", Append(X, 1), ending=Ending.UNKNOWN)], {X: ()})


def told(
    *, sights: tuple[bank.Sight, ...] = (), ending: Ending = Ending.COMMITTED, last: tuple[int, ...] = (7, 13),
    numbers: frozenset[int] = frozenset({1}), other: tuple[int, ...] = (7, 13),
) -> list[str]:  # fmt: skip
    """What the checker says of one transfer of 3 between two accounts of 10."""
    transfer = bank.Transfer(1, 0, 1, 3, ending)
    ends = ((last, numbers), (other, numbers))
    return bank.complaints(bank.History((10, 10), (transfer,), sights, ends))


def test_a_bank_that_is_right() -> None:
    assert told(sights=(bank.Sight("a", (10, 10)), bank.Sight("b", (7, 13)))) == []
    assert told(ending=Ending.UNKNOWN) == []
    gone: frozenset[int] = frozenset()
    assert told(ending=Ending.UNKNOWN, last=(10, 10), other=(10, 10), numbers=gone) == []


def test_a_bank_that_is_wrong() -> None:
    assert told(sights=(bank.Sight("a", (7, 10)),)), "half a transfer seen"
    assert told(sights=(bank.Sight("a", (-1, 21)),)), "below zero"
    assert told(last=(10, 10), other=(10, 10), numbers=frozenset()), "an acknowledged transfer lost"
    assert told(ending=Ending.ABORTED), "a refused transfer happened"
    assert told(last=(7, 10), other=(7, 10)), "money lost"
    assert told(other=(10, 10)), "nodes that differ"
    assert told(numbers=frozenset({1, 2})), "a transfer from nowhere"
