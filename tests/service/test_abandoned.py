"""A client that goes away in the middle of a long read does not leave the read running."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster import Cluster, wait_for

ENDLESS = (
    "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 1000000000) SELECT count(*) FROM c;"
)
QUIET_SECONDS = 0.2


def busy_seconds(cluster: Cluster) -> float:
    """Processor time that both masters have used."""
    total = 0.0
    for node in cluster.nodes:
        fields = Path(f"/proc/{cluster.processes[node].pid}/stat").read_text().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / 100
    return total


@pytest.mark.parametrize("part", ["m1", "proxy", "cache"])
def test_an_abandoned_read_ends(shared_cluster: Cluster, part: str) -> None:
    """The nodes work on it while the client waits, and rest soon after it has gone. (Readers are the last to get a
    processor: where others want it, one second of it may take a minute.)
    """
    before = busy_seconds(shared_cluster)
    with shared_cluster.connect(part) as client:
        client.send(ENDLESS)
        wait_for(lambda: busy_seconds(shared_cluster) - before > 1, 100, "the read to be under way")
    last = [busy_seconds(shared_cluster)]

    def rests() -> bool:
        used = busy_seconds(shared_cluster) - last[0]
        last[0] += used
        rounds.append(used)
        return len(rounds) > 25 and sum(rounds[-25:]) < QUIET_SECONDS

    rounds: list[float] = []
    wait_for(rests, 60, "the nodes to rest")
