"""A node comes with a directory that another id has written: renamed, or a copy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from dirk_gevent.base.logger import logger
from dirk_gevent.coordinator.coordinator import Coordinator
from dirk_gevent.coordinator.divergence.registry import Cause, ConflictSubject, Status
from dirk_gevent.replication.frame_types import Standing
from tests.service.fake_node import Connect, FakeNode, append, until

_CAUSES = [(Cause.CONTENT, Status.FENCED), (Cause.OUTCOME, Status.UNDECIDED), (Cause.ASKED, Status.EVICTED)]


def at_end(host: Coordinator) -> dict[int, Standing]:
    """Where a node stands that has applied the two entries of log 1."""
    append(host, 2)
    chain = host.state.log.reads.chain_at(1, 2)
    assert chain is not None
    return {1: Standing(2, chain, 2)}


def is_put_aside(host: Coordinator, node: str) -> bool:
    """Whether the node's state is shut out, as a copy's is."""
    found = host.state.registry.find(node, 1, Status.FENCED)
    return found is not None and found.cause is Cause.COPIED_NODE


def test_a_renamed_node_goes_on_with_its_state(host: Coordinator, connect: Connect) -> None:
    """Its old id is in nobody's config any more."""
    standings = at_end(host)
    connect("m1", standings, owner="before").end()
    connect("m1", standings, owner="before")
    until(lambda: host.state.cluster.live_masters(1) == ["m1"])
    assert host.state.cluster.nodes["m1"].progress.applied[1] == 2
    assert host.state.registry.all() == []


def test_a_directory_of_a_node_that_there_is_is_a_copy(host: Coordinator, connect: Connect) -> None:
    connect("m1", at_end(host), owner="m2").next("fence")
    assert is_put_aside(host, "m1")


def test_the_second_directory_of_a_node_that_is_gone_is_a_copy(host: Coordinator, connect: Connect) -> None:
    standings = at_end(host)
    connect("m1", standings, owner="before")
    connect("m2", standings, owner="before").next("fence")
    assert is_put_aside(host, "m2") and not is_put_aside(host, "m1")


@pytest.mark.parametrize(("cause", "status"), _CAUSES)
def test_a_new_name_hides_nothing(host: Coordinator, connect: Connect, cause: Cause, status: Status) -> None:
    """What is known against a node's state is known under its old id: its new one does not make it trusted."""
    standings = at_end(host)
    host.state.registry.add(ConflictSubject("before", "t", 1, 2), cause, status)
    connect("m1", standings, owner="before").next("fence")
    assert is_put_aside(host, "m1")


@contextmanager
def restarted(host: Coordinator, *nodes: str) -> Iterator[Coordinator]:
    """Another host of the same log, as after a change of the config: with these nodes of the first one's."""
    instances = tuple(one for one in host.state.config.instances if one.id in nodes)
    again = Coordinator(replace(host.state.config, instances=instances), host.state.log, logger("test"))
    try:
        yield again
    finally:
        again.reports.is_stopping = True
        again.stop()


def is_taken(host: Coordinator, node: str, standings: dict[int, Standing], owner: str | None) -> bool:
    """Whether a node that comes so is live with what it has; else it is shut out as a copy."""
    found = FakeNode(host, node, standings, owner=owner)
    until(lambda: host.state.links[node].is_open)
    found.end()
    assert is_put_aside(host, node) == host.state.is_shut_out(node, 1)
    return not is_put_aside(host, node)


def test_a_second_copy_is_one_after_the_proxy_is_restarted_too(host: Coordinator) -> None:
    """Adding a node restarts the proxy: the one that came first is remembered."""
    standings = at_end(host)
    with restarted(host, "m1") as first:
        assert is_taken(first, "m1", standings, "before")
    with restarted(host, "m1", "m2") as second:
        assert not is_taken(second, "m2", standings, "before")
        assert is_taken(second, "m1", standings, "before") and is_taken(second, "m1", standings, "m1")


def test_an_id_that_is_back_with_an_old_directory_has_a_copy(host: Coordinator) -> None:
    """m2 was renamed m1, and a copy of its directory from before comes as m2."""
    standings = at_end(host)
    with restarted(host, "m1") as first:
        assert is_taken(first, "m1", standings, "m2")
    with restarted(host, "m1", "m2") as second:
        assert not is_taken(second, "m2", standings, "m2")


def test_an_id_that_is_back_with_an_empty_directory_is_a_new_node(host: Coordinator) -> None:
    standings = at_end(host)
    with restarted(host, "m1") as first:
        assert is_taken(first, "m1", standings, "m2")
    with restarted(host, "m1", "m2") as second:
        assert is_taken(second, "m2", {}, None)
    with restarted(host, "m1", "m2") as third:
        assert is_taken(third, "m2", standings, "m2") and is_taken(third, "m1", standings, "m1")


@pytest.mark.parametrize("owner", ["m1", "m2"])
def test_a_node_may_have_its_old_name_again(host: Coordinator, owner: str) -> None:
    """Whether it has written down the new one or not: nobody else has gone on with what it has."""
    standings = at_end(host)
    with restarted(host, "m1") as first:
        assert is_taken(first, "m1", standings, "m2")
    with restarted(host, "m2") as second:
        assert is_taken(second, "m2", standings, owner)
    with restarted(host, "m1", "m2") as third:
        assert is_taken(third, "m2", standings, "m2")
        assert not is_taken(third, "m1", standings, "m1")
