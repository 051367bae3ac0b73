"""COMMIT said again after its database was dropped and another has the name: it is about the one that was meant."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest

from tests.service.fake_node import until
from tests.service.small_cluster import PARTS, SmallClient, SmallCluster


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[SmallCluster]:
    """One whose database `x` holds an empty table, level everywhere."""
    made = SmallCluster(tmp_path, wait_ms=5000)
    log_id = made.change("create", "x")
    made.level(0)
    made.append(log_id, "manamboara tabilao t (n ISA)")
    made.level(log_id)
    yield made
    made.stop()


def new_id() -> str:
    """A request id."""
    return f"{time.time_ns() // 1_000_000}-{secrets.token_hex(12)}"


def remade(cluster: SmallCluster) -> tuple[int, int]:
    """x is dropped and made again, everywhere; the logs of both."""
    former = cluster.log_of("x")
    assert former is not None
    cluster.change("drop", "x")
    log_id = cluster.change("create", "x")
    cluster.level(0)
    return former, log_id


@pytest.mark.parametrize("part", PARTS)
def test_begin_tells_the_log_that_commit_said_again_is_about(cluster: SmallCluster, part: str) -> None:
    """Of a database that is gone: 3D000, and nothing is asked of the one that has its name now."""
    client, request_id = SmallClient(cluster, part), new_id()
    begun = client.ask("atombohy", db="x")
    former, log_id = remade(cluster)
    client.close()
    assert begun.meta["log"] == former
    again = SmallClient(cluster, part)
    for fields in ({"db": "x"}, {}):
        assert again.ask("tehirizo", id=request_id, log=begun.meta["log"], **fields).sqlstate == "3D000"
    assert cluster.head(log_id) == 0, "the id was burnt in another database"
    again.close()


@pytest.mark.parametrize("part", PARTS)
def test_a_log_that_is_there_is_asked_about_whatever_is_chosen(cluster: SmallCluster, part: str) -> None:
    """And who says no log is answered by the name, as ever."""
    log_id = cluster.log_of("x")
    assert log_id is not None
    for fields in ({"log": log_id}, {"db": "x"}):
        client, before = SmallClient(cluster, part), cluster.head(log_id)
        asking = gevent.spawn(client.ask, "tehirizo", id=new_id(), **fields)
        until(lambda before=before: cluster.head(log_id) > before)  # type: ignore[misc]
        cluster.level(log_id)
        assert asking.get(timeout=5).sqlstate == "25P01", fields
        client.close()


@pytest.mark.parametrize("part", PARTS)
def test_a_log_that_this_one_does_not_know_leaves_it_open(cluster: SmallCluster, part: str) -> None:
    client = SmallClient(cluster, part)
    assert client.ask("tehirizo", id=new_id(), log=999, db="x").sqlstate == "08007"
    assert client.ask("tehirizo", id=new_id(), log="x", db="x").sqlstate == "22023"
    client.close()
