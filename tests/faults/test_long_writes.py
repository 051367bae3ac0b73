"""A write that takes longer than `limits.waitMs`: others wait for it, are told of it, and go on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.checkers.sessions import sqlstate
from tests.cluster import Cluster, Connection, wait_for
from tests.faults.writing import level, prepare, server_rows
from tests.hooks import hooked
from tests.transactions.test_lives import ok, state, used

WAIT_SECONDS = 60.0
#: Longer than `limits.waitMs`, from when both masters are seen to be at work.
PAST_WAIT_SECONDS = 2.0
SETTINGS = {"limits": {"waitMs": 1000, "queueMs": 500}, "replication": {"intervalSeconds": 0.1}}
#: However fast the machine is, a master is at work on the write, and takes steps of SQLite, while the file is there.
HOLDING = """
import os, time
from dirk_gevent.engine.apply.executor import Executor
ran = Executor._statement
WORK = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) SELECT max(i) FROM n"
def run(self, statement, *rest):
    answer = ran(self, statement, *rest)
    while "maharitra" in statement.normalized.literals and os.path.exists(os.environ["HELD"]):
        self.connection.execute(WORK).fetchall()
        time.sleep(0.02)
    return answer
Executor._statement = run
"""


class Held:
    """A cluster where a write that is held lasts until it is let go."""

    def __init__(self, cluster: Cluster, file: Path) -> None:
        self.cluster = cluster
        self._file = file

    def send(self, writer: Connection) -> list[object]:
        """Have the session, in `t`, write; what a master says of it when both are at work."""
        self._file.touch()
        writer.send("INSERT INTO u (w, n) SELECT 1, 1 WHERE 'maharitra' <> '';")

        def are_at_work() -> list[object]:
            found = working(self.cluster)
            return found[0] if len(found) == 2 else []

        return wait_for(are_at_work, WAIT_SECONDS, "the long write to run")

    def let_go(self) -> None:
        """It may end now."""
        self._file.unlink(missing_ok=True)


def made(directory: Path) -> Held:
    """Two masters whose clients do not wait long for what stands still."""
    directory.mkdir(exist_ok=True)
    held = directory / "held"
    environ = hooked(directory, HOLDING, HELD=str(held))
    return Held(Cluster(directory / "cluster", settings=SETTINGS, environ=environ), held)


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Held]:
    """One for those that kill nothing."""
    found = made(tmp_path_factory.mktemp("long"))
    with found.cluster:
        prepare(found.cluster)
        level(found.cluster, "m1", "m2")
        yield found


def working(cluster: Cluster) -> list[list[object]]:
    """What SHOW SERVERS says of masters that are at an entry of `t`: index, seconds, steps."""
    return [row[-3:] for row in server_rows(cluster) if row[3] == "t" and row[-3] is not None and row[-1]]


def test_others_wait_for_it_and_are_answered(long: Held) -> None:
    """Its writer, one behind it, and one that makes a database; SHOW SERVERS names it, and how far it is."""
    cluster = long.cluster
    try:
        with used(cluster, "proxy", "t") as writer, used(cluster, "proxy", "t") as behind:
            index, seconds, steps = long.send(writer)
            assert isinstance(index, int) and index > 1
            assert isinstance(seconds, float) and seconds > 0 and isinstance(steps, int) and steps > 0
            with cluster.connect("cache") as other:
                behind.send("manampia ao@ u (w, n) sanda (1, 1);")
                ok(other, "manamboara tahiry hafa")
            time.sleep(PAST_WAIT_SECONDS)
            long.let_go()
            assert not sqlstate(behind.receive())
            assert not sqlstate(writer.receive())
        wait_for(lambda: not working(cluster), WAIT_SECONDS, "both masters to be done")
    finally:
        long.let_go()


def test_a_statement_of_a_transaction_does_not_wait_for_it(long: Held) -> None:
    """It is turned away when `limits.queueMs` is over, and the transaction goes on."""
    cluster = long.cluster
    try:
        with used(cluster, "proxy", "t") as session, used(cluster, "m1", "t") as direct:
            for one in (session, direct):
                ok(one, "atombohy")
            with used(cluster, "proxy", "t") as writer:
                long.send(writer)
                told = [state(one, "havaozy u ova n = n + 1 rehefa w = 1") for one in (session, direct)]
                assert told == ["53300", "53300"]
                wait_for(lambda: working(cluster), WAIT_SECONDS, "the long write to run still")
                long.let_go()
                assert not sqlstate(writer.receive())
            for one in (session, direct):
                ok(one, "avereno")
    finally:
        long.let_go()


def test_a_master_that_stands_still_is_not_waited_for(tmp_path: Path) -> None:
    """The same write, but its only masters are stopped in the middle: nobody knows."""
    alone = made(tmp_path / "alone")
    cluster = alone.cluster
    try:
        cluster.start("m1", "m2", "proxy")
        prepare(cluster)
        level(cluster, "m1", "m2")
        with used(cluster, "proxy", "t") as writer:
            alone.send(writer)
            for node in ("m1", "m2"):
                cluster.pause(node)
            assert sqlstate(writer.receive()) == "08007"
    finally:
        cluster.close()
