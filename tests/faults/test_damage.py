"""A database file that is overwritten while its node runs: kept aside, and taken anew from the log."""

from __future__ import annotations

import json

from tests.cluster import Cluster, wait_for
from tests.faults.writing import level, prepare, table


def test_a_file_that_is_damaged_at_run_time_is_seeded_anew(cluster: Cluster) -> None:
    """A read meets pages of nonsense: the node says so, shows it among the conflicts, and has all rows again."""
    prepare(cluster)
    with cluster.connect("proxy") as writer:
        writer.ask("ampiasao t;")
        for n in range(3):
            rows = ", ".join(f"({n}, {row})" for row in range(2000))
            assert "Hadisoana" not in writer.ask(f"manampia ao@ u (w, n) sanda {rows};")
    level(cluster, "m1", "m2")
    expected = sorted(table(cluster, "m1"))
    cluster.stop("m2")
    (path,) = cluster.data_directory("m2").glob("db-*.sqlite")
    data = bytearray(path.read_bytes())
    data[8 * 4096 :] = b"\xff" * (len(data) - 8 * 4096)
    path.write_bytes(data)
    cluster.start("m2")

    def is_healed() -> bool:
        cluster.ask("m2", '/*dirk {"db":"t"}*/ alaivo sum(n) ao@ u;')
        found = json.dumps(cluster.ask("proxy", "asehoy ny fifandirana;"))
        return "damaged file" in found and "healed" in found

    wait_for(is_healed, 40, "m2 to be healed")
    level(cluster, "m1", "m2")
    assert sorted(table(cluster, "m2")) == expected
    log = cluster.log("m2")
    assert "event=damaged" in log and "traceback" not in log
    assert list(cluster.data_directory("m2").glob("kept-*-fenced.sqlite"))
