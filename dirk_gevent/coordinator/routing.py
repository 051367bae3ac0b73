"""Which node a read goes to, and whose outcome a write prefers to wait for. Pure choices over the cluster's view."""

from __future__ import annotations

import time
from hashlib import blake2b

from dirk_gevent.config.settings import Partition, ReadRouting, ReadStrategy, WriteMode, WriteRouting
from dirk_gevent.coordinator.cluster import Cluster
from dirk_gevent.coordinator.node_view import NodeState, NodeView

#: Reads that one node answers before the next has its turn.
TURN_READS = 256
#: A busy node that is silent for so long is at slow reads.
SLOW_SECONDS = 0.003
_LIVE = NodeState.LIVE
_READABLE = (_LIVE, NodeState.STALLED)


def rendezvous(key: str, nodes: list[str]) -> list[str]:
    """`nodes` by highest random weight for `key` (Thaler & Ravishankar 1998): a lost node moves only its own share."""
    return sorted(nodes, key=lambda node: blake2b(f"{key}\0{node}".encode(), digest_size=8).digest(), reverse=True)


def preferred_master(cluster: Cluster, writes: WriteRouting, log_id: int, partition: str, index: int) -> str | None:
    """The master whose outcome is waited for while it keeps up; None when no live master is current.

    `partition` is `database.object`; `index` the head that "current" is measured against.
    """
    current = [name for name in cluster.live_masters(log_id) if cluster.is_current(name, log_id, index)]
    if not current:
        return None
    if writes.mode is WriteMode.PRIMARY:
        return current[0]
    key = partition if writes.partition is Partition.DB_OBJECT else partition.partition(".")[0]
    return rendezvous(key, current)[0]


class ReadRouter:
    """Orders the nodes that may answer a read; the caller tries them in turn."""

    def __init__(self, cluster: Cluster, reads: ReadRouting) -> None:
        self._cluster = cluster
        self._strategy = reads.strategy
        self._nodes = [name for name, view in cluster.nodes.items() if view.instance.role in reads.include_roles]
        self._turn = 0
        self._left = TURN_READS
        #: Reads under way, by node: what LEAST_CONNECTIONS goes by.
        self.running = cluster.running = dict.fromkeys(self._nodes, 0)
        self._answered = dict.fromkeys(self._nodes, 0.0)

    def began(self, node: str) -> None:
        """A read is on its way to `node`."""
        self.running[node] += 1

    def ended(self, node: str) -> None:
        """`node` answered a read, or failed to."""
        self.running[node] -= 1
        self._answered[node] = time.monotonic()

    def candidates(self, log_id: int, minimum: int, key: str) -> list[str]:
        """Nodes to try, best first: those that are fresh enough, then those that will have to catch up.

        Among each, those whose disk makes them stand still come last. A node that is drained or can't be connected to
        is for when there is no other. `minimum` is the log index the read needs; `key` is what RENDEZVOUS hashes. Empty
        when no node is live.
        """
        nodes = self._cluster.nodes
        fresh: list[str] = []
        stalled: list[str] = []
        behind: list[str] = []
        avoided: list[str] = []
        for name in self._ordered(log_id, key):
            view = nodes[name]
            # Most states are none at all: a node is live unless it says otherwise.
            state = view.state(log_id) if view.databases.states else _LIVE
            if not view.is_connected or state not in _READABLE:
                continue
            if view.is_drained or not view.is_reachable:
                avoided.append(name)
            # One that has never told of this log may have lost its files: it is not fresh enough for any read.
            elif view.progress.applied.get(log_id, -1) < minimum:
                behind.append(name)
            else:
                (fresh if state is _LIVE else stalled).append(name)
        if stalled or behind or avoided:
            behind.sort(key=lambda name: _nearness(nodes[name], log_id))
            return fresh + stalled + behind + avoided
        return fresh

    def _in_turn(self, names: list[str]) -> list[str]:
        """Round robin by turns of some reads: a node that is awake costs half of what waking another does.

        A node that has more under way than another and has not answered for a moment gives its turn up, so that slow
        reads spread at once.
        """
        running, name = self.running, names[self._turn]
        self._left -= 1
        is_behind = running[name] > min(running.values()) and time.monotonic() - self._answered[name] > SLOW_SECONDS
        if self._left < 0 or is_behind:
            self._left = TURN_READS
            self._turn = (self._turn + 1) % len(names)
        return names[self._turn :] + names[: self._turn]

    def _ordered(self, log_id: int, key: str) -> list[str]:
        names = self._nodes
        if self._strategy is ReadStrategy.ROUND_ROBIN:
            return self._in_turn(names) if names else names
        if self._strategy is ReadStrategy.LEAST_CONNECTIONS:
            return sorted(names, key=self.running.__getitem__)
        if self._strategy is ReadStrategy.LEAST_LAG:
            return sorted(names, key=lambda name: -self._cluster.nodes[name].applied_index(log_id))
        return rendezvous(key, names)


def _nearness(view: NodeView, log_id: int) -> tuple[bool, int]:
    """Orders nodes that are behind: those that apply before those that stand, the furthest first."""
    return view.state(log_id) is not _LIVE, -view.progress.applied.get(log_id, -1)
