"""What keeps a cluster busy for as long as one likes, and what its processes take meanwhile."""

from __future__ import annotations

import random
import re
import socket
import statistics
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tests.cluster import Cluster, Connection, message

#: What a client is told when others were faster, or a part had too much to do: it goes on with something else.
EXPECTED = re.compile(r"\((40001|57P03|53300|08007|25P03)\)$")
ROWS = 1000
#: More than any part knows by heart.
SHAPES = 9000
#: Different tables that are defined, with an index and a view each. Definitions are remembered too, 20,000 of them: of
#: these few all are soon.
DEFINITIONS = 200
_WORD = "'word'"
_RESET = struct.pack("ii", 1, 0)
_MIB = 1024 * 1024
_LONG = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < {}) SELECT count(*) FROM c;"


@dataclass(frozen=True, slots=True)
class Sample:
    """What one process takes: memory of its own in bytes (files mapped aside), and open file descriptors."""

    memory_bytes: int
    descriptors: int


def sample(pid: int) -> Sample:
    """Look at a process."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    (kilobytes,) = re.findall(r"^RssAnon:\s+(\d+) kB$", status, re.MULTILINE)
    return Sample(int(kilobytes) * 1024, sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir()))


@dataclass(slots=True)
class Curves:
    """Samples of each process of a cluster, in the order in which they were taken."""

    cluster: Cluster
    taken: dict[str, list[Sample]] = field(default_factory=dict)

    def take(self) -> None:
        """One sample of each process."""
        for name, process in self.cluster.processes.items():
            self.taken.setdefault(name, []).append(sample(process.pid))

    def show(self, points: int = 16) -> str:
        """A line for each process: MiB/descriptors over the time."""
        lines = []
        for name, samples in self.taken.items():
            step = max(1, len(samples) // points)
            shown = " ".join(f"{one.memory_bytes / _MIB:.0f}/{one.descriptors}" for one in samples[::step])
            lines.append(f"{name:6} {shown}")
        return "\n".join(lines)

    def growth(self, name: str) -> Sample:
        """How much more a process takes in the second half than in the first, each by its median.

        The first fifth does not count: caches with a bound are filling.
        """
        samples = self.taken[name][len(self.taken[name]) // 5 :]
        half = len(samples) // 2
        first, second = samples[:half], samples[half:]
        memory = [statistics.median(one.memory_bytes for one in part) for part in (first, second)]
        descriptors = [statistics.median(one.descriptors for one in part) for part in (first, second)]
        return Sample(int(memory[1] - memory[0]), int(descriptors[1] - descriptors[0]))


class Clients:
    """A thread for each kind of work, at it again and again while the body runs."""

    def __init__(self, cluster: Cluster, seed: int) -> None:
        self.done: dict[str, int] = {}
        self.failures: list[str] = []
        self._cluster = cluster
        self._stopping = threading.Event()
        kinds = (self._read, self._write, self._transact, self._define, self._make_databases, self._visit, self._linger)
        self._threads = [
            threading.Thread(target=self._run, args=(kind, random.Random(seed + place)), daemon=True)
            for place, kind in enumerate(kinds)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive(), "a client got no answer"

    def _run(self, work: Callable[[random.Random], None], chance: random.Random) -> None:
        name = work.__name__.strip("_")
        while not self._stopping.is_set() and not self.failures:
            try:
                work(chance)
                self.done[name] = self.done.get(name, 0) + 1
            except (OSError, AssertionError) as error:
                self.failures.append(f"{name}: {error}")
            self._stopping.wait(0.01)

    def _say(self, connection: Connection, *texts: str) -> list[str]:
        """The answers to some statements; AssertionError for an error that nobody expects."""
        answers = [connection.ask(text) for text in texts]
        for text, answer in zip(texts, answers, strict=True):
            said = message(answer)
            assert not said.startswith("Hadisoana") or EXPECTED.search(said), f"{text[:200]} → {said}"
        return answers

    def _read(self, chance: random.Random) -> None:
        part = chance.choice(("cache", "proxy", "m1", "m2"))
        with self._cluster.connect(part) as connection:
            self._say(connection, "ampiasao soak;")
            for _ in range(20):
                n = chance.randrange(ROWS)
                self._say(
                    connection,
                    f"alaivo w, n ao@ u rehefa n = {n};",
                    f"alaivo n, w antso {chance.choice('abcdef')} ao@ u rehefa n < {n} alaharo n fetra 3;",
                )

    def _write(self, chance: random.Random) -> None:
        with self._cluster.connect(chance.choice(("proxy", "m1", "cache"))) as connection:
            self._say(connection, "ampiasao soak;")
            for _ in range(20):
                n, word = chance.randrange(ROWS), f"{chance.random()}"
                self._say(
                    connection,
                    f"fafao ao@ u rehefa n = {n};",
                    f"manampia ao@ u (w, n) sanda ('{word}', {n}) RETURNING n, w;",
                    f"havaozy u ova w = '{word}' rehefa n = {chance.randrange(ROWS)};",
                )

    def _transact(self, chance: random.Random) -> None:
        with self._cluster.connect(chance.choice(("proxy", "m2", "cache"))) as connection:
            n = chance.randrange(ROWS)
            end = chance.choice(("tehirizo;", "tehirizo;", "avereno;"))
            texts = ("atombohy;", f"alaivo w ao@ v rehefa n = {n};", f"havaozy v ova w = 'x' rehefa n = {n};", end)
            self._say(connection, "ampiasao soak;")
            for text in texts[: chance.choice((4, 4, 4, 3))]:
                if message(self._say(connection, text)[0]).startswith("Hadisoana"):
                    return

    def _define(self, chance: random.Random) -> None:
        n = chance.randrange(DEFINITIONS)
        with self._cluster.connect("proxy") as connection:
            self._say(
                connection,
                "ampiasao soak;",
                f"CREATE TABLE t{n} (a INTEGER PRIMARY KEY, b TEXT);",
                f"CREATE INDEX i{n} ON t{n} (b);",
                f"CREATE VIEW v{n} AS SELECT a FROM t{n};",
                f"INSERT INTO t{n} (b) VALUES ('x'), ('y');",
                f"SELECT * FROM v{n};",
                f"DROP VIEW v{n};",
                f"DROP TABLE t{n};",
            )

    def _make_databases(self, chance: random.Random) -> None:
        name = f"d{chance.randrange(10**9)}"
        with self._cluster.connect("proxy") as connection:
            self._say(connection, f"manamboara tahiry {name};", f"ampiasao {name};", "CREATE TABLE t (a TEXT);")
            self._say(connection, "INSERT INTO t (a) VALUES ('x');", "SELECT a FROM t;")
            with self._cluster.connect("cache") as other:
                self._say(other, f"ampiasao {name};", "SELECT a FROM t;", "SELECT count(*) FROM t;")
            self._say(connection, f"DROP DATABASE {name};")

    def _visit(self, chance: random.Random) -> None:
        """Come and go, now and then in the middle of an answer."""
        connection = self._cluster.connect(chance.choice(("cache", "proxy", "m1", "m2")))
        with connection:
            if chance.random() < 0.5:
                self._say(connection, "alaivo 1;")
                return
            connection.send("ampiasao soak; SELECT a.w, b.w FROM u a, u b;")
            connection.receive()
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)

    def _linger(self, chance: random.Random) -> None:
        """Long reads, read to the end: or told that they can't be, when they last longer than a full WAL can wait."""
        with self._cluster.connect(chance.choice(("cache", "proxy", "m1"))) as connection:
            self._say(connection, "ampiasao soak;", _LONG.format(chance.randrange(100_000, 300_000)))
            answer = connection.ask(f"SELECT a.n, b.n FROM u a, u b WHERE a.n < {chance.randrange(5, 30)};")
            said = message(answer)
            assert "RELATION_JSON_END" in answer or EXPECTED.search(said) or "(limits.walBytes)" in said, said[-300:]


def fill_caches(cluster: Cluster) -> None:
    """Make the tables, and fill what has a bound and would take long to fill: the statements known by heart."""
    with cluster.connect("proxy", 60) as connection:
        for text in (
            "manamboara tahiry soak;",
            "ampiasao soak;",
            "manamboara tabilao u (w LAHATSORATRA, n ISA);",
            "manamboara tabilao v (w LAHATSORATRA, n ISA);",
            *(f"manampia ao@ {t} (w, n) sanda {', '.join(f'({_WORD}, {n})' for n in range(ROWS))};" for t in "uv"),
        ):
            said = message(connection.ask(text))
            assert not said.startswith("Hadisoana"), f"{text[:80]} → {said}"
    for part in ("proxy", "m1", "m2", "cache"):
        with cluster.connect(part, 60) as connection:
            connection.ask("ampiasao soak;")
            for first in range(0, SHAPES, 300):
                connection.send("".join(f"alaivo w antso w{n} ao@ u fetra 1;" for n in range(first, first + 300)))
                for _ in range(300):
                    assert "RELATION_JSON_END" in connection.receive()


def keep_busy(cluster: Cluster, seconds: float, seed: int) -> tuple[Curves, Clients]:
    """Clients at work for so long, and samples all the while."""
    curves, clients = Curves(cluster), Clients(cluster, seed)
    end = time.monotonic() + seconds
    with clients:
        while time.monotonic() < end and not clients.failures:
            curves.take()
            time.sleep(min(5.0, seconds / 120))
    return curves, clients
