"""A data directory, or the log's, that goes away under a running process and comes back: nothing acknowledged is lost.

The directory is renamed, as the disk under it would vanish for whoever opens a file by its name.
"""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.checkers.sessions import sqlstate
from tests.cluster import Cluster, wait_for
from tests.faults.operating import admin
from tests.faults.writing import Writers, level, prepare, states
from tests.seeds import chosen_seed

BOTH = ("m1", "m2")
SETTINGS = {"limits": {"waitMs": 3000}, "replication": {"intervalSeconds": 0.1}, "log": {"snapshotEntries": 200}}
READ = '/*dirk {"db":"t"}*/ alaivo count(*) ao@ u;'
#: What a read may be told while a directory is away.
REFUSED = ("57P03", "58030", "53300")


@pytest.fixture
def cluster(make_cluster: Callable[..., Cluster]) -> Cluster:
    """Two masters, a proxy and a cache with `t`, of which snapshots are made often."""
    found = make_cluster(settings=SETTINGS)
    found.start()
    prepare(found)
    level(found, *BOTH)
    return found


@contextmanager
def away(directory: Path) -> Iterator[None]:
    """The directory has another name while the body runs; what was made in its place then is gone with it."""
    elsewhere = directory.with_name(f"{directory.name}-away")
    directory.rename(elsewhere)
    try:
        yield
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        elsewhere.rename(directory)


def read_for(cluster: Cluster, parts: tuple[str, ...], seconds: float) -> None:
    """Read through these parts: each read gives rows or is refused with what says that it may be tried again."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for part in parts:
            answer = cluster.ask(part, READ)
            assert "RELATION_JSON_END" in answer or sqlstate(answer) in REFUSED, answer
            time.sleep(0.02)


@pytest.mark.slow
def test_a_nodes_directory_goes_away_and_comes_back(cluster: Cluster) -> None:
    """Again and again, for a moment or longer, of one master: writes go on. Then of both at once."""
    chance = random.Random(chosen_seed())
    with Writers(cluster, 4) as writers:
        for _ in range(3):
            node = chance.choice(BOTH)
            with away(cluster.data_directory(node)):
                read_for(cluster, ("proxy", "cache"), chance.choice((0.1, 1.0, 6.0)))
                writers.await_more(20)
            level(cluster, *BOTH)
        with away(cluster.data_directory("m1")), away(cluster.data_directory("m2")):
            read_for(cluster, ("proxy", *BOTH), 3.0)
        writers.await_more(20, 60.0)
    writers.check(*BOTH)
    assert set(states(cluster, "t").values()) == {"live"}
    assert "All" in admin(cluster, "verify")


@pytest.mark.slow
def test_a_node_that_is_killed_while_its_directory_is_away(cluster: Cluster) -> None:
    """The next process finds nothing, and is given what the log holds; the directory that comes back is its own."""
    with Writers(cluster, 4) as writers:
        writers.await_more(50)
        with away(cluster.data_directory("m2")):
            cluster.kill("m2")
            writers.await_more(50)
            cluster.start("m2")
            level(cluster, *BOTH)
            cluster.kill("m2")
        cluster.start("m2")
        writers.await_more(20)
    writers.check(*BOTH)
    assert "All" in admin(cluster, "verify")


@pytest.mark.slow
def test_the_logs_directory_goes_away_and_comes_back(cluster: Cluster) -> None:
    """Writes are acknowledged or refused meanwhile, reads are answered. A proxy that begins without its log takes no
    write: the nodes know of another log. With the directory back everything goes on, and nothing is lost."""
    log, chance = cluster.directory / "data" / "log", random.Random(chosen_seed())
    with Writers(cluster, 4) as writers:
        writers.await_more(50)
        with away(log):
            read_for(cluster, ("proxy", *BOTH), chance.choice((0.5, 2.0, 5.0)))
        writers.await_more(50, 60.0)
        with away(log):
            read_for(cluster, ("proxy",), 0.5)
            cluster.kill("proxy")
            cluster.start("proxy", ready=False)
            wait_for(lambda: _refuses(cluster), 30, "writes to be refused")
            read_for(cluster, BOTH, 1.0)
            cluster.kill("proxy")
        cluster.start("proxy")
        writers.await_more(50, 60.0)
    writers.check(*BOTH)
    assert "All" in admin(cluster, "verify")


def _refuses(cluster: Cluster) -> bool:
    try:
        answer = cluster.ask("proxy", '/*dirk {"db":"t"}*/ manampia ao@ u (w, n) sanda (99, 1);')
    except OSError:
        return False
    assert "(1)" not in answer, "a log that is not the nodes' took a write"
    return sqlstate(answer) == "57P03"
