"""The simulation runs as a program of its own: it replaces clocks, sockets and threads for its whole process."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.cluster import ROOT, clean_environ
from tests.simulation.evidence import EVIDENCE, FIRST_SEEDS, named
from tests.simulation.families import Family

#: As in `schedule`, which may be imported only where the simulation is installed.
STEPS, STEP_PLANS = 12, 192
#: Every mutant is found within so many schedules; most in the first few.
MUTANT_SCHEDULES = 600


def simulate(*options: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m tests.simulation` with these options."""
    words = [sys.executable, "-m", "tests.simulation", *options]
    return subprocess.run(words, cwd=ROOT, env=clean_environ(), capture_output=True, text=True, check=False)


#: Plays three plans in one process, of which the first or the second goes wrong in the way that is asked for.
FAILING_PLAY = """
import os, signal, sys
from tests.simulation import world
world.install()
from tests.simulation import runner

way, bad = sys.argv[1], int(sys.argv[2])

class Play:
    def __init__(self, plan, *rest):
        self.seed = plan.seed

    def run(self):
        if self.seed == bad and way == "raise":
            raise IndexError("on purpose")
        if self.seed == bad:
            os.kill(os.getpid(), signal.SIGKILL)
        return runner.Result(self.seed, (), "", 1, ())

runner.Drama = Play
theatre = runner.Theatre()
try:
    for result in theatre.play_all([runner.Job(seed) for seed in (1, 2, 3)], 1, batch=3):
        print(result.seed, *(" ".join(text.split()) for text in result.wrong))
finally:
    theatre.close()
"""


def trace(ended: subprocess.CompletedProcess[str]) -> str:
    """The line that names the hash of all traces."""
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return next(line for line in ended.stdout.splitlines() if line.startswith("trace "))


def test_every_promise_holds_in_a_hundred_schedules() -> None:
    ended = simulate("--seed=1", "--schedules=100")
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_an_edited_file_is_found_whatever_breaks_at_which_step_of_a_round() -> None:
    """At rest; see `schedule.step_plan` for what these seeds stand for."""
    ended = simulate(f"--seed={Family.ROUND_STEPS:d}", f"--schedules={2 * STEPS}")
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize("family", [Family.DISPUTE, Family.DRAIN, Family.FOREIGN, Family.CACHE, Family.IDLE])
def test_every_promise_holds_where_plans_lead_to_one_thing(family: Family) -> None:
    ended = simulate(f"--seed={family:d}", "--schedules=25")
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_a_seed_always_tells_the_same_story() -> None:
    """One after the other in one process, or each in a process of its own."""
    first, second = (simulate("--seed=5000", "--schedules=12", f"--jobs={jobs}") for jobs in (1, 12))
    assert trace(first) == trace(second)


@pytest.mark.parametrize("bad", [1, 2])
@pytest.mark.parametrize(("way", "said"), [("raise", "IndexError: on purpose"), ("kill", "SIGKILL")])
def test_a_run_that_breaks_off_is_told_alone_and_with_its_reason(way: str, said: str, bad: int) -> None:
    """Those behind it in the same process are played all the same, and are not blamed."""
    words = [sys.executable, "-c", FAILING_PLAY, way, str(bad)]
    ended = subprocess.run(words, cwd=ROOT, env=clean_environ(), capture_output=True, text=True, check=False)
    told = dict(line.partition(" ")[::2] for line in ended.stdout.splitlines())
    assert sorted(told) == ["1", "2", "3"], ended.stdout + ended.stderr
    assert said in told.pop(str(bad))
    assert set(told.values()) == {""}, ended.stdout


@pytest.mark.parametrize("seed", [730_281, 730_596], ids=["rot at the very end of an entry", "a file edited late"])
def test_what_is_rarely_drawn_is_played_and_judged_rightly(seed: int) -> None:
    ended = simulate(f"--seed={seed}", "--schedules=1")
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", sorted(EVIDENCE))
def test_a_bug_on_purpose_is_found(name: str) -> None:
    first = FIRST_SEEDS.get(name, 1000)
    ended = simulate(f"--seed={first:d}", f"--schedules={MUTANT_SCHEDULES}", f"--mutant={name}")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    print(ended.stdout)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_edited_file_is_found_under_load_and_with_snapshots_too() -> None:
    ended = simulate(f"--seed={Family.ROUND_STEPS + 2 * STEPS}", f"--schedules={STEP_PLANS - 2 * STEPS}")
    print(ended.stdout)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_promise_holds_for_two_minutes() -> None:
    # Always the same ones, so that a change is judged by what it changed; `make simulate` draws new ones.
    ended = simulate("--seed=100000", "--schedules=4000", "--seconds=120")
    print(ended.stdout)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_a_run_that_broke_off_has_found_no_mutant() -> None:
    """A crash or a run without an end names no promise, whatever it says."""
    wrong = ["stuck: m1 has another history", "an unexpected failure: m1 has another history"]
    assert named("skip_chain_check", wrong) == []
    assert named("skip_chain_check", [*wrong, "m1 has another history: 1"]) == ["m1 has another history: 1"]
