"""The log's host: databases that go, logs that were copied, replicas that differ, nodes that leave or are damaged."""

from __future__ import annotations

from dataclasses import replace

import gevent
import pytest

from dirk_gevent.base.logger import logger
from dirk_gevent.base.request_ids import new_request_id
from dirk_gevent.config.settings import Role
from dirk_gevent.coordinator.coordinator import Coordinator
from dirk_gevent.coordinator.divergence.registry import Cause, Status
from dirk_gevent.engine.errors.faults import StorageFault
from dirk_gevent.replication.frame_types import Acks, Standing
from dirk_gevent.server.session import Session
from dirk_parser.errors import SqlError
from tests.service.fake_node import NOW_MS, Connect, FakeNode, append, blocking, snapshot_at_head, until, upload


def test_what_comes_late_of_a_dropped_database_is_not_kept(host: Coordinator, connect: Connect) -> None:
    """All nodes have applied the drop, and an acknowledgement of an entry from before is still on its way."""
    append(host)
    node = connect("m1")
    node.ack(1, 1)
    until(lambda: host.state.outcomes.of(1).released == 1)
    before = host.state.head_index(0)
    dropping = gevent.spawn(host.operations.appends.drop_database, "t", new_request_id(NOW_MS), False)
    until(lambda: host.state.head_index(0) > before)
    head = host.state.head_index(0)
    node.reach(0, head)
    until(lambda: host.state.cluster.nodes["m1"].applied_index(0) == head)
    dropping.join()
    host._forget_dropped()
    node.frames.send(Acks(1, 2, 2, b"", ()).encode())
    node.beat(durable={1: 2})
    node.beat(durable={0: head})
    until(lambda: host.state.cluster.nodes["m1"].progress.durable.get(0) == head)
    assert 1 not in host.state.outcomes._outcomes
    progress = host.state.cluster.nodes["m1"].progress
    assert 1 not in progress.applied and 1 not in progress.durable


def test_a_copied_log_waits_for_every_master(host: Coordinator) -> None:
    """It lies in another file than it was written in: who has heard of more of it must have had a chance to say so."""
    append(host, 2)
    host.state.log.is_copy = True  # type: ignore[misc]
    again = Coordinator(host.state.config, host.state.log, logger("test"))
    made = []
    try:
        assert blocking(again).key == "log_copied" and blocking(again).params["missing"] == "m1, m2"
        for node, left in (("m1", "m2"), ("m2", None)):
            chain = again.state.log.reads.chain_at(1, 1)
            assert chain is not None
            made.append(FakeNode(again, node, {1: Standing(1, chain, 1)}))
            if left is not None:
                assert blocking(again).params["missing"] == left
        again.state.blocks.check(1)
        assert not host.state.log.is_copy and again.state.registry.all()[-1].status is Status.ENDED
    finally:
        for node_end in made:
            node_end.end()
        again.stop()


def test_a_copied_log_that_lacks_entries_is_for_a_person(host: Coordinator) -> None:
    append(host, 2)
    host.state.log.is_copy = True  # type: ignore[misc]
    again = Coordinator(host.state.config, host.state.log, logger("test"))
    chain = again.state.log.reads.chain_at(1, 2)
    assert chain is not None
    node = FakeNode(again, "m1", {1: Standing(2, chain, 9)})
    try:
        assert blocking(again).key == "log_older_than_node"
        assert host.state.log.is_copy
    finally:
        node.end()
        again.stop()


def test_a_replica_that_differs_is_fenced_by_what_the_masters_agree_on(host: Coordinator, connect: Connect) -> None:
    """It has no vote: its content is measured against the masters' one digest, and is seeded anew."""
    append(host)
    master, replica = connect("m1"), connect("m2")
    host.state.cluster.nodes["m2"].instance = replace(host.state.cluster.nodes["m2"].instance, role=Role.REPLICA)
    for node in (master, replica):
        node.ack(1, 1)
    until(lambda: all(host.state.cluster.nodes[name].applied_index(1) == 1 for name in ("m1", "m2")))
    assert host.operations.rounds.begin(1, uploads=False) == 1
    for node, digest in ((replica, b"other"), (master, b"right")):
        node.next("mark")
        node.reply(1, 1, digest)
    replica.next("fence")
    (found,) = host.state.registry.all()
    assert (found.node, found.cause, found.right) == ("m2", Cause.CONTENT, b"right".hex())
    assert host.state.cluster.live_masters(1) == ["m1"]


def test_a_round_ends_at_once_when_its_author_can_give_nothing(host: Coordinator, connect: Connect) -> None:
    """Its disk is full: nobody waits two minutes, and the next snapshot is not begun at once."""
    append(host)
    nodes = [connect("m1"), connect("m2")]
    for node in nodes:
        node.ack(1, 1)
    until(lambda: all(host.state.cluster.nodes[name].applied_index(1) == 1 for name in ("m1", "m2")))
    assert host.operations.rounds.begin(1) == 1
    current = host.operations.rounds.running(1)
    assert current is not None
    author = next(node for node in nodes if node.name == current.author)
    author.next("mark")
    author.reply(1, 1, None)
    with gevent.Timeout(5):
        current.ended.wait()
    assert host.operations.rounds.running(1) is None
    assert not host.operations.rounds._is_worthwhile(1, host.state.log.reads.size(1))


def test_a_journal_that_is_opened_again_ends_a_round_without_a_traceback(
    host: Coordinator, connect: Connect, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    append(host)
    node, other = connect("m1"), connect("m2")
    for one in (node, other):
        one.ack(1, 1)
    until(lambda: all(host.state.cluster.nodes[name].applied_index(1) == 1 for name in ("m1", "m2")))
    assert host.operations.rounds.begin(1, author="m1") == 1
    current = host.operations.rounds.running(1)
    assert current is not None

    def reopening(*_: object) -> bool:
        raise SqlError("log_unavailable", reason="the journal is not open")

    monkeypatch.setattr(host.state.log.snapshots, "confirm", reopening)
    upload(node, snapshot_at_head(host, 1))
    node.frames.send({"t": "upload_end", "log": 1})
    with gevent.Timeout(5):
        current.ended.wait()
    until(lambda: "event=snapshot_given_up" in capfd.readouterr().err)


def test_a_node_with_a_damaged_file_is_fenced(host: Coordinator, connect: Connect) -> None:
    """What it has goes aside, and it is seeded from the log."""
    append(host)
    node = connect("m1")
    node.ack(1, 1)
    node.frames.send({"t": "damaged", "log": 1, "index": 1})
    node.next("fence")
    (found,) = host.state.registry.all()
    assert (found.node, found.cause, found.status) == ("m1", Cause.DAMAGED, Status.FENCED)


def test_a_drain_outlives_the_link_and_the_proxy_but_not_the_node(host: Coordinator, connect: Connect) -> None:
    """It is of a process: that one comes back drained, the next serves by itself."""
    view = host.state.cluster.nodes["m1"]
    connect("m1", process="a").end()
    host.operations.drains.drain("m1")
    connect("m1", process="a").end()
    assert view.is_drained
    again = Coordinator(host.state.config, host.state.log, logger("test"))
    assert again.state.cluster.nodes["m1"].is_drained
    for process in ("a", "b"):
        FakeNode(again, "m1", process=process).end()
        assert again.state.cluster.nodes["m1"].is_drained == (process == "a")
    again.stop()
    assert not Coordinator(host.state.config, host.state.log, logger("test")).state.cluster.nodes["m1"].is_drained


def test_a_session_begins_at_what_is_known_whatever_its_first_request_is(host: Coordinator, connect: Connect) -> None:
    """So that a first answer from an old state, which "any" may give, does not become where it stands."""
    append(host, 2)
    node, session = connect("m1"), Session("mg")
    node.ack(1, 1)
    until(lambda: host.requests.sessions.known_index(1) == 1)
    assert host.requests.sessions.resolve(session, "t") == ("t", 1)
    assert session.indexes == {0: 1, 1: 1}, "of the second entry nobody was told"
    node.ack(1, 2)
    until(lambda: host.requests.sessions.known_index(1) == 2)
    host.requests.sessions.resolve(session, "t")
    assert session.indexes == {0: 1, 1: 1}, "from then on it goes by what it sees"


def test_a_replay_that_the_machine_fails_is_made_again(
    host: Coordinator, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log's disk is full when the masters disagree: that is no reason to leave the decision to a person."""
    monkeypatch.setattr("dirk_gevent.coordinator.divergence.resolver._RETRY_SECONDS", 0.05)
    append(host)
    connect("m1"), connect("m2")
    replays: list[int] = []

    def replayed(*_: object) -> set[bytes]:
        replays.append(1)
        if len(replays) < 3:
            raise StorageFault(OSError(28, "No space left on device"))
        return {b"right"}

    monkeypatch.setattr(host.operations.resolver, "_replayed", replayed)
    host.operations.resolver.contents_differ(1, 1, {"m1": b"right", "m2": b"other"})
    assert blocking(host).key == "masters_disagree"
    until(lambda: host.state.is_shut_out("m2", 1))
    until(lambda: host.state.blocks.undecided(1) is None)
    assert len(replays) == 3


def test_a_new_log_denies_no_database_before_a_node_has_come(
    host: Coordinator, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its directory may be away, and the nodes know of another log: 57P03 then, not 3D000."""
    monkeypatch.setattr(host.state, "head_index", lambda _: 0)
    with pytest.raises(SqlError) as refused:
        host.state.find("gone")
    assert refused.value.sqlstate == "57P03"
    connect("m1").beat()
    until(lambda: host.state.cluster.live_masters(0))
    with pytest.raises(SqlError) as refused:
        host.state.find("gone")
    assert refused.value.sqlstate == "3D000"


def test_a_log_that_begins_where_a_node_has_another_one_shuts_that_out(host: Coordinator, connect: Connect) -> None:
    """The history that the node came with had a database in the same place: its entries are not the log's."""
    node = connect("m1", {2: Standing(10, b"\x05" * 16, 10)})
    host.state.log.appends.create_database("b", new_request_id(NOW_MS))
    while (frame := node.next("entries", "fence"))["log"] != 2:
        pass
    assert frame["t"] == "fence"
    (found,) = host.state.registry.all()
    assert (found.node, found.log_id, found.cause) == ("m1", 2, Cause.HISTORY)
