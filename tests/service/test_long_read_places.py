"""A node's long reads have places together, inside transactions and outside: they are as many as it has files for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.small_cluster import SmallClient, SmallCluster

#: More pages than are looked for at once before a read counts as a long one.
LONG = "alaivo a.n antso x ao@ t antso a, t antso b, t antso c"


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[SmallCluster]:
    """One whose nodes have a place for one long read, for which nobody waits long."""
    limits = {"maxLongReads": 1, "queueMs": 200, "pageRows": 1}
    made = SmallCluster(tmp_path, wait_ms=1000, limits=limits)
    log_id = made.change("create", "x")
    made.level(0)
    values = ", ".join(f"({n})" for n in range(30))
    for text in ("manamboara tabilao t (n ISA)", f"manampia ao@ t sanda {values}"):
        made.append(log_id, text)
    made.level(log_id)
    yield made
    made.stop()


@pytest.mark.parametrize("is_inside", [False, True])
def test_a_long_read_of_either_kind_takes_the_place(cluster: SmallCluster, is_inside: bool) -> None:
    handler = cluster.nodes["m1"].service._handler
    holder, other = handler._readers, handler.transactions._readers  # type: ignore[attr-defined]
    if is_inside:
        holder, other = other, holder
    client = SmallClient(cluster, "m1")
    with holder.slots.taken():
        if not is_inside:
            assert client.ask("atombohy", db="x").sqlstate == ""
        assert client.ask(LONG, db="x").sqlstate == "53300"
    assert other.slots is holder.slots
    client.close()
