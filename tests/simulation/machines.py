"""The machines of a simulated cluster: a process each, with a disk that outlives it, killed and started at will."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dirk_gevent.cache import server as cache
from dirk_gevent.config.settings import (
    Config,
    Instance,
    Limits,
    LoadBalancer,
    LogSettings,
    ReadRouting,
    ReadStrategy,
    Replication,
    Role,
    Routing,
    WriteMode,
    WriteRouting,
)
from dirk_gevent.engine.errors.faults import StorageFault
from dirk_gevent.node import server as node
from dirk_gevent.proxy import server as proxy
from dirk_parser.errors import SqlError
from tests.simulation.disk import Disk, Image
from tests.simulation.loop import Lane
from tests.simulation.world import World, fresh_directory

PROXY = "proxy"
PROXY_PORT = 3949
CACHE = "cache"
CACHE_PORT = 3951
#: How long the cache may serve an answer without word of the log's host, and how many it keeps.
CACHE_SECONDS = 0.6
_CACHE_ENTRIES = 200
_FIRST_NODE_PORT = 4000
_BEAT_SECONDS = 0.5
_WAIT_MS = 1_500


@dataclass(frozen=True, slots=True)
class Shape:
    """What a cluster consists of. `roles` are those of m1, m2, … in order."""

    roles: tuple[Role, ...]
    reads: ReadStrategy = ReadStrategy.ROUND_ROBIN
    writes: WriteMode = WriteMode.PRIMARY
    snapshot_entries: int = 100_000
    has_cache: bool = False

    @property
    def nodes(self) -> tuple[str, ...]:
        """The ids of the nodes."""
        return tuple(f"m{number}" for number in range(1, len(self.roles) + 1))


class Machine:
    """One process of the cluster and the disk under it, over all its lives."""

    def __init__(self, cluster: SimCluster, name: str, template: Image) -> None:
        self.name = name
        self.lane = Lane(name)
        self.life = 0
        self.is_up = False
        self._cluster = cluster
        self._template = template
        self._power_lost = False
        self._offset = 0.0
        self._copies = 0
        self.disk: Disk | None = None
        #: What the next life finds on the disk, when it is not what the last life left.
        self._instead: Image | None = template
        #: What happens to the next life's files before it begins; once.
        self.spoil: Callable[[Path], None] | None = None

    @property
    def directory(self) -> Path:
        """Where this life's files lie."""
        return fresh_directory(self._cluster.root, self.name, self.life)

    def start(self) -> None:
        """Give it power and start its process on what its disk holds."""
        world = self._cluster.world
        if self.is_up:
            return
        before, self.life = self.disk, self.life + 1
        directory = self.directory
        if self._instead is not None:
            self._instead.write_to(directory)
        elif before is not None:
            before.copy_to(directory, world.chance if self._power_lost else None)
        self._instead, self._power_lost = None, False
        if self.spoil is not None:
            self.spoil(directory)
            self.spoil = None
        self.disk = Disk(directory, f"{self.name} {self._copies}")
        world.disks.add(self.disk)
        world.network.dark.discard(self.name)
        self.lane = Lane(self.name)
        world.offsets[self.lane] = self._offset
        self.is_up = True
        world.say(self.name, f"-- start, life {self.life}")
        world.as_process(self.lane, self._run)

    def _run(self) -> None:
        config = self._cluster.config(self)
        world, lane = self._cluster.world, self.lane
        try:
            status = self._serve(config)
            world.say(self.name, f"-- ended with status {status}")
        except (SqlError, StorageFault, OSError) as error:
            # The machine would not let it begin or end well: the process is over all the same.
            world.say(self.name, f"-- ended with {type(error).__name__}: {error}")
        self.is_up = False
        world.network.ended(lane, silently=False)
        world.loop.kill(lane)

    def _serve(self, config: Config) -> int:
        """The program, until it ends; its exit status."""
        if self.name == PROXY:
            return proxy.run(config)
        if self.name != CACHE:
            return node.run(config, self.name)
        cache.run(
            config,
            upstream_host="127.0.0.1",
            upstream_port=PROXY_PORT,
            port=CACHE_PORT,
            ttl_ms=round(CACHE_SECONDS * 1000),
            entries=_CACHE_ENTRIES,
        )
        return 0

    def kill(self, power: bool) -> None:
        """`kill -9`, or with `power` the machine's power is cut: what was not fsynced may be gone."""
        if not self.is_up or self.disk is None:
            return
        world = self._cluster.world
        self.is_up = False
        self._power_lost = power
        self.disk.is_dead = True
        if power:
            world.network.dark.add(self.name)
        world.network.ended(self.lane, silently=power)
        world.loop.kill(self.lane)
        world.say(self.name, "-- power cut" if power else "-- kill -9")

    def kill_in(self, operations: int, power: bool) -> None:
        """Die in the middle of things: at the n-th operation of its disk from now."""
        if self.disk is not None and self.is_up:
            self.disk.on_stop = lambda: self.kill(power)
            self.disk.stops_in = operations

    def terminate(self) -> None:
        """SIGTERM: the process drains and ends by itself."""
        loop = self._cluster.world.loop
        self._cluster.world.say(self.name, "-- SIGTERM")
        for lane, number, watcher in list(loop.signals):
            if lane is self.lane and number == signal.SIGTERM:
                watcher.feed()

    def wipe(self) -> None:
        """A new, empty disk for the next life (the process must be down)."""
        self._instead = Image()
        self._cluster.world.say(self.name, "-- empty disk")

    def restore_backup(self, copied: bool) -> None:
        """The next life finds the disk as it was at the beginning (the process must be down): as a whole, as when a
        virtual machine goes back to a snapshot, or with its files `copied` from a backup.
        """
        self._instead = self._template
        self._copies += copied
        self._cluster.world.say(self.name, "-- old backup restored")

    def move_clock(self, seconds: float) -> None:
        """The wall clock jumps, for this life and those to come."""
        self._offset += seconds
        self._cluster.world.offsets[self.lane] = self._offset
        self._cluster.world.say(self.name, f"-- clock moved by {seconds:+.0f} s")


class SimCluster:
    """A proxy and its nodes in a world. `template` holds a disk each, as a clean stop left them; empty ones if none."""

    def __init__(self, world: World, root: Path, shape: Shape, template: Mapping[str, Image]) -> None:
        self.world = world
        self.root = root
        self.shape = shape
        names = (PROXY, *shape.nodes, *([CACHE] if shape.has_cache else []))
        self.machines = {name: Machine(self, name, template.get(name, Image())) for name in names}

    @property
    def proxy(self) -> Machine:
        """The machine that holds the log."""
        return self.machines[PROXY]

    @property
    def nodes(self) -> list[Machine]:
        """The machines that apply it."""
        return [machine for name, machine in self.machines.items() if name not in (PROXY, CACHE)]

    def config(self, machine: Machine) -> Config:
        """The configuration as one machine reads it: its own directory is this life's."""
        instances = tuple(
            Instance(name, role, "127.0.0.1", node_port(name), self._directory_seen(name, machine))
            for name, role in zip(self.shape.nodes, self.shape.roles, strict=True)
        )
        return Config(
            path=self.root / "config.json",
            version=2,
            instances=instances,
            load_balancer=LoadBalancer("127.0.0.1", PROXY_PORT),
            language="en",
            routing=Routing(ReadRouting(self.shape.reads), WriteRouting(self.shape.writes)),
            replication=Replication(interval_seconds=_BEAT_SECONDS),
            log=LogSettings(directory=machine.directory, reserve_bytes=0, snapshot_entries=self.shape.snapshot_entries),
            limits=Limits(wait_ms=_WAIT_MS),
        )

    def _directory_seen(self, name: str, machine: Machine) -> Path:
        """A node's directory as a machine has it: those of others are not on its disk."""
        return machine.directory if name == machine.name else self.root / "elsewhere" / name

    def start(self) -> None:
        """Start everything that is down."""
        for machine in self.machines.values():
            machine.start()


def port_of(name: str) -> int:
    """Where a machine listens."""
    return {PROXY: PROXY_PORT, CACHE: CACHE_PORT}.get(name) or node_port(name)


def node_port(name: str) -> int:
    """Where a node listens."""
    return _FIRST_NODE_PORT + int(name[1:])
