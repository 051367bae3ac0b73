"""Clients that read slowly: a result is whole or ends with an error, and being slow is no reason to be cut off."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cluster import Cluster, Connection, message, rows, wait_for
from tests.hooks import hooked

STATEMENT_SECONDS = 12.0
#: A node says when it has put all that it may into a file, the client being slow.
TELLING = """
import os
from dirk_gevent.engine.read.long_reads import RelationStream
ran = RelationStream.spool
def spool(self):
    try:
        ran(self)
    finally:
        open(os.environ["SPOOLED"], "a").close()
RelationStream.spool = spool
"""
SQUARE = "alaivo a.n antso x, b.n antso y, a.w antso w ao@ u antso a, u antso b;"


@pytest.fixture
def spooled(tmp_path: Path) -> Path:
    """The file is there when a node has put a result into one, or as much of it as was allowed."""
    return tmp_path / "spooled"


def started(make_cluster: Callable[..., Cluster], spooled: Path, limits: dict[str, float]) -> Cluster:
    """Two masters and a proxy."""
    environ = hooked(spooled.parent, TELLING, SPOOLED=str(spooled))
    cluster = make_cluster(settings={"limits": limits}, environ=environ)
    cluster.start("m1", "m2", "proxy")
    return cluster


def fill(cluster: Cluster, count: int) -> None:
    """Rows whose square is a result far larger than what sockets hold."""
    with cluster.connect("proxy") as connection:
        values = ", ".join(f"('{'w' * 200}', {n})" for n in range(count))
        for text in (
            "manamboara tahiry t;",
            "ampiasao t;",
            "manamboara tabilao u (w LAHATSORATRA, n ISA);",
            f"manampia ao@ u (w, n) sanda {values};",
        ):
            assert "Hadisoana" not in connection.ask(text), text[:80]
    for node in ("m1", "m2"):
        wait_for(lambda node=node: _count(cluster, node) == count, 20)  # type: ignore[misc]


def _count(cluster: Cluster, node: str) -> int:
    with cluster.connect(node) as connection:
        answer = connection.ask('/*dirk {"db":"t"}*/ alaivo count(*) ao@ u;')
    return int(rows(answer)[0][0]) if "RELATION_JSON_END" in answer else 0


@pytest.mark.parametrize("part", [pytest.param("m1", marks=pytest.mark.slow), "proxy"])
def test_a_result_too_large_for_its_file_is_an_error_and_not_a_shorter_result(
    make_cluster: Callable[..., Cluster], spooled: Path, part: str
) -> None:
    """The limit is met while the client reads nothing: what it has read must not look like all there is."""
    cluster = started(make_cluster, spooled, {"resultBytes": 16 * 1024 * 1024})
    fill(cluster, 600)
    with Connection(cluster.ports[part], 30) as connection:
        connection.send("ampiasao t;")
        connection.receive()
        connection.send(SQUARE)
        wait_for(spooled.exists, 60, "the limit to be met")
        answer = connection.receive()
    assert "RELATION_JSON_END" not in answer
    assert message(answer).endswith("(54000)")


@pytest.mark.slow
@pytest.mark.parametrize("part", ["m1", "proxy"])
def test_a_slow_reader_gets_all_rows_though_it_takes_longer_than_a_statement_may(
    make_cluster: Callable[..., Cluster], spooled: Path, part: str
) -> None:
    """The limit is for the work; a client may read what came of it at its own pace, through the proxy too."""
    cluster = started(make_cluster, spooled, {"statementSeconds": STATEMENT_SECONDS})
    fill(cluster, 300)
    with Connection(cluster.ports[part], 30) as connection:
        connection.send("ampiasao t;")
        connection.receive()
        connection.send(SQUARE)
        wait_for(spooled.exists, 60, "the work to be done")
        time.sleep(STATEMENT_SECONDS + 1)
        assert len(rows(connection.receive())) == 300 * 300
