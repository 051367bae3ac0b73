"""The command line of the simulation: run schedules, show what failed, say how to run it again."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import blake2b
from random import SystemRandom

from docopt import docopt

from tests import mutants
from tests.simulation.drama import Result
from tests.simulation.evidence import named
from tests.simulation.runner import BATCH, Job, Theatre, shrink
from tests.simulation.schedule import Plan


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for."""

    seed: int
    schedules: int
    seconds: float | None
    mutant: str | None
    jobs: int
    keeps_going: bool
    without: tuple[str, ...]
    verbose: bool


def main(words: list[str], usage: str) -> int:
    """Run; 0 when nothing failed, or when the mutant was found."""
    found = docopt(usage, argv=words)
    options = Options(
        seed=int(found["--seed"] or SystemRandom().randrange(1_000_000_000)),
        schedules=int(found["--schedules"]),
        seconds=float(found["--seconds"]) if found["--seconds"] else None,
        mutant=found["--mutant"],
        jobs=int(found["--jobs"] or len(os.sched_getaffinity(0))),
        keeps_going=found["--keep-going"],
        without=tuple((found["--without"] or "").split(",")) if found["--without"] else (),
        verbose=found["--verbose"],
    )
    theatre = Theatre()
    try:
        if options.mutant:
            mutants.apply(options.mutant)
        # A run is over before collecting would pay, and each works on the parent's pages.
        gc.disable()
        gc.freeze()
        return _Run(options, theatre).run()
    finally:
        theatre.close()


class _Run:
    """One invocation."""

    def __init__(self, options: Options, theatre: Theatre) -> None:
        self._options = options
        self._theatre = theatre
        self._began = time.monotonic()

    def run(self) -> int:
        options = self._options
        print(f"seed {options.seed}", flush=True)
        played = steps = 0
        failed: list[Result] = []
        traces: list[str] = []
        batch = max(1, min(BATCH, options.schedules // options.jobs))
        for result in self._theatre.play_all(self._jobs(), options.jobs, options.verbose, batch):
            played, steps = played + 1, steps + result.steps
            traces.append(f"{result.seed} {result.digest}")
            if wrong := self._counting(result):
                failed.append(replace(result, wrong=wrong))
                if not options.keeps_going:
                    break
                print(f"seed {result.seed}: {wrong[0].splitlines()[0]}", flush=True)
        seconds = time.monotonic() - self._began
        print(f"{played} schedules in {seconds:.1f} s ({played * 60 / seconds:.0f} a minute), {steps} steps")
        print(f"trace {blake2b(' '.join(sorted(traces)).encode(), digest_size=12).hexdigest()}")
        if options.mutant:
            return self._tell_mutant(failed, played)
        if failed and not options.keeps_going:
            self._show(failed[0])
        return 1 if failed else 0

    def _counting(self, result: Result) -> tuple[str, ...]:
        """What counts of what went wrong: with a mutant only what names the promise that it breaks."""
        mutant = self._options.mutant
        return tuple(named(mutant, result.wrong)) if mutant else result.wrong

    def _jobs(self) -> Iterator[Job]:
        options = self._options
        for number in range(options.schedules):
            if options.seconds is not None and time.monotonic() - self._began > options.seconds:
                return
            yield Job(options.seed + number, options.without)

    def _tell_mutant(self, failed: list[Result], played: int) -> int:
        if not failed:
            print(f"mutant {self._options.mutant} was not found in {played} schedules")
            return 1
        print(f"mutant {self._options.mutant} found in schedule {played} (seed {failed[0].seed})")
        print(failed[0].wrong[0].splitlines()[0])
        if self._options.verbose:
            self._show(failed[0])
        return 0

    def _show(self, result: Result) -> None:
        small = shrink(self._theatre, Job(result.seed, self._options.without), self._options.jobs)
        again = self._theatre.play(small)
        print("\n".join(again.lines or result.lines))
        print("\n".join(again.wrong or result.wrong))
        _show_plan(small.plan())
        leaving = f" --without={','.join(small.without)}" if small.without else ""
        print(f"replay: python -m tests.simulation --seed={small.seed} --schedules=1{leaving}")


def _show_plan(plan: Plan) -> None:
    roles = ", ".join(f"{name} {role}" for name, role in zip(plan.shape.nodes, plan.shape.roles, strict=True))
    print(f"plan of seed {plan.seed}: {roles}; clients at {', '.join(plan.entries)}")
    shown = [(fault.name, str(fault)) for fault in plan.faults] + [(one.name, str(one)) for one in plan.operations]
    for name, text in shown:
        print(f"  {name}: {text}")
