"""Inserts through the proxy to both masters, with the log fsynced, beside SQLite's own commits on the same disk."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import apsw

from benchmarks.bench import CONNECTIONS, USE, Bench, ratios, say
from benchmarks.figures import Figure, Target, median
from benchmarks.generator import Load

_BULK_ROWS = 100_000
_STATEMENT_ROWS = 1_000
_SINGLE_TARGET = Target(0.50)
_BULK_TARGET = Target(0.40)
_TARGET_CONNECTIONS = 64
#: One connection alone waits for each step in turn; from so many on all parts work at once.
_BULK_TARGET_CONNECTIONS = 8
_COMMITS = "apsw, a commit a row"
_BULK_COMMITS = "apsw, a commit a 1,000 rows"
_TABLE = "(id ISA, v LAHATSORATRA(1, 40))"


def prepare(bench: Bench) -> None:
    """The table of single-row inserts."""
    with bench.client() as client:
        client.ask(f"manamboara tabilao singles {_TABLE};")


def measure(bench: Bench) -> Iterator[Figure]:
    """Single rows for each number of connections, then bulk."""
    singles = _Singles(bench)
    for connections in CONNECTIONS:
        say(f"writes: {connections} connections")
        yield from singles.measure(connections)
    singles.check()
    say("writes: bulk")
    yield from _measure_bulk(bench)


class _Singles:
    """Single-row inserts; counts what it had acknowledged to compare with what both masters hold."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._sent_rows = 0

    def measure(self, connections: int) -> Iterator[Figure]:
        """DirkDB and SQLite in turn."""
        own: list[float] = []
        yardstick: list[float] = []
        latencies_us: list[float] = []
        for _ in range(self._bench.rounds):
            yardstick.append(_commit_rate(self._bench.directory / "commits.sqlite", self._bench.seconds))
            load = Load(
                self._bench.cluster.proxy_port,
                "manampia ao@ singles (id, v) sanda ({n}, 'value {n}');",
                setup=(USE,),
                connections=connections,
                seconds=self._bench.seconds,
                first=self._sent_rows + 1,
            )
            outcome = self._bench.run(load)
            self._sent_rows += outcome.issued
            own.append(outcome.rate)
            latencies_us.append(outcome.p99_us)
        target = _SINGLE_TARGET if connections == _TARGET_CONNECTIONS else None
        yield Figure("writes", _COMMITS, median(yardstick), "rows/s", connections)
        yield Figure(
            "writes",
            "single-row insert",
            median(own),
            "rows/s",
            connections,
            ratio=median(ratios(own, yardstick)),
            against=_COMMITS,
            target=target,
            details={"p99_us": median(latencies_us)},
        )

    def check(self) -> None:
        """Every acknowledged row is on both masters, none twice."""
        question = "alaivo count(*) ao@ singles;"
        self._bench.cluster.wait_level("bench", question, str(self._sent_rows))


def _commit_rate(path: Path, seconds: float) -> float:
    connection = _connect(path)
    ended = time.perf_counter() + seconds
    started = time.perf_counter()
    for number in count(1):
        connection.execute("INSERT INTO singles VALUES (?, ?)", (number, f"value {number}"))
        if time.perf_counter() > ended:
            break
    rate = number / (time.perf_counter() - started)
    connection.close()
    return rate


def _connect(path: Path) -> apsw.Connection:
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")
    connection.execute("DROP TABLE IF EXISTS singles; CREATE TABLE singles (id, v)")
    return connection


def _measure_bulk(bench: Bench) -> Iterator[Figure]:
    own: dict[int, list[float]] = {1: [], _BULK_TARGET_CONNECTIONS: []}
    yardstick: list[float] = []
    names = (f"bulk_{number}" for number in count(1))
    for _ in range(max(1, bench.rounds // 2)):
        yardstick.append(_bulk_commit_rate(bench.directory / "commits.sqlite"))
        for connections, found in own.items():
            found.append(_bulk_rate(bench, next(names), connections))
    yield Figure("writes", _BULK_COMMITS, median(yardstick), "rows/s")
    for connections, found in own.items():
        ratio = median(ratios(found, yardstick))
        target = _BULK_TARGET if connections == _BULK_TARGET_CONNECTIONS else None
        yield Figure("writes", "bulk insert", median(found), "rows/s", connections, ratio, _BULK_COMMITS, target=target)


def _bulk_commit_rate(path: Path) -> float:
    connection = _connect(path)
    started = time.perf_counter()
    for first in range(1, _BULK_ROWS, _STATEMENT_ROWS):
        rows = ((n, f"value {n}") for n in range(first, first + _STATEMENT_ROWS))
        with connection:
            connection.executemany("INSERT INTO singles VALUES (?, ?)", rows)
    rate = _BULK_ROWS / (time.perf_counter() - started)
    connection.close()
    return rate


def _bulk_rate(bench: Bench, table: str, connections: int) -> float:
    with bench.client() as client:
        client.ask(f"manamboara tabilao {table} {_TABLE};")
    statements = bench.directory / "bulk"
    write_bulk(statements, table)
    load = Load(
        bench.cluster.proxy_port,
        statements_file=statements,
        setup=(USE,),
        connections=connections,
        count=_BULK_ROWS // _STATEMENT_ROWS,
        seconds=600.0,
    )
    outcome = bench.run(load)
    bench.cluster.wait_level("bench", f"alaivo count(*) ao@ {table};", str(_BULK_ROWS))
    return _BULK_ROWS / outcome.seconds


def write_bulk(path: Path, table: str) -> None:
    """A file of insert statements of 1,000 rows each, one a line."""
    with path.open("w") as out:
        for first in range(1, _BULK_ROWS, _STATEMENT_ROWS):
            rows = ", ".join(f"({n}, 'value {n}')" for n in range(first, first + _STATEMENT_ROWS))
            out.write(f"manampia ao@ {table} (id, v) sanda {rows};\n")
