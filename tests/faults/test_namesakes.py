"""Real programs: an old copy of a node that is started again, and a node that is killed and started again."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable

import pytest

from tests.cluster import Cluster, Process, clean_environ, free_port, message, wait_for

DEADLINE_SECONDS = 30


@pytest.mark.slow
def test_an_old_copy_of_a_node_is_refused_and_a_killed_node_is_not(make_cluster: Callable[..., Cluster]) -> None:
    cluster = make_cluster(masters=("m1",))
    cluster.start("m1", "proxy")
    cluster.ask("proxy", "manamboara tahiry d;")
    cluster.stop("m1")
    shutil.copytree(cluster.data_directory("m1"), cluster.directory / "data" / "old")
    cluster.start("m1")
    settings = json.loads(cluster.config_path.read_text(encoding="utf-8"))
    settings["instances"][0] |= {"port": free_port(), "dataDirectory": "data/old"}
    config = cluster.directory / "old.json"
    config.write_text(json.dumps(settings), encoding="utf-8")
    words = ["server", "m1", "--config", str(config)]
    old = Process("old", words, cluster.directory / "logs" / "old.log", clean_environ(), cluster.directory)
    try:
        old.start()
        # On a machine so busy that the node misses its beats it is the copy that stays.
        pair = cluster.processes["m1"], old
        wait_for(lambda: any("event=log_refused" in one.log() for one in pair), DEADLINE_SECONDS, "a refusal")
        refused = next(one for one in pair if "event=log_refused" in one.log())
        said = next(line for line in refused.log().splitlines() if "event=log_refused" in line)
        assert "another program runs as node m1 (from 127.0.0.1, since 20" in said
        assert "event=node_refused" in cluster.log("proxy")
        # It asks again all the time, and they do not displace each other.
        followed = sum(one.log().count("event=following") for one in pair)
        time.sleep(3)
        assert sum(one.log().count("event=following") for one in pair) <= followed + 1
    finally:
        old.kill()
    for _ in range(2):
        cluster.kill("m1")
        cluster.start("m1")
        assert "Hadisoana" not in message(cluster.ask("proxy", "manamboara tahiry raha tsy misy e;"))
