"""The view of the cluster: what is known of each node, and who may be asked.

Pure state fed by heartbeats and acknowledgements. One heartbeat makes a node live, three missed make it down.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from dirk_gevent.config.settings import Config
from dirk_gevent.coordinator.efforts import Efforts
from dirk_gevent.coordinator.node_view import NodeState, NodeView
from dirk_gevent.engine.apply.at_work import Effort

MISSED_BEATS = 3
#: A master further behind than this is not waited for when another has answered.
CURRENT_LAG_SECONDS = 1.0
#: A node looks this often, at the least, for transactions that are idle for too long.
_IDLE_SLACK_SECONDS = 2.0


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

    def worked(self, node: str, efforts: Mapping[int, Effort]) -> None:
        """A heartbeat said what the node is at."""
        self.efforts.told(node, efforts, lambda log_id: self.is_live_master(node, log_id))

    def lost(self, node: str) -> None:
        """The node's link is gone."""
        self.nodes[node].is_connected = False
        self.efforts.forget_node(node)
        self.nodes[node].databases.held.clear()

    def is_replaceable(self, node: str) -> bool:
        """True when a node is down while another is not."""
        return not self.nodes[node].is_connected and any(view.is_connected for view in self.nodes.values())

    def silent(self) -> list[str]:
        """Nodes whose link stands but that missed three beats."""
        return [name for name, view in self.nodes.items() if view.is_connected and not self.is_beating(name)]

    def is_beating(self, node: str) -> bool:
        """True when a node's link stands and it has not missed three beats."""
        view = self.nodes[node]
        return view.is_connected and view.last_beat >= self._clock() - MISSED_BEATS * self._beat_seconds

    def applied(self, node: str, log_id: int, index: int, head: int) -> None:
        """The node has applied a log up to `index`."""
        progress = self.nodes[node].progress
        if index > progress.applied.get(log_id, -1):
            progress.applied[log_id] = index
            if self.is_live_master(node, log_id):
                self.efforts.moved(log_id)
        if index >= head:
            progress.level_at[log_id] = self._clock()

    def is_live_master(self, node: str, log_id: int) -> bool:
        """True when this node's outcome of a write to `log_id` can be waited for."""
        view = self.nodes[node]
        return view.is_master and view.state(log_id) is NodeState.LIVE

    def live_masters(self, log_id: int) -> list[str]:
        """Masters that are connected, unfenced and applying, in config order."""
        return [name for name in self.nodes if self.is_live_master(name, log_id)]

    def has_undrained_master(self, log_id: int) -> bool:
        """True when there is a live master that new work can go to."""
        return any(not self.nodes[name].is_drained for name in self.live_masters(log_id))

    def is_current(self, node: str, log_id: int, head: int) -> bool:
        """True when a live master is level or was within the last second."""
        if not self.is_live_master(node, log_id):
            return False
        progress = self.nodes[node].progress
        if progress.applied.get(log_id, 0) >= head:
            return True
        return self._clock() - progress.level_at.get(log_id, 0.0) < CURRENT_LAG_SECONDS

    def masters(self, log_id: int | None = None) -> int:
        """How many masters a log (None: any) has, without those evicted: a majority is counted among these."""
        return sum(view.is_master and not view.databases.evicted & {None, log_id} for view in self.nodes.values())

    def forget_log(self, log_id: int) -> None:
        """A database is gone from every node's view."""
        for view in self.nodes.values():
            view.progress.forget(log_id)
            view.databases.forget(log_id)
        self.efforts.forget_log(log_id)
