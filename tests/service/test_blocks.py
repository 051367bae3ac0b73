"""What blocks a log: several things may at once, and it takes writes when the last of them is over."""

from __future__ import annotations

from random import Random

import pytest

from dirk_gevent.coordinator.coordinator import Coordinator
from dirk_gevent.coordinator.divergence.registry import Cause, Status
from dirk_gevent.replication.frame_types import Standing
from dirk_parser.errors import SqlError
from tests.seeds import chosen_seed
from tests.service.fake_node import FakeNode, append, blocking, until

KEYS = ("log_older_than_node", "masters_disagree", "restoring", "skipping")
STEPS = 300


def is_blocked(host: Coordinator, log_id: int) -> bool:
    """Whether a write to it is refused."""
    try:
        host.state.blocks.check(log_id)
    except SqlError:
        return True
    return False


def test_a_log_takes_writes_when_and_only_when_nothing_blocks_it(host: Coordinator) -> None:
    chance = Random(chosen_seed())
    there: set[tuple[int | None, str]] = set()
    for _ in range(STEPS):
        log_id, key = chance.choice((None, 0, 1)), chance.choice(KEYS)
        if chance.random() < 0.5:
            host.state.blocks.block(log_id, SqlError(key))
            there.add((log_id, key))
        else:
            host.state.blocks.unblock(log_id, key)
            there.discard((log_id, key))
        for one in (0, 1, 2):
            keys = {key for about, key in there if about in (one, None)}
            assert is_blocked(host, one) == bool(keys)
            error = host.state.blocks.undecided(one)
            assert (error is None) == (not keys - {"restoring"})
            assert (host.state.blocks.lacking(one) is None) == ("log_older_than_node" not in keys)


def test_what_a_person_decides_about_masters_decides_nothing_about_the_log(host: Coordinator) -> None:
    append(host, 2)
    host.operations.evidence.is_older("m2", 1, (2, 9), None)
    host.state.blocks.block(1, SqlError("dispute_undecided", index=2, name="a"))
    host.operations.resolver.settled_by(1, "m1")
    assert blocking(host).key == "log_older_than_node"
    assert [one.cause for one in host.state.registry.having(Status.UNDECIDED)] == [Cause.OLDER_LOG]


def test_a_new_log_is_written_to_once_those_that_followed_another_come_without_its_history(
    new_host: Coordinator,
) -> None:
    host = new_host
    for node in ("m1", "m2"):
        with pytest.raises(AssertionError):
            FakeNode(host, node, {0: Standing(3, b"\x05" * 16, 3)}, genesis=b"\x09" * 16)
    nothing = {0: Standing(0, host.state.log.reads.chain_at(0, 0) or b"", 0)}
    for node, standings in (("m1", nothing), ("m2", None)):
        assert is_blocked(host, 0), f"{node} still has another history"
        came = FakeNode(host, node, standings)
        until(lambda name=node: host.state.links[name].is_open)  # type: ignore[misc]
        came.end()
    assert not is_blocked(host, 0)
    assert not host.state.registry.having(Status.UNDECIDED)
