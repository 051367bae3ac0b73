"""What the programs take: time from spawn to serving, and memory at rest and after the load."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from benchmarks.cluster import Cluster
from benchmarks.figures import Figure, Target

_MIB = 1024 * 1024
#: What the hub may do in one go.
_HUB_MS = 10.0


def start_times(cluster: Cluster) -> Iterator[Figure]:
    """Seconds from spawn to ready; all four were started at once."""
    for program in cluster.programs:
        yield Figure("processes", f"start of {program.name}", program.ready_seconds, "s")


def hub_figures(cluster: Cluster) -> Iterator[Figure]:
    """The longest that each hub was held over the whole run, and that it held itself, after the programs have stopped.

    Only the second is judged: the first grows with whatever else the machine does.
    """
    for program in cluster.programs:
        found = program.hub_ms()
        if found is not None:
            held_ms, worked_ms = found
            yield Figure("processes", f"longest hold of the hub of {program.name}", held_ms, "ms")
            name, ratio = f"longest work of the hub of {program.name}", worked_ms / _HUB_MS
            yield Figure("processes", name, worked_ms, "ms", 0, ratio, f"{_HUB_MS:g} ms", Target(1.0, True))


def memory(cluster: Cluster) -> dict[str, float]:
    """Resident MiB by program."""
    return {program.name: program.rss_bytes() / _MIB for program in cluster.programs}


def memory_figures(at_rest: Mapping[str, float], after: Mapping[str, float]) -> Iterator[Figure]:
    """Memory at rest, and after all parts as a ratio to it."""
    for name, mebibytes in at_rest.items():
        yield Figure("processes", f"memory of {name} at rest", mebibytes, "MiB")
        ratio = after[name] / mebibytes
        yield Figure("processes", f"memory of {name} after", after[name], "MiB", ratio=ratio, against="at rest")
