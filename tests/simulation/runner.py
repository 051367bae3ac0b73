"""Runs schedules, a batch in each of a few forked processes: a fork copies a page at each page's first write.

The parent imports everything and knows nothing of any run; a child plays plans one after the other, a world each, and
tells the results through a pipe. A child that says nothing for long (real seconds) hangs, which is a failure like any
other.
"""

from __future__ import annotations

import itertools
import os
import pickle
import select
import shutil
import signal
import struct
import sys
import tempfile
import traceback
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import gevent

from dirk_gevent.config.settings import Role
from dirk_gevent.log.entry import SYSTEM_LOG_ID
from dirk_parser.grammar.statements import Statements
from dirk_parser.normalize.normalizer import split
from tests.simulation.clients import LOG_ID, SCHEMA, Client, History, statement
from tests.simulation.directed import draw
from tests.simulation.disk import Image
from tests.simulation.drama import Drama, Result, Template
from tests.simulation.lives import SHARED, name_of, texts
from tests.simulation.machines import PROXY, Shape, SimCluster
from tests.simulation.schedule import MOST_CLIENTS, Kind, Operation, Plan
from tests.simulation.standing import log_heads, node_place
from tests.simulation.transacting import BEGIN, COMMIT, RAISE, ROLLBACK, balance_text
from tests.simulation.world import World

_REAL_SECONDS = 60
#: Most plans that one process plays: what an ended world holds of memory is not given back.
BATCH = 20
_LENGTH = struct.Struct("!I")
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

    def play_all(self, jobs: Iterable[Job], at_once: int, verbose: bool = False, batch: int = 1) -> Iterator[Result]:
        """Play plans, `at_once` at a time, up to `batch` in one process; results as they come."""
        running: dict[int, _Child] = {}
        #: What a child that died did not come to.
        left: deque[Job] = deque()
        waiting = iter(jobs)
        try:
            while True:
                while len(running) < at_once and (some := _next_jobs(left, waiting, batch)):
                    child = self._begin(some, verbose)
                    running[child.pipe] = child
                if not running:
                    return
                poll = select.poll()
                for pipe in running:
                    poll.register(pipe, select.POLLIN)
                for pipe, _ in poll.poll():
                    result = running[pipe].result()
                    if result is not None:
                        yield result
                        continue
                    child = running.pop(pipe)
                    how = child.end()
                    if child.jobs:
                        wrong = f"the simulation ended without a result ({how})"
                        yield Result(child.jobs.popleft().seed, (wrong,), "", 0, ())
                    left.extend([*child.jobs, *child.spared])
        finally:
            for child in running.values():
                os.kill(child.process, signal.SIGKILL)
                child.end()

    def _begin(self, jobs: list[Job], verbose: bool) -> _Child:
        out, into = os.pipe()
        process = os.fork()
        if process == 0:
            os.close(out)
            _leave(lambda: self._play_here(jobs, into, verbose))
        os.close(into)
        return _Child(deque(jobs), process, out, self._stage(process))

    def _play_here(self, jobs: list[Job], into: int, verbose: bool) -> None:
        """Play the plans in this process. A result that is a text is the traceback of what failed."""
        for job in jobs:
            signal.alarm(_REAL_SECONDS)
            stage = self._stage(os.getpid())
            stage.mkdir()
            try:
                _tell(into, Drama(job.plan(), stage, self._template, verbose).run())
            except BaseException:
                _tell(into, traceback.format_exc())
                # The world of a failed run is still there.
                return
            shutil.rmtree(stage)

    def _stage(self, process: int) -> Path:
        return self._root / str(process)

    def _make_template(self) -> Template:
        """A cluster of three nodes with the database in it, stopped cleanly."""
        stage = self._root / "making"
        world = World(_TEMPLATE_SEED, stage)
        stage.mkdir()
        cluster = SimCluster(world, stage, Shape(_MASTERS), {})
        cluster.start()
        gevent.sleep(1.0)
        client = Client(world, world.loop.world, "maker", PROXY, History())
        for number, text in enumerate(SCHEMA):
            metadata = {"db": "t"} if number else {}
            answer = client.ask(text, metadata)
            assert not answer.sqlstate, answer
        assert answer.index == len(SCHEMA) - 1, answer
        while any(node_place(machine.directory).index < len(SCHEMA) - 1 for machine in cluster.nodes):
            gevent.sleep(0.1)
        for machine in [*cluster.nodes, cluster.proxy]:
            machine.terminate()
            while machine.is_up:
                gevent.sleep(0.1)
        disks = {name: Image.of(machine.directory) for name, machine in cluster.machines.items()}
        heads = log_heads(cluster.proxy.directory)
        return Template(disks, heads[LOG_ID], heads[SYSTEM_LOG_ID])


@dataclass(frozen=True, slots=True)
class _Child:
    """A process that plays plans: those that it has not told of yet, the first one being under way.

    `spared` are those that it does not come to because one before them failed, which is no fault of theirs.
    """

    jobs: deque[Job]
    process: int
    pipe: int
    stage: Path
    spared: deque[Job] = field(default_factory=deque)

    def result(self) -> Result | None:
        """What it tells next; None when it has ended. Blocks."""
        told = _told(self.pipe)
        if told is None:
            return None
        job = self.jobs.popleft()
        if isinstance(told, str):
            self.spared.extend(self.jobs)
            self.jobs.clear()
            return Result(job.seed, (f"the simulation failed: {told}",), "", 0, ())
        assert isinstance(told, Result)
        return told

    def end(self) -> str:
        """Clean up behind a process that ends; how it did."""
        os.close(self.pipe)
        code = os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])
        shutil.rmtree(self.stage, ignore_errors=True)
        return f"exit status {code}" if code >= 0 else signal.Signals(-code).name


def _next_jobs(left: deque[Job], waiting: Iterator[Job], most: int) -> list[Job]:
    """The jobs of one process."""
    again = [left.popleft() for _ in range(min(most, len(left)))]
    return again or list(itertools.islice(waiting, most))


def _parse_ahead() -> None:
    """Parse every statement that clients send, once for all runs."""
    statements = Statements()
    alone = [kind for kind in Kind if not kind.is_transaction and not kind.is_of_databases]
    said = [BEGIN, COMMIT, ROLLBACK, RAISE, balance_text(1, 1)]
    said += [statement(Operation(0, 0, 0.0, kind, 1)) for kind in alone]
    for client in range(MOST_CLIENTS):
        life = Operation(0, client, 0.0, Kind.LIFE, 1)
        said += [*texts(name_of(life), life).values(), *texts(SHARED, life).values()]
    for text in said:
        statements.parse(split(text.rstrip(";")))


def _tell(into: int, what: object) -> None:
    """Send something to the parent."""
    data = pickle.dumps(what)
    rest = memoryview(_LENGTH.pack(len(data)) + data)
    while rest:
        rest = rest[os.write(into, rest) :]


def _told(pipe: int) -> object:
    """What the child sent; None when it has ended. Blocks."""
    head = _exactly(pipe, _LENGTH.size)
    data = _exactly(pipe, _LENGTH.unpack(head)[0]) if head is not None else None
    return pickle.loads(data) if data is not None else None


def _exactly(pipe: int, count: int) -> bytes | None:
    data = b""
    while len(data) < count:
        more = os.read(pipe, count - len(data))
        if not more:
            return None
        data += more
    return data


def _leave(work: Callable[[], None]) -> None:
    """Do the work and end this process without a trace."""
    try:
        work()
        sys.stdout.flush()
    finally:
        os._exit(0)


def _in_child(work: Callable[[], object]) -> object:
    """What comes of work in a process of its own."""
    out, into = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(out)
        _leave(lambda: _tell(into, _result_or_trace(work)))
    os.close(into)
    found = _told(out)
    os.close(out)
    os.waitpid(process, 0)
    if found is None or isinstance(found, str):
        raise RuntimeError(found)
    return found


def _result_or_trace(work: Callable[[], object]) -> object:
    try:
        return work()
    except BaseException:
        return traceback.format_exc()


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
