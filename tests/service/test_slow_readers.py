"""Clients that read slowly: a result is whole or ends with an error, and being slow is no reason to be cut off."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.cluster import Cluster, Connection, message, rows, wait_for

#: Longer than a stalled client is given before its result is put into a file.
STALL_SECONDS = 2.0
SQUARE = "alaivo a.n antso x, b.n antso y, a.w antso w ao@ u antso a, u antso b;"


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
        wait_for(lambda node=node: _count(cluster, node) == count, 10)  # type: ignore[misc]


def _count(cluster: Cluster, node: str) -> int:
    with cluster.connect(node) as connection:
        answer = connection.ask('/*dirk {"db":"t"}*/ alaivo count(*) ao@ u;')
    return int(rows(answer)[0][0]) if "RELATION_JSON_END" in answer else 0


@pytest.mark.parametrize("part", [pytest.param("m1", marks=pytest.mark.slow), "proxy"])
def test_a_result_too_large_for_its_file_is_an_error_and_not_a_shorter_result(
    make_cluster: Callable[..., Cluster], part: str
) -> None:
    """The limit is met while the client reads nothing: what it has read must not look like all there is."""
    cluster = make_cluster(settings={"limits": {"resultBytes": 16 * 1024 * 1024}})
    cluster.start("m1", "m2", "proxy")
    fill(cluster, 600)
    with Connection(cluster.ports[part], 30) as connection:
        connection.send("ampiasao t;")
        connection.receive()
        connection.send(SQUARE)
        time.sleep(STALL_SECONDS + 2)
        answer = connection.receive()
    assert "RELATION_JSON_END" not in answer
    assert message(answer).endswith("(54000)")


@pytest.mark.slow
@pytest.mark.parametrize("part", ["m1", "proxy"])
def test_a_slow_reader_gets_all_rows_though_it_takes_longer_than_a_statement_may(
    make_cluster: Callable[..., Cluster], part: str
) -> None:
    """The limit is for the work; a client may read what came of it at its own pace, through the proxy too."""
    cluster = make_cluster(settings={"limits": {"statementSeconds": 3.0}})
    cluster.start("m1", "m2", "proxy")
    fill(cluster, 300)
    with Connection(cluster.ports[part], 30) as connection:
        connection.send("ampiasao t;")
        connection.receive()
        connection.send(SQUARE)
        time.sleep(10)
        assert len(rows(connection.receive())) == 300 * 300
