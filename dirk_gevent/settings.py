"""What config.json says, as frozen dataclasses: the settings every part is built from.

Names carry their unit. The defaults are the file's: `Limits()` is what a file without `limits` gives.
`dirk_gevent.config` reads and checks the file, and gives these names on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from dirk_gevent.config_json import ConfigError

_MIB = 1024 * 1024


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
    """What MULTI_PRIMARY hashes: the database with the object written, or the database alone."""

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
    """Where the proxy listens, and so where nodes find the log."""

    listen_host: str = "127.0.0.1"
    listen_port: int = 3949


@dataclass(frozen=True, slots=True)
class Instance:
    """One node. `port` is unique with `host`, `id` and `data_directory` (absolute) among all instances."""

    id: str
    role: Role
    host: str
    port: int
    data_directory: Path


@dataclass(frozen=True, slots=True)
class Reads:
    """Which nodes answer reads. `include_roles` is never empty."""

    strategy: ReadStrategy = ReadStrategy.ROUND_ROBIN
    include_roles: tuple[Role, ...] = (Role.MASTER, Role.REPLICA)


@dataclass(frozen=True, slots=True)
class Writes:
    """Whose outcome the proxy prefers to wait for; every master applies every write all the same."""

    mode: WriteMode = WriteMode.PRIMARY
    partition: Partition = Partition.DB_OBJECT
    hash: Hash = Hash.RENDEZVOUS


@dataclass(frozen=True, slots=True)
class Routing:
    """The proxy's choices."""

    reads: Reads = field(default_factory=Reads)
    writes: Writes = field(default_factory=Writes)


@dataclass(frozen=True, slots=True)
class Replication:
    """`interval_seconds`: from one heartbeat to the next; three missed make a node down.

    `compare_seconds`: the contents of a database are compared between nodes at least so often, written or not.
    """

    type: ReplicationType = ReplicationType.LOG
    interval_seconds: float = 0.5
    compare_seconds: float = 600.0


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
    retain_bytes: int = 4096 * _MIB
    snapshot_entries: int = 100_000
    snapshot_bytes: int = 256 * _MIB
    reserve_bytes: int = 64 * _MIB
    max_waiting: int = 10_000
    max_wait_ms: int = 5_000
    tail_bytes: int = 64 * _MIB


@dataclass(frozen=True, slots=True)
class Limits:
    """What one statement, session or process may use. `page_rows`: rows in a page of an answer.

    `result_bytes` bounds a spooled result (54000), `statement_seconds` a read and `write_steps` (SQLite VM steps)
    a write (57014); `wait_ms` is how long a request waits for a state or an outcome. `transaction_steps`: SQLite VM
    steps that a statement of a transaction may take with the changes before it, for they hold up the applier.

    A process works on `max_running` requests at one time, a node on `max_long_reads` long reads among them; others wait
    `queue_ms` for their turn and are then turned away (53300). Requests that have not been answered yet take
    `request_bytes` together.

    A database's WAL on a node takes at most `wal_bytes` and the pages of the one entry at work.
    """

    max_statement_bytes: int = 16 * _MIB
    page_rows: int = 200
    result_bytes: int = 1024 * _MIB
    statement_seconds: float = 60.0
    write_steps: int = 2_000_000_000
    wait_ms: int = 5_000
    transaction_idle_seconds: float = 60.0
    transaction_steps: int = 50_000_000
    max_connections: int = 2_000
    max_running: int = 512
    max_long_reads: int = 64
    queue_ms: int = 5_000
    request_bytes: int = 512 * _MIB
    wal_bytes: int = 256 * _MIB


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """`max_bytes`: what the answers that the cache holds may take together."""

    max_bytes: int = 64 * _MIB


@dataclass(frozen=True, slots=True)
class Config:
    """A checked config file. `load_balancer` is None for a single node that holds the log itself.

    `notices` are sentences that the program logs at its start: how a version 1 file was read.
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
        for found in self.instances:
            if found.id == node:
                return found
        known = ", ".join(one.id for one in self.instances)
        raise ConfigError(f"instances: no instance has the id {node}; known: {known}")
