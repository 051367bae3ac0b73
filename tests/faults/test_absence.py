"""A master that was away: for long, with an empty disk, behind a log that has forgotten, paused or never there."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Callable

import pytest

from tests.cluster import Cluster, wait_for
from tests.faults.writing import Writers, level, prepare, request_id, server_rows, table

BOTH = ("m1", "m2")
#: Snapshots come often, and the log keeps little behind them.
SHORT_LOG = {"log": {"snapshotEntries": 200, "retainBytes": 1_048_576}}


def insert_many(cluster: Cluster, count: int, connections: int = 40) -> None:
    """`count` single-row inserts, each a write of its own, on connections that share their fsyncs."""
    share = count // connections
    clients = [cluster.connect("proxy", 60) for _ in range(connections)]
    for number, client in enumerate(clients):
        client.send("ampiasao t;" + "".join(f"manampia ao@ u (w, n) sanda ({number}, {n});" for n in range(share)))
    for client in clients:
        with client:
            assert "miasa" in client.receive()
            for _ in range(share):
                assert "Tafinditra" in client.receive()


def expected(count: int, connections: int = 40) -> set[tuple[int, int]]:
    """What `insert_many` leaves."""
    return set(itertools.product(range(connections), range(count // connections)))


def test_a_master_away_for_ten_thousand_writes_catches_up(cluster: Cluster) -> None:
    """It comes back behind by 10,000 entries, and is ready when it has them all."""
    prepare(cluster)
    cluster.kill("m2")
    insert_many(cluster, 10_000)
    cluster.start("m2")
    level(cluster, *BOTH)
    for node in BOTH:
        rows = table(cluster, node)
        assert len(rows) == 10_000 and set(rows) == expected(10_000)


@pytest.mark.parametrize(
    "settings", [pytest.param({}, marks=pytest.mark.slow, id="whole_log"), pytest.param(SHORT_LOG, id="short_log")]
)
def test_a_master_with_an_empty_disk(make_cluster: Callable[..., Cluster], settings: dict[str, object]) -> None:
    """All its files are gone while it is stopped: it needs nothing but the log, with or without a snapshot."""
    cluster = make_cluster(settings=settings)
    cluster.start()
    prepare(cluster)
    insert_many(cluster, 800)
    if settings:
        wait_for(lambda: "snapshot_confirmed" in cluster.log("proxy"), 20, "a confirmed snapshot")
        insert_many(cluster, 80)
    cluster.stop("m2")
    shutil.rmtree(cluster.data_directory("m2"))
    with Writers(cluster, count=2) as writers:
        cluster.start("m2")
        writers.await_more(10)
    level(cluster, *BOTH)
    assert table(cluster, "m2") == table(cluster, "m1")
    assert expected(800) <= set(table(cluster, "m2"))


@pytest.mark.slow
def test_an_empty_disk_behind_a_truncated_log(make_cluster: Callable[..., Cluster]) -> None:
    """The first entries are gone from the log: the node starts from the snapshot, tables and views included."""
    cluster = make_cluster(settings=SHORT_LOG)
    cluster.start()
    prepare(cluster)
    with cluster.connect("proxy") as connection:
        connection.ask("ampiasao t;")
        connection.ask("manamboara jery v @ alaivo w, count(*) antso c ao@ u vondrona w;")
        connection.ask("manamboara efitra e (ISA(0, 5));")
    forget(cluster)
    cluster.stop("m2")
    shutil.rmtree(cluster.data_directory("m2"))
    insert_many(cluster, 80)
    cluster.start("m2")
    level(cluster, *BOTH)
    assert "event=seeded" in cluster.log("m2")
    with cluster.connect("m1") as one, cluster.connect("m2") as two:
        for connection in (one, two):
            connection.ask("ampiasao t;")
        for question in ("alaivo * ao@ v alaharo w;", "asehoy ny efitra;", "asehoy ny jery;", "alaivo * ao@ u;"):
            assert one.ask(question) == two.ask(question)


def forget(cluster: Cluster) -> None:
    """Write until the log has dropped its first entries (they go when every node's file has them for good)."""

    def has_forgotten() -> bool:
        insert_many(cluster, 400)
        return _oldest(cluster) > 1

    wait_for(has_forgotten, 40, "the log to forget its first entries")


def _oldest(cluster: Cluster) -> int:
    lines = [line for line in cluster.log("proxy").splitlines() if "event=log_truncated" in line]
    return int(lines[-1].split("oldest=")[1].split()[0]) if lines else 0


def test_a_master_that_was_away_when_the_log_forgot_what_it_needs(make_cluster: Callable[..., Cluster]) -> None:
    """Past `retainBytes` the log does not wait for the one that is away: it is seeded when it is back."""
    cluster = make_cluster(settings=SHORT_LOG)
    cluster.start()
    prepare(cluster)
    insert_many(cluster, 80)
    cluster.kill("m2")
    long_text = "x" * 100_000
    with cluster.connect("proxy") as connection:
        connection.ask("ampiasao t;")
        for _ in range(20):
            assert "(0)" in connection.ask(f"havaozy u ova n = 0 rehefa n = '{long_text}';")
    insert_many(cluster, 240)
    wait_for(lambda: _oldest(cluster) > 200, 40, "the log to forget")
    cluster.start("m2")
    level(cluster, *BOTH)
    assert "event=seeded" in cluster.log("m2")
    assert table(cluster, "m2") == table(cluster, "m1")


ORDERS = [
    ("cache", "m2", "proxy", "m1"),
    ("m1", "m2", "proxy", "cache"),
    ("cache", "proxy", "m1", "m2"),
    ("proxy", "cache", "m2", "m1"),
]


@pytest.mark.parametrize("order", [ORDERS[0], *(pytest.param(one, marks=pytest.mark.slow) for one in ORDERS[1:])])
def test_processes_start_in_any_order(make_cluster: Callable[..., Cluster], order: tuple[str, ...]) -> None:
    """Each waits for what it needs and says so; when the last is there the whole works."""
    cluster = make_cluster()
    for name, following in itertools.zip_longest(order, order[1:]):
        cluster.start(name, ready=False)
        if following is not None:
            wait_for(lambda name=name: cluster.log(name).strip(), 20, f"{name} to say something")  # type: ignore[misc]
    for name in order:
        cluster.processes[name].wait_ready()
    prepare(cluster, part="cache")
    with cluster.connect("cache") as connection:
        connection.ask("ampiasao t;")
        assert "(1)" in connection.ask("manampia ao@ u (w, n) sanda (1, 1);")
        assert connection.ask_rows("alaivo * ao@ u;") == [[1, 1]]
    level(cluster, *BOTH)


def test_a_node_alone_says_what_it_waits_for(make_cluster: Callable[..., Cluster]) -> None:
    """A newcomer who starts one process learns from its log what is missing."""
    cluster = make_cluster()
    cluster.start("m1", ready=False)
    wait_for(lambda: str(cluster.ports["proxy"]) in cluster.log("m1"), 20, "the proxy's address in the log of m1")
    assert cluster.processes["m1"].is_running()


def test_a_replica_has_everything_and_no_vote(make_cluster: Callable[..., Cluster]) -> None:
    """It applies and answers reads; with all masters down writes are refused though it lives."""
    cluster = make_cluster(masters=("m1",), replicas=("r1",))
    cluster.start()
    prepare(cluster)
    insert_many(cluster, 80)
    level(cluster, "m1", "r1")
    assert table(cluster, "r1") == table(cluster, "m1")
    cluster.kill("m1")
    wait_for(lambda: any(row[0] == "m1" and row[2] == "down" for row in server_rows(cluster)), 10)
    with cluster.connect("proxy") as connection:
        connection.ask("ampiasao t;")
        assert connection.ask("manampia ao@ u (w, n) sanda (1, 1);").endswith("(57P03)\nEND\n")
        assert connection.ask_rows("alaivo count(*) ao@ u;") == [[80]]


def test_one_request_id_is_one_write(cluster: Cluster) -> None:
    """The same id again gives the same answer, on every part, and another statement under it is refused."""
    prepare(cluster)
    fields = json.dumps({"id": request_id(), "db": "t"})
    answers = {
        cluster.ask(part, f"/*dirk {fields}*/ manampia ao@ u (w, n) sanda (1, 1);").split("META")[0]
        for part in ("proxy", "m1", "m2", "cache", "proxy")
    }
    assert answers == {"RESULT_MESSAGE\nTafinditra ny fiovana ny tabilao (1)\n"}
    refused = cluster.ask("proxy", f"/*dirk {fields}*/ manampia ao@ u (w, n) sanda (1, 2);")
    assert "(22023)" in refused
    level(cluster, *BOTH)
    assert table(cluster, "m1") == table(cluster, "m2") == [(1, 1)]
