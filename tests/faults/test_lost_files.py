"""Clients at a node that has lost its files, while it can't reach the log and while it takes them anew."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable

from tests.cluster import Cluster, is_listening, message, wait_for
from tests.faults.writing import level, prepare

IN_T = '/*dirk {"db":"t"}*/'
READ = "alaivo count(*) ao@ u;"
#: Long enough to tell that a request did not wait for it.
WAIT_SECONDS = 15


def test_an_empty_node_knows_that_it_knows_nothing(make_cluster: Callable[..., Cluster]) -> None:
    """USE, BEGIN and reads are 57P03 until it has what the log holds; what was dropped is 3D000 then, at once."""
    cluster = make_cluster(settings={"limits": {"waitMs": WAIT_SECONDS * 1000}})
    cluster.start("m1", "m2", "proxy")
    prepare(cluster)
    level(cluster, "m1", "m2")
    cluster.stop("m2", "proxy")
    shutil.rmtree(cluster.data_directory("m2"))
    cluster.start("m2", ready=False)
    wait_for(lambda: is_listening(cluster.ports["m2"]), 20, "m2 to listen")
    for text in ("ampiasao t;", f"{IN_T} {READ}", f"{IN_T} BEGIN;"):
        assert message(cluster.ask("m2", text)).endswith("(57P03)"), text
    cluster.start("proxy")
    wait_for(lambda: "RELATION" in cluster.ask("m2", f"{IN_T} {READ}"), 20, "m2 to have its data again")
    assert "Hadisoana" not in cluster.ask("proxy", "ravao ny tahiry t;")
    wait_for(lambda: message(cluster.ask("m2", f"{IN_T} {READ}")).endswith("(3D000)"), 20, "m2 to know of the DROP")
    began = time.monotonic()
    answer = cluster.ask("m2", f'/*dirk {{"db":"t","min":{{"1":1}}}}*/ {READ}', 2 * WAIT_SECONDS)
    assert message(answer).endswith("(3D000)")
    assert time.monotonic() - began < WAIT_SECONDS
