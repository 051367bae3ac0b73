"""Rounds that were overtaken by what is written: they begin again, and the third has precedence on one node."""

from __future__ import annotations

import time

import gevent

from dirk_gevent.coordinator.coordinator import Coordinator
from dirk_gevent.coordinator.divergence import digest_rounds
from dirk_gevent.replication.precedence import Precedence, Way
from tests.service.fake_node import Connect, FakeNode, append
from tests.service.test_rounds import LOG_ID, begun, ends, looked_after, tell, two

__all__ = ["looked_after"]


def overtaken(node: FakeNode, index: int = 1) -> None:
    """Say that the state at an index was given up."""
    node.reply(LOG_ID, index, None, overtaken=True)


def ways(*nodes: FakeNode) -> list[str]:
    """How each was asked."""
    return [str(node.next("mark")["way"]) for node in nodes]


def test_the_round_after_two_overtaken_ones_goes_first_on_one_node() -> None:
    known = Precedence()
    assert known.first(1, ["m1", "m2"]) is None
    for node in ("m1", "m2"):
        known.overtaken(1, 5, node)
    assert known.first(1, ["m1", "m2"]) is None
    known.overtaken(1, 6, "m2")
    assert (known.first(1, ["m1", "m2"]), known.first(1, ["m1"]), known.first(2, ["m1"])) == ("m2", "m1", None)
    known.overtaken(1, 7, "m1")
    assert known.first(1, ["m1", "m2"]) == "m1"
    known.ended(1)
    assert known.first(1, ["m1", "m2"]) is None


def test_a_snapshot_begins_again_and_the_third_time_entries_wait_on_its_author_alone(
    host: Coordinator, connect: Connect
) -> None:
    first, second = two(host, connect)
    for index in (1, 2):
        current = begun(host, uploads=True)
        assert ways(first, second) == ["", ""]
        author = first if current.author == "m1" else second
        overtaken(author, current.index)
        ends(current)
        # It is tried again soon, not after the pause that a disk which fails gets.
        assert host.operations.rounds._not_before[LOG_ID] <= time.monotonic() + digest_rounds._AFTER_OVERTAKEN_SECONDS
        if index == 1:
            append(host, 1)
            for node in (first, second):
                node.reach(LOG_ID, 2)
    current = begun(host, uploads=True)
    found = dict(zip(("m1", "m2"), ways(first, second), strict=True))
    assert current.author is not None
    other = "m2" if current.author == "m1" else "m1"
    assert (found[current.author], found[other]) == (Way.FIRST, Way.COPY)


def test_a_comparison_that_was_overtaken_twice_goes_first_where_it_was_overtaken(
    host: Coordinator, connect: Connect
) -> None:
    first, second = two(host, connect)
    host.operations.rounds._precedence.overtaken(LOG_ID, -2, "m1")
    current = begun(host)
    assert ways(first, second) == ["", ""]
    tell(first, 1, b"right")
    overtaken(second)
    ends(current)
    current = begun(host)
    assert ways(first, second) == [Way.COPY, Way.FIRST]
    tell(first, 1, b"right")
    tell(second, 1, b"right")
    ends(current)
    current = begun(host)
    assert ways(first, second) == ["", ""]
    current.ended.set()
    gevent.sleep(0)
