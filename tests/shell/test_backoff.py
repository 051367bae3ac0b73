"""Waits grow to a bound and begin anew when told; two who wait do not come back as one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dirk_gevent.base.backoff import Backoff, jittered
from dirk_gevent.base.request_ids import new_request_id
from dirk_gevent.log.entry import request_time_ms


@given(st.floats(0.001, 1.0), st.floats(1.0, 100.0), st.integers(1, 30), st.integers(1, 30))
def test_each_wait_is_between_half_and_all_of_twice_the_last_up_to_the_most(
    least: float, most: float, tries: int, after_reset: int
) -> None:
    backoff = Backoff(least, most)
    for count in (tries, after_reset):
        for attempt in range(count):
            full = min(most, least * 2**attempt)
            assert full / 2 <= backoff.next_seconds() <= full
        backoff.reset()


def test_many_do_not_wait_alike() -> None:
    assert len({jittered(1.0) for _ in range(100)}) > 90


@given(st.integers(-1000, 10**13 - 1))
def test_the_time_of_a_request_can_be_read_from_its_id(now_ms: int) -> None:
    ids = {new_request_id(now_ms) for _ in range(20)}
    assert len(ids) == 20
    assert {request_time_ms(one) for one in ids} == {max(0, now_ms)}
