"""Who slows whom: point reads beside a ten-second cross join, and connections beside each other."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import apsw

from benchmarks import reads
from benchmarks.bench import USE, Bench, say
from benchmarks.client import Client
from benchmarks.figures import Figure, Target, median
from benchmarks.generator import Load, Outcome
from benchmarks.queries import JOIN_ROWS

_BUSY_CONNECTIONS = 8
_FAIR_CONNECTIONS = 64
_CROSS_JOIN_SECONDS = 10.0
_CALIBRATION_ROWS = 20
_CROSS_JOIN = (
    "alaivo count(*) ao@ join_left antso a, join_right antso b, join_left antso c "
    "rehefa a.id <= {rows} ary a.id + b.id + c.id < 0;"
)
_CROSS_JOIN_SQL = "SELECT count(*) FROM r a, r b, r c WHERE a.id <= {rows} AND a.id + b.id + c.id < 0"
_GREEDY_DEPTH = 64
_NORMAL_CONNECTIONS = 8


def measure(bench: Bench) -> Iterator[Figure]:
    """The cross join's effect, then fairness on node and proxy."""
    say("isolation: cross join")
    yield from _beside_cross_join(bench)
    for name, port in (("node", bench.cluster.node_port), ("proxy", bench.cluster.proxy_port)):
        say(f"isolation: fairness on the {name}")
        yield from _fairness(bench, name, port)
        yield _greed(bench, name, port)


def _beside_cross_join(bench: Bench) -> Iterator[Figure]:
    load = replace(reads.load(bench.cluster.node_port, _BUSY_CONNECTIONS, bench), seconds=2 * bench.seconds)
    rows = _rows_for(_CROSS_JOIN_SECONDS)
    alone: list[Outcome] = []
    beside: list[Outcome] = []
    joins: list[float] = []
    for _ in range(max(1, bench.rounds // 2)):
        alone.append(bench.run(load))
        outcome, join_seconds = _run_beside(bench, load, _CROSS_JOIN.format(rows=rows))
        beside.append(outcome)
        joins.append(join_seconds)
    ratio = median([slow.p99_us / fast.p99_us for slow, fast in zip(beside, alone, strict=True)])
    yield _latency("point read, alone", alone)
    yield Figure("isolation", "the cross join beside it", median(joins), "s")
    yield replace(
        _latency("point read beside a cross join", beside), ratio=ratio, against="p99 alone", target=Target(5.0, True)
    )


def _latency(name: str, outcomes: list[Outcome]) -> Figure:
    details = {"p50_us": median([one.p50_us for one in outcomes]), "rate": median([one.rate for one in outcomes])}
    p99_us = median([one.p99_us for one in outcomes])
    return Figure("isolation", name, p99_us, "µs p99", _BUSY_CONNECTIONS, details=details)


def _run_beside(bench: Bench, load: Load, statement: str) -> tuple[Outcome, float]:
    """The load's outcome while the statement runs in another session, and the statement's own seconds."""
    with Client(bench.cluster.node_port) as client, ThreadPoolExecutor(1) as pool:
        client.ask(USE)
        running: Future[float] = pool.submit(_seconds_of, client, statement)
        outcome = bench.run(load)
        if running.done():
            say("isolation: the cross join ended before the point reads; its figure says less than it should")
        return outcome, running.result()


def _seconds_of(client: Client, statement: str) -> float:
    started = time.perf_counter()
    client.ask(statement)
    return time.perf_counter() - started


def _rows_for(seconds: float) -> int:
    """How many rows of the first table make the cross join last `seconds` in apsw alone on this machine."""
    connection = apsw.Connection(":memory:")
    connection.execute("CREATE TABLE r (id)")
    connection.executemany("INSERT INTO r VALUES (?)", ((n,) for n in range(1, JOIN_ROWS + 1)))
    started = time.perf_counter()
    connection.execute(_CROSS_JOIN_SQL.format(rows=_CALIBRATION_ROWS)).fetchall()
    return max(1, round(_CALIBRATION_ROWS * seconds / (time.perf_counter() - started)))


def _fairness(bench: Bench, name: str, port: int) -> Iterator[Figure]:
    load = replace(reads.load(port, _FAIR_CONNECTIONS, bench), seconds=2 * bench.seconds)
    outcomes = [bench.run(load) for _ in range(bench.rounds)]
    slowest = median([_slowest_share(outcome) for outcome in outcomes])
    spread = median([outcome.p99_us / outcome.p50_us for outcome in outcomes])
    worst_us = median([max(one.p99_us for one in outcome.per_connection) for outcome in outcomes])
    yield Figure(
        "isolation",
        f"slowest connection, {name}",
        slowest * median([outcome.rate for outcome in outcomes]) / _FAIR_CONNECTIONS,
        "answers/s",
        _FAIR_CONNECTIONS,
        ratio=slowest,
        against="mean connection",
        target=Target(1 / 3),
        details={"worst_connection_p99_us": worst_us},
    )
    yield Figure(
        "isolation",
        f"p99, {name}",
        median([outcome.p99_us for outcome in outcomes]),
        "µs",
        _FAIR_CONNECTIONS,
        ratio=spread,
        against="p50",
        target=Target(4.0, True),
    )


def _slowest_share(outcome: Outcome) -> float:
    answers = [one.answers for one in outcome.per_connection]
    return min(answers) * len(answers) / max(1, sum(answers))


def _greed(bench: Bench, name: str, port: int) -> Figure:
    """One connection that pipelines beside normal ones: what the slowest normal one gets of what it gets."""
    load = replace(
        reads.load(port, 1 + _NORMAL_CONNECTIONS, bench),
        seconds=2 * bench.seconds,
        greedy=1,
        greedy_depth=_GREEDY_DEPTH,
    )
    shares: list[float] = []
    normal_rates: list[float] = []
    for _ in range(bench.rounds):
        outcome = bench.run(load)
        greedy, *normal = (one.answers for one in outcome.per_connection)
        shares.append(min(normal) / max(1, greedy))
        normal_rates.append(min(normal) / outcome.seconds)
    return Figure(
        "isolation",
        f"slowest beside a pipelining client, {name}",
        median(normal_rates),
        "answers/s",
        1 + _NORMAL_CONNECTIONS,
        ratio=median(shares),
        against="the pipelining client",
        target=Target(1 / 3),
    )
