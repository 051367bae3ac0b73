"""Entries that processes die in: a long one that is killed from outside again and again, and one that kills."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cluster import Cluster, message, wait_for
from tests.faults.writing import level, prepare, request_id, server_rows, states, table
from tests.hooks import hooked
from tests.seeds import chosen_seed

BOTH = ("m1", "m2")
PARTS = (*BOTH, "proxy")
#: The long entry counts so many rows to the third power: some seconds of work in one statement.
ROWS = 380
LONG = "UPDATE u SET n = (SELECT count(*) FROM u a, u b, u maharitra WHERE a.n + b.n > maharitra.n) WHERE w = 0;"
WAIT_SECONDS = 60.0
#: However fast the machine is, the long entry is not at its end while these files are there: in a node, in a trial.
HOLDING = """
import os, sys, time
from dirk_gevent.engine.apply.executor import Executor
ran = Executor._statement
held = os.environ["HELD"] + (".trial" if "dirk_gevent.engine.apply.trial" in sys.orig_argv else "")
def run(self, statement, *rest):
    answer = ran(self, statement, *rest)
    while "maharitra" in statement.normalized.template and os.path.exists(held):
        time.sleep(0.02)
    return answer
Executor._statement = run
"""
#: What every process of the cluster does when it comes to run a statement on the table `mamono`.
DEADLY = """
import ctypes
from dirk_gevent.engine.apply.executor import Executor
ran = Executor._statement
def run(self, statement, *rest):
    if "mamono" in statement.normalized.template:
        ctypes.string_at(0)
    return ran(self, statement, *rest)
Executor._statement = run
"""


def prepared(cluster: Cluster) -> None:
    """Both masters and the proxy, with the rows that the long entry counts."""
    cluster.start(*PARTS)
    prepare(cluster)
    values = ", ".join(f"({n}, {n})" for n in range(ROWS))
    with cluster.connect("proxy") as connection:
        connection.ask("ampiasao t;")
        assert "Hadisoana" not in connection.ask(f"INSERT INTO u (w, n) VALUES {values};")
    level(cluster, *BOTH)


def send(cluster: Cluster, text: str) -> None:
    """Send a write to `t`; nobody waits for its answer."""
    with cluster.connect("proxy") as connection:
        connection.send(f'/*dirk {{"id":"{request_id()}","db":"t"}}*/ {text}')
        wait_for(lambda: lag(cluster), WAIT_SECONDS, "the entry to be in the log")


def lag(cluster: Cluster) -> int:
    """How many entries of `t` the furthest node lacks."""
    return min(int(str(row[5])) for row in server_rows(cluster) if row[3] == "t")


def marker(cluster: Cluster, node: str) -> str:
    """What a node has written down of the entry that it works on."""
    return " ".join(one.read_text() for one in cluster.data_directory(node).glob("*.applying"))


def children(pid: int) -> list[str]:
    """The processes that a process has begun."""
    return [child for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()]


def await_entry(cluster: Cluster, node: str, at: str) -> None:
    """Wait until a node works on the entry: with these words in its marker, or in a process that tries it out."""
    pid = cluster.processes[node].pid
    if at == "trial":
        wait_for(lambda: children(pid), WAIT_SECONDS, f"{node} to try the entry out")
    else:
        wait_for(lambda: at in marker(cluster, node), WAIT_SECONDS, f"{node} to be at the entry")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_kills_in_a_long_entry_leave_nothing_behind(make_cluster: Callable[..., Cluster], tmp_path: Path) -> None:
    """Both masters: more often than it takes to suspect the entry, while it is tried out, and after that."""
    held, held_trial = tmp_path / "held", tmp_path / "held.trial"
    held.touch()
    held_trial.touch()
    cluster = make_cluster(environ=hooked(tmp_path, HOLDING, HELD=str(held)))
    chance = random.Random(chosen_seed())
    prepared(cluster)
    send(cluster, LONG)
    for at in ("", " 1", " 2", "trial", "cleared"):
        if at == "cleared":
            held_trial.unlink()
        for node in BOTH:
            await_entry(cluster, node, at)
            time.sleep(chance.uniform(0.1, 0.5))
            assert lag(cluster) == 1
            cluster.kill(node)
        cluster.start(*BOTH, ready=False)
    held.unlink()
    level(cluster, *BOTH, deadline_seconds=WAIT_SECONDS)
    for node in BOTH:
        assert not marker(cluster, node)
        assert "PoisonedEntry" not in cluster.processes[node].log(whole=True)
    assert table(cluster, "m1") == table(cluster, "m2")
    assert states(cluster, "t") == {"m1": "live", "m2": "live"}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_an_entry_that_kills_stops_its_database_alone(make_cluster: Callable[..., Cluster], tmp_path: Path) -> None:
    """Its index is named, other databases take writes, and it goes on by itself when the reason is gone."""
    cluster = make_cluster(environ=hooked(tmp_path, DEADLY))
    cluster.start(*PARTS)
    prepare(cluster)
    prepare(cluster, "other")
    send(cluster, "manamboara tabilao mamono (n ISA);")
    for _ in range(3):
        wait_for(lambda: not any(cluster.processes[node].is_running() for node in BOTH), WAIT_SECONDS, "both to die")
        cluster.start(*BOTH, ready=False)
    wait_for(lambda: all("event=stuck" in cluster.log(node) for node in BOTH), WAIT_SECONDS, "both to stop before it")
    for node in BOTH:
        assert "entry 2 of log" in cluster.log(node) and "SIGSEGV" in cluster.log(node)
    with cluster.connect("proxy") as connection:
        answer = connection.ask('/*dirk {"db":"other"}*/ manampia ao@ u (w, n) sanda (1, 1);')
        assert "(1)" in message(answer), answer
    wait_for(lambda: set(states(cluster, "t").values()) == {"stalled"}, WAIT_SECONDS, "both to say so")
    (tmp_path / "sitecustomize.py").unlink()
    cluster.stop(*BOTH)
    cluster.start(*BOTH)
    level(cluster, *BOTH)
    assert not marker(cluster, "m1")
