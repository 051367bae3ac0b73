"""Bank and list-append in the style of Jepsen: many sessions, every door, nodes that die. The checkers judge."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest

from tests.checkers.bank import Sight, Transfer, complaints
from tests.checkers.list_append import Ending, Transaction, anomalies, lost
from tests.checkers.sessions import Client
from tests.checkers.workloads import Bank, ListAppend, run
from tests.cluster import Cluster, rows, wait_for
from tests.seeds import chosen_seed

DOORS = ("proxy", "m1", "m2", "proxy", "cache", "m2")


@pytest.fixture
def seed() -> int:
    """`DIRK_SEED`, else a new one."""
    return chosen_seed()


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Cluster]:
    """Two masters, proxy and cache, with a database `asa`."""
    with Cluster(tmp_path) as cluster:
        assert "voaforona" in cluster.ask("proxy", "manamboara tahiry asa;")
        yield cluster


def clients(cluster: Cluster, seed: int) -> list[Client]:
    """One for each of `DOORS`."""
    return [
        Client(lambda door=door: cluster.ports[door], "asa", random.Random(f"{seed} {place}"))  # type: ignore[misc]
        for place, door in enumerate(DOORS)
    ]


@contextmanager
def deaths(cluster: Cluster, seed: int, pause_seconds: float, mortal: Sequence[str]) -> Iterator[None]:
    """One of `mortal` killed -9 and started again, over and over, one at a time."""
    over, source = Event(), random.Random(f"{seed} deaths")

    def kill() -> None:
        while not over.wait(source.uniform(0.5, 1.0) * pause_seconds):
            name = source.choice(mortal)
            cluster.kill(name)
            over.wait(source.uniform(0.0, 0.5) * pause_seconds)
            cluster.start(name)

    thread = Thread(target=kill)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def until(seconds: float, clients: Sequence[Client]) -> Callable[[], bool]:
    """True for so long, and on a slow machine until somebody has committed something."""
    end = time.monotonic() + seconds
    return lambda: (left := end - time.monotonic()) > 0 or (left > -30 and not any(one.commits for one in clients))


def settled(cluster: Cluster) -> None:
    """Wait until both masters are live, so that none is asked before it has found the log again."""
    wait_for(lambda: all(row[2] == "live" for row in rows(cluster.ask("proxy", "asehoy ny mpizara;"))), 30)


def check(
    cluster: Cluster, seed: int, seconds: float, kills: float, mortal: Sequence[str] = ("m1", "m2")
) -> tuple[int, int]:
    """Run both workloads at once, judge them; how many transactions and transfers were committed."""
    lists, bank, source = ListAppend(seed), Bank(seed), random.Random(seed)
    with Client(lambda: cluster.ports["proxy"], "asa", source) as first:
        lists.prepare(first)
        bank.prepare(first)
        at_bank: list[Transfer | Sight] = []
        some, others = clients(cluster, seed), clients(cluster, seed + 1)
        beside = Thread(target=lambda: at_bank.extend(run(bank.session, others, until(seconds, others))))
        with deaths(cluster, seed, kills, mortal):
            beside.start()
            history = run(lists.session, some, until(seconds, some))
            beside.join()
        settled(cluster)
        # Its connection may have died with the proxy.
        first.close()
        final = lists.final(first)
        head = first.rows("alaivo isaina(*) ao@ famindrana")[0][0]
    assert anomalies(history) + lost(history, final) == []
    told = bank.history(at_bank, [bank_of(cluster, node, bank, head) for node in ("m1", "m2")])
    assert complaints(told) == []
    return committed(history), committed(told.transfers)


def bank_of(cluster: Cluster, node: str, bank: Bank, head: int) -> tuple[tuple[int, ...], frozenset[int]]:
    """What one node has in the end, once it has all transfers."""
    with Client(lambda: cluster.ports[node], "asa", random.Random()) as there:
        wait_for(lambda: there.rows("alaivo isaina(*) ao@ famindrana")[0][0] == head, 20)
        return bank.last(there)


def committed(done: Sequence[Transaction | Transfer]) -> int:
    """How many of them were."""
    return sum(each.ending is Ending.COMMITTED for each in done)


def test_nothing_is_lost_or_seen_half_done_while_a_node_dies(made: Cluster, seed: int) -> None:
    transactions, transfers = check(made, seed, seconds=2.0, kills=1.0)
    assert transactions and transfers


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_the_same_for_a_minute(made: Cluster, seed: int) -> None:
    transactions, transfers = check(made, seed, seconds=60.0, kills=5.0)
    assert transactions > 100 and transfers > 30


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_the_same_while_the_proxy_dies_too(made: Cluster, seed: int) -> None:
    transactions, transfers = check(made, seed, seconds=30.0, kills=4.0, mortal=("m1", "m2", "proxy", "proxy"))
    assert transactions and transfers
