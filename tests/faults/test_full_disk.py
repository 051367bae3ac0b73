"""Disks that are full: the log refuses before it appends, a node stalls alone, and both go on when there is room."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cluster import Cluster, message, wait_for
from tests.faults.writing import level, prepare, states, table

BOTH = ("m1", "m2")
MIB = 1024 * 1024


@pytest.fixture
def small_disk() -> Iterator[Callable[[Path, int], None]]:
    """Mounts a disk of so many MiB on a directory; skipped where that is not permitted."""
    mounted: list[Path] = []

    def mount(directory: Path, mib: int) -> None:
        directory.mkdir(parents=True)
        words = ["mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", str(directory)]
        done = subprocess.run(words, capture_output=True, check=False)
        if done.returncode:
            pytest.skip(f"can't mount a small disk here: {done.stderr.decode().strip()}")
        mounted.append(directory)

    yield mount
    for directory in mounted:
        subprocess.run(["umount", "-l", str(directory)], check=True)


def fill(directory: Path, leave_bytes: int, name: str = "filler") -> Path:
    """A file that leaves so much room on the directory's disk."""
    path = directory / name
    state = os.statvfs(directory)
    with path.open("wb") as file:
        file.truncate(0)
        left = state.f_bavail * state.f_frsize - leave_bytes
        while left > 0:
            left -= file.write(b"\0" * min(left, MIB))
    return path


def insert(cluster: Cluster, n: int) -> str:
    """Insert (1, n); the message."""
    return message(cluster.ask("proxy", f'/*dirk {{"db":"t"}}*/ manampia ao@ u (w, n) sanda (1, {n});'))


def test_a_full_log_disk_refuses_before_the_append(
    make_cluster: Callable[..., Cluster], small_disk: Callable[[Path, int], None]
) -> None:
    """53100 with nothing written, reads go on, and writes work again when there is room."""
    cluster = make_cluster()
    log = cluster.directory / "data" / "log"
    small_disk(log, 96)
    cluster.start()
    prepare(cluster)
    assert "(1)" in insert(cluster, 1)
    filler = fill(log, 32 * MIB)
    wait_for(lambda: insert(cluster, 2).endswith("(53100)"), 10, "53100")
    found = len([row for row in table(cluster, "m1") if row == (1, 2)])
    assert insert(cluster, 3).endswith("(53100)")
    filler.unlink()
    wait_for(lambda: "(1)" in insert(cluster, 4), 10, "writes to work again")
    level(cluster, *BOTH)
    expected = [(1, 1), *[(1, 2)] * found, (1, 4)]
    assert table(cluster, "m1") == table(cluster, "m2") == expected


def test_a_node_with_a_full_disk_stalls_alone(
    make_cluster: Callable[..., Cluster], small_disk: Callable[[Path, int], None]
) -> None:
    """The other master serves; the full one says so, keeps what it has, and catches up when there is room."""
    cluster = make_cluster()
    small_disk(cluster.data_directory("m2"), 16)
    cluster.start()
    prepare(cluster)
    assert "(1)" in insert(cluster, 0)
    level(cluster, *BOTH)
    filler = fill(cluster.data_directory("m2"), 0)
    text = "x" * 200_000
    cluster.ask("proxy", '/*dirk {"db":"t"}*/ manamboara tabilao lehibe (a LAHATSORATRA(null, null));')
    for _ in range(5):
        cluster.ask("proxy", f'/*dirk {{"db":"t"}}*/ manampia ao@ lehibe (a) sanda (\'{text}\');')
    wait_for(lambda: states(cluster, "t")["m2"] == "stalled", 10, "m2 to be stalled")
    for n in range(1, 20):
        assert "(1)" in insert(cluster, n)
    with cluster.connect("proxy") as reader:
        reader.ask("ampiasao t;")
        for _ in range(10):
            assert reader.ask_rows("alaivo count(*) ao@ u;") == [[20]]
    filler.unlink()
    level(cluster, *BOTH)
    assert table(cluster, "m1") == table(cluster, "m2")
    assert cluster.log("m2").count("event=stalled") == 1


@pytest.mark.parametrize("is_killed", [False, True])
def test_a_node_that_is_started_on_a_full_disk_goes_on_when_there_is_room(
    make_cluster: Callable[..., Cluster], small_disk: Callable[[Path, int], None], is_killed: bool
) -> None:
    """It needs no room to come up, answers from what it has, and applies what it missed as soon as it can."""
    cluster = make_cluster(settings={"limits": {"walBytes": 4 * MIB}})
    directory = cluster.data_directory("m2")
    small_disk(directory, 16)
    cluster.start()
    prepare(cluster)
    for n in range(50):
        assert "(1)" in insert(cluster, n)
    level(cluster, *BOTH)
    filler = fill(directory, 0)
    text = "x" * 100_000
    cluster.ask("proxy", '/*dirk {"db":"t"}*/ manamboara tabilao lehibe (a LAHATSORATRA(null, null));')
    for _ in range(100):
        cluster.ask("proxy", f'/*dirk {{"db":"t"}}*/ manampia ao@ lehibe (a) sanda (\'{text}\');')
    wait_for(lambda: states(cluster, "t")["m2"] == "stalled", 10, "m2 to be stalled")
    if is_killed:
        cluster.kill("m2")
    else:
        cluster.stop("m2")
    more = fill(directory, 0, "more")
    cluster.start("m2", ready=False)
    wait_for(lambda: "event=listening" in cluster.log("m2"), 20, "m2 to be up")
    wait_for(lambda: states(cluster, "t")["m2"] == "stalled", 20, "m2 to be stalled again")
    assert len(table(cluster, "m2")) == 50
    filler.unlink()
    more.unlink()
    level(cluster, *BOTH)
    assert table(cluster, "m1") == table(cluster, "m2")
