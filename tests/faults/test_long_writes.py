"""A write that takes longer than `limits.waitMs`: others wait for it, are told of it, and go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.checkers.sessions import sqlstate
from tests.cluster import Cluster, Connection, wait_for
from tests.faults.writing import level, prepare, server_rows
from tests.transactions.test_lives import ok, state, used

#: Some seconds of work that ends with one row.
LONG = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 8000000) "
    "INSERT INTO u (w, n) SELECT i, i FROM n WHERE i % 8000000 = 0"
)
SETTINGS = {"limits": {"waitMs": 1000, "queueMs": 500}, "replication": {"intervalSeconds": 0.1}}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two masters whose clients do not wait long for what stands still."""
    with Cluster(tmp_path_factory.mktemp("long"), settings=SETTINGS) as found:
        prepare(found)
        level(found, "m1", "m2")
        yield found


@pytest.fixture
def busy(cluster: Cluster) -> Iterator[Connection]:
    """A session whose long write runs on both masters."""
    with used(cluster, "proxy", "t") as writer:
        writer.send(f"{LONG};")
        wait_for(lambda: working(cluster), 20, "the long write to run")
        yield writer


def working(cluster: Cluster) -> list[list[object]]:
    """What SHOW SERVERS says of masters that are at an entry of `t`: index, seconds, steps."""
    return [row[-3:] for row in server_rows(cluster) if row[3] == "t" and row[-3] is not None and row[-1]]


def test_others_wait_for_it_and_are_answered(cluster: Cluster, busy: Connection) -> None:
    """Its writer, one behind it, and one that makes a database; SHOW SERVERS names it, and how far it is."""
    index, seconds, steps = working(cluster)[0]
    assert isinstance(index, int) and index > 1
    assert isinstance(seconds, float) and seconds > 0 and isinstance(steps, int) and steps > 0
    with used(cluster, "proxy", "t") as behind, cluster.connect("cache") as other:
        behind.send("manampia ao@ u (w, n) sanda (1, 1);")
        ok(other, "manamboara tahiry hafa")
        assert not sqlstate(behind.receive())
    assert not sqlstate(busy.receive())
    wait_for(lambda: not working(cluster), 20, "both masters to be done")


def test_a_statement_of_a_transaction_does_not_wait_for_it(cluster: Cluster) -> None:
    """It is turned away when `limits.queueMs` is over, and the transaction goes on."""
    with used(cluster, "proxy", "t") as session, used(cluster, "m1", "t") as direct:
        for one in (session, direct):
            ok(one, "atombohy")
        with used(cluster, "proxy", "t") as writer:
            writer.send(f"{LONG};")
            wait_for(lambda: working(cluster), 20, "the long write to run")
            told = [state(one, "havaozy u ova n = n + 1 rehefa w = 1") for one in (session, direct)]
            assert told == ["53300", "53300"]
            assert working(cluster), "the long write runs still"
            assert not sqlstate(writer.receive())
        for one in (session, direct):
            ok(one, "avereno")


def test_a_master_that_stands_still_is_not_waited_for(make_cluster: Callable[..., Cluster]) -> None:
    """The same write, but its only masters are stopped in the middle: nobody knows."""
    alone = make_cluster(settings=SETTINGS)
    alone.start("m1", "m2", "proxy")
    prepare(alone)
    level(alone, "m1", "m2")
    with used(alone, "proxy", "t") as writer:
        writer.send(f"{LONG};")
        wait_for(lambda: working(alone), 20, "the long write to run")
        for node in ("m1", "m2"):
            alone.pause(node)
        try:
            assert sqlstate(writer.receive()) == "08007"
        finally:
            for node in ("m1", "m2"):
                alone.resume(node)
