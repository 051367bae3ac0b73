"""Plans that are not drawn at large but lead to one thing: each family of seeds to its own.

The seeds of each family are numbers of their own (`families`); what a family leaves open is drawn from the seed.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

from dirk_gevent.config.settings import Role
from tests.simulation import schedule
from tests.simulation.families import Family
from tests.simulation.machines import CACHE, PROXY, Shape
from tests.simulation.schedule import Breakage, Fault, Kind, Operation, Plan

_TWO_MASTERS = Shape((Role.MASTER, Role.MASTER))
_RUSHES, _TRANSACTIONS = 4, 5
#: Seconds that lie between the statements of a transaction while nodes are drained.
_LONG_PAUSES = (0.1, 0.3, 0.5)


def draw(seed: int) -> Plan:
    """The plan of a seed."""
    if seed < Family.ROUND_STEPS:
        return schedule.draw(seed)
    if seed < Family.DISPUTE:
        return schedule.step_plan(seed)
    chance = Random(f"directed {seed}")
    if seed < Family.DRAIN:
        return _dispute(seed, chance)
    if seed < Family.CACHE:
        return _drain(seed, chance) if seed < Family.FOREIGN else _foreign(seed, chance)
    return _cached(seed, chance) if seed < Family.IDLE else _idle(seed, chance)


def _idle(seed: int, chance: Random) -> Plan:
    """A file that is edited soon after the start, in a database that nobody writes to.

    In every second plan of a node that has lost its disk, and was seeded with a snapshot.
    """
    at, node = round(1.0 + chance.random() * 6.0, 3), chance.choice(_TWO_MASTERS.nodes)
    shape, faults = _TWO_MASTERS, (Fault(0, at, Breakage.EDIT, node, 0.0),)
    if seed % 2:
        shape = replace(shape, snapshot_entries=4)
        faults = Fault(0, 1.5, Breakage.WIPE, node, 0.5), Fault(1, round(at + 1.2, 3), Breakage.EDIT, node, 0.0)
    return Plan(seed, shape, (PROXY,), (Operation(0, 0, 0.2, Kind.READ_LIST, 10),), faults)


def _dispute(seed: int, chance: Random) -> Plan:
    """One write before the edit, some when the masters disagree."""
    entries = tuple(PROXY if chance.random() < 0.7 else chance.choice(_TWO_MASTERS.nodes) for _ in range(_RUSHES))
    first = Operation(0, 0, 0.2, Kind.APPEND, 10)
    rushes = tuple(
        Operation(one + 1, one, 0.9, chance.choice((Kind.APPEND, Kind.ADD)), one + 11, awaits="masters_disagree")
        for one in range(_RUSHES)
    )
    edit = Fault(0, 0.9, Breakage.EDIT, chance.choice(_TWO_MASTERS.nodes), 0.0)
    return Plan(seed, _TWO_MASTERS, entries, (first, *rushes), (edit,))


def _drain(seed: int, chance: Random) -> Plan:
    """Transactions that take their time, and reads, one after the other; the drain comes in the middle."""
    operations = []
    for client in range(schedule.MOST_CLIENTS):
        for number in range(_TRANSACTIONS):
            kind = chance.choice((Kind.TRANSFER, Kind.SIGHT, Kind.GLANCE, Kind.READ_LIST))
            at, pause = 0.2 + number * 0.4 + chance.random() * 0.3, chance.choice(_LONG_PAUSES)
            place = len(operations)
            operations.append(Operation(place, client, round(at, 3), kind, chance.randint(1, 15), pause_seconds=pause))
    drain = Fault(0, round(0.4 + chance.random(), 3), Breakage.DRAIN, chance.choice(_TWO_MASTERS.nodes), 1.0)
    return Plan(seed, _TWO_MASTERS, (PROXY,) * schedule.MOST_CLIENTS, tuple(operations), (drain,))


def _foreign(seed: int, chance: Random) -> Plan:
    """Definitions and writes of two histories, read at the node that has the other one before, meanwhile and after."""
    stray = _TWO_MASTERS.nodes[-1]
    before = [Kind.DEFINE, *chance.choices((Kind.DEFINE, Kind.APPEND, Kind.ADD), k=chance.randint(0, 2))]
    after = [Kind.DEFINE, *chance.choices((Kind.DEFINE, Kind.APPEND, Kind.ADD), k=len(before) + chance.randint(2, 4))]
    # Another client goes on: the first has seen what was lost.
    times = [(0, 0.2 + 0.2 * at, kind) for at, kind in enumerate(before)]
    times += [(1, 2.6 + 0.2 * at, kind) for at, kind in enumerate(after)]
    times += [(2, 1.0 + 0.4 * at, chance.choice((Kind.READ_SHAPE, Kind.READ_NUMBERS))) for at in range(10)]
    operations = tuple(
        Operation(number, client, round(at, 3), kind, number + 10, level="any")
        for number, (client, at, kind) in enumerate(times)
    )
    # Twice of three times while it runs.
    fault = Fault(0, 2.0, Breakage.FOREIGN, stray, 3.0, chance.choice((0, 2, 2)))
    return Plan(seed, _TWO_MASTERS, (PROXY, PROXY, stray), operations, (fault,))


def _cached(seed: int, chance: Random) -> Plan:
    """One client writes at the proxy, two read at the cache, one of which writes there, too."""
    reads, writes = (Kind.READ_LIST, Kind.READ_NUMBERS), (Kind.APPEND, Kind.ADD)
    times = [(0, 0.3 + 0.3 * at, chance.choice(writes)) for at in range(10)]
    times += [(1, 0.3 + 0.1 * at, chance.choice(reads)) for at in range(40)]
    times += [(2, 0.3 + 0.2 * at, chance.choice((*reads, *reads, *writes))) for at in range(16)]
    operations = tuple(
        Operation(number, client, round(at + 0.1 * chance.random(), 3), kind, number + 10)
        for number, (client, at, kind) in enumerate(times)
    )
    lasts, direction = chance.choice((0.5, 1.5, 2.5)), chance.randrange(3)
    fault = Fault(0, round(0.6 + chance.random(), 3), Breakage.HOLD, f"{PROXY}-{CACHE}", lasts, direction)
    return Plan(seed, replace(_TWO_MASTERS, has_cache=True), (PROXY, CACHE, CACHE), operations, (fault,))
