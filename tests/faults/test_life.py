"""From SIGTERM to the next start: running statements finish, locks are given back, changes of state are said once."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cluster import Cluster, Connection, is_listening, wait_for
from tests.faults.writing import Writers, level, prepare
from tests.hooks import hooked

BOTH = ("m1", "m2")
#: Hardly any work, but too long a text for the hub: it runs on a thread.
LONG = f"alaivo sum(a.n * b.n) antso s ao@ u a tonona u b ka 1 = 1 /* {'x' * 20_000} */;"
ROWS = 10
#: However fast the machine is, a read on a thread has no answer while the file is there.
HOLDING = """
import os, time
from dirk_gevent.engine.read.long_reads import RelationStream
ran, held = RelationStream._encode, os.environ["HELD"]
def encode(self, pages):
    encoded = ran(self, pages)
    while os.path.exists(held):
        with open(held + ".met", "a"):
            time.sleep(0.02)
    return encoded
RelationStream._encode = encode
"""


@pytest.fixture
def held(tmp_path: Path) -> Path:
    """While this file is there reads on threads do not end; when one is there, a file of the same name `.met` is."""
    return tmp_path / "held"


@pytest.fixture
def filled(make_cluster: Callable[..., Cluster], held: Path) -> Cluster:
    """A cluster with the rows that `LONG` reads."""
    cluster = make_cluster(environ=hooked(held.parent, HOLDING, HELD=str(held)))
    cluster.start()
    prepare(cluster)
    values = ", ".join(f"(1, {n})" for n in range(ROWS))
    assert f"({ROWS})" in cluster.ask("proxy", f'/*dirk {{"db":"t"}}*/ manampia ao@ u (w, n) sanda {values};')
    level(cluster, *BOTH)
    return cluster


@pytest.mark.parametrize("part", [pytest.param("m1", marks=pytest.mark.slow), "proxy", "cache"])
def test_sigterm_lets_a_running_statement_finish(filled: Cluster, held: Path, part: str) -> None:
    """The answer comes whole, nothing more is accepted, the exit status is 0, and a restart works at once."""
    held.touch()
    with filled.connect(part) as connection, filled.connect(part) as idle:
        connection.ask("ampiasao t;")
        connection.send(LONG)
        wait_for(held.with_suffix(".met").exists, 20, "the statement to run")
        statuses: list[int] = []
        stopping = threading.Thread(target=lambda: statuses.extend(filled.stop(part)))
        stopping.start()
        wait_for(lambda: not is_listening(filled.ports[part]), 20, "the stop to begin")
        # Far less than a statement that runs is given.
        time.sleep(0.5)
        held.unlink()
        assert f'"rows":[[{sum(range(ROWS)) ** 2}]]' in connection.receive()
        stopping.join(10)
        assert statuses == [0]
        with pytest.raises(ConnectionError):
            idle.ask("alaivo 1;")
    with pytest.raises(OSError):
        Connection(filled.ports[part])
    filled.start(part)
    assert "[[1]]" in filled.ask(part, "alaivo 1;")


@pytest.mark.slow
def test_writers_lose_nothing_when_parts_are_stopped_in_turn(cluster: Cluster) -> None:
    """A rolling restart: every part stops with 0 and comes back, and every acknowledged write is there."""
    prepare(cluster)
    with Writers(cluster, count=4, parts=("proxy", "cache", "m1", "m2")) as writers:
        for part in ("m2", "m1", "cache", "proxy"):
            writers.await_more(20)
            assert cluster.stop(part) == [0]
            cluster.start(part)
        writers.await_more(20)
    writers.check(*BOTH)


def test_changes_of_state_are_said_once(cluster: Cluster) -> None:
    """The two sentences that operators look for, per change of state and not in a loop."""
    prepare(cluster)
    sentences = ("Erreur réplication sur m2", f"Erreur connexion à 127.0.0.1:{cluster.ports['m2']}")

    def counts() -> list[int]:
        return [cluster.log("proxy").count(sentence) - before[sentence] for sentence in sentences]

    # The proxy may have looked for m2 before m2 listened: that too is a change of state.
    before = {sentence: cluster.log("proxy").count(sentence) for sentence in sentences}
    assert max(before.values()) <= 1
    back = f"event=backend_up host=127.0.0.1 port={cluster.ports['m2']}"
    found_up = before[sentences[1]]
    wait_for(lambda: cluster.log("proxy").count(back) == found_up, 10, "the proxy to have found m2")
    for count in (1, 2):
        cluster.processes["m2"].signal(signal.SIGKILL)
        wait_for(lambda count=count: counts() == [count, count], 10, f"each of {sentences} {count} times")  # type: ignore[misc]
        cluster.kill("m2")
        with Writers(cluster, count=2) as writers, cluster.connect("proxy") as reader:
            for _ in range(50):
                reader.ask("alaivo 1;")
            writers.await_more(500)
        assert counts() == [count, count]
        cluster.start("m2")
        level(cluster, *BOTH)
        wait_for(lambda count=count: cluster.log("proxy").count(back) == found_up + count, 10, back)  # type: ignore[misc]
    assert counts() == [2, 2]
