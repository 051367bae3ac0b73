"""The settings of config.json, as frozen dataclasses: the settings every part is built from.

Names carry their unit. The defaults are the file's: `Limits()` is what a file without `limits` gives. The bounds of
each number stand beside its default (`dirk_gevent.config.fields`).
`dirk_gevent.config` reads and checks the file, and gives these names on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from dirk_gevent.base.addresses import reachable
from dirk_gevent.config.fields import Bounds
from dirk_gevent.config.strict_json import ConfigError

_MIB = 1024 * 1024
_HOUR_MS = 3_600_000
_DAY_SECONDS = 86_400.0
_MOST_PORT = 65_535


class Role(StrEnum):
    """MASTER applies the log and answers reads and writes; REPLICA applies and answers reads only, has no vote."""

    MASTER = "MASTER"
    REPLICA = "REPLICA"


class ReadStrategy(StrEnum):
    """How the proxy picks among the nodes that may answer a read."""

    ROUND_ROBIN = "ROUND_ROBIN"
    LEAST_LAG = "LEAST_LAG"
    LEAST_CONNECTIONS = "LEAST_CONNECTIONS"
    RENDEZVOUS = "RENDEZVOUS"


class WriteMode(StrEnum):
    """Whose outcome the proxy prefers to wait for: the first level master, or one by hash of the object."""

    PRIMARY = "PRIMARY"
    MULTI_PRIMARY = "MULTI_PRIMARY"


class Partition(StrEnum):
    """The object that MULTI_PRIMARY hashes: the database with the object written, or the database alone."""

    DB_OBJECT = "DB_OBJECT"
    DB = "DB"


class Hash(StrEnum):
    """How MULTI_PRIMARY hashes: highest random weight, so that a lost node moves only its own share."""

    RENDEZVOUS = "RENDEZVOUS"


class ReplicationType(StrEnum):
    """How masters get each other's writes: all replay one log."""

    LOG = "LOG"


class LogType(StrEnum):
    """Where the log lives: in a journal of the proxy's."""

    EMBEDDED = "embedded"


@dataclass(frozen=True, slots=True)
class LoadBalancer:
    """Where the proxy listens, and where nodes and caches of all machines reach it; empty: `host` is not given."""

    listen_host: str = "127.0.0.1"
    listen_port: Annotated[int, Bounds(1, _MOST_PORT)] = 3949
    host: str = ""

    @property
    def reached_at(self) -> str:
        """The host to connect to."""
        return self.host or reachable(self.listen_host)


@dataclass(frozen=True, slots=True)
class Instance:
    """One node. `port` is unique with `host`, `id` and `data_directory` (absolute) among all instances.

    It is reached at `host` and listens on `listen_host`; empty: on `host`.
    """

    id: str
    role: Role
    host: str
    port: Annotated[int, Bounds(1, _MOST_PORT)]
    data_directory: Path
    listen_host: str = ""

    @property
    def listens_on(self) -> str:
        """The host that its socket is bound to."""
        return self.listen_host or self.host

    @property
    def reached_at(self) -> str:
        """The host to connect to."""
        return reachable(self.host)


@dataclass(frozen=True, slots=True)
class ReadRouting:
    """Which nodes answer reads. `include_roles` is never empty."""

    strategy: ReadStrategy = ReadStrategy.ROUND_ROBIN
    include_roles: tuple[Role, ...] = (Role.MASTER, Role.REPLICA)


@dataclass(frozen=True, slots=True)
class WriteRouting:
    """Whose outcome the proxy prefers to wait for; every master applies every write all the same."""

    mode: WriteMode = WriteMode.PRIMARY
    partition: Partition = Partition.DB_OBJECT
    hash: Hash = Hash.RENDEZVOUS


@dataclass(frozen=True, slots=True)
class Routing:
    """The proxy's choices."""

    reads: ReadRouting = field(default_factory=ReadRouting)
    writes: WriteRouting = field(default_factory=WriteRouting)


@dataclass(frozen=True, slots=True)
class Replication:
    """`interval_seconds`: from one heartbeat to the next; three missed make a node down.

    `compare_seconds`: the contents of a database are compared between nodes at least so often, written or not.
    """

    type: ReplicationType = ReplicationType.LOG
    interval_seconds: Annotated[float, Bounds(0.05, 60.0)] = 0.5
    compare_seconds: Annotated[float, Bounds(0.1, _DAY_SECONDS)] = 600.0


@dataclass(frozen=True, slots=True)
class LogSettings:
    """The log's place and bounds; `directory` is absolute in a loaded config.

    A snapshot is made after `snapshot_entries` or `snapshot_bytes` of entries of one database; entries behind a
    confirmed snapshot go, others stay up to `retain_bytes`. An append that would leave less than `reserve_bytes`
    free on the disk is refused (53100). At most `max_waiting` writes wait at once, each for at most `max_wait_ms` until
    a commit takes it (53300 past either). The newest entries of all logs, `tail_bytes` of them, are kept in memory.
    """

    type: LogType = LogType.EMBEDDED
    directory: Path = Path("data/log")
    retain_bytes: Annotated[int, Bounds(_MIB)] = 4096 * _MIB
    snapshot_entries: Annotated[int, Bounds(1)] = 100_000
    snapshot_bytes: Annotated[int, Bounds(65_536)] = 256 * _MIB
    reserve_bytes: Annotated[int, Bounds(0)] = 64 * _MIB
    max_waiting: Annotated[int, Bounds(1, 1_000_000)] = 10_000
    max_wait_ms: Annotated[int, Bounds(1, _HOUR_MS)] = 5_000
    tail_bytes: Annotated[int, Bounds(65_536)] = 64 * _MIB


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one statement, session or process. `page_rows`: rows in a page of an answer.

    `result_bytes` bounds a spooled result (54000), `statement_seconds` a read and `write_steps` (SQLite VM steps)
    a write (57014); `wait_ms` is how long a request waits for a state or an outcome. `transaction_steps`: SQLite VM
    steps that a statement of a transaction may take with the changes before it, for they hold up the applier.

    A process works on `max_running` requests at one time, a node on `max_long_reads` long reads among them; others wait
    `queue_ms` for their turn and are then turned away (53300). Requests that have not been answered yet take
    `request_bytes` together. A statement of which nothing more comes for `idle_statement_seconds` is given up.

    A database's WAL on a node takes at most `wal_bytes` and the pages of the one entry at work.
    """

    max_statement_bytes: Annotated[int, Bounds(1024, 1024 * _MIB)] = 16 * _MIB
    idle_statement_seconds: Annotated[float, Bounds(0.1, _DAY_SECONDS)] = 30.0
    page_rows: Annotated[int, Bounds(1, 100_000)] = 200
    result_bytes: Annotated[int, Bounds(65_536)] = 1024 * _MIB
    statement_seconds: Annotated[float, Bounds(0.1, _DAY_SECONDS)] = 60.0
    write_steps: Annotated[int, Bounds(1000)] = 2_000_000_000
    wait_ms: Annotated[int, Bounds(1, _HOUR_MS)] = 5_000
    transaction_idle_seconds: Annotated[float, Bounds(0.1, _DAY_SECONDS)] = 60.0
    transaction_steps: Annotated[int, Bounds(20_000)] = 50_000_000
    max_connections: Annotated[int, Bounds(1, 100_000)] = 2_000
    max_running: Annotated[int, Bounds(1, 100_000)] = 512
    max_long_reads: Annotated[int, Bounds(1, 10_000)] = 64
    queue_ms: Annotated[int, Bounds(1, _HOUR_MS)] = 5_000
    request_bytes: Annotated[int, Bounds(65_536)] = 512 * _MIB
    wal_bytes: Annotated[int, Bounds(_MIB)] = 256 * _MIB


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """`max_bytes`: what the answers that the cache holds may take together."""

    max_bytes: Annotated[int, Bounds(0)] = 64 * _MIB


@dataclass(frozen=True, slots=True)
class Config:
    """A checked config file. `load_balancer` is None for a single node that holds the log itself.

    `notices` are sentences that the program logs at its start: how a version 1 file was read, and what is taken but
    hardly meant.
    """

    path: Path
    version: int
    instances: tuple[Instance, ...]
    load_balancer: LoadBalancer | None
    language: str = "mg"
    routing: Routing = field(default_factory=Routing)
    replication: Replication = field(default_factory=Replication)
    log: LogSettings = field(default_factory=LogSettings)
    limits: Limits = field(default_factory=Limits)
    cache: CacheSettings = field(default_factory=CacheSettings)
    notices: tuple[str, ...] = ()

    def instance(self, node: str) -> Instance:
        """The instance with the id `node`; ConfigError naming the known ids when there is none."""
        for candidate in self.instances:
            if candidate.id == node:
                return candidate
        ids = ", ".join(instance.id for instance in self.instances)
        raise ConfigError(f"instances: no instance has the id {node}; known: {ids}")
