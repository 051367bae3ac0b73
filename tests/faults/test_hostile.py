"""Whatever a client sends or asks for costs each part memory in proportion to its bytes (docs/guarantees.md)."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from tests import hostile
from tests.cluster import HOST, Cluster, wait_for

MIB = 1024 * 1024
PARTS = ("m1", "m2", "proxy", "cache")
SIZE = MIB
#: Bytes of memory for a byte of a statement, or of the largest row of an answer, and what does not depend on them.
MOST_A_BYTE = 64
FREE_BYTES = 96 * MIB
#: Answers of a few hundred MiB: rows that are heavy from the first on, only later, or one.
ROW = "SELECT replace(hex(zeroblob(a / 2)), '0', 'é') FROM s"
RESULTS = (
    f"WITH s(a) AS (VALUES {', '.join(['(3000000)'] * 60)}) {ROW}",
    f"WITH s(a) AS (VALUES {', '.join(['(10)'] * 250 + ['(3000000)'] * 60)}) {ROW}",
    f"WITH s(a) AS (VALUES {', '.join(['(30000)'] * 5000)}) {ROW}",
    "SELECT hex(zeroblob(499999999))",
    "SELECT length(hex(zeroblob(499999999)))",
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40) "
    "SELECT group_concat(hex(zeroblob(1000000))) FROM n",
)
MOST_ROW_BYTES = 8 * MIB


def peak_bytes(cluster: Cluster, name: str) -> int:
    """The most memory a part took since it was last reset."""
    status = Path(f"/proc/{cluster.processes[name].pid}/status").read_text()
    (line,) = [one for one in status.splitlines() if one.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


def reset_peaks(cluster: Cluster) -> dict[str, int]:
    """Begin the peaks anew; what each part takes now."""
    for name in PARTS:
        Path(f"/proc/{cluster.processes[name].pid}/clear_refs").write_text("5")
    return {name: peak_bytes(cluster, name) for name in PARTS}


def ask(cluster: Cluster, name: str, text: str, silence_seconds: float = 100) -> tuple[int, bytes]:
    """Send a statement and take its answer without keeping it: its length and its end.

    It may end inside a quote or a comment, and have no answer: after `silence_seconds` it is given up.
    """
    with socket.create_connection((HOST, cluster.ports[name]), timeout=silence_seconds) as sock:
        taken, end = 0, b""
        with suppress(TimeoutError):
            sock.sendall(text.encode() + b";")
            while not end.endswith(b"\nEND\n") and (piece := sock.recv(MIB)):
                taken += len(piece)
                end = (end + piece)[-2000:]
        return taken, end


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("cluster")) as found:
        found.ask("proxy", "CREATE DATABASE x;")
        yield found


def grown(cluster: Cluster, before: dict[str, int]) -> dict[str, int]:
    return {name: peak_bytes(cluster, name) - taken for name, taken in before.items()}


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("part", ["m1", "proxy", "cache"])
def test_statements(cluster: Cluster, part: str) -> None:
    """Each hostile text, and some by chance: memory bounded, the next statement answered."""
    chance = Random(7)
    texts = [*hostile.named(SIZE), *((f"chance {n}", hostile.random_text(chance, SIZE)) for n in range(8))]
    most: dict[str, int] = {}
    for name, text in texts:
        before = reset_peaks(cluster)
        ask(cluster, part, text, 5)
        more = grown(cluster, before)
        most = {one: max(more[one], most.get(one, 0)) for one in more}
        allowed = FREE_BYTES + MOST_A_BYTE * len(text.encode())
        assert all(taken < allowed for taken in more.values()), (name, more)
        assert ask(cluster, part, "SELECT 1")[1].endswith(b"END\n")
    print(part, {one: f"{taken / MIB:.0f} MiB" for one, taken in most.items()})


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", ["m1", "proxy", "cache"])
@pytest.mark.parametrize("number", range(len(RESULTS)))
def test_results(cluster: Cluster, part: str, number: int) -> None:
    """Large rows, few or many, early or late: no part holds more than some pages of them."""
    before = reset_peaks(cluster)
    taken, end = ask(cluster, part, RESULTS[number])
    more = grown(cluster, before)
    print(f"{part} {number}: {taken / MIB:.0f} MiB answered", {name: one // MIB for name, one in more.items()})
    assert end.endswith(b"END\n")
    assert all(one < FREE_BYTES + 24 * MOST_ROW_BYTES for one in more.values()), more
    wait_for(lambda: ask(cluster, part, "SELECT 1")[1].endswith(b"END\n"), 10)
