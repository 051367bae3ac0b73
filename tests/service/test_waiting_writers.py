"""Writers that wait for their database's writer: they keep nobody from other databases, and are bounded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest

from dirk_gevent.server.admission import AdmissionSlots, AdmissionSlotsByLog
from dirk_parser.errors import SqlError
from tests.service.fake_node import until
from tests.service.small_cluster import Answered, SmallClient, SmallCluster

PLACES = 3
#: Longer than a test takes, shorter than a hang: who is turned away waits this long for a place.
QUEUE_MS = 300


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[SmallCluster]:
    """Two databases, `slow` and `other`, whose masters have all there is; each part works on three requests at once."""
    found = SmallCluster(tmp_path, 60_000, {"maxRunning": PLACES, "queueMs": QUEUE_MS})
    for name in ("slow", "other"):
        found.change("create", name)
        found.level(0)
        found.append(found.log_of(name) or 0, "CREATE TABLE t (a ISA)")
        found.level(found.log_of(name) or 0)
    yield found
    found.stop()


def ask(cluster: SmallCluster, part: str, database: str, text: str) -> gevent.Greenlet[..., Answered]:
    """A session of its own that asks, and waits for the answer for as long as it takes."""
    client = SmallClient(cluster, part)

    def one() -> Answered:
        try:
            return client.ask(text, db=database)
        finally:
            client.close()

    return gevent.spawn(one)


@pytest.mark.parametrize("part", ["proxy", "m1"])
def test_waiting_writers_keep_nobody_from_another_database(cluster: SmallCluster, part: str) -> None:
    """As many as `limits.maxRunning` wait in one database: another is read and (through the proxy) written."""
    slow, other = cluster.log_of("slow") or 0, cluster.log_of("other") or 0
    before = cluster.head(slow)
    writers = [ask(cluster, part, "slow", f"INSERT INTO t (a) VALUES ({n})") for n in range(PLACES)]
    until(lambda: cluster.head(slow) == before + PLACES)
    for _ in range(2 * PLACES):
        assert ask(cluster, part, "other", "SELECT a FROM t").get(timeout=10).rows == []
    if part == "proxy":
        writer = ask(cluster, part, "other", "INSERT INTO t (a) VALUES (7)")
        until(lambda: cluster.head(other) == 2)
        cluster.level(other)
        assert not writer.get(timeout=10).sqlstate
    assert not any(one.ready() for one in writers)
    cluster.level(slow)
    assert not any(one.get(timeout=10).sqlstate for one in writers)
    rows = ask(cluster, part, "slow", "SELECT count(*) FROM t").get(timeout=10).rows
    assert rows == [[PLACES]]


@pytest.mark.parametrize("part", ["proxy", "m1"])
def test_waiting_writers_are_bounded(cluster: SmallCluster, part: str) -> None:
    """One more than may wait is turned away when `limits.queueMs` is over, with nothing of it in the log; a read of
    the very database is answered meanwhile; and there is room again when the others are done."""
    slow = cluster.log_of("slow") or 0
    before = cluster.head(slow)
    writers = [ask(cluster, part, "slow", f"INSERT INTO t (a) VALUES ({n})") for n in range(PLACES)]
    until(lambda: cluster.head(slow) == before + PLACES)
    more = [ask(cluster, part, "slow", "INSERT INTO t (a) VALUES (9)") for _ in range(2 * PLACES)]
    assert ask(cluster, part, "slow", "SELECT a FROM t").get(timeout=10).rows == []
    assert [one.get(timeout=10).sqlstate for one in more] == ["53300"] * len(more)
    assert cluster.head(slow) == before + PLACES
    cluster.level(slow)
    assert not any(one.get(timeout=10).sqlstate for one in writers)
    again = ask(cluster, part, "slow", "INSERT INTO t (a) VALUES (9)")
    until(lambda: cluster.head(slow) == before + PLACES + 1)
    cluster.level(slow)
    assert not again.get(timeout=10).sqlstate


def test_a_place_that_was_lent_is_had_again_at_once() -> None:
    """Who comes back waits for nobody; those who wait get a place only when there are no more at work than may be."""
    slots, done = AdmissionSlots(1, 60_000), list[str]()

    def lender() -> None:
        with slots.taken():
            with slots.lent():
                back.wait()
            done.append("lender")
            gevent.sleep(0)
            done.append("lender left")

    def borrower(name: str) -> None:
        with slots.taken():
            done.append(name)
            until(lambda: "lender left" in done)

    back = gevent.event.Event()
    jobs = [gevent.spawn(lender), gevent.spawn(borrower, "first"), gevent.spawn(borrower, "second")]
    gevent.idle()
    assert done == ["first"]
    back.set()
    gevent.joinall(jobs, timeout=20, raise_error=True)
    assert done == ["first", "lender", "lender left", "second"]
    assert slots.is_unused


def test_places_of_a_log_are_its_own_and_go_with_their_last_user() -> None:
    slots = AdmissionSlotsByLog(1, 10)
    with slots.taken(1), slots.taken(2), pytest.raises(SqlError) as refused, slots.taken(1):
        pass
    assert refused.value.sqlstate == "53300"
    assert not slots._slots
