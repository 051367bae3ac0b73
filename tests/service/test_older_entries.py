"""Entries of earlier rules: nobody is sent one but, where no master is past them, the furthest master alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent import socket

from dirk_gevent.base.logger import logger
from dirk_gevent.base.request_ids import new_request_id
from dirk_gevent.config import loader
from dirk_gevent.coordinator.admin import restore
from dirk_gevent.coordinator.coordinator import Coordinator
from dirk_gevent.coordinator.divergence.registry import Status
from dirk_gevent.coordinator.divergence.resolver import DivergenceResolver
from dirk_gevent.log.embedded.embedded_log import EmbeddedLog
from dirk_gevent.log.entry import RULES, Entry
from dirk_gevent.loop.frame_socket import FrameSocket
from dirk_gevent.protocol.frames import split_entries
from dirk_gevent.replication.frame_types import Standing
from tests.log.older import earlier_rules
from tests.service.fake_node import NOW_MS, Connect, FakeNode, append, blocking, snapshot_at_head, until, upload

#: The host's log 1 has so many entries of earlier rules, as many of each, and one of today's.
OLDER, HEAD = 6, 7
assert OLDER % RULES == 0


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Coordinator]:
    """A host of two masters and a replica, whose log 1 was written by each earlier release, one after the other."""
    roles = (("m1", "MASTER", 3948), ("m2", "MASTER", 3950), ("r1", "REPLICA", 3952))
    written = {
        "configVersion": 2,
        "loadBalancer": {"listenHost": "127.0.0.1", "listenPort": 3949},
        "instances": [
            {"id": one, "role": role, "host": "127.0.0.1", "port": port, "dataDirectory": one}
            for one, role, port in roles
        ],
        "log": {"directory": "log"},
    }
    path = tmp_path / "config.json"
    path.write_text(json.dumps(written))
    found = loader.load(path)
    with earlier_rules():
        log = EmbeddedLog(found.log, clock=lambda: NOW_MS)
        log.appends.create_database("t", new_request_id(NOW_MS))
        before = Coordinator(found, log, logger("test"))
        append(before, OLDER // RULES)
        before.stop()
        log.close()
    for rules in range(1, RULES):
        with earlier_rules(rules):
            log = EmbeddedLog(found.log, clock=lambda: NOW_MS)
            before = Coordinator(found, log, logger("test"))
            append(before, OLDER // RULES)
            before.stop()
            log.close()
    log = EmbeddedLog(found.log, clock=lambda: NOW_MS)
    made = Coordinator(found, log, logger("test"))
    append(made, HEAD - OLDER)
    yield made
    made.reports.is_stopping = True
    made.stop()
    log.close()


def at(host: Coordinator, connect: Connect, node: str, index: int) -> FakeNode:
    """A node that stands at an index of log 1."""
    chain = host.state.log.reads.chain_at(1, index)
    assert chain is not None
    system = host.state.log.reads.chain_at(0, 1)
    assert system is not None
    return connect(node, {0: Standing(1, system, 1), 1: Standing(index, chain, index)})


def told(node: FakeNode, count: int = 0) -> list[int]:
    """Indexes of log 1 that the node is sent until it has got so many, and two heartbeats have passed."""
    found: list[int] = []
    beats = 0
    with gevent.Timeout(5):
        while beats < 2 or len(found) < count:
            frame: dict[str, Any] | None = node.frames.receive()
            assert frame is not None
            beats += frame["t"] == "beat"
            assert frame["t"] != "snapshot"
            if frame["t"] == "entries" and frame["log"] == 1:
                found += [Entry.decode(one).index for one in split_entries(frame["body"])]
    return found


def give_snapshot(host: Coordinator, node: FakeNode) -> None:
    """The node is asked for a snapshot of log 1 and gives it."""
    host.older.consider(host.operations.rounds)
    frame = node.next("mark")
    assert (frame["log"], frame["index"], frame["upload"]) == (1, HEAD, True)
    upload(node, snapshot_at_head(host, 1))
    node.frames.send({"t": "chunk", "log": 1}, b"state")
    node.frames.send({"t": "upload_end", "log": 1})


def check_seeded(host: Coordinator, node: FakeNode) -> None:
    """The node is given a snapshot that lies past all older entries, and no entry before it."""
    until(lambda: any(one.confirmed for one in host.state.log.snapshots.all(1)))
    host.older.consider(host.operations.rounds)
    assert node.next("snapshot", "entries")["t"] == "snapshot"


def test_a_node_behind_is_seeded_by_a_master_that_is_past(host: Coordinator, connect: Connect) -> None:
    """Its word is enough: nobody else can say anything of that index."""
    first = at(host, connect, "m1", OLDER)
    behind = at(host, connect, "m2", 2)
    replica = connect("r1")
    assert told(first, 1) == [HEAD]
    assert told(behind) == [] and told(replica) == []
    first.ack(1, HEAD)
    until(lambda: host.state.cluster.nodes["m1"].applied_index(1) == HEAD)
    give_snapshot(host, first)
    check_seeded(host, behind)
    check_seeded(host, replica)


def test_where_none_is_past_all_masters_are_waited_for_and_the_furthest_goes_on_alone(
    host: Coordinator, connect: Connect
) -> None:
    first = at(host, connect, "m1", 2)
    replica = at(host, connect, "r1", 5)
    host.older.consider(host.operations.rounds)
    error = blocking(host)
    assert error.key == "older_entries" and error.params["missing"] == "m2"
    assert told(first) == []
    furthest = at(host, connect, "m2", 4)
    host.older.consider(host.operations.rounds)
    host.state.blocks.check(1)
    assert told(furthest, 3) == [5, 6, 7]
    assert told(first) == [] and told(replica) == []
    for index in (5, 6, 7):
        furthest.ack(1, index)
    until(lambda: host.state.cluster.nodes["m2"].applied_index(1) == HEAD)
    give_snapshot(host, furthest)
    check_seeded(host, first)
    check_seeded(host, replica)


def test_one_that_went_away_in_between_is_waited_for_again(host: Coordinator, connect: Connect) -> None:
    """It may have applied some of them: the other one would end them a second time."""
    at(host, connect, "m1", 2)
    furthest = at(host, connect, "m2", 4)
    host.older.consider(host.operations.rounds)
    assert told(furthest, 3) == [5, 6, 7]
    furthest.end()
    host.older.consider(host.operations.rounds)
    assert blocking(host).params["missing"] == "m2"


def test_an_evicted_master_is_not_waited_for(host: Coordinator, connect: Connect) -> None:
    first = at(host, connect, "m1", 2)
    host.older.consider(host.operations.rounds)
    assert blocking(host).key == "older_entries"
    host.operations.fences.evict("m2", None)
    host.older.consider(host.operations.rounds)
    host.state.blocks.check(1)
    assert told(first, 5) == [3, 4, 5, 6, 7]


def test_a_snapshot_of_two_that_are_past_has_both_words(host: Coordinator, connect: Connect) -> None:
    first, second = (at(host, connect, node, OLDER) for node in ("m1", "m2"))
    for node in (first, second):
        assert told(node, 1) == [HEAD]
        node.ack(1, HEAD)
    until(lambda: all(host.state.cluster.nodes[name].applied_index(1) == HEAD for name in ("m1", "m2")))
    give_snapshot(host, first)
    until(lambda: host.state.log.snapshots.all(1))
    assert not host.state.log.snapshots.all(1)[0].confirmed
    second.reply(1, HEAD, snapshot_at_head(host, 1).digest)
    until(lambda: host.state.log.snapshots.all(1)[0].confirmed)


def test_a_replay_by_other_rules_judges_nobody(
    host: Coordinator, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Masters that differ past older entries: a person decides, though a replay by today's rules agrees with one."""
    monkeypatch.setattr(DivergenceResolver, "_replayed", lambda *_: {b"a"})
    for node in ("m1", "m2"):
        at(host, connect, node, OLDER)
    host.operations.resolver.contents_differ(1, OLDER, {"m1": b"a", "m2": b"b"})
    until(lambda: blocking(host).key == "dispute_undecided")
    assert len(host.state.registry.having(Status.UNDECIDED)) == 2
    host.older.consider(host.operations.rounds)
    assert host.operations.rounds.running(1) is None


def test_a_restore_says_that_entries_ran_by_other_rules(host: Coordinator, monkeypatch: pytest.MonkeyPatch) -> None:
    """One state for all comes out of it, but it need not be the one that was there."""
    said: list[str] = []
    monkeypatch.setattr(restore, "_restore", lambda *_: HEAD + 1)
    here, there = socket.socketpair()
    with here, there:
        restore.from_log(host.operations, FrameSocket(here), said.append, {"database": "t", "index": 3})
    assert any("3 entries of an earlier release" in line for line in said)
