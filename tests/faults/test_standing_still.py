"""Parts that stand still (SIGSTOP) or are elsewhere: whoever waits for them gets an answer, from them or another."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from tests.checkers.sessions import sqlstate
from tests.cluster import Cluster, free_port, meta, rows, wait_for
from tests.faults.writing import level, prepare, server_rows
from tests.transactions.test_lives import ok

BOTH = ("m1", "m2")


def test_a_read_leaves_a_node_that_stands_still(make_cluster: Callable[..., Cluster]) -> None:
    """Sent before the node counts as down, it is answered by the other when it does."""
    cluster = make_cluster()
    cluster.start()
    prepare(cluster)
    level(cluster, *BOTH)
    read = '/*dirk {"db":"t"}*/ alaivo isaina(*) ao@ u;'
    node = str(meta(cluster.ask("proxy", read))["node"])
    with cluster.connect("proxy") as one, cluster.connect("cache") as other:
        cluster.pause(node)
        try:
            for session in (one, other):
                session.send(read)
            assert [rows(session.receive()) for session in (one, other)] == [[[0]], [[0]]]
        finally:
            cluster.resume(node)


def test_a_transaction_leaves_a_node_that_stands_still(make_cluster: Callable[..., Cluster]) -> None:
    """A statement and a COMMIT that wait for it are told 40001 when it counts as down; begun anew, it is elsewhere."""
    cluster = make_cluster()
    cluster.start()
    prepare(cluster)
    level(cluster, *BOTH)
    with ExitStack() as stack:
        sessions = [stack.enter_context(cluster.connect("proxy")) for _ in range(4)]
        homes = []
        for session in sessions:
            ok(session, "ampiasao t")
            homes.append(meta(session.ask("/*dirk {}*/ atombohy;"))["node"])
            ok(session, "manampia ao@ u (w, n) sanda (7, 7)")
        node = homes[0]
        there = [session for session, home in zip(sessions, homes, strict=True) if home == node]
        assert len(there) >= 2
        cluster.pause(node)
        try:
            there[0].send("alaivo isaina(*) ao@ u;")
            there[1].send("tehirizo;")
            assert [sqlstate(session.receive()) for session in there[:2]] == ["40001", "40001"]
            ok(there[0], "avereno", "atombohy", "manampia ao@ u (w, n) sanda (8, 8)", "tehirizo")
        finally:
            cluster.resume(node)
        # The other session wrote it: only a strong read must see it at once.
        assert rows(there[1].ask('/*dirk {"read":"strong"}*/ alaivo w ao@ u;')) == [[8]]


def test_a_proxy_that_stands_still_keeps_nobody_waiting(make_cluster: Callable[..., Cluster]) -> None:
    """Through node and cache: reads say that they can't be answered, writes that nobody knows."""
    cluster = make_cluster(settings={"limits": {"waitMs": 1000}})
    cluster.start()
    prepare(cluster)
    level(cluster, *BOTH)
    insert = '/*dirk {"db":"t"}*/ manampia ao@ u (w, n) sanda (1, 1)'
    strong = '/*dirk {"db":"t","read":"strong"}*/ alaivo * ao@ u'
    plain = '/*dirk {"db":"t"}*/ alaivo w ao@ u'
    asked = [("m1", insert), ("m1", strong), ("m1", "asehoy ny mpizara"), ("m1", plain)]
    asked += [("cache", insert), ("cache", strong), ("cache", plain)]
    sessions = [cluster.connect(door) for door, _ in asked]
    cluster.pause("proxy")
    try:
        for session, (_, statement) in zip(sessions, asked, strict=True):
            session.send(f"{statement};")
        told = [sqlstate(session.receive()) for session in sessions]
    finally:
        cluster.resume("proxy")
        for session in sessions:
            session.close()
    assert told[:5] == ["08007", "57P03", "", "", "08007"]
    assert set(told[5:]) == {"57P03"}
    with cluster.connect("cache") as session:
        wait_for(lambda: not sqlstate(session.ask(f"{insert};")), 20)
        ok(session, "ampiasao t", "alaivo * ao@ u")


def test_a_node_that_listens_elsewhere_is_asked_there(make_cluster: Callable[..., Cluster]) -> None:
    """The proxy was not told of the new port, and reads reach the node."""
    cluster = make_cluster()
    cluster.start()
    prepare(cluster)
    cluster.stop("m2")
    moved = json.loads(cluster.config_path.read_text())
    for instance in moved["instances"]:
        if instance["id"] == "m2":
            instance["port"] = free_port()
    written = cluster.directory / "moved.json"
    written.write_text(json.dumps(moved))
    process = cluster.processes["m2"]
    process.words = [str(written) if word == str(cluster.config_path) else word for word in process.words]
    cluster.start("m2")
    level(cluster, *BOTH)
    assert "event=backend_moved" in cluster.log("proxy", whole=True)
    cluster.stop("m1")
    answer = wait_for(lambda: _answered(cluster), 20)
    assert meta(answer)["node"] == "m2"
    assert {row[2] for row in server_rows(cluster) if row[0] == "m2"} == {"live"}


def _answered(cluster: Cluster) -> str:
    answer = cluster.ask("proxy", '/*dirk {"db":"t"}*/ alaivo * ao@ u;')
    return "" if sqlstate(answer) else answer


@pytest.mark.slow
def test_reads_find_the_level_master_while_the_other_is_seeded_again(make_cluster: Callable[..., Cluster]) -> None:
    """Session reads and writes go on over several reseeds, and none is told 57P03."""
    from tests.faults.operating import admin

    cluster = make_cluster()
    cluster.start("m1", "m2", "proxy")
    prepare(cluster)
    level(cluster, *BOTH)
    with cluster.connect("proxy") as session:
        ok(session, "ampiasao t", *(f"manampia ao@ u (w, n) sanda (1, {n})" for n in range(50)))
        for again in range(4):
            level(cluster, *BOTH)
            admin(cluster, "reseed", BOTH[again % 2], "--yes")
            until = time.monotonic() + 2
            while time.monotonic() < until:
                ok(session, f"manampia ao@ u (w, n) sanda (2, {again})", "alaivo isaina(*) ao@ u")
