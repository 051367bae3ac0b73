"""The log's host against nodes that misbehave: it runs here, the node is a socket that speaks the frames."""

from __future__ import annotations

import pytest

from dirk_gevent.base.logger import logger
from dirk_gevent.base.request_ids import new_request_id
from dirk_gevent.coordinator.coordinator import Coordinator
from dirk_gevent.coordinator.divergence.registry import Cause, Status
from dirk_gevent.coordinator.node_link import NodeLink
from dirk_gevent.log.entry import Draft, LoggedStatement
from dirk_gevent.log.records import SnapshotInfo
from dirk_gevent.protocol.frames import split_entries
from dirk_gevent.replication.frame_types import Standing
from dirk_parser.errors import SqlError
from dirk_parser.normalize.normalizer import split
from tests.service.fake_node import NOW_MS, Connect, FakeNode, append, blocking, snapshot_at_head, until, upload


def test_snapshots_of_two_databases_do_not_mix_on_their_way(host: Coordinator, connect: Connect) -> None:
    """A node sends both at once, piece by piece: each file holds its own pieces."""
    host.state.log.appends.create_database("other", new_request_id(NOW_MS))
    append(host)
    host.state.log.appends.append(2, Draft(new_request_id(NOW_MS), (LoggedStatement(split("fafao u;")),)))
    node = connect("m1")
    for log_id in (1, 2):
        until(lambda log_id=log_id: host.operations.rounds.begin(log_id) is not None)  # type: ignore[misc]
        upload(node, snapshot_at_head(host, log_id))
    for piece in (b"a", b"b"):
        for log_id in (1, 2):
            node.frames.send({"t": "chunk", "log": log_id}, piece * log_id)
    for log_id in (1, 2):
        node.frames.send({"t": "upload_end", "log": log_id})
    until(lambda: host.state.log.snapshots.all(1) and host.state.log.snapshots.all(2))
    for log_id, whole in ((1, b"ab"), (2, b"aabb")):
        reader = host.state.log.snapshots.open(log_id, 1)
        assert reader.read(100) == whole
        reader.close()


def test_a_refused_snapshot_stops_nothing_else_of_its_node(host: Coordinator, connect: Connect) -> None:
    """More of it comes than the host would hold: acknowledgements behind it arrive all the same."""
    append(host)
    node = connect("m1")
    until(lambda: host.operations.rounds.begin(1) is not None)
    wrong = SnapshotInfo(1, 1, b"another history!", b"content")
    upload(node, wrong)
    for _ in range(200):
        node.frames.send({"t": "chunk", "log": 1}, b"x" * 1000)
    node.ack(1, 1)
    until(lambda: host.state.cluster.nodes["m1"].applied_index(1) == 1)


def test_a_fenced_node_is_not_believed_until_its_state_is_aside(host: Coordinator, connect: Connect) -> None:
    """What it applied before it heard of the fence comes in behind a heartbeat: it counts for nothing."""
    append(host, 3)
    node = connect("m1")
    node.ack(1, 1)
    until(lambda: host.state.cluster.nodes["m1"].applied_index(1) == 1)
    host.operations.fences.fence("m1", 1, 1)
    node.next("fence")
    node.beat()
    node.ack(1, 2, b"wrong")
    node.frames.send({"t": "fenced", "log": 1})
    node.beat(durable={1: 7})
    until(lambda: host.state.cluster.nodes["m1"].progress.durable.get(1) == 7)
    assert host.state.outcomes.of(1).first(2) is None
    until(lambda: host.state.cluster.live_masters(1) == ["m1"])


def test_a_commit_of_a_log_that_never_was_leaves_nothing_behind(host: Coordinator, connect: Connect) -> None:
    """A client may send any number of them."""
    connect("m1").beat()
    until(lambda: host.state.cluster.live_masters(7))
    before = len(host.state.outcomes._outcomes)
    for log_id in range(100, 200):
        with pytest.raises(SqlError) as refused:
            host.operations.appends.write(log_id, "x", "", Draft(new_request_id(NOW_MS), ()))
        assert refused.value.sqlstate == "3D000"
    assert len(host.state.outcomes._outcomes) == before


def test_a_node_that_ends_one_entry_wrongly_again_and_again_is_evicted(host: Coordinator, connect: Connect) -> None:
    """Seeded anew it would meet the same entry, and keep one more state aside, without an end."""
    append(host, 3)
    node = connect("m1")
    for index in (1, 2, 2):
        host.operations.fences.fence("m1", 1, index)
        node.next("fence")
        host.operations.fences.done("m1", 1, "kept")
        assert not host.state.cluster.nodes["m1"].is_evicted(1)
    host.operations.fences.fence("m1", 1, 2)
    host.operations.fences.done("m1", 1, "kept")
    assert host.state.cluster.nodes["m1"].is_evicted(1)
    assert host.state.registry.find("m1", 1, Status.EVICTED) is not None
    assert not host.state.cluster.nodes["m2"].is_evicted(1)


def test_a_node_fenced_while_it_is_away_hears_of_it_when_it_is_back(host: Coordinator, connect: Connect) -> None:
    """The chain of hashes cannot tell that its content is wrong: the host remembers."""
    append(host, 2)
    host.operations.fences.fence("m1", 1, 2)
    chain = host.state.log.reads.chain_at(1, 2)
    assert chain is not None
    connect("m1", {1: Standing(2, chain, 2)}).next("fence")


def test_outcomes_lost_with_a_connection_are_told_again(host: Coordinator, connect: Connect) -> None:
    """The node applied an entry and the link broke before it could say so: writers and headers wait for its word."""
    append(host, 3)
    node = connect("m1")
    node.ack(1, 1)
    until(lambda: host.state.outcomes.of(1).released == 1)
    node.end()
    chain = host.state.log.reads.chain_at(1, 3)
    assert chain is not None
    again = connect("m1", {1: Standing(3, chain, 3)})
    frame = again.next("entries")
    while frame["log"] != 1:
        frame = again.next("entries")
    assert frame["first"] == 2 and len(split_entries(frame["body"])) == 2


def test_a_node_is_sent_no_more_bytes_than_it_can_hold(
    host: Coordinator, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Entries of two megabytes each: the window ends long before its number of entries."""
    monkeypatch.setattr("dirk_gevent.coordinator.send_window.WINDOW_BYTES", 3_000_000)
    large = LoggedStatement(split(f"fafao u rehefa n = '{'x' * 1_000_000}';"))
    for _ in range(8):
        host.state.log.appends.append(1, Draft(new_request_id(NOW_MS), (large,)))
    node = connect("m1")
    link: NodeLink = host.state.links["m1"]
    last = 0
    while last < 2:
        frame = node.next("entries")
        last = frame["first"] if frame["log"] == 1 else 0
    node.next("beat")
    node.next("beat")
    assert link._queue.windows[1].sent == 2
    node.ack(1, 1)
    until(lambda: link._queue.windows[1].sent > 2)


def test_a_second_masters_digest_that_differs_names_the_author_too(
    host: Coordinator, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The author's own digest comes last: it must be among those that a replay judges all the same."""
    found: list[dict[str, bytes]] = []
    monkeypatch.setattr(host.operations.resolver, "contents_differ", lambda *facts: found.append(dict(facts[2])))
    append(host)
    author, other = connect("m1"), connect("m2")
    author.ack(1, 1)
    until(lambda: host.state.cluster.nodes["m1"].applied_index(1) == 1)
    assert host.operations.rounds.begin(1) == 1
    other.reply(1, 1, b"another")
    upload(author, snapshot_at_head(host, 1))
    author.frames.send({"t": "upload_end", "log": 1})
    until(lambda: found)
    assert found == [{"m1": b"content", "m2": b"another"}]
    assert not host.state.log.snapshots.all(1)


def test_no_snapshot_is_begun_that_nobody_could_confirm(
    host: Coordinator, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one of two masters away the log waits, instead of having a snapshot made again and again."""
    monkeypatch.setattr("dirk_gevent.coordinator.divergence.digest_rounds._is_large", lambda *_: True)
    append(host)
    node = connect("m1")
    host.operations.rounds.consider()
    for _ in range(2):
        assert node.next("mark", "beat")["t"] == "beat"
    connect("m2")
    host.operations.rounds.consider()
    node.next("mark")


def test_a_fence_outlives_the_host(host: Coordinator, connect: Connect) -> None:
    """The process ends before the node has put its state aside: the next one still shuts it out, and says so."""
    append(host, 2)
    host.operations.fences.fence("m1", 1, 2, Cause.CONTENT, (b"wrong", b"right"))
    (found,) = host.state.registry.all()
    assert (found.node, found.database, found.index, found.status) == ("m1", "t", 2, Status.FENCED)
    again = Coordinator(host.state.config, host.state.log, logger("test"))
    try:
        assert again.state.cluster.live_masters(1) == [] and again.state.is_shut_out("m1", 1)
        assert again.state.registry.all() == [found]
        chain = again.state.log.reads.chain_at(1, 2)
        assert chain is not None
        node = FakeNode(again, "m1", {1: Standing(2, chain, 2)})
        node.next("fence")
        node.frames.send({"t": "fenced", "log": 1, "kept": "/kept.sqlite"})
        until(lambda: not again.state.is_shut_out("m1", 1))
        assert again.state.registry.all()[0].kept == "/kept.sqlite"
        node.end()
    finally:
        again.stop()


def test_a_writer_waits_for_the_winner_of_a_dispute(host: Coordinator, connect: Connect) -> None:
    """The masters end its entry differently and the log cannot say who is right: 08007, not the first one's word."""
    first, second = connect("m1"), connect("m2")
    disputed = host.state.outcomes.of(1)
    disputed.watch(1)
    append(host)
    first.ack(1, 1, b"one")
    second.ack(1, 1, b"other")
    until(lambda: host.state.registry.having(Status.UNDECIDED))
    assert disputed.first(1) is None
    with pytest.raises(SqlError) as refused:
        host.state.blocks.check(1)
    assert refused.value.sqlstate == "57P03"
    until(lambda: len(host.state.registry.having(Status.UNDECIDED)) == 2)
    until(lambda: isinstance(blocking(host), SqlError) and blocking(host).key == "dispute_undecided")
