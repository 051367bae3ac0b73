"""The view of the cluster: what is known of each node, and who may be asked.

Pure state fed by heartbeats and acknowledgements. One heartbeat makes a node live, three missed make it down.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from dirk_gevent.config.settings import Config, Instance, Role
from dirk_gevent.coordinator.efforts import Efforts
from dirk_gevent.coordinator.pins import Pins
from dirk_gevent.engine.apply.at_work import Effort

MISSED_BEATS = 3
#: A master further behind than this is not waited for when another has answered.
CURRENT_LAG_SECONDS = 1.0
#: A node looks this often, at the least, for transactions that are idle for too long.
_IDLE_SLACK_SECONDS = 2.0


class NodeState(StrEnum):
    """What a node can be counted on for; a database of it may be in a worse state than the node."""

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
class NodeView:
    """What the log's host knows of one node. `level_at` (monotonic s) is when it was last level, by log id."""

    instance: Instance
    is_connected: bool = False
    last_beat: float = 0.0
    last_beat_unix: float = 0.0
    applied: dict[int, int] = field(default_factory=dict)
    durable: dict[int, int] = field(default_factory=dict)
    states: dict[int, NodeState] = field(default_factory=dict)
    level_at: dict[int, float] = field(default_factory=dict)
    #: Logs whose state there is known to be wrong, until the node says that it has put it aside.
    fenced: set[int] = field(default_factory=set)
    #: Logs that a person shut it out of; None for all of them.
    evicted: set[int | None] = field(default_factory=set)
    #: Logs that are damaged in front of what the node has: it gets nothing of them until they are whole again.
    held: set[int] = field(default_factory=set)
    #: No new read goes to it: a person will stop it, or it is about to end.
    is_drained: bool = False
    #: Whether the proxy can connect to where the config, or the node itself, says that it listens.
    is_reachable: bool = True
    #: What its process called itself when it came last; another after each start.
    process: str = ""
    #: Transactions of the proxy's sessions that live in its process.
    pins: Pins = field(default_factory=Pins)
    #: The content digests it told last, each with the index it was taken at, by log id.
    digests: dict[int, tuple[int, bytes]] = field(default_factory=dict)

    @property
    def is_master(self) -> bool:
        """Whether its outcomes count."""
        return self.instance.role is Role.MASTER

    def is_evicted(self, log_id: int) -> bool:
        """Whether a person shut it out of this log."""
        return bool(self.evicted) and (None in self.evicted or log_id in self.evicted)

    def state(self, log_id: int) -> NodeState:
        """The state of one database on this node."""
        if self.evicted and self.is_evicted(log_id):
            return NodeState.EVICTED
        if not self.is_connected:
            return NodeState.DOWN
        return self.states.get(log_id, NodeState.LIVE)


class Cluster:
    """All configured nodes. `clock` is monotonic seconds (see `HubWatch.listening_seconds`)."""

    def __init__(self, config: Config, clock: Callable[[], float] = time.monotonic) -> None:
        self.nodes = {instance.id: NodeView(instance) for instance in config.instances}
        #: Reads under way, by node; the router counts them.
        self.running: dict[str, int] = {}
        self.efforts = Efforts(clock)
        self._clock = clock
        self._beat_seconds = config.replication.interval_seconds
        self._idle_seconds = config.limits.transaction_idle_seconds + _IDLE_SLACK_SECONDS

    def under_way(self, node: str) -> tuple[int, int]:
        """Reads whose answers come from a node, or are relayed from it still, and transactions that live there."""
        return self.running.get(node, 0), self.nodes[node].pins.count(self._idle_seconds)

    def beat(self, node: str) -> None:
        """A heartbeat came: the node is live."""
        view = self.nodes[node]
        view.is_connected = True
        view.last_beat = self._clock()
        view.last_beat_unix = time.time()

    def fence(self, node: str, log_id: int) -> None:
        """Count on nothing that the node has of this log."""
        view = self.nodes[node]
        view.fenced.add(log_id)
        view.states[log_id] = NodeState.FENCED
        for table in (view.applied, view.durable, view.level_at, view.digests):
            table.pop(log_id, None)

    def evict(self, node: str, log_id: int | None) -> None:
        """Count on the node no more, in one log or (None) at all, until a person readmits it."""
        view = self.nodes[node]
        view.evicted.add(log_id)
        for table in (view.applied, view.durable, view.level_at, view.digests):
            if log_id is None:
                table.clear()
            else:
                table.pop(log_id, None)
        if log_id is not None:
            view.states[log_id] = NodeState.EVICTED

    def reported(self, node: str, frame_states: Mapping[str, str]) -> None:
        """What the node says of its databases that are not live; what is shut out stays so."""
        view = self.nodes[node]
        view.states = {int(log_id): NodeState(state) for log_id, state in frame_states.items()}
        view.states.update(dict.fromkeys(view.held, NodeState.STALLED))
        view.states.update(dict.fromkeys(view.fenced, NodeState.FENCED))
        view.states.update({one: NodeState.EVICTED for one in view.evicted if one is not None})

    def worked(self, node: str, efforts: Mapping[int, Effort]) -> None:
        """A heartbeat said what the node is at."""
        self.efforts.told(node, efforts, lambda log_id: self.is_live_master(node, log_id))

    def hold(self, node: str, log_id: int) -> None:
        """The log cannot give the node what it needs next."""
        view = self.nodes[node]
        if log_id not in view.held:
            view.held.add(log_id)
            view.states.setdefault(log_id, NodeState.STALLED)

    def let_go(self, node: str, log_id: int) -> None:
        """The log gives the node what it needs; its next heartbeat says how it is."""
        self.nodes[node].held.discard(log_id)

    def lost(self, node: str) -> None:
        """The node's link is gone."""
        self.nodes[node].is_connected = False
        self.efforts.forget_node(node)
        self.nodes[node].held.clear()

    def is_replaceable(self, node: str) -> bool:
        """Whether a node is down while another is not."""
        return not self.nodes[node].is_connected and any(view.is_connected for view in self.nodes.values())

    def silent(self) -> list[str]:
        """Nodes whose link stands but that missed three beats."""
        return [name for name, view in self.nodes.items() if view.is_connected and not self.is_beating(name)]

    def is_beating(self, node: str) -> bool:
        """Whether a node's link stands and it has not missed three beats."""
        view = self.nodes[node]
        return view.is_connected and view.last_beat >= self._clock() - MISSED_BEATS * self._beat_seconds

    def applied(self, node: str, log_id: int, index: int, head: int) -> None:
        """The node has applied a log up to `index`."""
        view = self.nodes[node]
        if index > view.applied.get(log_id, -1):
            view.applied[log_id] = index
            if self.is_live_master(node, log_id):
                self.efforts.moved(log_id)
        if index >= head:
            view.level_at[log_id] = self._clock()

    def is_live_master(self, node: str, log_id: int) -> bool:
        """Whether this node's outcome of a write to `log_id` can be waited for."""
        view = self.nodes[node]
        return view.is_master and view.state(log_id) is NodeState.LIVE

    def live_masters(self, log_id: int) -> list[str]:
        """Masters that are connected, unfenced and applying, in config order."""
        return [name for name in self.nodes if self.is_live_master(name, log_id)]

    def has_undrained_master(self, log_id: int) -> bool:
        """Whether there is a live master that new work can go to."""
        return any(not self.nodes[name].is_drained for name in self.live_masters(log_id))

    def is_current(self, node: str, log_id: int, head: int) -> bool:
        """Whether a live master is level or was within the last second."""
        if not self.is_live_master(node, log_id):
            return False
        view = self.nodes[node]
        if view.applied.get(log_id, 0) >= head:
            return True
        return self._clock() - view.level_at.get(log_id, 0.0) < CURRENT_LAG_SECONDS

    def is_level(self, node: str, log_id: int, index: int) -> bool:
        """Whether a node is live with a log and has applied it up to `index`, or a person shut it out of it."""
        view = self.nodes[node]
        if view.is_evicted(log_id):
            return True
        return view.state(log_id) is NodeState.LIVE and view.applied.get(log_id, 0) >= index

    def masters(self, log_id: int | None = None) -> int:
        """How many masters a log (None: any) has, without those evicted: a majority is counted among these."""
        return sum(view.is_master and not view.evicted & {None, log_id} for view in self.nodes.values())

    def forget_log(self, log_id: int) -> None:
        """A database is gone from every node's view."""
        for view in self.nodes.values():
            for table in (view.applied, view.durable, view.states, view.level_at, view.digests):
                table.pop(log_id, None)
            view.fenced.discard(log_id)
            view.held.discard(log_id)
        self.efforts.forget_log(log_id)
