"""A node comes with a directory that another id has written: renamed, or a copy."""

from __future__ import annotations

import pytest

from dirk_gevent.conflicts import Cause, Status
from dirk_gevent.host import LogHost
from dirk_gevent.replication import Standing
from tests.service.fake_node import Connect, append, until

_CAUSES = [(Cause.CONTENT, Status.FENCED), (Cause.OUTCOME, Status.UNDECIDED), (Cause.ASKED, Status.EVICTED)]


def at_end(host: LogHost) -> dict[int, Standing]:
    """Where a node stands that has applied the two entries of log 1."""
    append(host, 2)
    chain = host.log.chain_at(1, 2)
    assert chain is not None
    return {1: Standing(2, chain, 2)}


def is_put_aside(host: LogHost, node: str) -> bool:
    """Whether the node's state is shut out, as a copy's is."""
    found = host.book.find(node, 1, Status.FENCED)
    return found is not None and found.cause is Cause.COPIED_NODE


def test_a_renamed_node_goes_on_with_its_state(host: LogHost, connect: Connect) -> None:
    """Its old id is in nobody's config any more."""
    standings = at_end(host)
    connect("m1", standings, owner="before").end()
    connect("m1", standings, owner="before")
    until(lambda: host.cluster.live_masters(1) == ["m1"])
    assert host.cluster.nodes["m1"].applied[1] == 2
    assert host.book.all() == []


def test_a_directory_of_a_node_that_there_is_is_a_copy(host: LogHost, connect: Connect) -> None:
    connect("m1", at_end(host), owner="m2").next("fence")
    assert is_put_aside(host, "m1")


def test_the_second_directory_of_a_node_that_is_gone_is_a_copy(host: LogHost, connect: Connect) -> None:
    standings = at_end(host)
    connect("m1", standings, owner="before")
    connect("m2", standings, owner="before").next("fence")
    assert is_put_aside(host, "m2") and not is_put_aside(host, "m1")


@pytest.mark.parametrize(("cause", "status"), _CAUSES)
def test_a_new_name_hides_nothing(host: LogHost, connect: Connect, cause: Cause, status: Status) -> None:
    """What is known against a node's state is known under its old id: its new one does not make it trusted."""
    standings = at_end(host)
    host.book.add(("before", "t", 1, 2), cause, status)
    connect("m1", standings, owner="before").next("fence")
    assert is_put_aside(host, "m1")
