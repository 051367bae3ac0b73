"""The checker of registers tells what could have happened from what could not."""

from __future__ import annotations

import math
import random

from tests.chaos.linearizable import Call, is_linearizable


def write(begun: int, ended: float, value: int) -> Call:
    return Call(begun, ended, "write", value, 1)


def read(begun: int, ended: float, result: int) -> Call:
    return Call(begun, ended, "read", None, result)


def cas(begun: int, ended: float, old: int, new: int, changed: int) -> Call:
    return Call(begun, ended, "cas", (old, new), changed)


def test_one_after_the_other() -> None:
    assert is_linearizable([write(1, 2, 5), read(3, 4, 5)], 0)
    assert not is_linearizable([write(1, 2, 5), read(3, 4, 0)], 0)


def test_what_overlaps_may_come_in_any_order() -> None:
    overlapping = [write(1, 10, 5), read(2, 3, 0), read(4, 5, 5)]
    assert is_linearizable(overlapping, 0)
    assert not is_linearizable([*overlapping, read(6, 7, 0)], 0), "it went back"


def test_what_nobody_knows_of_may_have_happened_at_any_time_or_never() -> None:
    unknown = write(1, math.inf, 5)
    assert is_linearizable([unknown, read(2, 3, 0), read(4, 5, 5)], 0)
    assert is_linearizable([unknown, read(2, 3, 0)], 0)
    assert not is_linearizable([unknown, read(2, 3, 5), read(4, 5, 0)], 0)


def test_compare_and_set_says_what_was_there() -> None:
    assert is_linearizable([write(1, 2, 5), cas(3, 4, 5, 6, 1), read(5, 6, 6)], 0)
    assert not is_linearizable([write(1, 2, 5), cas(3, 4, 5, 6, 0)], 0)
    assert is_linearizable([write(1, 2, 5), cas(3, 4, 0, 6, 0), read(5, 6, 5)], 0)
    assert not is_linearizable([cas(1, 2, 0, 1, 1), cas(3, 4, 0, 2, 1)], 0), "both found the same value"


def test_histories_of_a_real_register_pass_and_changed_ones_do_not() -> None:
    """Calls that take effect at one moment each between their two; then one read's answer is another."""
    chance = random.Random(7)
    for _ in range(50):
        state, calls = 0, []
        for moment in range(0, 300, 10):
            begun, ended = moment - chance.randrange(15), moment + 1 + chance.randrange(15)
            if chance.random() < 0.5:
                state = moment + 1
                calls.append(write(begun, ended, state))
            else:
                calls.append(read(begun, ended, state))
        calls.append(read(1000, 1001, state))
        assert is_linearizable(calls, 0)
        calls[-1] = read(1000, 1001, state + 1)
        assert not is_linearizable(calls, 0)
