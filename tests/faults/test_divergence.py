"""Files edited behind DirkDB's back and directories that are copies: found out, put aside, healed, and told."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.cluster import Cluster, clean_environ, wait_for
from tests.faults.writing import level, prepare, server_rows, table

BOTH = ("m1", "m2")
PARTS = ("m1", "m2", "proxy")
WAIT_SECONDS = 30.0


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two masters and a proxy, with the five rows of `u`."""
    found = Cluster(tmp_path_factory.mktemp("divergence"))
    try:
        found.start(*PARTS)
        prepare(found)
        with found.connect("proxy") as connection:
            connection.ask("ampiasao t;")
            for n in range(5):
                assert "(1)" in connection.ask(f"manampia ao@ u (w, n) sanda (1, {n});")
        level(found, *BOTH)
        yield found
    finally:
        found.close()


def conflicts(cluster: Cluster, part: str = "proxy") -> list[dict[str, object]]:
    """The rows of `asehoy ny fifandirana`, by column."""
    names = ("when", "node", "database", "index", "cause", "state", "digest", "right", "kept", "kept_sql")
    with cluster.connect(part) as connection:
        return [dict(zip(names, row, strict=True)) for row in connection.ask_rows("asehoy ny fifandirana;")]


def digests(cluster: Cluster) -> dict[str, tuple[object, object]]:
    """Index and digest of `t`'s content by node."""
    return {str(row[0]): (row[7], row[8]) for row in server_rows(cluster) if row[3] == "t"}


def healed(cluster: Cluster, cause: str) -> dict[str, object]:
    """The newest conflict, once it is of this cause, healed, and readable as statements."""

    def found() -> dict[str, object] | None:
        rows = conflicts(cluster)
        is_over = bool(rows) and rows[0]["cause"] == cause and rows[0]["state"] == "healed" and rows[0]["kept_sql"]
        return rows[0] if is_over else None

    return wait_for(found, WAIT_SECONDS, f"a healed conflict by {cause}; now: {conflicts(cluster)}")


def test_masters_at_one_index_show_one_digest(cluster: Cluster) -> None:
    def is_equal() -> bool:
        found = set(digests(cluster).values())
        return len(found) == 1 and None not in found.pop()

    wait_for(is_equal, WAIT_SECONDS, "two equal digests")


def test_a_row_that_no_statement_touches_is_found_and_healed(cluster: Cluster) -> None:
    (path,) = cluster.data_directory("m2").glob("db-*.sqlite")
    with closing(sqlite3.connect(path, timeout=10)) as connection, connection:
        connection.create_function("dirk_refuse", 3, lambda *_: 0)
        connection.execute("UPDATE u SET n = 77 WHERE n = 3")
    found = healed(cluster, "content")
    assert (found["node"], found["database"]) == ("m2", "t")
    assert found["digest"] and found["right"] and found["digest"] != found["right"]
    assert sorted(table(cluster, "m2")) == [(1, n) for n in range(5)]
    assert Path(str(found["kept"])).is_file()
    assert conflicts(cluster, "m1") == conflicts(cluster)
    assert "event=node_fenced" in cluster.log("proxy")
    wait_for(lambda: len(set(digests(cluster).values())) == 1, WAIT_SECONDS, "equal digests again")
    _run_again(cluster, Path(str(found["kept_sql"])))


def _run_again(cluster: Cluster, script: Path) -> None:
    """What was kept as statements makes the wrong state again, in a database of its own."""
    client = [sys.executable, "-m", "dirk_gevent.cli", "client", "127.0.0.1", str(cluster.ports["proxy"])]
    done = subprocess.run(
        [*client, "-f", str(script)], env=clean_environ(), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (name,) = (line.split()[1].rstrip(";") for line in script.read_text().splitlines() if line.startswith("ampiasao"))
    with cluster.connect("proxy") as connection:
        connection.ask(f"ampiasao {name};")
        assert sorted(connection.ask_rows("alaivo n ao@ u;")) == [[0], [1], [2], [4], [77]]


def test_a_directory_copied_from_another_node_is_put_aside(cluster: Cluster) -> None:
    level(cluster, *BOTH)
    cluster.stop("m2")
    shutil.rmtree(cluster.data_directory("m2"))
    shutil.copytree(cluster.data_directory("m1"), cluster.data_directory("m2"))
    (cluster.data_directory("m2") / "dirk.lock").unlink()
    cluster.start("m2")
    found = healed(cluster, "copied node")
    assert found["node"] == "m2"
    assert "event=copied_node target=m2 owner=m1" in cluster.log("proxy")
    level(cluster, *BOTH)
    assert sorted(table(cluster, "m2")) == [(1, n) for n in range(5)]


def test_conflicts_outlive_the_proxy(cluster: Cluster) -> None:
    before = conflicts(cluster)
    assert len(before) >= 2
    cluster.stop("proxy")
    cluster.start("proxy")
    assert conflicts(cluster) == before
