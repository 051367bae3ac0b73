"""The harness finds bugs: each safeguard that is taken out is missed within a few short runs, and none without that."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests import mutants
from tests.chaos.test_chaos import chaos

#: Runs of a mutant until it must have been found.
_RUNS = 4


@dataclass(frozen=True, slots=True)
class Hunt:
    """Which faults bring a mutant to light, and what the harness says when it does (one of these)."""

    words: tuple[str, ...]
    evidence: tuple[str, ...]


_LOST = ("acknowledged and lost", "the log is", "this log is", "does not exist", "ran different requests")
_DOUBLED = ("lead to", "lists:", "bank:", "META says", "its log")

HUNTS = {
    "skip_fsync": Hunt(("--kinds", "power_cut"), _LOST),
    "answer_before_commit": Hunt(("--kinds", "kill"), _LOST),
    "drop_request_id_check": Hunt(("--kinds", "reset,half_open", "--gap", "0.3"), _DOUBLED),
    "apply_twice": Hunt(("--kinds", ""), _DOUBLED),
    "ignore_min": Hunt(("--kinds", "hold,delay", "--gap", "0.4"), ("though", "not linearizable", "never there")),
    "skip_chain_check": Hunt(("--kinds", "", "--foreign"), ("differ in chain",)),
    "skip_conflict_check": Hunt(("--kinds", ""), ("lists:", "bank:")),
    "keep_dropped_files": Hunt(("--kinds", "kill"), ("has files of",)),
}


def test_every_mutant_is_hunted() -> None:
    assert set(HUNTS) == set(mutants.NAMES)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", mutants.NAMES)
def test_a_mutant_is_found(name: str) -> None:
    """With it the harness complains, with the right words; without it the same run is clean."""
    hunt = HUNTS[name]
    for seed in range(5, 5 + _RUNS):
        words = ("--seconds", "4", "--seed", str(seed), *hunt.words)
        found = chaos(*words, "--mutant", name, timeout_seconds=200)
        if found.returncode == 1:
            break
    assert found.returncode == 1, f"{name} was not found in {_RUNS} runs"
    assert any(words in found.stdout for words in hunt.evidence), found.stdout
    clean = chaos(*words, timeout_seconds=200)
    assert clean.returncode == 0, clean.stdout
