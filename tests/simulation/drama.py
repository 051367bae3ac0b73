"""One simulated run: the cluster starts, clients ask, things break and are mended, and everything is checked."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import gevent

from dirk_gevent.log.entry import SYSTEM_LOG_ID
from tests.simulation import actors, clients
from tests.simulation.check_cache import judge_hits
from tests.simulation.check_databases import fold, judge_node, judge_race, judge_steps
from tests.simulation.check_disputes import judge_disputes
from tests.simulation.check_transactions import judge_transactions
from tests.simulation.checks import Commits, Place, Truth, judge, replay
from tests.simulation.clients import LOG_ID, Client, History
from tests.simulation.disk import Image
from tests.simulation.drains import judge_drains
from tests.simulation.edits import FOUND_SECONDS, Rounds, is_edited
from tests.simulation.faulty import Faulty
from tests.simulation.looks import Look, judge_looks, look
from tests.simulation.loop import BEGIN_SECONDS, Lane
from tests.simulation.machines import PROXY, Machine, SimCluster
from tests.simulation.schedule import DEADLINE_SECONDS, MENDED_SECONDS, Kind, Operation, Plan
from tests.simulation.standing import (
    log_heads,
    logs_without_beginning,
    node_files,
    node_place,
    node_standing,
)
from tests.simulation.world import World

_LOOK_SECONDS = 0.25
#: At most so long after it was told that the log went back a person decides.
_PERSON_SECONDS = (0.005, 0.05, 0.25)
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
        faulty = [Faulty(world, self._cluster, fault, self._rounds) for fault in plan.faults]
        for one in faulty:
            one.arm()
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
        if plan.has_edits and not self._are_edits_found(faulty):
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

    def _are_edits_found(self, faulty: Sequence[Faulty]) -> bool:
        """Whether what was edited is found in time. A node that is being seeded may be edited only when it is there."""
        self._within(DEADLINE_SECONDS, lambda: not any(one.is_editing for one in faulty))
        now = self._world.loop.time - BEGIN_SECONDS
        return self._within(now + FOUND_SECONDS, lambda: not is_edited(self._cluster))

    def _look_at_nodes(self) -> bool:
        """Ask each node what it holds; whether all have answered in time."""
        looking = self._world.as_process(
            self._lane, look, self._world, self._lane, self._cluster.shape.nodes, self._looks, self._gives_up
        )
        return self._within(DEADLINE_SECONDS, lambda: looking.dead or self._is_for_a_person())

    def _accept_log(self) -> None:
        """A person takes the log as it is when a node knows what it has lost: then that node's history is another.

        Soon, or in the middle of what the node has to say.
        """
        chance = Random(f"person {self._plan.seed}")
        person = Client(self._world, self._lane, "person", PROXY, self._history)
        while not self._gives_up():
            self._world.await_line(_WENT_BACK, _LOOK_SECONDS)
            if _WENT_BACK in self._world.events:
                gevent.sleep(chance.choice(_PERSON_SECONDS) * chance.random())
                try:
                    person.accept_log()
                    self._world.has_lost = True
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
        wrong += judge_hits(plan, self._history, truth)
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
