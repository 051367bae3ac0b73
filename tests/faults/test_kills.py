"""kill -9 of each process while clients write: what was acknowledged is on both masters, and nothing twice."""

from __future__ import annotations

import random
import threading
import time

import pytest

from tests.cluster import Cluster, message, meta, rows, wait_for
from tests.faults.writing import Writers, level, prepare, states, table
from tests.seeds import chosen_seed

BOTH = ("m1", "m2")


@pytest.fixture
def ready(cluster: Cluster) -> Cluster:
    """A cluster with the writers' table."""
    prepare(cluster)
    return cluster


def test_every_process_may_be_killed_during_writes(ready: Cluster) -> None:
    """One after the other, with writers on the proxy, the cache and both nodes."""
    chance = random.Random(chosen_seed())
    with Writers(ready, count=8, parts=("proxy", "cache", "m1", "m2")) as writers:
        writers.await_more(50)
        for victim in chance.sample(["m1", "m2", "proxy", "cache"], 4):
            print(f"killing {victim} after {writers.count} writes")
            ready.kill(victim)
            if victim in BOTH:
                writers.await_more(30)
            ready.start(victim)
            writers.await_more(50)
    writers.check(*BOTH)
    assert table(ready, "m1") == table(ready, "m2")


def test_both_masters_killed_at_once(ready: Cluster) -> None:
    """Nothing is acknowledged that is not in the log; both come back to the same state."""
    with Writers(ready) as writers:
        writers.await_more(50)
        ready.kill(*BOTH)
        ready.start(*BOTH)
        writers.await_more(50)
    writers.check(*BOTH)
    assert table(ready, "m1") == table(ready, "m2")


def test_everything_killed_at_once(ready: Cluster) -> None:
    """As a power cut of the machine without the cut: the whole comes back by itself."""
    with Writers(ready) as writers:
        writers.await_more(100)
        ready.kill("proxy", "m1", "cache", "m2")
        ready.start()
        writers.await_more(20)
    writers.check(*BOTH)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_many_kills_at_random(ready: Cluster) -> None:
    """A minute of kills, pauses and restarts of whatever chance picks."""
    chance = random.Random(chosen_seed())
    end = time.monotonic() + 75
    with Writers(ready, count=8, parts=("proxy", "cache", "m1", "m2")) as writers:
        while time.monotonic() < end:
            victims = chance.sample(["m1", "m2", "proxy", "cache"], chance.choice([1, 1, 1, 2]))
            print(f"killing {victims} after {writers.count} writes")
            ready.kill(*victims)
            if "proxy" not in victims and set(victims) != set(BOTH):
                writers.await_more(10)
            ready.start(*victims)
            writers.await_more(chance.randrange(20, 200), 40)
    writers.check(*BOTH)
    assert table(ready, "m1") == table(ready, "m2")


def test_reads_never_see_a_node_die(ready: Cluster) -> None:
    """A read storm through the proxy while nodes are killed in turn: each read is answered by another node."""
    ended = threading.Event()
    answers: list[list[str]] = [[] for _ in range(4)]
    lost: list[OSError] = []

    def read(mine: list[str]) -> None:
        try:
            with ready.connect("proxy") as reader:
                reader.ask("ampiasao t;")
                while not ended.is_set():
                    mine.append(reader.ask("alaivo count(*) antso c ao@ u;"))
        except OSError as error:
            lost.append(error)

    readers = [threading.Thread(target=read, args=(mine,)) for mine in answers]
    with Writers(ready, count=2) as writers:
        for reader in readers:
            reader.start()
        for victim in BOTH:
            writers.await_more(20)
            ready.kill(victim)
            writers.await_more(100)
            ready.start(victim)
            level(ready, victim)
        wait_for(lambda: lost or all(len(mine) > 50 for mine in answers), 60, "50 answers to each reader")
        ended.set()
        for reader in readers:
            reader.join(20)
    assert not lost
    for mine in answers:
        counts = [rows(answer)[0][0] for answer in mine]
        assert counts == sorted(counts), "a session went back in time"


def test_a_paused_master_is_left_behind_and_catches_up(ready: Cluster) -> None:
    """SIGSTOP is worse than death: connections stay open and nobody answers. Reads and writes go on all the same."""
    with Writers(ready) as writers, ready.connect("proxy") as reader:
        reader.ask("ampiasao t;")
        writers.await_more(20)
        ready.pause("m1")
        wait_for(lambda: states(ready, "t")["m1"] == "down", 10, "m1 to be seen as down")
        before = writers.count
        writers.await_more(100)
        for _ in range(20):
            assert reader.ask_rows("alaivo count(*) ao@ u;")[0][0] > before // 2
        ready.resume("m1")
        level(ready, *BOTH)
    writers.check(*BOTH)


def test_without_the_proxy_nodes_read_and_writes_are_refused(ready: Cluster) -> None:
    """A client on a node goes on reading, is told 57P03 for a write, and writes again when the proxy is back."""
    with Writers(ready, count=2) as writers:
        writers.await_more(30)
    writers.check(*BOTH)
    count = len(table(ready, "m1"))
    with ready.connect("m1") as one, ready.connect("cache") as cached:
        one.ask("ampiasao t;")
        cached.ask("ampiasao t;")
        assert cached.ask_rows("alaivo count(*) antso c ao@ u;") == [[count]]
        hit = "/*dirk {}*/ alaivo count(*) antso c ao@ u;"
        wait_for(lambda: meta(cached.ask(hit))["cache"] == "hit", 20, "a hit")
        ready.kill("proxy")
        assert cached.ask_rows("alaivo count(*) antso c ao@ u;") == [[count]], "within the lease"
        assert one.ask_rows("alaivo count(*) ao@ u;") == [[count]]
        assert one.ask("manampia ao@ u (w, n) sanda (99, 1);").endswith("(57P03)\nEND\n")
        wait_for(
            lambda: message(cached.ask("alaivo count(*) antso c ao@ u;")).endswith("(57P03)"), 20, "the lease to end"
        )
        ready.start("proxy")
        wait_for(lambda: "(1)" in one.ask("manampia ao@ u (w, n) sanda (99, 2);"), 20)
        assert one.ask_rows("alaivo count(*) ao@ u;") == [[count + 1]]
        assert cached.ask_rows("alaivo count(*) antso c ao@ u;") == [[count + 1]]
