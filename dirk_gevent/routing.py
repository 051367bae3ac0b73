"""Which node a read goes to, and whose outcome a write prefers to wait for. Pure choices over the cluster's view."""

from __future__ import annotations

from hashlib import blake2b

from dirk_gevent.cluster import Cluster, NodeState
from dirk_gevent.config import Partition, Reads, ReadStrategy, WriteMode, Writes

_READABLE = (NodeState.LIVE, NodeState.STALLED)


def rendezvous(key: str, nodes: list[str]) -> list[str]:
    """`nodes` by highest random weight for `key` (Thaler & Ravishankar 1998): a lost node moves only its own share."""
    return sorted(nodes, key=lambda node: blake2b(f"{key}\0{node}".encode(), digest_size=8).digest(), reverse=True)


def preferred_master(cluster: Cluster, writes: Writes, log_id: int, partition: str, index: int) -> str | None:
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

    def __init__(self, cluster: Cluster, reads: Reads) -> None:
        self._cluster = cluster
        self._strategy = reads.strategy
        self._nodes = [name for name, view in cluster.nodes.items() if view.instance.role in reads.include_roles]
        self._turn = 0
        #: Reads under way, by node: what LEAST_CONNECTIONS goes by.
        self.running = dict.fromkeys(self._nodes, 0)

    def candidates(self, log_id: int, minimum: int, key: str) -> list[str]:
        """Nodes to try, best first: live ones that are fresh enough, then live ones that will have to catch up.

        `minimum` is the log index the read needs; `key` is what RENDEZVOUS hashes. Empty when no node is live.
        """
        nodes = self._cluster.nodes
        fresh: list[str] = []
        behind: list[str] = []
        for name in self._ordered(log_id, key):
            view = nodes[name]
            # Most states are none at all: a node is live unless it says otherwise.
            if view.is_connected and (not view.states or view.state(log_id) in _READABLE):
                (fresh if view.applied.get(log_id, 0) >= minimum else behind).append(name)
        return fresh + behind if behind else fresh

    def _ordered(self, log_id: int, key: str) -> list[str]:
        names = self._nodes
        if self._strategy is ReadStrategy.ROUND_ROBIN:
            self._turn = turn = (self._turn + 1) % (len(names) or 1)
            return names[turn:] + names[:turn]
        if self._strategy is ReadStrategy.LEAST_CONNECTIONS:
            return sorted(names, key=self.running.__getitem__)
        if self._strategy is ReadStrategy.LEAST_LAG:
            return sorted(names, key=lambda name: -self._cluster.nodes[name].applied.get(log_id, 0))
        return rendezvous(key, names)
