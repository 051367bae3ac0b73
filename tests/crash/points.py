"""Kills a process at every step that its disk takes, and looks at what is found afterwards.

    python -P -m tests.crash.points append truncate --seed 1 [--most 20]

A scenario prepares a directory, acts on it in a process of its own under `tests.disk.shim`, and checks it in another.
A first run counts the steps; then one run for each step and each `Ending` is stopped just before that step. A forked
child costs a tenth of a new interpreter, which is what makes the enumeration affordable.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

import orjson

from tests.disk.shim import STOPPED, Disk, install
from tests.disk.undo import UndoNotes, cut

#: A child that takes longer hangs.
_CHILD_SECONDS = 60

Ack = Callable[..., None]


class Scenario(Protocol):
    """Something that writes to disk. Each method runs in a process of its own."""

    def prepare(self, root: Path) -> None:
        """What was there before, on an ordinary disk."""

    def act(self, root: Path, ack: Ack) -> None:
        """The work that is stopped somewhere; `ack(…)` notes what somebody was told, in order."""

    def check(self, root: Path, acks: list[list[Any]]) -> None:
        """Recover, compare with what was acknowledged, and go on; AssertionError for what is wrong."""


class Ending(StrEnum):
    """What became of unsynced changes."""

    KILLED = "killed"  # all of them are there: only the process died
    LOST = "lost"
    TORN = "torn"


@dataclass(frozen=True, slots=True)
class Point:
    """One run: stopped before step `step` (0: not at all) with this ending."""

    step: int
    ending: Ending


def run(scenario: Scenario, seed: int, most: int) -> tuple[int, list[str]]:
    """Stop `scenario` at every step (at `most` of them, chosen by `seed`; 0 for all): steps, and what was wrong."""
    work = Path(tempfile.mkdtemp(prefix="dirk-crash-"))
    try:
        prepared = work / "prepared"
        prepared.mkdir()
        _must(_child(lambda: scenario.prepare(prepared)), "prepare")
        steps, failure = _try(scenario, work, prepared, Point(0, Ending.KILLED), seed)
        failures = [failure] if failure else []
        points = [Point(step, ending) for step in range(1, steps + 1) for ending in Ending]
        if most and len(points) > most:
            points = sorted(random.Random(seed).sample(points, most), key=lambda point: point.step)
        for point in points:
            _, failure = _try(scenario, work, prepared, point, seed)
            if failure:
                failures.append(failure)
        return steps, failures
    finally:
        shutil.rmtree(work)


def _try(scenario: Scenario, work: Path, prepared: Path, point: Point, seed: int) -> tuple[int, str]:
    root, notes = work / "root", work / "undo"
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(prepared, root)
    reader, writer = os.pipe()
    status, acted = _child(lambda: _act(scenario, root, UndoNotes(notes), point.step, writer), reader, writer)
    lines = [orjson.loads(line) for line in acted.splitlines() if line.startswith((b"[", b"{"))]
    facts = next((line for line in lines if isinstance(line, dict)), {})
    acks = [line for line in lines if isinstance(line, list)]
    told = f"{point.ending} before step {point.step} ({facts.get('what', '')}), seed {seed}"
    if status not in (0, STOPPED):
        return 0, f"{told}: the process ended with {status}\n{acted.decode(errors='replace')}"
    if point.ending is not Ending.KILLED:
        cut(notes, root, random.Random(seed * 1000 + point.step) if point.ending is Ending.TORN else None)
    shutil.rmtree(notes, ignore_errors=True)
    status, said = _child(lambda: scenario.check(root, acks))
    shown = f"{told}: {len(acks)} acknowledged\n{said.decode(errors='replace')}"
    return int(facts.get("steps", 0)), shown if status else ""


def _act(scenario: Scenario, root: Path, notes: UndoNotes, stop_at: int, writer: int) -> None:
    def tell(found: object) -> None:
        os.write(writer, orjson.dumps(found) + b"\n")

    disk = Disk(root, notes, stop_at)
    disk.before_stop = lambda what: tell({"what": what, "steps": disk.steps})
    shim = install(disk)
    scenario.act(root, lambda *facts: tell(list(facts)))
    tell({"what": "the end", "steps": disk.steps})
    del shim


def _child(work: Callable[[], None], reader: int = -1, writer: int = -1) -> tuple[int, bytes]:
    """Run `work` in a fork; its exit status, and what it wrote to the pipe: on a failure its traceback."""
    if reader < 0:
        reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.alarm(_CHILD_SECONDS)
        status = 1
        try:
            work()
            status = 0
        except BaseException:
            os.write(writer, traceback.format_exc().encode())
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read()
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), said


def _must(done: tuple[int, bytes], what: str) -> None:
    status, said = done
    if status:
        raise RuntimeError(f"{what} ended with {status}: {said.decode(errors='replace')}")


def main() -> int:
    """Enumerate crash points of some scenarios; exit status 1 when one was not survived."""
    from tests.crash.log_scenarios import LOG_SCENARIOS
    from tests.crash.node_scenarios import NODE_SCENARIOS

    scenarios = LOG_SCENARIOS | NODE_SCENARIOS
    parser = argparse.ArgumentParser()
    parser.add_argument("scenario", nargs="+", choices=sorted(scenarios))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--most", type=int, default=0)
    options = parser.parse_args()
    gc.freeze()
    not_survived = 0
    for name in options.scenario:
        steps, failures = run(scenarios[name], options.seed, options.most)
        not_survived += len(failures)
        print(f"{name}: {steps} steps, seed {options.seed}, {len(failures)} not survived", flush=True)
        for failure in failures[:5]:
            print(failure)
    return 1 if not_survived else 0


if __name__ == "__main__":
    sys.exit(main())
