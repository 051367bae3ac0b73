"""What a plan breaks in a simulated cluster, at its time, and mends again."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import gevent

from tests.simulation.drains import is_drained
from tests.simulation.edits import Rounds, edit
from tests.simulation.machines import PROXY, Machine, SimCluster
from tests.simulation.schedule import Breakage, Fault
from tests.simulation.standing import rot_entry
from tests.simulation.world import World

_LOOK_SECONDS = 0.25


class Faulty:
    """One fault, at its time, and its end."""

    def __init__(self, world: World, cluster: SimCluster, fault: Fault, rounds: Rounds) -> None:
        self._world = world
        self._rounds = rounds
        self._cluster = cluster
        self._fault = fault
        #: Whether a file that is to be edited may still be, a little later than it was meant.
        self.is_editing = fault.kind is Breakage.EDIT

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
            self.is_editing = False
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
        rest = [one for one in (self._cluster.proxy, *self._cluster.nodes) if one is not machine]
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
