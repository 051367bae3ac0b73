"""Which node a read goes to: pure choices over a view of the cluster."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from dirk_gevent.config.settings import Config, Instance, ReadRouting, ReadStrategy, Role
from dirk_gevent.coordinator import routing
from dirk_gevent.coordinator.cluster import Cluster
from dirk_gevent.coordinator.routing import ReadRouter

LOG = 7


def router(strategy: ReadStrategy, roles: tuple[Role, ...] = (Role.MASTER,)) -> tuple[ReadRouter, Cluster]:
    """Two live masters at index 10 and their router."""
    instances = tuple(
        Instance(name, Role.MASTER, "127.0.0.1", port, Path(name)) for name, port in (("m1", 1), ("m2", 2))
    )
    cluster = Cluster(Config(Path("c.json"), 2, instances, None))
    for name in ("m1", "m2"):
        cluster.beat(name)
        cluster.applied(name, LOG, 10, 10)
    return ReadRouter(cluster, ReadRouting(strategy, roles)), cluster


def ask(found: ReadRouter) -> str:
    """Send one read; the node it went to."""
    node = found.candidates(LOG, 10, "db.t")[0]
    found.began(node)
    return node


def test_short_reads_stay_with_a_node_for_its_turn_and_then_change() -> None:
    found, _ = router(ReadStrategy.ROUND_ROBIN)
    nodes = []
    for _ in range(4 * routing.TURN_READS):
        nodes.append(ask(found))
        found.ended(nodes[-1])
    changes = sum(one != other for one, other in pairwise(nodes))
    assert 3 <= changes <= 4
    assert abs(nodes.count("m1") - nodes.count("m2")) <= routing.TURN_READS


def test_slow_reads_spread_at_once() -> None:
    found, _ = router(ReadStrategy.ROUND_ROBIN)
    nodes = [ask(found) for _ in range(8)]
    assert nodes.count("m1") == nodes.count("m2") == 4


def test_a_node_that_is_behind_comes_last_and_one_that_is_down_not_at_all() -> None:
    found, cluster = router(ReadStrategy.LEAST_LAG)
    cluster.applied("m2", LOG, 12, 12)
    assert found.candidates(LOG, 12, "") == ["m2", "m1"]
    cluster.lost("m2")
    assert found.candidates(LOG, 12, "") == ["m1"]


def test_nobody_to_ask_is_no_failure() -> None:
    found, _ = router(ReadStrategy.ROUND_ROBIN, (Role.REPLICA,))
    assert found.candidates(LOG, 0, "") == []


def test_least_connections_and_rendezvous() -> None:
    found, _ = router(ReadStrategy.LEAST_CONNECTIONS)
    assert {ask(found), ask(found)} == {"m1", "m2"}
    same, _ = router(ReadStrategy.RENDEZVOUS)
    assert len({ask(same) for _ in range(10)}) == 1
