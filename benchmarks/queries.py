"""A join and a grouping on a node, beside the same SQL in apsw alone."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import apsw

from benchmarks.bench import USE, Bench, ratios, say
from benchmarks.figures import Figure, median
from benchmarks.generator import Load

JOIN_ROWS = 1_000
_GROUPED_ROWS = 10_000
_GROUPS = 100
_STATEMENT_ROWS = 1_000
_APSW = "apsw"


@dataclass(frozen=True, slots=True)
class _Question:
    name: str
    statement: str
    sql: str


_QUESTIONS = (
    _Question(
        "1,000 × 1,000 join",
        "alaivo l.id, l.v, r.v ao@ join_left antso l tonona:anatiny@ join_right antso r ka l.id = r.id;",
        "SELECT l.id, l.v, r.v FROM join_left AS l JOIN join_right AS r ON l.id = r.id",
    ),
    _Question(
        "grouping of 10,000 rows",
        "alaivo g, count(*), sum(n), max(n) ao@ grouped vondrona g;",
        "SELECT g, count(*), sum(n), max(n) FROM grouped GROUP BY g",
    ),
)


def prepare(bench: Bench) -> None:
    """The tables, without keys on either side: both engines face the same work."""
    with bench.client() as client:
        for table in ("join_left", "join_right"):
            client.ask(f"manamboara tabilao {table} (id ISA, v LAHATSORATRA(1, 40));")
            client.ask(f"manampia ao@ {table} (id, v) sanda {_values(_joined())};")
        client.ask("manamboara tabilao grouped (g ISA, n ISA);")
        rows = _grouped()
        for first in range(0, _GROUPED_ROWS, _STATEMENT_ROWS):
            client.ask(f"manampia ao@ grouped (g, n) sanda {_values(rows[first : first + _STATEMENT_ROWS])};")
    bench.cluster.wait_level("bench", "alaivo count(*) ao@ grouped;", str(_GROUPED_ROWS))


def measure(bench: Bench) -> Iterator[Figure]:
    """Executions a second of each question by one session, and by apsw in this process."""
    connection = _yardstick()
    for question in _QUESTIONS:
        say(f"queries: {question.name}")
        own: list[float] = []
        yardstick: list[float] = []
        for _ in range(bench.rounds):
            yardstick.append(_rate(connection, question.sql, bench.seconds / 2))
            load = Load(bench.cluster.node_port, question.statement, setup=(USE,), seconds=bench.seconds)
            own.append(bench.run(load).rate)
        yield Figure("queries", f"{question.name}: apsw", median(yardstick), "runs/s", 1)
        ratio = median(ratios(own, yardstick))
        yield Figure("queries", question.name, median(own), "runs/s", 1, ratio=ratio, against=_APSW)


def _joined() -> list[tuple[int, str]]:
    return [(n, f"value {n}") for n in range(1, JOIN_ROWS + 1)]


def _grouped() -> list[tuple[int, int]]:
    return [(n % _GROUPS, n) for n in range(_GROUPED_ROWS)]


def _values(rows: Sequence[tuple[int, int | str]]) -> str:
    return ", ".join(f"({first}, {second!r})" for first, second in rows)


def _yardstick() -> apsw.Connection:
    connection = apsw.Connection(":memory:")
    for table in ("join_left", "join_right"):
        connection.execute(f"CREATE TABLE {table} (id, v)")
        connection.executemany(f"INSERT INTO {table} VALUES (?, ?)", _joined())
    connection.execute("CREATE TABLE grouped (g, n)")
    connection.executemany("INSERT INTO grouped VALUES (?, ?)", _grouped())
    return connection


def _rate(connection: apsw.Connection, sql: str, seconds: float) -> float:
    started = time.perf_counter()
    runs = 0
    while time.perf_counter() - started < seconds:
        connection.execute(sql).fetchall()
        runs += 1
    return runs / (time.perf_counter() - started)
