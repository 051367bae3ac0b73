"""Which node answers a read: one that can, whatever the others say, and at once."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from gevent import socket

from dirk_gevent.base.logger import logger
from dirk_gevent.config import loader, settings
from dirk_gevent.config.settings import Limits
from dirk_gevent.coordinator.cluster import Cluster
from dirk_gevent.coordinator.node_view import NodeState
from dirk_gevent.coordinator.routing import ReadRouter
from dirk_gevent.coordinator.server_rows import server_rows
from dirk_gevent.coordinator.write_blocks import WriteBlocks
from dirk_gevent.log.records import DatabaseInfo
from dirk_gevent.protocol import answer_bytes
from dirk_gevent.proxy.node_peer import NodePeer
from dirk_gevent.proxy.node_reads import NODE_WAIT_MS, NodeRead, NodeReads
from dirk_gevent.server.session import Request, Session
from dirk_gevent.server.upstream_pool import BackendDownError, UpstreamPool
from dirk_parser.errors import SqlError
from tests.cluster import HOST, free_port
from tests.seeds import chosen_seed

LOG_ID = 4
WAIT_MS = 2000
#: What a node may say that leaves the read to others.
REFUSALS = ("57P03", "58030", "XX000", "down")


class FakeNode:
    """Says what `script` says, and then the last of it for ever; counts how often it was asked."""

    def __init__(self, name: str, script: list[str]) -> None:
        self.name = name
        self.script = script
        self.asked = 0

    def ask(self, *_: object) -> bytes:
        """One read."""
        self.asked += 1
        said = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if said == "down":
            raise BackendDownError("gone", was_sent=True)
        if said == "57P03":
            # It waited for the index as long as it was told to.
            gevent.sleep(NODE_WAIT_MS / 1000 / 10)
        meta: dict[str, Any] = {"node": self.name, "log": LOG_ID, "index": 7}
        if said != "ok":
            meta["sqlstate"] = said
        return answer_bytes.message(f"{said} of {self.name}", answer_bytes.json_bytes(meta))


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    """Three masters, all live and level."""
    fields = {
        "configVersion": 2,
        "loadBalancer": {"listenPort": 1},
        "instances": [{"id": f"m{n}", "role": "MASTER", "port": n + 1} for n in (1, 2, 3)],
    }
    path = tmp_path / "config.json"
    path.write_bytes(answer_bytes.json_bytes(fields))
    found = Cluster(loader.load(path))
    for name in found.nodes:
        found.beat(name)
        found.applied(name, LOG_ID, 7, 7)
    return found


def reads(cluster: Cluster, nodes: list[FakeNode], wait_ms: int = 10**9) -> Callable[[], str]:
    """A read through the nodes: the text of its answer."""
    sessions = SimpleNamespace(resolve=lambda *_: None, pass_on=lambda *_: None)
    parts: Any = SimpleNamespace(state=SimpleNamespace(cluster=cluster), sessions=sessions)
    backends: Any = {node.name: node for node in nodes}
    router = ReadRouter(cluster, settings.ReadRouting())
    found = NodeReads(parts, backends, router, Limits(wait_ms=wait_ms))
    wire: Any = None

    def ask() -> str:
        request = Request(b"alaivo 1;", "alaivo 1", has_meta=True)
        answer = found.answer(NodeRead(Session("en"), request, LOG_ID, 7, b"", "t.u"), wire)
        assert isinstance(answer, bytes)
        assert not any(router.running.values())
        return answer.decode().split("\n")[1]

    return ask


@pytest.mark.parametrize("refusal", REFUSALS)
def test_another_node_is_asked_at_once(cluster: Cluster, refusal: str) -> None:
    nodes = [FakeNode("m1", [refusal]), FakeNode("m2", [refusal]), FakeNode("m3", ["ok"])]
    assert reads(cluster, nodes)() == "ok of m3"
    assert [node.asked for node in nodes] == [1, 1, 1]


@pytest.mark.parametrize("fault", ["58030", "XX000"])
def test_what_every_node_says_is_the_answer(cluster: Cluster, fault: str) -> None:
    nodes = [FakeNode(name, [fault]) for name in cluster.nodes]
    assert reads(cluster, nodes)().startswith(fault)
    assert [node.asked for node in nodes] == [1, 1, 1]


def test_when_no_node_has_the_index_all_wait_one_time_together(cluster: Cluster) -> None:
    nodes = [FakeNode(name, ["57P03"]) for name in cluster.nodes]
    with pytest.raises(SqlError) as told:
        reads(cluster, nodes, WAIT_MS)()
    assert told.value.sqlstate == "57P03"
    assert min(node.asked for node in nodes) > 1


def test_whatever_the_nodes_say_one_that_can_answer_does(cluster: Cluster) -> None:
    """Random words; at least one node answers in the end, within the time."""
    source = random.Random(chosen_seed())
    for _ in range(60):
        nodes = [FakeNode(name, [source.choice(REFUSALS)]) for name in cluster.nodes]
        able = source.choice(nodes)
        able.script = [source.choice(("57P03", "down")) for _ in range(source.randrange(3))] + ["ok"]
        assert reads(cluster, nodes)() == f"ok of {able.name}"


def test_a_node_that_stands_still_or_lags_comes_after_one_that_does_not(cluster: Cluster) -> None:
    router = ReadRouter(cluster, settings.ReadRouting())
    cluster.nodes["m1"].databases.report({str(LOG_ID): NodeState.STALLED})
    assert router.candidates(LOG_ID, 7, "") == ["m2", "m3", "m1"]
    cluster.applied("m3", LOG_ID, 9, 9)
    assert router.candidates(LOG_ID, 9, "") == ["m3", "m2", "m1"]
    assert router.candidates(LOG_ID, 10, "") == ["m3", "m2", "m1"]


def shown_states(cluster: Cluster) -> list[str]:
    """The state of the database on each node, as SHOW SERVERS has it."""
    reads = SimpleNamespace(
        databases=lambda: [DatabaseInfo("t", LOG_ID, 0)], heads=lambda: {LOG_ID: SimpleNamespace(index=7)}
    )
    state: Any = SimpleNamespace(cluster=cluster, log=SimpleNamespace(reads=reads), blocks=WriteBlocks())
    return [row.state for row in server_rows(state) if row.database == "t"]


def test_a_node_that_cannot_be_connected_to_is_shown_and_avoided(cluster: Cluster) -> None:
    """It is live for the log's host all the same: its subscription stands."""
    backend = UpstreamPool(HOST, free_port(), logger("test"), NodePeer(cluster, "m1"))
    with pytest.raises(BackendDownError):
        backend.ask(b"one;", 1.0)
    assert ReadRouter(cluster, settings.ReadRouting()).candidates(LOG_ID, 7, "") == ["m2", "m3", "m1"]
    assert shown_states(cluster) == ["unreachable", "live", "live"]
    with closing(socket.socket()) as listening:
        listening.bind((HOST, 0))
        listening.listen()

        def answer() -> None:
            with closing(listening.accept()[0]) as accepted:
                accepted.sendall(answer_bytes.message("OK"))

        # The node says where it listens.
        backend.move(listening.getsockname()[1])
        server = gevent.spawn(answer)
        assert backend.ask(b"one;", 5.0) == answer_bytes.message("OK")
        server.get(timeout=5)
        assert shown_states(cluster)[0] == "live"
        backend.close()
