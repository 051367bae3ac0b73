"""The WALs of a whole cluster's nodes stay within `limits.walBytes`, whoever reads, for however long."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.cluster import ROOT, Cluster, message, rows, wait_for
from tests.engine.test_wal import threads
from tests.faults.test_back_pressure import ENDLESS
from tests.faults.writing import level
from tests.seeds import chosen_seed

BOTH = ("m1", "m2")
MIB = 1 << 20
ROWS, CHARACTERS = 1000, 1000
#: An update of so many rows changes that many pages at most, and a few of the engine's own.
UPDATED = 100
ENTRY_BYTES = (UPDATED + 50) * 4120
#: What a machine that is busy with other things answers, too.
BUSY = "53300 57P03 08007"
_FOREIGN = ROOT / "tests/engine/foreign_reader.py"

Loop = Callable[[Callable[[], bool]], object]


@contextmanager
def another_process(cluster: Cluster, node: str) -> Iterator[None]:
    """Reads the node's file without a pause."""
    path = next(cluster.data_directory(node).glob("db-*.sqlite"))
    words = [sys.executable, str(_FOREIGN), str(path), "loop"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"reading\n"
        try:
            yield
        finally:
            process.kill()


def prepare(cluster: Cluster) -> None:
    """A database with the table `t` of a MiB."""
    with cluster.connect("proxy") as connection:
        for statement in ("manamboara tahiry w;", "ampiasao w;", "manamboara tabilao t (a ISA, b LAHATSORATRA);"):
            answer = connection.ask(statement)
            assert "Hadisoana" not in answer, answer
        values = ", ".join(f"({n}, '{'x' * CHARACTERS}')" for n in range(ROWS))
        assert f"({ROWS})" in connection.ask(f"manampia ao@ t (a, b) sanda {values};")
    level(cluster, *BOTH)


def watch(cluster: Cluster, largest: dict[str, int]) -> Loop:
    """Notes how large each node's WAL was at most."""

    def look(is_over: Callable[[], bool]) -> None:
        while not is_over():
            for node in BOTH:
                for path in cluster.data_directory(node).glob("db-*.sqlite-wal"):
                    largest[node] = max(largest.get(node, 0), path.stat().st_size)
            threading.Event().wait(0.005)

    return look


def saying(cluster: Cluster, part: str, texts: Callable[[], str], allowed: str = "") -> Loop:
    """One client after the other's answer, without a pause; an answer is no error but those `allowed`."""

    def say(is_over: Callable[[], bool]) -> None:
        with cluster.connect(part, 120) as connection:
            connection.ask("ampiasao w;")
            while not is_over():
                answer = connection.ask(texts())
                if "Hadisoana" in answer:
                    found = message(answer)[-6:-1]
                    assert found in allowed.split(), answer[-300:]

    return say


def updates(chance: random.Random) -> Callable[[], str]:
    """Rows written anew."""

    def text() -> str:
        first = chance.randrange(ROWS)
        return f"UPDATE t SET b = b || 'y' WHERE a >= {first} AND a < {first + UPDATED};"

    return text


def transactions(chance: random.Random) -> Callable[[], str]:
    """BEGIN, a change, now and then its end."""
    said = ["tehirizo;"]

    def text() -> str:
        said.append("atombohy;" if said[-1] in ("tehirizo;", "avereno;") else
                    updates(chance)() if said[-1] == "atombohy;" else "avereno;")  # fmt: skip
        return said[-1]

    return text


def written(cluster: Cluster, node: str) -> int:
    """How often a row was written anew."""
    answer = cluster.ask(node, '/*dirk {"db":"w"}*/ alaivo sum(length(b)) ao@ t;', 60)
    return int(rows(answer)[0][0]) - ROWS * CHARACTERS


def hold(cluster: Cluster, wal_bytes: int, times: int, long_query: str, allowed: str) -> None:
    """Everything at once until `times` the bound has been written; the WAL never takes more than it may.

    `allowed`: what becomes of a read, long or short, that does not get the processor within the limit of time.
    """
    seed = chosen_seed()
    chance = random.Random(seed)
    largest: dict[str, int] = {}
    with ExitStack() as stack:
        for node in BOTH:
            stack.enter_context(another_process(cluster, node))
        loops = [watch(cluster, largest)]
        loops += [saying(cluster, node, lambda: "alaivo a ao@ t rehefa a = 5;", f"{allowed} {BUSY}") for node in BOTH]
        loops += [saying(cluster, "m1", lambda: "alaivo a, b ao@ t;", f"57014 {BUSY}")]
        loops += [saying(cluster, "proxy", updates(random.Random(seed + n)), BUSY) for n in range(4)]
        loops += [saying(cluster, "m2", transactions(chance), f"40001 25P01 25P02 {BUSY}")]
        loops += [saying(cluster, "m2", lambda: long_query, f"{allowed} {BUSY}")]
        failed = stack.enter_context(threads(*loops))
        wait_for(lambda: failed or written(cluster, "m1") * CHARACTERS > times * wal_bytes, 110, "the writes")
        if "snapshotEntries" in cluster.config.get("log", {}):
            wait_for(lambda: failed or "event=snapshot_confirmed" in cluster.log("proxy", True), 60, "a snapshot")
    print(f"largest: {largest}")
    assert all(size <= wal_bytes + ENTRY_BYTES for size in largest.values()), largest
    level(cluster, *BOTH)
    answers = [cluster.ask(node, '/*dirk {"db":"w"}*/ alaivo a, length(b) ao@ t ORDER BY a;') for node in BOTH]
    assert rows(answers[0]) == rows(answers[1])


@pytest.mark.timeout(300)
def test_wals_stay_small_whoever_reads(make_cluster: Callable[..., Cluster]) -> None:
    """Readers that never pause, on hubs, threads and in another process, transactions, snapshots and comparisons."""
    settings = {
        "limits": {"walBytes": 2 * MIB, "statementSeconds": 2},
        "log": {"snapshotEntries": 50},
        "replication": {"compareSeconds": 0.2},
    }
    cluster = make_cluster(settings=settings)
    cluster.start("m1", "m2", "proxy")
    prepare(cluster)
    hold(cluster, 2 * MIB, 3, ENDLESS, "57014")
    print(*(line for line in cluster.log("proxy", True).splitlines() if "snapshot" in line), sep="\n")
    assert cluster.log("m1").count("Traceback") == cluster.log("m2").count("Traceback") == 0


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_query_of_a_minute_holds_nothing_up(make_cluster: Callable[..., Cluster]) -> None:
    """It runs to its own limit of time, begun again and again, while many times the bound is written."""
    cluster = make_cluster(settings={"limits": {"walBytes": 16 * MIB, "statementSeconds": 60}})
    cluster.start("m1", "m2", "proxy")
    prepare(cluster)
    ended: list[str] = []

    def ask(_: Callable[[], bool]) -> None:
        with cluster.connect("m2", 120) as connection:
            connection.ask("ampiasao w;")
            ended.append(message(connection.ask("alaivo count(*) ao@ t x, t y, t z, t w rehefa length(x.b) > 0;")))

    with threads(ask):
        while not ended:
            hold(cluster, 16 * MIB, 5, "alaivo count(*) ao@ t;", "")
    assert ended[0].endswith("(57014)"), ended
