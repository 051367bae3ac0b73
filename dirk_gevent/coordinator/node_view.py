"""The log side's view of one node: how far it is in each log, and what its databases can be counted on for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from dirk_gevent.config.settings import Instance, Role
from dirk_gevent.coordinator.pins import Pins


class NodeState(StrEnum):
    """The service that a node can be counted on for; a database of it may be in a worse state than the node."""

    DOWN = "down"
    LIVE = "live"
    STALLED = "stalled"
    SEEDING = "seeding"
    FENCED = "fenced"
    EVICTED = "evicted"
    DRAINED = "drained"
    BLOCKED = "blocked"
    UNREACHABLE = "unreachable"
    #: Of the other nodes, while the proxy does not answer the node that is asked.
    UNKNOWN = "unknown"


@dataclass(slots=True)
class NodeProgress:
    """How far a node is, by log id. `level_at` (monotonic s) is when it was last level."""

    applied: dict[int, int] = field(default_factory=dict)
    durable: dict[int, int] = field(default_factory=dict)
    level_at: dict[int, float] = field(default_factory=dict)
    #: The content digests it told last, each with the index it was taken at.
    digests: dict[int, tuple[int, bytes]] = field(default_factory=dict)

    def forget(self, log_id: int) -> None:
        """Nothing that was told of this log counts any more."""
        for table in (self.applied, self.durable, self.level_at, self.digests):
            table.pop(log_id, None)

    def clear(self) -> None:
        """Nothing that was told of any log counts any more."""
        for table in (self.applied, self.durable, self.level_at, self.digests):
            table.clear()


@dataclass(slots=True)
class DatabaseStates:
    """The databases of a node that are not live: `states` are what it reports, and what stands against that."""

    states: dict[int, NodeState] = field(default_factory=dict)
    #: Logs whose state there is known to be wrong, until the node says that it has put it aside.
    fenced: set[int] = field(default_factory=set)
    #: Logs that a person shut it out of; None for all of them.
    evicted: set[int | None] = field(default_factory=set)
    #: Logs that are damaged in front of what the node has: it gets nothing of them until they are whole again.
    held: set[int] = field(default_factory=set)

    def is_evicted(self, log_id: int) -> bool:
        """True when a person shut the node out of this log."""
        return bool(self.evicted) and (None in self.evicted or log_id in self.evicted)

    def report(self, states: Mapping[str, str]) -> None:
        """Take over what the node says of its databases that are not live; what is shut out stays so."""
        self.states = {int(log_id): NodeState(state) for log_id, state in states.items()}
        self.states.update(dict.fromkeys(self.held, NodeState.STALLED))
        self.states.update(dict.fromkeys(self.fenced, NodeState.FENCED))
        self.states.update({log: NodeState.EVICTED for log in self.evicted if log is not None})

    def hold(self, log_id: int) -> None:
        """The log cannot give the node what it needs next."""
        if log_id not in self.held:
            self.held.add(log_id)
            self.states.setdefault(log_id, NodeState.STALLED)

    def let_go(self, log_id: int) -> None:
        """The log gives the node what it needs; its next heartbeat says how it is."""
        self.held.discard(log_id)

    def forget(self, log_id: int) -> None:
        """The database is gone."""
        self.states.pop(log_id, None)
        self.fenced.discard(log_id)
        self.held.discard(log_id)


@dataclass(slots=True)
class NodeView:
    """The coordinator's view of one node."""

    instance: Instance
    is_connected: bool = False
    last_beat: float = 0.0
    last_beat_unix: float = 0.0
    #: No new read goes to it: a person will stop it, or it is about to end.
    is_drained: bool = False
    #: Whether the proxy can connect to where the config, or the node itself, says that it listens.
    is_reachable: bool = True
    #: What its process called itself when it came last; another after each start.
    process: str = ""
    #: Transactions of the proxy's sessions that live in its process.
    pins: Pins = field(default_factory=Pins)
    progress: NodeProgress = field(default_factory=NodeProgress)
    databases: DatabaseStates = field(default_factory=DatabaseStates)

    @property
    def is_master(self) -> bool:
        """True when its outcomes count."""
        return self.instance.role is Role.MASTER

    def is_evicted(self, log_id: int) -> bool:
        """True when a person shut it out of this log."""
        return self.databases.is_evicted(log_id)

    def state(self, log_id: int) -> NodeState:
        """The state of one database on this node."""
        databases = self.databases
        if databases.evicted and databases.is_evicted(log_id):
            return NodeState.EVICTED
        if not self.is_connected:
            return NodeState.DOWN
        return databases.states.get(log_id, NodeState.LIVE)

    def applied_index(self, log_id: int) -> int:
        """Up to which index it has applied a log; 0 when it has told nothing of it."""
        return self.progress.applied.get(log_id, 0)

    def durable_index(self, log_id: int) -> int:
        """Up to which index it has a log in its file for good; what it said of a state that it has no more is out."""
        return min(self.progress.durable.get(log_id, 0), self.applied_index(log_id))

    def is_level(self, log_id: int, index: int) -> bool:
        """True when it is live with a log and has applied it up to `index`, or a person shut it out of it."""
        if self.is_evicted(log_id):
            return True
        return self.state(log_id) is NodeState.LIVE and self.applied_index(log_id) >= index

    def fence(self, log_id: int) -> None:
        """Count on nothing that it has of this log."""
        self.databases.fenced.add(log_id)
        self.databases.states[log_id] = NodeState.FENCED
        self.progress.forget(log_id)

    def evict(self, log_id: int | None) -> None:
        """Count on it no more, in one log or (None) at all, until a person readmits it."""
        self.databases.evicted.add(log_id)
        if log_id is None:
            self.progress.clear()
        else:
            self.progress.forget(log_id)
            self.databases.states[log_id] = NodeState.EVICTED
