"""One simulated run: the cluster starts, clients ask, things break and are mended, and everything is checked."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import apsw
import gevent

from dirk_gevent.log.journal_file import JOURNAL_FILE, MAX_INDEX, position
from tests.simulation import clients
from tests.simulation.checks import Commits, Place, Tables, Truth, judge, replay
from tests.simulation.clients import LOG_ID, Client, History
from tests.simulation.disk import Image
from tests.simulation.loop import Lane
from tests.simulation.machines import PROXY, Machine, SimCluster
from tests.simulation.schedule import DEADLINE_SECONDS, MENDED_SECONDS, Breakage, Fault, Kind, Operation, Plan
from tests.simulation.world import World

_LOOK_SECONDS = 0.25
#: What an error says of a log that is older than a node.
_OLDER = re.compile(r"ends at index (?P<head>\d+) and node \w+ has heard of (?P<heard>\d+)")
_PROBE = Operation(99_999, 0, 0.0, Kind.ADD, 0)


@dataclass(frozen=True, slots=True)
class Result:
    """How one run ended. `wrong` is empty when everything held; `digest` is the hash of its trace, `lines` the trace of
    one that failed.
    """

    seed: int
    wrong: tuple[str, ...]
    digest: str
    steps: int
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """What a machine's files say: where it stands, and what is in the tables."""

    place: Place
    tables: Tables


@dataclass(frozen=True, slots=True)
class Template:
    """What every run begins from: a disk for each machine, and where the database's log ends on them."""

    disks: Mapping[str, Image]
    head: Place


class Drama:
    """A plan on the stage."""

    def __init__(self, plan: Plan, root: Path, template: Template, verbose: bool = False) -> None:
        self._plan = plan
        self._world = World(plan.seed, root, verbose)
        self._cluster = SimCluster(self._world, root, plan.shape, template.disks)
        self._history = History()
        self._commits = Commits()
        self._base = template.head
        self._lane = Lane("client")

    def run(self) -> Result:
        """Play it to its end and judge it."""
        with self._commits.watch():
            wrong = self._play()
        world = self._world
        wrong += [f"an unexpected failure: {text}" for text in world.failures]
        for text in wrong:
            world.say("checks", text)
        lines = tuple(world.lines) if wrong else ()
        result = Result(self._plan.seed, tuple(wrong), world.digest(), world.loop.steps, lines)
        world.end()
        return result

    def _play(self) -> list[str]:
        world, plan = self._world, self._plan
        self._cluster.start()
        for fault in plan.faults:
            Faulty(world, self._cluster, fault).arm()
        running = []
        for number, entry in enumerate(plan.entries):
            client = Client(world, self._lane, f"c{number}", entry, self._history)
            mine = [one for one in plan.operations if one.client == number]
            running.append(world.as_process(self._lane, client.run, mine, self._gives_up))
        end = MENDED_SECONDS + max((fault.at_seconds + fault.for_seconds for fault in plan.faults), default=0.0)
        gevent.sleep(end)
        self._mend()
        if not self._within(DEADLINE_SECONDS, lambda: all(one.dead for one in running) or self._is_for_a_person()):
            return ["stuck: clients still wait for an answer"]
        if self._is_for_a_person():
            return []
        probe = Client(world, self._lane, "probe", PROXY, self._history)
        world.as_process(self._lane, probe.perform, _PROBE, self._gives_up)
        if not self._within(DEADLINE_SECONDS, lambda: self._is_level() or self._is_for_a_person()):
            return [f"stuck: {self._standings()}"]
        return [] if self._is_for_a_person() else self._judge()

    def _gives_up(self) -> bool:
        return self._world.loop.time - 1_000.0 > DEADLINE_SECONDS - 10

    def _within(self, seconds: float, condition: Callable[[], bool]) -> bool:
        while not condition():
            if self._world.loop.time - 1_000.0 > seconds:
                return False
            gevent.sleep(_LOOK_SECONDS)
        return True

    def _mend(self) -> None:
        self._world.say("world", "-- everything is mended")
        for machine in self._cluster.machines.values():
            if machine.disk is not None and not machine.disk.is_dead:
                machine.disk.is_full = machine.disk.sync_fails = False
                machine.disk.stops_in = None
        for one in self._cluster.machines:
            for other in (*self._cluster.machines, "client"):
                self._world.network.mend(one, other)
        self._cluster.start()

    def _is_level(self) -> bool:
        """Whether the probe is answered and every node has applied the whole log."""
        attempts = self._history.of(_PROBE)
        answer = attempts[-1].answer if attempts else None
        if answer is None or answer.sqlstate in clients.AGAIN:
            return False
        head = log_head(self._cluster.proxy.directory)
        return all(machine.is_up and node_place(machine).index >= head.index for machine in self._cluster.nodes)

    def _is_for_a_person(self) -> bool:
        """Whether requests are rightly refused: the log is an old backup that ends before what a node has seen, or
        did when the node came. (What was on its way to the log then may have made it longer since.)
        """
        if not self._plan.loses_history or not self._history.attempts:
            return False
        answer = self._history.attempts[-1].answer
        if answer is None or answer.sqlstate != "57P03":
            return False
        told = _OLDER.search(answer.text)
        was_behind = told is not None and int(told["head"]) < int(told["heard"])
        heads = [node_place(machine).index for machine in self._cluster.nodes]
        return was_behind or log_head(self._cluster.proxy.directory).index < max(heads)

    def _standings(self) -> str:
        places = [f"{one.name} {f'at {node_place(one).index}' if one.is_up else 'down'}" for one in self._cluster.nodes]
        head = log_head(self._cluster.proxy.directory).index
        last = self._history.attempts[-1].answer
        told = f"the last answer: {last.text}" if last is not None else "no last answer"
        return f"log at {head}, {', '.join(places)}; {told}"

    def _judge(self) -> list[str]:
        head = log_head(self._cluster.proxy.directory)
        entries = self._commits.leading_to(head, self._base)
        plan = replace(self._plan, operations=(*self._plan.operations, _PROBE))
        truth = replay(plan, self._base.index, entries, head.index)
        wrong = judge(plan, self._history, truth)
        for machine in self._cluster.nodes:
            wrong += self._judge_node(machine, head, truth)
        times = [entries[index].time_ms for index in sorted(entries)]
        if times != sorted(times):
            wrong.append("log time went backwards")
        return wrong

    def _judge_node(self, machine: Machine, head: Place, truth: Truth) -> list[str]:
        found = node_standing(machine)
        if found.place != head:
            return [f"{machine.name} has another history: {found.place} where the log has {head}"]
        expected = truth.states[head.index]
        if not found.tables.same_as(expected):
            return [f"{machine.name} holds {found.tables}, the log says {expected}"]
        return []


class Faulty:
    """One fault, at its time, and its end."""

    def __init__(self, world: World, cluster: SimCluster, fault: Fault) -> None:
        self._world = world
        self._cluster = cluster
        self._fault = fault

    def arm(self) -> None:
        """Have it happen at its time."""
        self._world.loop.later(self._fault.at_seconds, lambda: self._spawn(self._happen))

    def _spawn(self, function: Callable[[], None]) -> None:
        self._world.as_process(self._world.loop.world, function)

    def _happen(self) -> None:
        fault, kind = self._fault, self._fault.kind
        self._world.say("world", f"-- {fault.name}: {kind} {fault.target} for {fault.for_seconds} s ({fault.amount:g})")
        if kind in (Breakage.HOLD, Breakage.SLOW, Breakage.CUT):
            self._break_link(*fault.target.split("-"))
            return
        machine = self._cluster.machines[fault.target]
        if kind is Breakage.FOREIGN:
            self._make_foreign(machine)
        elif kind is Breakage.PAUSE:
            self._world.loop.pause(machine.lane, fault.for_seconds)
        elif kind is Breakage.CLOCK:
            machine.move_clock(fault.amount)
        elif kind in (Breakage.FULL, Breakage.SYNC):
            self._break_disk(machine)
        else:
            self._end(machine)
            gevent.sleep(fault.for_seconds)
            while machine.is_up and kind is Breakage.TERMINATE:
                gevent.sleep(_LOOK_SECONDS)
            machine.start()

    def _end(self, machine: Machine) -> None:
        kind = self._fault.kind
        if kind in (Breakage.KILL_AT, Breakage.POWER_AT):
            machine.kill_in(int(self._fault.amount), power=kind is Breakage.POWER_AT)
        elif kind is Breakage.TERMINATE:
            machine.terminate()
        else:
            machine.kill(power=kind is not Breakage.KILL)
        if kind is Breakage.WIPE:
            machine.wipe()

    def _break_disk(self, machine: Machine) -> None:
        disk = machine.disk
        if disk is None:
            return
        name = "is_full" if self._fault.kind is Breakage.FULL else "sync_fails"
        setattr(disk, name, True)
        gevent.sleep(self._fault.for_seconds)
        setattr(disk, name, False)

    def _break_link(self, one: str, other: str) -> None:
        network, fault = self._world.network, self._fault
        both = [(one, other), (other, one)]
        if fault.kind is Breakage.CUT:
            network.cut(one, other)
        elif fault.kind is Breakage.HOLD:
            for pair in both if fault.amount == 0 else [both[int(fault.amount) - 1]]:
                network.link(*pair).held_until = self._world.loop.time + fault.for_seconds
        else:
            for pair in both:
                network.link(*pair).spread_seconds += fault.amount
            gevent.sleep(fault.for_seconds)
            network.mend(one, other)

    def _make_foreign(self, machine: Machine) -> None:
        """Everything but `machine` goes back to the beginning; it comes back when the log has grown past it."""
        machine.kill(power=False)
        rest = [one for one in self._cluster.machines.values() if one is not machine]
        for one in rest:
            one.kill(power=False)
            one.restore_backup(copied=self._fault.amount == 1)
        for one in rest:
            one.start()
        gevent.sleep(self._fault.for_seconds)
        machine.start()


def log_head(directory: Path) -> Place:
    """Where the database's log ends, as the journal in a directory says."""
    connection = apsw.Connection(str(directory / JOURNAL_FILE), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        rows = connection.execute(
            "SELECT position & ?, chain FROM entries WHERE position BETWEEN ? AND ? ORDER BY position DESC LIMIT 1",
            (MAX_INDEX, position(LOG_ID, 0), position(LOG_ID, MAX_INDEX)),
        ).fetchall()
        base = "SELECT base_index, base_chain FROM logs WHERE log_id=?"
        return _place(rows or connection.execute(base, (LOG_ID,)).fetchall())
    finally:
        connection.close()


def _place(rows: list[Any]) -> Place:
    return Place(*rows[0]) if rows else Place(0, b"")


def node_place(machine: Machine) -> Place:
    """Where a node's file of the database stands; index 0 when there is none."""
    path = machine.directory / f"db-{LOG_ID:08d}.sqlite"
    if not path.exists():
        return Place(0, b"")
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        rows = connection.execute("SELECT applied_index, chain FROM dirk_meta").fetchall()
        return _place(rows)
    except apsw.SQLError:
        return Place(0, b"")
    finally:
        connection.close()


def node_standing(machine: Machine) -> Standing:
    """Where a node stands and what it holds, read from its file."""
    connection = apsw.Connection(str(machine.directory / f"db-{LOG_ID:08d}.sqlite"), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        place = _place(connection.execute("SELECT applied_index, chain FROM dirk_meta").fetchall())
        lisitra = [(w, n) for w, n in connection.execute("SELECT w, n FROM lisitra")]
        isany = {int(k): int(n) for k, n in connection.execute("SELECT k, n FROM isany")}
        anjara = {int(k) for (k,) in connection.execute("SELECT k FROM anjara")}
        return Standing(place, Tables(lisitra, isany, anjara))
    finally:
        connection.close()
