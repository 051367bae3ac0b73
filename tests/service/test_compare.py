"""When databases are compared: the promises of `compare`, with writers that never rest and nodes that come and go."""

from __future__ import annotations

from random import Random

import pytest

from dirk_gevent.coordinator.divergence.comparisons import BUSY_SECONDS, REST_SECONDS, Comparisons

LOG_ID = 1
BEAT_SECONDS = 0.5
EVERY_SECONDS = 600.0
BOTH = ("m1", "m2")


def first_due(comparisons: Comparisons, now: float, head: int, per_second: int, able: tuple[str, ...] = BOTH) -> float:
    """When a comparison is due, looked for at each beat while so many entries a second are written."""
    began = now
    while not comparisons.is_due(LOG_ID, head + int((now - began) * per_second), now, able):
        now += BEAT_SECONDS
        assert now - began < 2 * EVERY_SECONDS, "no comparison was ever due"
    return now


@pytest.mark.parametrize("per_second", [2, 1000])
def test_a_database_that_is_never_at_rest_is_compared_from_the_start_on(per_second: int) -> None:
    comparisons, now, head = Comparisons(EVERY_SECONDS), 100.0, 1
    for took_seconds in (0.0, 0.1, 3.0):
        due = first_due(comparisons, now, head, per_second)
        assert due - now <= BUSY_SECONDS + BEAT_SECONDS
        head += int((due - now) * per_second)
        now = due + took_seconds
        comparisons.ended(LOG_ID, head, took_seconds, now, BOTH)
        again = first_due(comparisons, now, head + 1, per_second)
        assert 20 * took_seconds <= again - now <= max(BUSY_SECONDS, 20 * took_seconds) + 2 * BEAT_SECONDS
        now, head = again, head + 1 + int((again - now) * per_second)


def test_comparing_takes_a_twentieth_of_the_time_whatever_happens() -> None:
    """Writes, nodes that come and go, edited files, rounds that nobody answers: by chance, for an hour."""
    chance = Random("an hour of comparisons")
    comparisons, now, head, worked = Comparisons(EVERY_SECONDS), 0.0, 1, 0.0
    while now < 3600:
        head += chance.choice((0, 0, 1, 50))
        if chance.random() < 0.1:
            comparisons.hurry(chance.choice((None, LOG_ID)))
        if comparisons.is_due(LOG_ID, head, now, chance.choice((BOTH, BOTH, BOTH[:1]))):
            took = chance.random() * 4
            worked, now = worked + took, now + took
            if chance.random() < 0.3:
                comparisons.failed(LOG_ID, head, took, now)
            else:
                comparisons.ended(LOG_ID, head, took, now, BOTH)
        now += BEAT_SECONDS
    assert 0 < worked <= now / 20 + 4


def test_what_was_urgent_stays_urgent_when_a_comparison_was_not_answered() -> None:
    comparisons = Comparisons(EVERY_SECONDS)
    now = first_due(comparisons, 0.0, 7, 0)
    for _ in range(3):
        comparisons.failed(LOG_ID, 7, 0.0, now)
        again = first_due(comparisons, now, 7, 0)
        assert again - now < 60
        now = again
    comparisons.ended(LOG_ID, 7, 0.0, now, BOTH)
    assert not comparisons.is_due(LOG_ID, 7, now + 60, BOTH)
    assert comparisons.is_due(LOG_ID, 7, now + EVERY_SECONDS + 1, BOTH)


def test_a_comparison_that_fails_again_and_again_is_hurried_by_a_node_that_comes() -> None:
    comparisons, now = Comparisons(EVERY_SECONDS), 0.0
    first_due(comparisons, now, 7, 0)
    for _ in range(10):
        comparisons.failed(LOG_ID, 7, 0.0, now)
    assert not comparisons.is_due(LOG_ID, 7, now + 60, BOTH)
    comparisons.hurry(None)
    assert comparisons.is_due(LOG_ID, 7, now + 60, BOTH)


def test_a_node_that_was_not_compared_is_news() -> None:
    """It was stalled, or far behind, when the others were compared; nothing was written since."""
    comparisons = Comparisons(EVERY_SECONDS)
    now = first_due(comparisons, 0.0, 7, 0, BOTH[:1])
    comparisons.ended(LOG_ID, 7, 0.0, now, BOTH[:1])
    assert not comparisons.is_due(LOG_ID, 7, now + 60, BOTH[:1])
    assert comparisons.is_due(LOG_ID, 7, now + 60, BOTH)


def test_a_node_alone_is_not_read_again_and_again_while_it_is_written() -> None:
    comparisons, head = Comparisons(EVERY_SECONDS), 1
    for beat in range(200):
        head += 1
        assert not comparisons.is_due(LOG_ID, head, beat * BEAT_SECONDS, BOTH[:1])
    assert comparisons.is_due(LOG_ID, head, 100.0 + REST_SECONDS, BOTH[:1])
