"""Clients at a node that has lost its files, while it can't reach the log and while it takes them anew."""

from __future__ import annotations

import shutil
from collections.abc import Callable

from tests.cluster import Cluster, is_listening, message, wait_for
from tests.faults.writing import level, prepare

IN_T = '/*dirk {"db":"t"}*/'
READ = "alaivo count(*) ao@ u;"


def test_an_empty_node_knows_that_it_knows_nothing(make_cluster: Callable[..., Cluster]) -> None:
    """USE, BEGIN and reads are 57P03 until it has what the log holds; what was dropped is 3D000 then, at once."""
    cluster = make_cluster(settings={"limits": {"waitMs": 600_000}})
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
    # An answer that waited for the database to come would be 57P03, and long after the end of this test's patience.
    answer = cluster.ask("m2", f'/*dirk {{"db":"t","min":{{"1":1}}}}*/ {READ}')
    assert message(answer).endswith("(3D000)")
