"""A node as the proxy's connections to it see it."""

from __future__ import annotations

from dirk_gevent.coordinator.cluster import Cluster
from dirk_gevent.server.peers import Peer


class NodePeer(Peer):
    """A node, as the proxy knows it from its subscription."""

    def __init__(self, cluster: Cluster, node: str) -> None:
        self._cluster = cluster
        self._node = node

    def may_move(self) -> bool:
        """It missed its heartbeats, and another node did not."""
        return self._cluster.is_replaceable(self._node)

    def reached(self, is_up: bool) -> None:
        """Reads avoid a node that can't be connected to, though it follows the log."""
        self._cluster.nodes[self._node].is_reachable = is_up
