"""What happens in one simulated run, drawn from its seed: a cluster, clients with their operations, and faults.

A plan is data: it can be printed, and it can be run with some of its parts left out, which is how a failing one is
made small. Parts are named o0, o1, … (operations) and f0, f1, … (faults).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random

from dirk_gevent.config.settings import ReadStrategy, Role, WriteMode
from tests.simulation.families import Family
from tests.simulation.machines import CACHE, PROXY, Shape

#: Operations and faults begin within so many virtual seconds.
BUSY_SECONDS = 2.0
MOST_CLIENTS = 3
#: Operations of one client, least and most.
_FEW, _SOME, _MANY = (1, 4), (3, 8), (8, 12)
#: Runs in which an old backup of the log takes its place.
_FOREIGN_SHARE = 0.12
#: Runs in which the log rots.
_ROT_SHARE = 0.06
#: Runs with transactions, and with databases that come and go.
_TRANSACTIONS_SHARE, _LIVES_SHARE, _RACES_SHARE = 0.5, 0.3, 0.15
#: Runs in which a node's file is edited.
_EDITS_SHARE = 0.2
#: Runs with a cache, through which one client speaks.
_CACHE_SHARE = 0.3
#: The steps of a round that are gone through, and the plans for all ways to break it.
STEPS = 12
STEP_PLANS = STEPS * 2 * 2 * 2 * 2
#: A node that stands still for so long is down.
_PAUSE_SECONDS = 1.7
_BUSY_OPERATIONS, _BUSY_GAP_SECONDS = 80, 0.3
#: What has several statements begins at multiples of this: so that clients meet.
_MEETING_SECONDS = 0.5
#: Everything that is broken is mended so long after the last fault.
MENDED_SECONDS = 0.4
#: A run that has not come to rest by then is stuck.
DEADLINE_SECONDS = 60.0


class Kind(StrEnum):
    """What an operation does."""

    APPEND = "append"
    ADD = "add"
    SET = "set"
    CLAIM = "claim"
    READ_LIST = "read_list"
    READ_NUMBERS = "read_numbers"
    READ_CLAIMS = "read_claims"
    READ_BANK = "read_bank"
    #: A table gets one more column; all its columns are read.
    DEFINE = "define"
    READ_SHAPE = "read_shape"
    #: Transactions: money moves, a number is read and written back, two tables are read; numbers are read, changed,
    #: and what the change tells is taken back.
    TRANSFER = "transfer"
    BUMP = "bump"
    SIGHT = "sight"
    GLANCE = "glance"
    #: A database is made, filled, read, dropped.
    LIFE = "life"
    #: A database whose name all share is made or dropped: whoever comes second is refused.
    MAKE = "make"
    UNMAKE = "unmake"

    @property
    def is_write(self) -> bool:
        """Whether it is one statement that goes through the log."""
        return not self.value.startswith("read") and not self.is_transaction and not self.is_of_databases

    @property
    def is_of_databases(self) -> bool:
        """Whether it makes databases or drops them."""
        return self in (Kind.LIFE, Kind.MAKE, Kind.UNMAKE)

    @property
    def is_transaction(self) -> bool:
        """Whether it is several statements between BEGIN and COMMIT."""
        return self in (Kind.TRANSFER, Kind.BUMP, Kind.SIGHT, Kind.GLANCE)


class Breakage(StrEnum):
    """What a fault does to its target (a machine, or a link `one-other`)."""

    KILL = "kill"
    POWER = "power"
    KILL_AT = "kill_at"
    POWER_AT = "power_at"
    TERMINATE = "terminate"
    PAUSE = "pause"
    HOLD = "hold"
    SLOW = "slow"
    CUT = "cut"
    FULL = "full"
    SYNC = "sync"
    CLOCK = "clock"
    WIPE = "wipe"
    #: Not drawn with the others: a row that no statement made gets into a node's file, and when the next round has
    #: begun the n-th segment between the proxy and a node finds the link cut, or the node standing still.
    EDIT = "edit"
    CUT_ROUND = "cut_round"
    PAUSE_ROUND = "pause_round"
    #: Not drawn with the others: a node is drained, and killed as soon as it is.
    DRAIN = "drain"
    #: Not drawn with the others: the log is an old backup and one node's state belongs to what was lost.
    FOREIGN = "foreign"
    #: Nor this: a byte of an old entry changes on the log's disk, and one node loses its own.
    ROT = "rot"


@dataclass(frozen=True, slots=True)
class Operation:
    """What one client does at a time: one statement, a transaction, a database's life.

    `again`: sent once more after its answer, with the same request id; `twice`: sent at the same time on another
    connection too. `level` is a read's; `pause_seconds` lies between the statements of what has several. It begins when
    a line called `awaits` is logged, or much later.
    """

    number: int
    client: int
    at_seconds: float
    kind: Kind
    value: int
    level: str = "session"
    again: bool = False
    twice: bool = False
    pause_seconds: float = 0.0
    awaits: str = ""

    @property
    def name(self) -> str:
        """How the plan is cut down by it."""
        return f"o{self.number}"


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that breaks at `at_seconds` for `for_seconds`. `amount` is the breakage's own: operations of a disk,
    seconds of latency or of a clock, which direction, whether a backup's files were copied, how far into the log.
    """

    number: int
    at_seconds: float
    kind: Breakage
    target: str
    for_seconds: float
    amount: float = 0.0

    @property
    def name(self) -> str:
        """How the plan is cut down by it."""
        return f"f{self.number}"


@dataclass(frozen=True, slots=True)
class Plan:
    """One run. `entries[n]` is where client n connects: the proxy or a node."""

    seed: int
    shape: Shape
    entries: tuple[str, ...]
    operations: tuple[Operation, ...]
    faults: tuple[Fault, ...]

    @property
    def loses_history(self) -> bool:
        """Whether acknowledged writes may be gone: an old backup of the log took its place."""
        return any(fault.kind is Breakage.FOREIGN for fault in self.faults)

    @property
    def has_edits(self) -> bool:
        """Whether a node's file is edited, so that what is read there may be wrong for a while."""
        return any(fault.kind is Breakage.EDIT for fault in self.faults)

    def parts(self) -> list[str]:
        """The names of everything that may be left out, faults first."""
        return [fault.name for fault in self.faults] + [operation.name for operation in self.operations]

    def without(self, names: Collection[str]) -> Plan:
        """The same plan with some parts left out."""
        return replace(
            self,
            operations=tuple(one for one in self.operations if one.name not in names),
            faults=tuple(one for one in self.faults if one.name not in names),
        )


def draw(seed: int) -> Plan:
    """The plan of a seed below `Family.ROUND_STEPS`."""
    chance = Random(f"plan {seed}")
    shape = _shape(chance)
    clients = chance.choice((1, 2, 2, MOST_CLIENTS))
    entries = tuple(PROXY if chance.random() < 0.7 else chance.choice(shape.nodes) for _ in range(clients))
    if chance.random() < _FOREIGN_SHARE:
        operations = _operations(chance, 1, _FEW)
        later = _operations(chance, len(entries), _MANY, 3.2)
        operations += [replace(one, number=one.number + len(operations)) for one in later]
        faults = [Fault(0, 2.0, Breakage.FOREIGN, shape.nodes[-1], 4.0, chance.choice((0, 0, 0, 1)))]
    else:
        operations = _operations(chance, len(entries), _SOME)
        faults = _faults(chance, shape, entries)
        faults += _edits(Random(f"edits {seed}"), shape, len(faults))
        rot = Random(f"rot {seed}")
        if rot.random() < _ROT_SHARE:
            faults = [Fault(0, 2.0, Breakage.ROT, shape.nodes[-1], 1.0, round(rot.random(), 3))]
    if not any(fault.kind is Breakage.FOREIGN for fault in faults):
        shape, entries = _with_cache(Random(f"cache {seed}"), shape, entries, faults)
    # With an old backup of the log some come before it takes its place, some after.
    shifts = (0.0, 3.0) if any(fault.kind is Breakage.FOREIGN for fault in faults) else (0.0,)
    operations += _longer_operations(Random(f"longer {seed}"), len(entries), len(operations), shifts)
    operations.sort(key=lambda one: one.at_seconds)
    return Plan(seed, shape, entries, tuple(operations), tuple(faults))


def _with_cache(
    chance: Random, shape: Shape, entries: tuple[str, ...], faults: list[Fault]
) -> tuple[Shape, tuple[str, ...]]:
    """Perhaps a cache, one client that speaks through it, and what breaks there (put into `faults`)."""
    if chance.random() > _CACHE_SHARE:
        return shape, entries
    there = chance.randrange(len(entries))
    for number in range(len(faults), len(faults) + chance.choice((0, 1, 1))):
        kind = chance.choice((*_ON_LINKS, Breakage.KILL, Breakage.PAUSE, Breakage.TERMINATE))
        target = f"{PROXY}-{CACHE}" if kind in _ON_LINKS else CACHE
        lasts = round(chance.choice((0.1, 0.5, 1.0, 2.0)) * (0.5 + chance.random()), 3)
        at = round(0.2 + chance.random() * BUSY_SECONDS, 3)
        faults.append(Fault(number, at, kind, target, lasts, _amount(chance, kind)))
    return replace(shape, has_cache=True), (*entries[:there], CACHE, *entries[there + 1 :])


def _shape(chance: Random) -> Shape:
    master, replica = Role.MASTER, Role.REPLICA
    roles = chance.choice([(master, master)] * 4 + [(master, master, master), (master, master, replica)])
    return Shape(
        roles,
        reads=chance.choice(list(ReadStrategy)),
        writes=chance.choice(list(WriteMode)),
        snapshot_entries=chance.choice((4, 12, 100_000, 100_000)),
    )


def _operations(chance: Random, clients: int, count: tuple[int, int], begin: float = 0.2) -> list[Operation]:
    found: list[Operation] = []
    for client in range(clients):
        at = begin
        for _ in range(chance.randint(*count)):
            at += chance.random() * 2 * BUSY_SECONDS / 8
            kind = chance.choice(_KINDS)
            value = chance.randrange(4) if kind is Kind.CLAIM else len(found) + 10
            found.append(
                Operation(
                    len(found),
                    client,
                    round(at, 3),
                    kind,
                    value,
                    level=chance.choice(("session", "session", "session", "strong", "any")),
                    again=kind.is_write and chance.random() < 0.15,
                    twice=kind.is_write and chance.random() < 0.1,
                )
            )
    return found


def _longer_operations(chance: Random, clients: int, first: int, shifts: tuple[float, ...]) -> list[Operation]:
    """What has several statements, numbered from `first`. Drawn apart from the rest, and not for every plan."""
    kinds: list[Kind] = []
    if chance.random() < _TRANSACTIONS_SHARE:
        kinds += chance.choices(_TRANSACTIONS, (4, 3, 1, 2), k=clients * chance.randint(1, 2))
    if chance.random() < _LIVES_SHARE:
        kinds += [Kind.LIFE] * chance.randint(1, 3)
    if chance.random() < _RACES_SHARE:
        kinds += chance.choices((Kind.MAKE, Kind.UNMAKE), k=chance.randint(3, 8))
    found = []
    for number, kind in enumerate(kinds, first):
        at = _MEETING_SECONDS * chance.randint(1, round(BUSY_SECONDS / _MEETING_SECONDS)) + chance.choice(shifts)
        found.append(
            Operation(
                number,
                (number - first) % clients if kind.is_transaction else chance.randrange(clients),
                at,
                kind,
                chance.randint(1, 15),
                level=chance.choice(("session", "strong")),
                again=chance.random() < 0.15,
                pause_seconds=chance.choice(_GLANCE_PAUSES if kind is Kind.GLANCE else _PAUSES),
            )
        )
    return found


#: Seconds between the statements of what has several.
_PAUSES, _GLANCE_PAUSES = (0.0, 0.0, 0.0, 0.02, 0.2), (0.02, 0.2, 0.4)
_TRANSACTIONS = (Kind.TRANSFER, Kind.BUMP, Kind.SIGHT, Kind.GLANCE)
_KINDS = (
    [Kind.APPEND] * 4 + [Kind.ADD] * 3 + [Kind.SET] * 2 + [Kind.CLAIM] * 2
    + [Kind.READ_LIST] * 4 + [Kind.READ_NUMBERS] * 4 + [Kind.READ_CLAIMS]
)
_BREAKAGES = (
    [Breakage.KILL, Breakage.POWER, Breakage.KILL_AT, Breakage.POWER_AT] * 3
    + [Breakage.HOLD, Breakage.SLOW, Breakage.CUT] * 3
    + [Breakage.PAUSE, Breakage.FULL, Breakage.SYNC] * 2
    + [Breakage.TERMINATE, Breakage.CLOCK, Breakage.WIPE]
)
_ON_LINKS = (Breakage.HOLD, Breakage.SLOW, Breakage.CUT)
_IN_ROUNDS = (Breakage.CUT_ROUND, Breakage.PAUSE_ROUND)


def _faults(chance: Random, shape: Shape, entries: tuple[str, ...]) -> list[Fault]:
    found = []
    for number in range(chance.choice((0, 1, 1, 2, 2, 3, 4))):
        kind = chance.choice(_BREAKAGES)
        machines = (PROXY, PROXY, *shape.nodes)
        links = [f"{PROXY}-{name}" for name in shape.nodes] + [f"client-{entry}" for entry in entries]
        target = chance.choice(links if kind in _ON_LINKS else shape.nodes if kind is Breakage.WIPE else machines)
        lasts = round(chance.choice((0.1, 0.5, 1.0, 3.0)) * (0.5 + chance.random()), 3)
        at = round(0.2 + chance.random() * BUSY_SECONDS, 3)
        found.append(Fault(number, at, kind, target, lasts, _amount(chance, kind)))
    return sorted(found, key=lambda fault: fault.at_seconds)


def _edits(chance: Random, shape: Shape, first: int) -> list[Fault]:
    """An edited file, and links that are cut in the rounds that should find it. Drawn apart from the rest."""
    if chance.random() > _EDITS_SHARE:
        return []
    found = [Fault(first, round(0.2 + chance.random() * BUSY_SECONDS, 3), Breakage.EDIT, chance.choice(shape.nodes), 0)]
    for number in range(first + 1, first + 1 + chance.choice((0, 1, 1, 2))):
        kind, target = chance.choice(_IN_ROUNDS), f"{PROXY}-{chance.choice(shape.nodes)}"
        at = round(0.2 + chance.random() * 2 * BUSY_SECONDS, 3)
        found.append(Fault(number, at, kind, target, _PAUSE_SECONDS, chance.randrange(STEPS)))
    return found


def step_plan(seed: int) -> Plan:
    """One of `STEP_PLANS` plans that go through the steps of a round: at each one the link to one node is cut, or the
    node stands still until it is down, with snapshots or without, under load or at rest."""
    number = (seed - Family.ROUND_STEPS) % STEP_PLANS
    number, step = divmod(number, STEPS)
    number, kind = divmod(number, len(_IN_ROUNDS))
    number, node = divmod(number, 2)
    is_busy, has_snapshots = divmod(number, 2)
    shape = Shape((Role.MASTER, Role.MASTER), snapshot_entries=4 if has_snapshots else 100_000)
    count = _BUSY_OPERATIONS if is_busy else 3
    kinds = (Kind.APPEND, Kind.ADD, Kind.READ_LIST)
    operations = tuple(
        Operation(one, 0, round(0.3 + one * _BUSY_GAP_SECONDS, 3), kinds[one % 3], one + 10) for one in range(count)
    )
    target = f"{PROXY}-{shape.nodes[node]}"
    faults = (
        Fault(0, 0.9, Breakage.EDIT, shape.nodes[-1], 0.0),
        Fault(1, 0.9, _IN_ROUNDS[kind], target, _PAUSE_SECONDS, step),
    )
    return Plan(seed, shape, (PROXY,), operations, faults)


def _amount(chance: Random, kind: Breakage) -> float:
    if kind in (Breakage.KILL_AT, Breakage.POWER_AT):
        return chance.randrange(30)
    if kind is Breakage.SLOW:
        return round(chance.choice((0.02, 0.1, 0.6)), 3)
    if kind is Breakage.CLOCK:
        return chance.choice((-90_000.0, -3600.0, -5.0, 5.0, 3600.0, 90_000.0))
    return chance.randrange(3)
