"""The process killed at every step that its disk takes, power cut and torn writes included: recovery is right."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.cluster import ROOT, clean_environ
from tests.crash.log_scenarios import LOG_SCENARIOS
from tests.crash.node_scenarios import NODE_SCENARIOS
from tests.seeds import chosen_seed

NAMES = sorted(LOG_SCENARIOS | NODE_SCENARIOS)


def enumerate_points(*words: str) -> str:
    """Run the enumeration, which forks, in an interpreter of its own; AssertionError with what was not survived."""
    seed = str(chosen_seed())
    found = subprocess.run(
        [sys.executable, "-P", "-m", "tests.crash.points", *words, "--seed", seed],
        cwd=ROOT,
        env=clean_environ(),
        capture_output=True,
        text=True,
        check=False,
    )
    print(found.stdout)
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout


def test_some_steps_of_each() -> None:
    """A few steps of each scenario, by chance: all of them are `test_every_step`'s."""
    found = enumerate_points(*NAMES, "--most", "6")
    assert found.count("0 not survived") == len(NAMES)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", NAMES)
def test_every_step(name: str) -> None:
    """Every step, each with all three endings."""
    steps = int(enumerate_points(name).split(":")[1].split()[0])
    assert steps > 20, "the scenario hardly touches the disk"
