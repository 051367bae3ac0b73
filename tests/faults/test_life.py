"""From SIGTERM to the next start: running statements finish, locks are given back, changes of state are said once."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from tests.cluster import Cluster, Connection, wait_for
from tests.faults.writing import Writers, level, prepare

BOTH = ("m1", "m2")
#: About a second of work for one node: 24 million rows joined and summed.
LONG = "alaivo sum(a.n * b.n + c.n * d.n) antso s ao@ u a tonona u b ka 1 = 1 tonona u c ka 1 = 1 tonona u d ka 1 = 1;"
ROWS = 56


@pytest.fixture
def filled(cluster: Cluster) -> Cluster:
    """A cluster whose table makes `LONG` long."""
    prepare(cluster)
    values = ", ".join(f"(1, {n})" for n in range(ROWS))
    assert f"({ROWS})" in cluster.ask("proxy", f'/*dirk {{"db":"t"}}*/ manampia ao@ u (w, n) sanda {values};')
    level(cluster, *BOTH)
    return cluster


def cpu_seconds(pid: int) -> float:
    """The processor time a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("part", [pytest.param("m1", marks=pytest.mark.slow), "proxy", "cache"])
def test_sigterm_lets_a_running_statement_finish(filled: Cluster, part: str) -> None:
    """The answer comes whole, nothing more is accepted, the exit status is 0, and a restart works at once."""
    before = {node: cpu_seconds(filled.processes[node].pid) for node in BOTH}
    with filled.connect(part) as connection, filled.connect(part) as idle:
        connection.ask("ampiasao t;")
        connection.send(LONG)
        wait_for(
            lambda: any(cpu_seconds(filled.processes[node].pid) > before[node] + 0.2 for node in BOTH),
            10,
            "the statement to run",
        )
        statuses: list[int] = []
        stopping = threading.Thread(target=lambda: statuses.extend(filled.stop(part)))
        stopping.start()
        expected = ROWS**2 * 2 * sum(range(ROWS)) ** 2
        assert f'"rows":[[{expected}]]' in connection.receive()
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
    for time in (1, 2):
        cluster.processes["m2"].signal(signal.SIGKILL)
        wait_for(lambda time=time: counts() == [time, time], 10, f"each of {sentences} {time} times")  # type: ignore[misc]
        cluster.kill("m2")
        with Writers(cluster, count=2) as writers, cluster.connect("proxy") as reader:
            for _ in range(50):
                reader.ask("alaivo 1;")
            writers.await_more(500)
        assert counts() == [time, time]
        cluster.start("m2")
        level(cluster, *BOTH)
        wait_for(lambda time=time: cluster.log("proxy").count(back) == found_up + time, 10, back)  # type: ignore[misc]
    assert counts() == [2, 2]
