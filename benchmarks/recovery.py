"""How long it takes until all is as before: a master that was away, an empty disk, a killed master, a killed proxy.

It has a cluster of its own, so that nothing else is measured on one that limps. `Bench.recovery` says how large.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import count

from benchmarks.bench import DATABASE, USE, Bench, say
from benchmarks.client import Client, StatementError
from benchmarks.cluster import Cluster
from benchmarks.figures import Figure, Target
from benchmarks.generator import Load, Outcome
from benchmarks.programs import Program, ProgramError
from dirk_gevent.base.request_ids import new_request_id

_MIB = 1024 * 1024
_SNAPSHOT_BYTES = 16 * _MIB
_ROW_BYTES = 1000
_STATEMENT_ROWS = 1000
_SINGLE = "manampia ao@ singles (id, v) sanda ({n}, 'value {n}');"
_WRITERS = 8
_SETTLE_SECONDS = 120.0
#: Looks, each at least 0.2 s after the other, at which no snapshot may be under way.
_QUIET_LOOKS = 8
_CALM_SECONDS = 3.0
_SESSIONS = 4
_BEFORE_SECONDS, _AFTER_SECONDS = 1.0, 4.0
_LEVEL_LIMIT_SECONDS = 5.0
_GAP_LIMIT_SECONDS = 2.0
_SEED_MIB_A_SECOND = 50.0


@dataclass(slots=True)
class _Told:
    """What one session of `_Sessions` met: its slowest request with all retries, and the most retries of one."""

    slowest_seconds: float = 0.0
    most_retries: int = 0


def measure(bench: Bench) -> Iterator[Figure]:
    """All of it, one after the other, on one cluster."""
    directory = bench.directory / "recovery"
    directory.mkdir()
    cluster = Cluster(directory, {"snapshotBytes": _SNAPSHOT_BYTES, "retainBytes": 4 * _SNAPSHOT_BYTES})
    try:
        cluster.start()
        cluster.wait_writable()
        with Client(cluster.proxy_port) as client:
            client.ask(f"manamboara tahiry {DATABASE};")
        own = _Recovery(replace(bench, cluster=cluster))
        yield own.master_away()
        yield from own.empty_disk()
        yield from own.killed_master()
        yield own.killed_proxy()
    finally:
        cluster.stop()


class _Recovery:
    """The cluster as it recovers; `_sent` counts single rows, so that no number comes twice."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._cluster = bench.cluster
        self._sent = 0
        with bench.client() as client:
            client.ask("manamboara tabilao singles (id ISA, v LAHATSORATRA(1, 40));")
            client.ask(f"manamboara tabilao large (id ISA, v LAHATSORATRA(1, {_ROW_BYTES}));")

    def master_away(self) -> Figure:
        """m2 is killed, misses writes, and comes back while writes go on: seconds until it has all it missed."""
        writes = self._bench.recovery.writes
        say(f"recovery: a master away for {writes} writes")
        self._cluster.program("m2").kill()
        self._write(count=writes, connections=64)
        level_seconds, _ = self._beside_writes("m2")
        name = f"a master away for {writes:,} writes: spawn to level, beside writes"
        return _limited(name, level_seconds, _LEVEL_LIMIT_SECONDS)

    def empty_disk(self) -> Iterator[Figure]:
        """m2 loses its disk: how fast it is seeded, and what the writers beside it feel."""
        mebibytes = self._bench.recovery.mebibytes
        say(f"recovery: an empty disk, {mebibytes} MiB")
        self._fill(mebibytes)
        self._await_snapshot()
        os.sync()
        calm = self._write(seconds=_CALM_SECONDS)
        self._cluster.program("m2").stop()
        shutil.rmtree(self._cluster.data_directory("m2"))
        # What was filled, and what a lost disk gives back to this one, is nobody's cost in either figure.
        os.sync()
        level_seconds, beside = self._beside_writes("m2")
        if "event=seeded" not in self._cluster.program("m2").log_text():
            raise ProgramError("m2 came back without a snapshot")
        rate = mebibytes / level_seconds
        ratio = rate / _SEED_MIB_A_SECOND
        name = f"an empty disk, {mebibytes} MiB: spawn to level"
        yield Figure(
            "recovery", name, rate, "MiB/s", 0, ratio, f"{_SEED_MIB_A_SECOND:g} MiB/s", Target(1.0)
        )
        slowdown = beside.p99_us / calm.p99_us
        yield Figure(
            "recovery", "inserts beside it", beside.p99_us / 1000, "ms p99", _WRITERS, slowdown, "p99 before",
            Target(3.0, True),
        )  # fmt: skip
        slowest = beside.max_us / calm.max_us
        yield Figure(
            "recovery", "the slowest insert beside it", beside.max_us / 1000, "ms", _WRITERS, slowest, "slowest before"
        )  # fmt: skip

    def killed_master(self) -> Iterator[Figure]:
        """m1 is killed while sessions read and write through the proxy: what any one of them notices."""
        say("recovery: a killed master")
        stop = threading.Event()
        kinds = ["alaivo count(*) ao@ singles rehefa id = 1;"] * _SESSIONS + [_SINGLE] * _SESSIONS
        with ThreadPoolExecutor(len(kinds)) as pool:
            running = [pool.submit(self._session, template, stop) for template in kinds]
            time.sleep(_BEFORE_SECONDS)
            self._cluster.program("m1").kill()
            time.sleep(_AFTER_SECONDS)
            stop.set()
            told = [one.result() for one in running]
        self._cluster.start_again("m1").wait_ready()
        for kind, own in (("reads", told[:_SESSIONS]), ("writes", told[_SESSIONS:])):
            slowest_seconds = max(one.slowest_seconds for one in own)
            yield _limited(f"a killed master: slowest of {kind}", slowest_seconds, _GAP_LIMIT_SECONDS)
            retries = max(one.most_retries for one in own)
            name = f"a killed master: most retries of one of {kind}"
            yield Figure("recovery", name, retries, "", 0, retries, "one", Target(1.0, True))

    def killed_proxy(self) -> Figure:
        """The proxy is killed and started again: seconds from its start to the next write."""
        say("recovery: a killed proxy")
        self._cluster.program("proxy").kill()
        started = time.monotonic()
        self._cluster.start_again("proxy")
        while not self._is_written():
            if time.monotonic() - started > _SETTLE_SECONDS:
                raise ProgramError("no write succeeded after the proxy's restart")
        return _limited("a killed proxy: spawn to the next write", time.monotonic() - started, _GAP_LIMIT_SECONDS)

    def _load(self, *, connections: int = _WRITERS, count: int = 0, seconds: float = 600.0) -> Load:
        return Load(
            self._cluster.proxy_port, _SINGLE, setup=(USE,), connections=connections, count=count, seconds=seconds,
            first=self._sent + 1,
        )  # fmt: skip

    def _write(self, *, connections: int = _WRITERS, count: int = 0, seconds: float = 600.0) -> Outcome:
        outcome = self._bench.run(self._load(connections=connections, count=count, seconds=seconds))
        self._sent += outcome.issued
        return outcome

    def _beside_writes(self, name: str) -> tuple[float, Outcome]:
        """Start `name` again while writes go on: seconds to level, and all writes of that time."""
        running = self._bench.generator.start(self._load())
        try:
            program: Program = self._cluster.start_again(name)
            program.wait_ready()
        finally:
            beside = running.stop()
        self._sent += beside.issued
        return program.ready_seconds, beside

    def _fill(self, mebibytes: int) -> None:
        text = "x" * (_ROW_BYTES - 10)
        with self._bench.client() as client:
            for first in range(0, mebibytes * _MIB // _ROW_BYTES, _STATEMENT_ROWS):
                rows = ", ".join(f"({n}, '{n}{text}')" for n in range(first, first + _STATEMENT_ROWS))
                client.ask(f"manampia ao@ large (id, v) sanda {rows};")

    def _await_snapshot(self) -> None:
        """Until a confirmed snapshot holds all that matters, and no other is being made: an empty disk can't replay
        it all, and the writes before it are to be those of a cluster that does nothing else.

        It goes on writing, since a database at rest is compared, which is work as well.
        """
        deadline, looks = time.monotonic() + _SETTLE_SECONDS, 0
        while looks < _QUIET_LOOKS:
            if time.monotonic() > deadline:
                raise ProgramError("no snapshot was confirmed")
            self._write(count=10)
            time.sleep(0.2)
            text = self._cluster.program("proxy").log_text()
            ended = text.count("event=snapshot_confirmed") + text.count("event=snapshot_given_up")
            looks = looks + 1 if 0 < text.count("event=snapshot_begun") == ended else 0

    def _session(self, template: str, stop: threading.Event) -> _Told:
        """Ask again and again; what fails is asked again with its id on a new connection."""
        told = _Told()
        client = self._bench.client()
        for number in count(1):
            if stop.is_set():
                client.close()
                return told
            request_id = new_request_id(time.time_ns() // 1_000_000)
            request = f'/*dirk {{"id":"{request_id}"}}*/' + template.format(n=-number)
            began, retries = time.monotonic(), 0
            while True:
                try:
                    client.ask(request)
                    break
                except (OSError, StatementError):
                    retries += 1
                    client.close()
                    client = self._bench.client()
            told.slowest_seconds = max(told.slowest_seconds, time.monotonic() - began)
            told.most_retries = max(told.most_retries, retries)
        raise AssertionError("count ended")

    def _is_written(self) -> bool:
        try:
            with self._bench.client() as client:
                client.ask(_SINGLE.format(n=0))
        except (OSError, StatementError):
            time.sleep(0.01)
            return False
        return True


def _limited(name: str, seconds: float, limit_seconds: float) -> Figure:
    return Figure("recovery", name, seconds, "s", 0, seconds / limit_seconds, f"{limit_seconds:g} s", Target(1.0, True))
