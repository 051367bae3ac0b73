"""Runs schedules: each in a forked process of its own, so that none leaves anything behind, a few at a time.

The parent imports everything and knows nothing of any run; a child plays one plan and tells the result through a
pipe. A child that says nothing for long (real seconds) hangs, which is a failure like any other.
"""

from __future__ import annotations

import os
import pickle
import select
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import gevent

from dirk_gevent.settings import Role
from parser.plans import Statements
from parser.shape import split
from tests.simulation.clients import SCHEMA, Client, History, statement
from tests.simulation.drama import Drama, Result, Template, log_head, node_place
from tests.simulation.machines import PROXY, Shape, SimCluster
from tests.simulation.schedule import Kind, Operation, Plan, draw
from tests.simulation.world import World

_REAL_SECONDS = 60
_TEMPLATE_SEED = 0
_MASTERS = (Role.MASTER, Role.MASTER, Role.MASTER)


@dataclass(frozen=True, slots=True)
class Job:
    """A seed's plan, less the parts named in `without`."""

    seed: int
    without: tuple[str, ...] = ()

    def plan(self) -> Plan:
        """What is to be played."""
        return draw(self.seed).without(self.without)


class Theatre:
    """A directory in memory with the template that every run begins from. Close it."""

    def __init__(self) -> None:
        memory = Path("/dev/shm")
        self._root = Path(tempfile.mkdtemp(prefix="dirk-simulation-", dir=memory if memory.is_dir() else None))
        _parse_ahead()
        template = _in_child(self._make_template)
        assert isinstance(template, Template)
        self._template = template

    def close(self) -> None:
        """Remove everything."""
        shutil.rmtree(self._root, ignore_errors=True)

    def play(self, job: Job, verbose: bool = False) -> Result:
        """Play one plan in a process of its own."""
        return next(iter(self.play_all([job], 1, verbose)))

    def play_all(self, jobs: Iterable[Job], at_once: int, verbose: bool = False) -> Iterator[Result]:
        """Play plans, `at_once` at a time; results as they come."""
        running: dict[int, _Child] = {}
        waiting = iter(jobs)
        try:
            while True:
                while len(running) < at_once and (job := next(waiting, None)) is not None:
                    child = self._begin(job, verbose)
                    running[child.pipe] = child
                if not running:
                    return
                poll = select.poll()
                for pipe in running:
                    poll.register(pipe, select.POLLIN)
                for pipe, _ in poll.poll():
                    yield self._ended(running.pop(pipe))
        finally:
            for child in running.values():
                os.kill(child.process, signal.SIGKILL)
                self._ended(child)

    def _begin(self, job: Job, verbose: bool) -> _Child:
        out, into = os.pipe()
        process = os.fork()
        if process == 0:
            os.close(out)
            signal.alarm(_REAL_SECONDS)
            _leave(into, lambda: self._play_here(job, verbose))
        os.close(into)
        return _Child(job, process, out)

    def _play_here(self, job: Job, verbose: bool) -> Result:
        stage = self._stage(os.getpid())
        stage.mkdir()
        return Drama(job.plan(), stage, self._template, verbose).run()

    def _stage(self, process: int) -> Path:
        return self._root / str(process)

    def _ended(self, child: _Child) -> Result:
        with os.fdopen(child.pipe, "rb") as pipe:
            data = pipe.read()
        os.waitpid(child.process, 0)
        shutil.rmtree(self._stage(child.process), ignore_errors=True)
        if not data:
            return Result(child.job.seed, ("the simulation ended without a result",), "", 0, 0.0, ())
        result = pickle.loads(data)
        if isinstance(result, str):
            return Result(child.job.seed, (f"the simulation failed: {result}",), "", 0, 0.0, ())
        assert isinstance(result, Result)
        return result

    def _make_template(self) -> Template:
        """A cluster of three nodes with the database in it, stopped cleanly."""
        stage = self._root / "making"
        world = World(_TEMPLATE_SEED, stage)
        stage.mkdir()
        cluster = SimCluster(world, stage, Shape(_MASTERS), None)
        cluster.start()
        gevent.sleep(1.0)
        client = Client(world, world.loop.world, "maker", PROXY, History())
        for number, text in enumerate(SCHEMA):
            metadata = {"db": "t"} if number else {}
            answer = client.ask(text, metadata)
            assert not answer.sqlstate, answer
        assert answer.index == len(SCHEMA) - 1, answer
        while any(node_place(machine).index < len(SCHEMA) - 1 for machine in cluster.nodes):
            gevent.sleep(0.1)
        for machine in [*cluster.nodes, cluster.proxy]:
            machine.terminate()
            while machine.is_up:
                gevent.sleep(0.1)
        directory = self._root / "template"
        for name, machine in cluster.machines.items():
            shutil.copytree(machine.directory, directory / name, ignore=shutil.ignore_patterns("*-shm"))
        return Template(directory, log_head(directory / PROXY))


@dataclass(frozen=True, slots=True)
class _Child:
    """A run under way."""

    job: Job
    process: int
    pipe: int


def _parse_ahead() -> None:
    """Parse every statement that clients send, once for all runs."""
    parser = Statements()
    for kind in Kind:
        parser.parse(split(statement(Operation(0, 0, 0.0, kind, 1)).rstrip(";")))


def _leave(into: int, work: object) -> None:
    """Do the work, send what came of it, and end this process without a trace."""
    try:
        try:
            data = pickle.dumps(work())  # type: ignore[operator]
        except BaseException:
            data = pickle.dumps(traceback.format_exc())
        with os.fdopen(into, "wb") as pipe:
            pipe.write(data)
        sys.stdout.flush()
    finally:
        os._exit(0)


def _in_child(work: object) -> object:
    out, into = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(out)
        _leave(into, work)
    os.close(into)
    with os.fdopen(out, "rb") as pipe:
        found = pickle.loads(pipe.read())
    os.waitpid(process, 0)
    if isinstance(found, str):
        raise RuntimeError(found)
    return found


def shrink(theatre: Theatre, job: Job, at_once: int) -> Job:
    """Leave out what the failure does not need, one part at a time, for as long as something can go."""
    without: Collection[str] = job.without
    found = True
    while found:
        candidates = [Job(job.seed, (*without, part)) for part in draw(job.seed).parts() if part not in without]
        found = False
        for candidate in candidates:
            if theatre.play(candidate).wrong:
                without, found = candidate.without, True
    return Job(job.seed, tuple(without))
