"""Skipping an entry, against nodes that are sockets: what stands in its way, and what becomes of a replica."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import gevent
import pytest

from dirk_gevent.base.logger import logger
from dirk_gevent.base.request_ids import new_request_id
from dirk_gevent.config import loader
from dirk_gevent.coordinator.admin.skip import SkipRefused, skip
from dirk_gevent.coordinator.coordinator import Coordinator
from dirk_gevent.log.embedded.embedded_log import EmbeddedLog
from dirk_gevent.log.skipped import is_skipped
from dirk_gevent.protocol.frames import split_entries
from dirk_gevent.replication import frame_types
from dirk_gevent.replication.frame_types import Halted, Standing
from tests.service.fake_node import NOW_MS, Connect, FakeNode, append, until

_ENTRIES = 4


@pytest.fixture
def other_role() -> str:
    """The role of the node `r1`."""
    return "REPLICA"


@pytest.fixture
def host(tmp_path: Path, other_role: str) -> Iterator[Coordinator]:
    """A host of a master and another node, whose log 1 has four entries."""
    written = {
        "configVersion": 2,
        "loadBalancer": {"listenHost": "127.0.0.1", "listenPort": 3949},
        "instances": [
            {"id": one, "role": role, "host": "127.0.0.1", "port": port, "dataDirectory": one}
            for one, role, port in (("m1", "MASTER", 3948), ("r1", other_role, 3952))
        ],
        "log": {"directory": "log"},
    }
    path = tmp_path / "config.json"
    path.write_text(json.dumps(written))
    found = loader.load(path)
    log = EmbeddedLog(found.log, clock=lambda: NOW_MS)
    log.appends.create_database("t", new_request_id(NOW_MS))
    made = Coordinator(found, log, logger("test"))
    append(made, _ENTRIES)
    yield made
    made.reports.is_stopping = True
    made.stop()
    log.close()


def at(host: Coordinator, connect: Connect, node: str, index: int, states: dict[int, str] | None = None) -> FakeNode:
    """A node that stands at an index of log 1; `states` are those that its first heartbeat tells."""
    standings = {}
    for log_id, place in ((0, 1), (1, index)):
        chain = host.state.log.reads.chain_at(log_id, place)
        assert chain is not None
        standings[log_id] = Standing(place, chain, place)
    return connect(node, standings, states=states)


def never(log_id: int, author: str) -> None:
    """Whoever is asked for a state of its own."""
    raise AssertionError(f"nobody has the state of {log_id}: {author} was asked for it")


def skipping(
    host: Coordinator, index: int, take_state: Callable[[int, str], None] = never
) -> Callable[[], tuple[int, str]]:
    """Begin to skip an entry; the call gives how that ended."""
    asking = gevent.spawn(skip, host.operations, host.state.find("t"), index, take_state)

    def ended() -> tuple[int, str]:
        with gevent.Timeout(10):
            found: tuple[int, str] = asking.get()
            return found

    return ended


def answer(node: FakeNode, stands: Halted) -> None:
    """The node tells how it stands when it is asked."""
    assert node.next("halt")["log"] == 1
    node.frames.send(frame_types.halted(1, stands))


def test_a_skipped_entry_is_marked_for_all_and_a_replica_past_it_is_seeded(host: Coordinator, connect: Connect) -> None:
    """What a replica made of it counts for nothing: it has no vote."""
    master, replica = at(host, connect, "m1", 2), at(host, connect, "r1", 4)
    ended = skipping(host, 3)
    answer(master, Halted(2, is_busy=False, is_stuck=True))
    until(lambda: master.frames.receive() is None)
    again = at(host, connect, "m1", 2)
    frame = again.next("entries")
    marked = [index for index, told in enumerate(split_entries(frame["body"]), frame["first"]) if is_skipped(told)]
    assert marked == [3]
    again.ack(1, 3)
    assert ended()[0] == 0
    host.state.blocks.check(1)
    assert host.state.is_shut_out("r1", 1)
    assert replica.next("fence")["log"] == 1


def test_an_outcome_that_was_told_is_not_taken_back(host: Coordinator, connect: Connect) -> None:
    """A client may have heard it, though the master that told it stands before the entry again."""
    master = at(host, connect, "m1", 2)
    master.ack(1, 3)
    until(lambda: host.state.outcomes.of(1).is_told(3))
    ended = skipping(host, 3)
    answer(master, Halted(2, is_busy=False, is_stuck=True))
    with pytest.raises(SkipRefused, match="has told how entry 3"):
        ended()
    host.state.blocks.check(1)
    assert not any(map(is_skipped, host.state.log.reads.read(1, 0, 1 << 20).entries))


@pytest.mark.parametrize("stands", [Halted(2, False, False), Halted(1, False, True)])
def test_only_an_entry_that_a_master_is_stuck_at_is_skipped(
    host: Coordinator, connect: Connect, stands: Halted
) -> None:
    master = at(host, connect, "m1", stands.applied)
    ended = skipping(host, 3)
    answer(master, stands)
    with pytest.raises(SkipRefused, match="no master is stuck at entry 3"):
        ended()


@pytest.mark.parametrize("other_role", ["MASTER"])
def test_a_state_is_taken_from_a_master_that_is_live_again(host: Coordinator, connect: Connect) -> None:
    """It was sent away, and is here before it says how it is: until then nobody could give a snapshot."""
    taken: list[str] = []

    def take_state(log_id: int, author: str) -> None:
        assert host.state.cluster.is_live_master(author, log_id)
        taken.append(author)

    stuck, past = at(host, connect, "m1", 2), at(host, connect, "r1", 3)
    ended = skipping(host, 3, take_state)
    answer(stuck, Halted(2, is_busy=False, is_stuck=True))
    answer(past, Halted(3, is_busy=False, is_stuck=False))
    until(lambda: past.frames.receive() is None)
    again = at(host, connect, "r1", 3, states={1: "stalled"})
    again.reach(1, 3)
    until(lambda: host.state.links["r1"].stands_at(1) == 3)
    gevent.sleep(0.2)
    assert not taken
    again.beat()
    assert "r1 has applied entry 3" in ended()[1]
    assert taken == ["r1"]
