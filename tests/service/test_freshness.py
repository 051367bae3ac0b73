"""Whatever part and whichever fast path answers: no state older than the request needs, and no wait for a later one.

Sessions by chance on proxy, cache and nodes that lag, at each level, with `min` of one log, of several and of the log
of databases, reconnecting with what they have seen; databases of one name that come and go; entries that are applied
and not told. Each answer is held against the model.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from tests.service.freshness_play import Play
from tests.service.small_cluster import SmallCluster

WAIT_MS = 60
STEPS = 350


def play(directory: Path, seed: int, steps: int) -> None:
    """One run; AssertionError with what led there."""
    cluster = SmallCluster(directory, WAIT_MS)
    playing = Play(cluster, seed)
    try:
        for _ in range(steps):
            playing.step()
    except AssertionError as error:
        told = "\n".join(playing.lines[-40:])
        raise AssertionError(f"seed {seed}: {error}\n{told}") from error
    finally:
        playing.stop()
        cluster.stop()


@pytest.fixture
def seeds(request: pytest.FixtureRequest) -> Iterator[int]:
    """The seed asked for, or one by chance."""
    yield int(os.environ.get("DIRK_TEST_SEED") or Random().randrange(10**6))


def test_every_part_answers_from_a_state_that_is_fresh_enough(tmp_path: Path, seeds: int) -> None:
    play(tmp_path, seeds, STEPS)


@pytest.mark.slow
@pytest.mark.parametrize("more", range(6))
def test_every_part_answers_from_a_state_that_is_fresh_enough_for_longer(
    tmp_path: Path, seeds: int, more: int
) -> None:
    play(tmp_path, seeds + more, 3 * STEPS)
