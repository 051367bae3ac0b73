"""What every part of the benchmark is given: the cluster, the generator, how long to measure."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.client import Client
from benchmarks.cluster import Cluster
from benchmarks.generator import Generator, Load, Outcome

DATABASE = "bench"
USE = f"ampiasao {DATABASE};"
CONNECTIONS = (1, 8, 64)


@dataclass(frozen=True, slots=True)
class RecoverySize:
    """How many single-row writes a master misses, and how large the database is that an empty disk is given."""

    writes: int
    mebibytes: int


@dataclass(frozen=True, slots=True)
class Bench:
    """`seconds` is one measured stretch; a figure is the median of `rounds` of them."""

    cluster: Cluster
    generator: Generator
    directory: Path
    seconds: float
    rounds: int
    recovery: RecoverySize

    @property
    def warmup_seconds(self) -> float:
        """Uncounted time at a stretch's start: plans are made, the processor wakes up."""
        return min(0.3, self.seconds / 5)

    def client(self) -> Client:
        """A session on the proxy, in the benchmark's database."""
        client = Client(self.cluster.proxy_port)
        client.ask(USE)
        return client

    def run(self, load: Load) -> Outcome:
        """One stretch of a load."""
        return self.generator.run(load)

    def alternate(self, stretches: Mapping[str, Callable[[], Outcome]]) -> dict[str, list[Outcome]]:
        """Each stretch in turn, `rounds` times over: what the machine does beside falls on all of them alike."""
        found: dict[str, list[Outcome]] = {name: [] for name in stretches}
        for _ in range(self.rounds):
            for name, stretch in stretches.items():
                found[name].append(stretch())
        return found


def rates(outcomes: Sequence[Outcome]) -> list[float]:
    """Answers a second of each."""
    return [outcome.rate for outcome in outcomes]


def ratios(values: Sequence[float], yardstick: Sequence[float]) -> list[float]:
    """Value by value, each against the yardstick of its own round."""
    return [value / unit for value, unit in zip(values, yardstick, strict=True) if unit]


def say(text: str) -> None:
    """A line of progress on stderr."""
    print(text, file=sys.stderr, flush=True)
