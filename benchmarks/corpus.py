"""Scripts as test corpora hold them, statement by statement through the proxy: a database for each small case."""

from __future__ import annotations

import time
from collections.abc import Iterator

from benchmarks.bench import Bench, say
from benchmarks.client import Client
from benchmarks.figures import Figure, Target, median
from benchmarks.scripts import Scripts
from dirk_parser.compile.ddl.catalog import change_schema
from dirk_parser.compile.plans import Plans
from dirk_parser.grammar.statements import Statements
from dirk_parser.normalize.normalizer import split
from dirk_parser.schema.schema import Schema

_CASE_QUERIES = 40
_RECORDS_TARGET = 150
_PAIRS_TARGET = 20
_PARSE_TARGET_US = 1_000
_PARSED_SHAPES = 300
#: A new template of 23 tokens for every number.
_SHAPE = "SELECT a + b * 2 AS n{n}, c FROM t1 WHERE a > b AND c < 5 ORDER BY 1"
_CREATE = "CREATE TABLE t1(a INTEGER, b INTEGER, c INTEGER)"


def measure(bench: Bench) -> Iterator[Figure]:
    """Records a second, create-and-drop pairs a second, and what a new template costs."""
    say("corpus: scripts, a database each")
    with bench.client() as client:
        records = [_records(client, bench.seconds, number) for number in range(bench.rounds)]
        pairs = [_pairs(client, bench.seconds) for _ in range(bench.rounds)]
    yield _rate("records of scripts", records, _RECORDS_TARGET, "the aim of 150 a second")
    yield _rate("databases made and dropped", pairs, _PAIRS_TARGET, "the aim of 20 a second")
    yield from _new_shapes(bench.rounds)


def _rate(name: str, rates: list[float], aim: int, against: str) -> Figure:
    return Figure("corpus", name, median(rates), "/s", 1, median(rates) / aim, against, Target(1.0))


def _records(client: Client, seconds: float, seed: int) -> float:
    """One connection, no statement before the last one's answer, CREATE and DROP DATABASE counted in."""
    scripts, done, start = Scripts(seed), 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        script = ["CREATE DATABASE corpus", "USE corpus", *scripts.script(_CASE_QUERIES), "DROP DATABASE corpus"]
        for statement in script:
            client.ask(f"{statement};")
        done += len(script)
    return done / (time.perf_counter() - start)


def _pairs(client: Client, seconds: float) -> float:
    done, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        client.ask("CREATE DATABASE corpus;")
        client.ask("DROP DATABASE corpus;")
        done += 1
    return done / (time.perf_counter() - start)


def _new_shapes(rounds: int) -> Iterator[Figure]:
    """Text to plan, in this process: parsing alone, then with the compiler."""
    statements = Statements(cached_templates=1)
    table = Plans(statements).plan(split(_CREATE), Schema(), True)
    schema = change_schema(Schema(), getattr(table, "catalog", ()), 1)
    shapes = [split(_SHAPE.format(n=number)) for number in range(_PARSED_SHAPES)]
    parse_us, plan_us = [], []
    for _ in range(rounds):
        start = time.perf_counter()
        for normalized in shapes:
            statements.parse(normalized)
        parse_us.append((time.perf_counter() - start) / len(shapes) * 1e6)
        plans, start = Plans(statements), time.perf_counter()
        for normalized in shapes:
            plans.plan(normalized, schema, False)
        plan_us.append((time.perf_counter() - start) / len(shapes) * 1e6)
    for name, found in (("parsing a new template of 23 tokens", parse_us), ("the same up to its plan", plan_us)):
        ratio = median(found) / _PARSE_TARGET_US
        yield Figure("corpus", name, median(found), "µs", 0, ratio, "1 ms", Target(1.0, is_ceiling=True))
