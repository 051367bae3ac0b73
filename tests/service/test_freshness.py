"""Whatever part and whichever fast path answers: no state older than the request needs, and no wait for a later one.

Sessions by chance on proxy, cache and nodes that lag, at each level, with `min` of one log, of several and of the log
of databases, reconnecting with what they have seen; databases of one name that come and go; entries that are applied
and not told. Each answer is held against the model.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.seeds import chosen_seed
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


def test_every_part_answers_from_a_state_that_is_fresh_enough(tmp_path: Path) -> None:
    play(tmp_path, chosen_seed(), STEPS)


@pytest.mark.slow
@pytest.mark.parametrize("more", range(6))
def test_every_part_answers_from_a_state_that_is_fresh_enough_for_longer(tmp_path: Path, more: int) -> None:
    play(tmp_path, chosen_seed() + more, 3 * STEPS)
