"""The harness finds bugs: each safeguard that is taken out is missed within a few short runs, and none without that."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests import mutants
from tests.chaos.run import BROKE_OFF
from tests.chaos.test_chaos import chaos
from tests.simulation.evidence import EVIDENCE

#: Runs of a mutant until it must have been found: on a slow machine little happens in each.
_RUNS = 10


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
    "ignore_notices": Hunt(("--kinds", ""), ("though",)),
}


def test_every_mutant_is_hunted() -> None:
    """Here or by the simulation."""
    assert set(HUNTS) | set(EVIDENCE) == set(mutants.NAMES)


def named(said: str, evidence: tuple[str, ...]) -> list[str]:
    """The violations of a run's report that name what is broken. One that broke off has found nothing."""
    lines = [line for line in said.splitlines() if line.startswith("- ") and not line.startswith(f"- {BROKE_OFF}")]
    return [line for line in lines if any(words in line for words in evidence)]


def test_a_crash_is_no_find() -> None:
    said = f"2 violations\n- {BROKE_OFF}waited 60 s: acknowledged and lost\n    [1, 2] acknowledged and lost\n"
    assert not named(said, _LOST)
    assert named(f"{said}- acknowledged and lost\n", _LOST) == ["- acknowledged and lost"]


@pytest.mark.slow
@pytest.mark.timeout(1000)
@pytest.mark.parametrize("name", sorted(HUNTS))
def test_a_mutant_is_found(name: str) -> None:
    """With it the harness complains, with the right words; without it the same run is clean."""
    hunt = HUNTS[name]
    for seed in range(5, 5 + _RUNS):
        words = ("--seconds", "4", "--seed", str(seed), *hunt.words)
        found = chaos(*words, "--mutant", name, timeout_seconds=200)
        if named(found.stdout, hunt.evidence):
            break
    else:
        raise AssertionError(f"no run of {_RUNS} names what {name} breaks")
    clean = chaos(*words, timeout_seconds=200)
    assert clean.returncode == 0, clean.stdout
