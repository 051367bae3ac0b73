"""What is done to a cluster, and when: a schedule that is a function of the seed, and the doing of it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING

import gevent

if TYPE_CHECKING:
    from tests.chaos.history import History
    from tests.chaos.site import Site

#: Every kind of fault.
KINDS = (
    "kill",
    "power_cut",
    "pause",
    "reset",
    "refuse",
    "hold",
    "half_open",
    "delay",
    "disk_full",
    "sync_fails",
    "clock",
)
#: Those that happen to a connection's way.
LINK_KINDS = ("reset", "refuse", "hold", "half_open", "delay")
_LONGEST_SECONDS = 4.0
#: The longest time between the beginnings of two faults, unless a plan says otherwise.
GAP_SECONDS = 1.5


@dataclass(frozen=True, slots=True)
class Fault:
    """`kind` on `targets` (processes, or one relay's name) from `at_seconds` of the run for `for_seconds`.

    `seed` decides what is left open: which sectors are lost, the side, the delay, the hours.
    """

    at_seconds: float
    for_seconds: float
    kind: str
    targets: tuple[str, ...]
    seed: int

    def shown(self) -> str:
        """One line for people."""
        return f"{self.at_seconds:.2f} s {self.kind} {'+'.join(self.targets)} for {self.for_seconds:.2f} s"


def schedule(
    chance: Random,
    seconds: float,
    names: Sequence[str],
    links: Sequence[str],
    kinds: Sequence[str] = KINDS,
    gap_seconds: float = GAP_SECONDS,
) -> list[Fault]:
    """Faults for a run of `seconds`; no target has two at a time, and the last is over when the run is."""
    found: list[Fault] = []
    free_at = dict.fromkeys([*names, *links], 0.0)
    at = chance.uniform(0.2, 0.8)
    while kinds and at < seconds - 0.5:
        kind = chance.choice(list(kinds))
        length = min(chance.uniform(0.2, _LONGEST_SECONDS) * chance.uniform(0.2, 1.0), seconds - at)
        targets = _targets(chance, kind, names, links)
        seed = chance.getrandbits(32)
        if all(free_at[target] <= at for target in targets):
            found.append(Fault(round(at, 3), round(length, 3), kind, targets, seed))
            # A process needs a moment to be back before the next thing happens to it.
            free_at.update(dict.fromkeys(targets, at + length + (1.0 if targets[0] in names else 0.0)))
        at += chance.uniform(0.1 * gap_seconds, gap_seconds)
    return found


def _targets(chance: Random, kind: str, names: Sequence[str], links: Sequence[str]) -> tuple[str, ...]:
    if kind in LINK_KINDS:
        return (chance.choice(list(links)),)
    disks = [name for name in names if name != "cache"]
    if kind == "power_cut":
        # Often the whole machine.
        return tuple(names) if chance.random() < 0.3 else (chance.choice(disks),)
    if kind in ("disk_full", "sync_fails"):
        return (chance.choice(disks),)
    if kind == "kill" and chance.random() < 0.2:
        return tuple(chance.sample(list(names), 2))
    return (chance.choice(list(names)),)


class Nemesis:
    """Does what a schedule says to a site, each fault in a greenlet of its own."""

    def __init__(self, site: Site, history: History, faults: Sequence[Fault]) -> None:
        self._site = site
        self._history = history
        self._faults = faults
        self._busy: set[str] = set()
        self._doing: dict[str, Callable[[Fault, Random], None]] = {
            "kill": self._kill,
            "power_cut": self._power_cut,
            "pause": self._pause,
            "disk_full": self._disk,
            "sync_fails": self._disk,
            "clock": self._clock,
        }

    def run(self) -> None:
        """All of it, to the end of the last. Raises what a fault raised."""
        working = [gevent.spawn_later(fault.at_seconds, self._do, fault) for fault in self._faults]
        gevent.joinall(working, raise_error=True)

    def _do(self, fault: Fault) -> None:
        if self._busy.intersection(fault.targets):
            # On a slow machine a fault may outlast its time.
            self._history.fault(f"left out: {fault.shown()}")
            return
        self._history.fault(f"begins: {fault.shown()}")
        self._busy.update(fault.targets)
        try:
            if fault.kind in LINK_KINDS:
                self._link(fault, Random(fault.seed))
            else:
                self._doing[fault.kind](fault, Random(fault.seed))
        finally:
            self._busy.difference_update(fault.targets)
        self._history.fault(f"ends: {fault.shown()}")

    def _kill(self, fault: Fault, _: Random) -> None:
        self._site.kill(*fault.targets)
        gevent.sleep(fault.for_seconds)
        self._site.start(*fault.targets)

    def _power_cut(self, fault: Fault, chance: Random) -> None:
        self._site.power_cut(*fault.targets, chance=chance)
        gevent.sleep(fault.for_seconds)
        self._site.start(*fault.targets)

    def _pause(self, fault: Fault, _: Random) -> None:
        processes = [self._site.processes[name] for name in fault.targets]
        for process in processes:
            with suppress(ProcessLookupError):
                process.signal(signal.SIGSTOP)
        gevent.sleep(fault.for_seconds)
        for process in processes:
            with suppress(ProcessLookupError):
                process.signal(signal.SIGCONT)

    def _disk(self, fault: Fault, _: Random) -> None:
        (name,) = fault.targets
        field = "is_full" if fault.kind == "disk_full" else "fails_sync"
        self._site.control(name, replace(self._site.controls[name], **{field: True}))
        gevent.sleep(fault.for_seconds)
        self._site.control(name, replace(self._site.controls[name], **{field: False}))

    def _clock(self, fault: Fault, chance: Random) -> None:
        """Forward or back by up to a day and an hour, and right again."""
        (name,) = fault.targets
        ahead = chance.choice([-90_000, -3600, 3600, 90_000, chance.randint(-3600, 3600)])
        self._site.control(name, replace(self._site.controls[name], clock_seconds=ahead))
        gevent.sleep(fault.for_seconds)
        self._site.control(name, replace(self._site.controls[name], clock_seconds=0))

    def _link(self, fault: Fault, chance: Random) -> None:
        relay = self._site.relays[fault.targets[0]]
        if fault.kind == "reset":
            relay.reset_all()
            return
        faults: dict[str, Callable[[], AbstractContextManager[None]]] = {
            "refuse": relay.refusing,
            "hold": relay.holding,
            "half_open": lambda: relay.half_open(chance.choice(["near", "far"])),
            "delay": lambda: relay.delaying(chance.uniform(0.02, 0.6)),
        }
        with faults[fault.kind]():
            gevent.sleep(fault.for_seconds)
