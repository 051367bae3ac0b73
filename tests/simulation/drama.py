"""One simulated run: the cluster starts, clients ask, things break and are mended, and everything is checked."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import gevent

from dirk_gevent.log.entry import SYSTEM_LOG_ID
from tests.simulation import actors, clients
from tests.simulation.check_databases import fold, judge_node, judge_race, judge_steps
from tests.simulation.check_disputes import judge_disputes
from tests.simulation.check_transactions import judge_transactions
from tests.simulation.checks import Commits, Place, Truth, judge, replay
from tests.simulation.clients import LOG_ID, Client, History
from tests.simulation.disk import Image
from tests.simulation.drains import is_drained, judge_drains
from tests.simulation.edits import FOUND_SECONDS, Rounds, edit, is_edited
from tests.simulation.looks import Look, judge_looks, look
from tests.simulation.loop import BEGIN_SECONDS, Lane
from tests.simulation.machines import PROXY, Machine, SimCluster
from tests.simulation.schedule import DEADLINE_SECONDS, MENDED_SECONDS, Breakage, Fault, Kind, Operation, Plan
from tests.simulation.standing import (
    log_heads,
    logs_without_beginning,
    node_files,
    node_place,
    node_standing,
    rot_entry,
)
from tests.simulation.world import World

_LOOK_SECONDS = 0.25
#: What an error says of a log that is older than a node.
_OLDER = re.compile(r"ends at index (?P<head>\d+) and node \w+ has heard of (?P<heard>\d+)")
#: What it says of one that went back and was written to since.
_WENT_BACK = "log_went_back"
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
class Template:
    """What every run begins from: a disk for each machine, and where the logs end on them."""

    disks: Mapping[str, Image]
    head: Place
    system_head: Place


class Drama:
    """A plan on the stage."""

    def __init__(self, plan: Plan, root: Path, template: Template, verbose: bool = False) -> None:
        self._plan = plan
        self._world = World(plan.seed, root, verbose)
        self._cluster = SimCluster(self._world, root, plan.shape, template.disks)
        self._history = History()
        self._commits = Commits()
        self._template = template
        self._lane = Lane("client")
        self._rounds = Rounds(self._world)
        self._looks: list[Look] = []

    def run(self) -> Result:
        """Play it to its end and judge it."""
        with self._commits.watch():
            wrong = self._play()
        # Whatever happened, and however far the run came.
        wrong += logs_without_beginning(self._cluster.proxy.directory)
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
        self._rounds.watch()
        self._cluster.start()
        for fault in plan.faults:
            Faulty(world, self._cluster, fault, self._rounds).arm()
        if plan.loses_history:
            world.as_process(self._lane, self._accept_log)
        running = []
        for number, entry in enumerate(plan.entries):
            client = Client(world, self._lane, f"c{number}", entry, self._history)
            mine = [one for one in plan.operations if one.client == number]
            running.append(world.as_process(self._lane, actors.run, client, mine, self._gives_up))
        end = MENDED_SECONDS + max((fault.at_seconds + fault.for_seconds for fault in plan.faults), default=0.0)
        gevent.sleep(end)
        self._mend()
        if plan.has_edits and not self._within(end + FOUND_SECONDS, lambda: not is_edited(self._cluster)):
            return ["a row that somebody put into a node's file was not found"]
        if not self._within(DEADLINE_SECONDS, lambda: all(one.dead for one in running) or self._is_for_a_person()):
            return ["stuck: clients still wait for an answer"]
        if self._is_for_a_person():
            return []
        probe = Client(world, self._lane, "probe", PROXY, self._history)
        world.as_process(self._lane, probe.perform, _PROBE, self._gives_up)
        if not self._within(DEADLINE_SECONDS, lambda: self._is_level() or self._is_for_a_person()):
            return [*self._broken_for_good(), f"stuck: {self._standings()}"]
        if not self._within(DEADLINE_SECONDS, lambda: not self._rounds.last_too_long()):
            return self._rounds.last_too_long()
        if plan.loses_history and not self._look_at_nodes():
            return ["stuck: a node does not answer"]
        return [] if self._is_for_a_person() else self._judge()

    def _look_at_nodes(self) -> bool:
        """Ask each node what it holds; whether all have answered in time."""
        looking = self._world.as_process(
            self._lane, look, self._world, self._lane, self._cluster.shape.nodes, self._looks, self._gives_up
        )
        return self._within(DEADLINE_SECONDS, lambda: looking.dead or self._is_for_a_person())

    def _accept_log(self) -> None:
        """A person takes the log as it is when a node knows what it has lost: then that node's history is another."""
        person = Client(self._world, self._lane, "person", PROXY, self._history)
        while not self._gives_up():
            gevent.sleep(_LOOK_SECONDS)
            if _WENT_BACK in self._world.events:
                try:
                    person.accept_log()
                    return
                except OSError as error:
                    self._world.say("person", f"settle --accept-log -> {error}")

    def _gives_up(self) -> bool:
        return self._world.loop.time - BEGIN_SECONDS > DEADLINE_SECONDS - 10

    def _within(self, seconds: float, condition: Callable[[], bool]) -> bool:
        while not condition():
            if self._world.loop.time - BEGIN_SECONDS > seconds:
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
        """Whether the probe is answered and every node is ready and has applied the whole log."""
        attempts = self._history.of(_PROBE)
        answer = attempts[-1].answer if attempts else None
        if answer is None or answer.sqlstate in clients.AGAIN:
            return False
        heads = log_heads(self._cluster.proxy.directory)
        nodes = self._cluster.nodes
        return all(one.is_up and one.lane.is_ready and _has_all(one.directory, heads) for one in nodes)

    def _is_for_a_person(self) -> bool:
        """Whether requests are rightly refused: a log is an old backup that ends before what a node has seen, or
        did when the node came. (What was on its way to the log then may have made it longer since.)

        When it is the system log nobody but those who make and drop databases is told.
        """
        if not self._plan.loses_history:
            return False
        ends = log_heads(self._cluster.proxy.directory)
        are_behind = {log_id for log_id in ends if any(one.index > ends[log_id].index for one in self._places(log_id))}
        answer = self._history.last
        if SYSTEM_LOG_ID in are_behind or answer is None or answer.sqlstate != "57P03":
            return SYSTEM_LOG_ID in are_behind
        told = _OLDER.search(answer.text)
        return bool(are_behind) or (told is not None and int(told["head"]) < int(told["heard"]))

    def _broken_for_good(self) -> Iterator[str]:
        """What is wrong with a cluster that does not come to rest, where a promise can be named."""
        heads = log_heads(self._cluster.proxy.directory)
        head, known = heads[LOG_ID].index, self._history.known
        if known > head and not self._plan.loses_history:
            yield f"an acknowledged write is lost: it was told index {known}, the log ends at {head}"
        for machine in self._cluster.nodes:
            if left := node_files(machine.directory) - set(heads):
                yield f"{machine.name} has files of {sorted(left)}, which were dropped"
            place = node_place(machine.directory)
            if place.index == head and place != heads[LOG_ID]:
                yield f"{machine.name} has another history: {place} where the log has {heads[LOG_ID]}"

    def _places(self, log_id: int) -> list[Place]:
        return [node_place(machine.directory, log_id) for machine in self._cluster.nodes]

    def _standings(self) -> str:
        heads = log_heads(self._cluster.proxy.directory)
        told = [f"log {log_id} at {head.index}" for log_id, head in heads.items()]
        for machine in self._cluster.nodes:
            at = ", ".join(str(node_place(machine.directory, log_id).index) for log_id in heads)
            files = f" with files of {sorted(node_files(machine.directory))}"
            ready = "" if machine.lane.is_ready else " not ready,"
            told.append(f"{machine.name}{ready} {f'at {at}{files}' if machine.is_up else 'down'}")
        last = self._history.last
        return f"{'; '.join(told)}; {f'the last answer: {last.text}' if last is not None else 'no last answer'}"

    def _judge(self) -> list[str]:
        heads, template = log_heads(self._cluster.proxy.directory), self._template
        head = heads[LOG_ID]
        entries = self._commits.leading_to(LOG_ID, head, template.head)
        plan = replace(self._plan, operations=(*self._plan.operations, _PROBE))
        truth = replay(plan, template.head.index, entries, head.index)
        wrong = judge(plan, self._history, truth)
        wrong += judge_transactions(plan, self._history, truth)
        wrong += judge_disputes(plan, self._history, entries, self._commits, self._world.logged_lines)
        wrong += judge_drains(plan, self._history)
        wrong += judge_looks(self._looks, head.index, truth)
        for machine in self._cluster.nodes:
            wrong += self._judge_node(machine, head, truth)
        times = [entries[index].time_ms for index in sorted(entries)]
        if times != sorted(times):
            wrong.append("log time went backwards")
        return wrong + self._judge_databases(heads)

    def _judge_node(self, machine: Machine, head: Place, truth: Truth) -> list[str]:
        found = node_standing(machine.directory)
        if found.place != head:
            return [f"{machine.name} has another history: {found.place} where the log has {head}"]
        expected = truth.states[head.index]
        if not found.tables.same_as(expected):
            return [f"{machine.name} holds {found.tables}, the log says {expected}"]
        return []

    def _judge_databases(self, heads: dict[int, Place]) -> list[str]:
        head, base = heads[SYSTEM_LOG_ID], self._template.system_head
        entries = self._commits.leading_to(SYSTEM_LOG_ID, head, base)
        databases = fold(self._plan, entries, base.index, head.index)
        wrong = databases.wrong
        if not self._plan.loses_history:
            wrong += judge_steps(self._history, databases)
            wrong += judge_race(self._history, entries, self._commits)
        for machine in self._cluster.nodes:
            wrong += judge_node(machine.name, machine.directory, databases, heads, self._commits)
        return wrong


def _has_all(directory: Path, heads: Mapping[int, Place]) -> bool:
    """Whether a node has applied all that the open logs hold, and has no files of logs that are gone."""
    is_level = all(node_place(directory, log_id).index >= head.index for log_id, head in heads.items())
    return is_level and node_files(directory) <= set(heads)


class Faulty:
    """One fault, at its time, and its end."""

    def __init__(self, world: World, cluster: SimCluster, fault: Fault, rounds: Rounds) -> None:
        self._world = world
        self._rounds = rounds
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
        if kind in (Breakage.CUT_ROUND, Breakage.PAUSE_ROUND):
            self._rounds.at_next(self._count_steps)
            return
        machine = self._cluster.machines[fault.target]
        if kind is Breakage.FOREIGN:
            self._make_foreign(machine)
        elif kind is Breakage.EDIT:
            edit(machine)
        elif kind is Breakage.ROT:
            self._rot(machine)
        elif kind is Breakage.PAUSE:
            self._world.loop.pause(machine.lane, fault.for_seconds)
        elif kind is Breakage.CLOCK:
            machine.move_clock(fault.amount)
        elif kind in (Breakage.FULL, Breakage.SYNC):
            self._break_disk(machine)
        elif kind is not Breakage.DRAIN or is_drained(self._world, machine.name):
            self._end(machine)
            gevent.sleep(fault.for_seconds)
            while machine.is_up and kind is Breakage.TERMINATE:
                gevent.sleep(_LOOK_SECONDS)
            machine.start()

    def _count_steps(self) -> None:
        """A round has begun: break the link between its machines, or what it leads to, at the segment that is meant."""
        one, other = self._fault.target.split("-")
        left = [int(self._fault.amount)]

        def passed(source: str, target: str) -> None:
            if {source, target} != {one, other}:
                return
            left[0] -= 1
            if left[0] < 0:
                self._world.network.watchers.remove(passed)
                self._break_in_round(one, other)

        self._world.network.watchers.append(passed)

    def _break_in_round(self, one: str, other: str) -> None:
        self._world.say("world", f"-- {self._fault.name}: now")
        if self._fault.kind is Breakage.CUT_ROUND:
            self._world.network.cut(one, other)
        else:
            self._world.loop.pause(self._cluster.machines[other].lane, self._fault.for_seconds)

    def _end(self, machine: Machine) -> None:
        kind = self._fault.kind
        if kind in (Breakage.KILL_AT, Breakage.POWER_AT):
            machine.kill_in(int(self._fault.amount), power=kind is Breakage.POWER_AT)
        elif kind is Breakage.TERMINATE:
            machine.terminate()
        else:
            machine.kill(power=kind not in (Breakage.KILL, Breakage.DRAIN))
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
            self._hold(*(both[0] if fault.amount < 2 else both[1]), is_one_way=fault.amount > 0)
        else:
            for pair in both:
                network.link(*pair).spread_seconds += fault.amount
            gevent.sleep(fault.for_seconds)
            network.mend(one, other)

    def _hold(self, source: str, target: str, is_one_way: bool = False) -> None:
        """Nothing arrives until the fault is over."""
        for pair in [(source, target)] if is_one_way else [(source, target), (target, source)]:
            self._world.network.link(*pair).held_until = self._world.loop.time + self._fault.for_seconds

    def _make_foreign(self, machine: Machine) -> None:
        """Everything but `machine` goes back to the beginning; it comes back when the log has grown past it.

        Or it was there all the time (amount 2), only out of reach of the others.
        """
        is_live = self._fault.amount == 2
        if is_live:
            self._hold(PROXY, machine.name)
        else:
            machine.kill(power=False)
        rest = [one for one in self._cluster.machines.values() if one is not machine]
        for one in rest:
            one.kill(power=False)
            one.restore_backup(copied=self._fault.amount == 1)
        for one in rest:
            one.start()
        gevent.sleep(self._fault.for_seconds)
        machine.start()

    def _rot(self, machine: Machine) -> None:
        """The log is killed and an old entry changes on its disk; `machine` has an empty one, the others go on."""
        proxy = self._cluster.proxy
        for one in (proxy, machine):
            one.kill(power=False)
        machine.wipe()
        proxy.spoil = partial(rot_entry, share=self._fault.amount)
        gevent.sleep(self._fault.for_seconds)
        for one in (proxy, machine):
            one.start()
