"""Memory and file descriptors stay level, however long a cluster works: ten minutes of everything, or as told."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from tests.cluster import Cluster
from tests.faults.soaking import Sample, fill_caches, keep_busy
from tests.faults.writing import level
from tests.seeds import chosen_seed

SECONDS = float(os.environ.get("DIRK_SOAK_SECONDS", "600"))
#: What the medians of two halves may differ by: allocators round up, and databases that were just used stay open.
MOST_BYTES = 20 * 1024 * 1024
MOST_DESCRIPTORS = 40
#: Snapshots, and with them a shorter log, come many times in a run; so do comparisons of all nodes. What the log keeps
#: in memory is full at once.
SETTINGS = {
    "log": {"snapshotEntries": 2000, "retainBytes": 16 * 1024 * 1024, "tailBytes": 1024 * 1024},
    "replication": {"compareSeconds": 5.0},
    "limits": {"transactionIdleSeconds": 5.0},
}


@pytest.mark.slow
@pytest.mark.timeout(2 * SECONDS + 600)
def test_nothing_grows(make_cluster: Callable[..., Cluster]) -> None:
    """Reads, writes, transactions, definitions, databases that come and go, clients that come and go."""
    seed = chosen_seed()
    cluster = make_cluster(settings=SETTINGS)
    cluster.start()
    fill_caches(cluster)
    grown = _grown(cluster, seed)
    if grown:
        # The cache holds now large answers, now small ones. What leaks goes on with it.
        grown = {name: one for name, one in _grown(cluster, seed + 1).items() if name in grown}
    assert grown == {}


def _grown(cluster: Cluster, seed: int) -> dict[str, Sample]:
    """Keep the cluster busy: what has grown meanwhile, and by how much."""
    curves, clients = keep_busy(cluster, SECONDS, seed)
    print(f"done {clients.done}")
    print(f"MiB/descriptors over {SECONDS:g} s\n{curves.show()}")
    assert not clients.failures, clients.failures
    assert len(clients.done) == 7
    level(cluster, "m1", "m2")
    growth = {name: curves.growth(name) for name in curves.taken}
    print(growth)
    return {
        name: one
        for name, one in growth.items()
        if one.memory_bytes > MOST_BYTES or one.descriptors > MOST_DESCRIPTORS
    }
