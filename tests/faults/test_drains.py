"""A drain waits for all that a node is needed for, and for nothing else."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.cluster import Cluster, Connection, message, meta, pages, wait_for
from tests.faults.operating import admin
from tests.faults.writing import level, prepare

NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400000)"
LONG = f"{NUMBERS} SELECT i, 'xxxxxxxxxxxxxxxx' FROM n"
BOTH = ("m1", "m2")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two masters and a proxy, with the table `u` in `t`."""
    with Cluster(tmp_path_factory.mktemp("drains")) as found:
        prepare(found)
        level(found, *BOTH)
        yield found


def begun(session: Connection) -> str:
    """The node where the session, in `t`, has a transaction now that has made a change."""
    session.ask("ampiasao t;")
    node = str(meta(session.ask("/*dirk {}*/ atombohy;"))["node"])
    assert "(1)" in session.ask("manampia ao@ u (w, n) sanda (7, 7);")
    return node


def under_way(cluster: Cluster, node: str) -> str:
    """What a drain that does not wait says runs there, or that it is drained."""
    try:
        return admin(cluster, "drain", node, "--seconds", "0", status=1)
    except AssertionError as error:
        assert f"{node} is drained" in str(error)
        return ""
    finally:
        admin(cluster, "undrain", node)


def test_a_drain_waits_for_answers_that_are_relayed_still(cluster: Cluster) -> None:
    """The client takes its time; the answer comes whole."""
    with cluster.connect("proxy") as session:
        session.send(f"/*dirk {{}}*/ {LONG};")
        wait_for(lambda: session.socket.recv(1, socket.MSG_PEEK), 20, "the answer to begin")
        found = [under_way(cluster, one) for one in BOTH]
        assert sum("1 reads and 0 transactions" in one for one in found) == 1, found
        answer = session.receive()
        node = str(meta(answer)["node"])
        assert found[BOTH.index(node)]
        assert sum(len(page["rows"]) for page in pages(answer)) == 400_000
    assert f"{node} is drained" in admin(cluster, "drain", node, "--seconds", "10")
    admin(cluster, "undrain", node)


@pytest.mark.parametrize("statement", ["tehirizo", "avereno", "atombohy"])
def test_a_client_that_vanishes_leaves_nothing_to_wait_for(cluster: Cluster, statement: str) -> None:
    """It is gone while its node, which is stopped, owes it an answer to the end or the beginning of a transaction."""
    with cluster.connect("proxy") as session:
        node = begun(session)
        if statement == "atombohy":
            session.ask("avereno;")
        cluster.pause(node)
        try:
            session.send(f"{statement};")
            session.close()
            wait_for(lambda: not under_way(cluster, node), 30, f"nothing to be under way on {node}")
        finally:
            cluster.resume(node)
    wait_for(lambda: not any(under_way(cluster, one) for one in BOTH), 30, "nothing to be under way")
    level(cluster, *BOTH)


def test_transactions_of_a_process_that_ended_are_not_waited_for(cluster: Cluster) -> None:
    """Their sessions find out when they say something next: until then they are of no process."""
    with cluster.connect("proxy") as session:
        node = begun(session)
        cluster.kill(node)
        cluster.start(node)
        level(cluster, *BOTH)
        assert f"{node} is drained" in admin(cluster, "drain", node, "--seconds", "0")
        admin(cluster, "undrain", node)
        assert "(40001)" in message(session.ask("tehirizo;"))
    assert not under_way(cluster, node)
