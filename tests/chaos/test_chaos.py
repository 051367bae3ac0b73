"""Clients against a cluster to which everything happens: no acknowledged write is lost, doubled or out of order."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.cluster import ROOT, clean_environ

#: How long the long run is; more, or less, by this environment variable.
LONG_SECONDS = float(os.environ.get("DIRK_CHAOS_SECONDS", "600"))
#: The same each time: a change is judged by what it changed. `make chaos` draws new ones, or takes `SEED=7`.
SEED = 61
#: What a run takes besides: the start, the end of what clients began, the checks.
_AROUND_SECONDS = 400


def chaos(*words: str, timeout_seconds: float) -> subprocess.CompletedProcess[str]:
    """A run in a process of its own; what it says is shown."""
    found = subprocess.run(
        [sys.executable, "-P", "-m", "tests.chaos", *words],
        cwd=ROOT,
        env=clean_environ(),
        capture_output=True,
        text=True,
        timeout=timeout_seconds,
        check=False,
    )
    print(found.stdout, found.stderr)
    return found


@pytest.mark.timeout(300)
def test_a_few_seconds() -> None:
    """Whatever chance brings, in some seconds."""
    seed = SEED
    found = chaos("--seconds", "3.5", "--seed", str(seed), timeout_seconds=280)
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.slow
@pytest.mark.timeout(LONG_SECONDS + 2 * _AROUND_SECONDS)
def test_for_long() -> None:
    """Ten minutes with two masters."""
    seed = SEED + 1
    words = ["--seconds", str(LONG_SECONDS), "--seed", str(seed)]
    found = chaos(*words, timeout_seconds=LONG_SECONDS + _AROUND_SECONDS)
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_three_masters_and_a_foreign_history() -> None:
    """Three masters, one of which begins with entries that the log never had."""
    seed = SEED + 2
    words = ["--seconds", "60", "--seed", str(seed), "--nodes", "3", "--foreign"]
    found = chaos(*words, timeout_seconds=500)
    assert found.returncode == 0, found.stdout + found.stderr
