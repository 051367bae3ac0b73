"""Measures DirkDB: starts a cluster of its own, puts load on it, prints what it found beside what is aimed at.

Usage: python -m benchmarks.run [--only PART,…] [--seconds S] [--rounds N] [--json FILE] [--directory DIR]
       [--recovery-writes N] [--recovery-mib N]

A full run takes about five minutes on two cores; the part `peers` runs only when it is named. Exit status 0 when every
target was reached, 1 when one was missed, 2 when it could not measure.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import gevent

from benchmarks import corpus, isolation, peers, processes, queries, reads, recovery, stages, writes
from benchmarks.bench import DATABASE, Bench, RecoverySize, say
from benchmarks.client import Client, StatementError
from benchmarks.cluster import Cluster
from benchmarks.figures import Figure, table
from benchmarks.generator import Generator, GeneratorError
from benchmarks.programs import ProgramError

_PARTS: dict[str, Callable[[Bench], Iterator[Figure]]] = {
    "reads": reads.measure,
    "writes": writes.measure,
    "stages": stages.measure,
    "queries": queries.measure,
    "isolation": isolation.measure,
    "corpus": corpus.measure,
    "recovery": recovery.measure,
    "peers": peers.measure,
}
#: What runs when nothing is named: what needs nothing that is not ours.
_USUAL = [name for name in _PARTS if name != "peers"]


def main() -> int:
    """The whole run; the exit status."""
    options = _options()
    parts = options.only.split(",") if options.only else _USUAL
    unknown = sorted(set(parts) - set(_PARTS))
    if unknown:
        say(f"benchmarks: no part is called {', '.join(unknown)}; there are {', '.join(_PARTS)}")
        return 2
    try:
        figures = _run(parts, options)
    except (GeneratorError, ProgramError, StatementError, OSError) as error:
        say(f"benchmarks: {error}")
        return 2
    print(table(figures))
    if options.json:
        options.json.write_text(json.dumps(_report(figures, options), indent=1, ensure_ascii=False) + "\n")
    return 1 if any(figure.is_met is False for figure in figures) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks", description="Measures DirkDB on a cluster of its own.")
    parser.add_argument("--only", metavar="PART,…", help=f"parts to run: {', '.join(_PARTS)}")
    parser.add_argument("--seconds", type=float, default=1.0, help="one measured stretch (default 1)")
    parser.add_argument("--rounds", type=int, default=5, help="stretches a figure is the median of (default 5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument(
        "--directory", type=Path, help="where the temporary directory is made: the disk that is measured"
    )
    parser.add_argument(
        "--recovery-writes", type=int, default=20_000, help="writes that a master misses (default 20,000)"
    )
    parser.add_argument("--recovery-mib", type=int, default=64, help="what an empty disk is given (default 64 MiB)")
    return parser.parse_args()


def _run(parts: list[str], options: argparse.Namespace) -> list[Figure]:
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="dirk-bench-", dir=options.directory, ignore_cleanup_errors=True) as name:
        directory = Path(name)
        generator = Generator(directory)
        cluster = Cluster(directory)
        try:
            cluster.start()
            cluster.wait_writable()
            figures += processes.start_times(cluster)
            at_rest = processes.memory(cluster)
            size = RecoverySize(options.recovery_writes, options.recovery_mib)
            bench = Bench(cluster, generator, directory, options.seconds, options.rounds, size)
            _prepare(bench)
            for part in parts:
                figures += _PARTS[part](bench)
            figures += processes.memory_figures(at_rest, processes.memory(cluster))
        finally:
            cluster.stop()
        figures += processes.hub_figures(cluster)
    return figures


def _prepare(bench: Bench) -> None:
    with Client(bench.cluster.proxy_port) as client:
        client.ask(f"manamboara tahiry {DATABASE};")
    reads.prepare(bench)
    writes.prepare(bench)
    queries.prepare(bench)


def _report(figures: list[Figure], options: argparse.Namespace) -> dict[str, object]:
    return {
        "measured_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "seconds": options.seconds,
        "rounds": options.rounds,
        "machine": {"cpus": os.cpu_count(), "system": platform.platform()},
        "python": platform.python_version(),
        "gevent": gevent.__version__,
        "sqlite": apsw.sqlite_lib_version(),
        "figures": [figure.as_json() for figure in figures],
    }


if __name__ == "__main__":
    sys.exit(main())
