"""Point reads on a node, through the proxy and from the cache, beside the limit of the design."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from benchmarks.bench import CONNECTIONS, USE, Bench, rates, ratios, say
from benchmarks.figures import Figure, Target, median
from benchmarks.generator import Load, Outcome
from benchmarks.programs import Program

ROWS = 1_000
_STATEMENT = "alaivo * ao@ points rehefa id = {n};"
_TARGETS = {"node": Target(0.42), "cache hit": Target(0.60), "proxy": Target(0.20)}
#: Only the node's bound is one for every number of connections.
_TARGET_CONNECTIONS = 8
_LIMIT = "gevent limit"
_CEILING = "generator ceiling"
_ROOT = Path(__file__).resolve().parent.parent


def prepare(bench: Bench) -> None:
    """The table that points are read from."""
    with bench.client() as client:
        client.ask("manamboara tabilao points (id ISA fanalahidy, v LAHATSORATRA(1, 40));")
        rows = ", ".join(f"({n}, 'value {n}')" for n in range(1, ROWS + 1))
        client.ask(f"manampia ao@ points (id, v) sanda {rows};")
    bench.cluster.wait_level("bench", "alaivo count(*) ao@ points;", str(ROWS))


def load(port: int, connections: int, bench: Bench) -> Load:
    """Point reads of random keys."""
    return Load(
        port,
        _STATEMENT,
        setup=(USE,),
        connections=connections,
        seconds=bench.seconds,
        warmup_seconds=bench.warmup_seconds,
        random_rows=ROWS,
    )


def measure(bench: Bench) -> Iterator[Figure]:
    """The figures for each number of connections."""
    with yardsticks(bench) as (limit_port, ceiling_port):
        ports = {
            _CEILING: ceiling_port,
            _LIMIT: limit_port,
            "node": bench.cluster.node_port,
            "proxy": bench.cluster.proxy_port,
            "cache hit": bench.cluster.cache_port,
        }
        _fill_cache(bench)
        for connections in CONNECTIONS:
            say(f"reads: {connections} connections")
            stretches: dict[str, Callable[[], Outcome]] = {
                name: partial(bench.run, load(port, connections, bench)) for name, port in ports.items()
            }
            yield from _figures(connections, bench.alternate(stretches))


@contextmanager
def yardsticks(bench: Bench) -> Iterator[tuple[int, int]]:
    """Ports of the gevent server and the C server that answer the very bytes of a point read on the node."""
    answer = bench.directory / "answer"
    with bench.client() as client:
        answer.write_bytes(client.ask(_STATEMENT.format(n=ROWS // 2)))
    limit = Program("limit", [sys.executable, "-m", "benchmarks.limit", answer], bench.directory / "limit.log", _ROOT)
    ceiling = Program("ceiling", [bench.generator.echo, answer], bench.directory / "ceiling.log")
    try:
        yield limit.read_port(), ceiling.read_port()
    finally:
        limit.stop()
        ceiling.stop()


def _fill_cache(bench: Bench) -> None:
    whole = bench.directory / "points"
    whole.write_text("".join(_STATEMENT.format(n=n) + "\n" for n in range(1, ROWS + 1)))
    bench.run(Load(bench.cluster.cache_port, statements_file=whole, setup=(USE,), count=ROWS))


def _figures(connections: int, found: dict[str, list[Outcome]]) -> Iterator[Figure]:
    limit = rates(found[_LIMIT])
    for name, outcomes in found.items():
        target = _TARGETS.get(name) if connections == _TARGET_CONNECTIONS or name == "node" else None
        yield Figure(
            "reads",
            name,
            median(rates(outcomes)),
            "answers/s",
            connections,
            ratio=median(ratios(rates(outcomes), limit)),
            against=_LIMIT,
            target=target,
            details={
                "p50_us": median([one.p50_us for one in outcomes]),
                "p99_us": median([one.p99_us for one in outcomes]),
                "generator_cpu_share": max(one.cpu_share for one in outcomes),
            },
        )
