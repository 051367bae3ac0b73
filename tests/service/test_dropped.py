"""Sessions whose database is dropped, or dropped and made again under its name, by somebody else."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from tests.cluster import Cluster, message, meta, wait_for

READ = "alaivo count(*) ao@ t;"


def make(cluster: Cluster, name: str, rows: int) -> None:
    """A database with a table of so many rows."""
    with cluster.connect("proxy") as connection:
        for text in (
            f"manamboara tahiry {name};",
            f"ampiasao {name};",
            "manamboara tabilao t (n ISA);",
            *["manampia ao@ t (n) sanda (1);"] * rows,
        ):
            assert "Hadisoana" not in connection.ask(text), text


@pytest.fixture(scope="module")
def patient_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Whoever waits there for a state waits longer than any client does for its answer."""
    settings = {"limits": {"waitMs": 300_000}}
    with Cluster(tmp_path_factory.mktemp("cluster"), settings=settings) as found:
        yield found


@pytest.mark.parametrize("part", ["proxy", "cache", "m1"])
def test_a_session_goes_on_in_the_new_database_of_the_name(patient_cluster: Cluster, part: str) -> None:
    """Reads and writes agree on which one it is, and neither waits for the one that is gone."""
    shared_cluster, name = patient_cluster, f"anew_{part}"
    make(shared_cluster, name, 3)
    with shared_cluster.connect(part) as session:
        wait_for(lambda: "miasa" in session.ask(f"ampiasao {name};"), 5)
        # Another session wrote them: a node may still be applying.
        wait_for(lambda: session.ask_rows(READ) == [[3]], 20)
        assert "Hadisoana" not in shared_cluster.ask("proxy", f"ravao ny tahiry {name};")
        # Another session dropped it: a node, or the cache within its time, may still answer from it.
        wait_for(lambda: message(session.ask(READ)).endswith("(3D000)"), 20)
        assert message(session.ask(READ)).endswith("(3D000)")
        assert message(session.ask("manampia ao@ t (n) sanda (1);")).endswith("(3D000)")
        make(shared_cluster, name, 1)
        assert "(1)" in session.ask("manampia ao@ t (n) sanda (1);")
        assert session.ask_rows(READ) == [[2]]


def test_use_on_a_node_waits_for_the_index_that_the_request_names(shared_cluster: Cluster) -> None:
    """A driver that reconnects to a node right after CREATE DATABASE brings the index it saw."""
    for number in range(10):
        made = shared_cluster.ask("proxy", f"/*dirk {{}}*/ manamboara tahiry fresh{number};")
        fields = json.dumps({"min": {"0": meta(made)["index"]}})
        for node in ("m1", "m2"):
            assert "miasa" in shared_cluster.ask(node, f"/*dirk {fields}*/ ampiasao fresh{number};")


@pytest.mark.parametrize("part", ["m1", "proxy"])
def test_an_index_that_is_not_there_yet_is_named_with_the_one_that_is(
    make_cluster: Callable[..., Cluster], part: str
) -> None:
    """A read that no node is far enough for ends with both numbers, after the time that reads wait."""
    cluster = make_cluster(settings={"limits": {"waitMs": 2000}})
    cluster.start("m1", "m2", "proxy")
    make(cluster, "t", 1)
    answer = cluster.ask(part, f'/*dirk {{"db":"t","min":{{"1":77}}}}*/ {READ}')
    assert message(answer).endswith("(57P03)")
    assert " 77 " in message(answer) and " 2 " in message(answer)
