"""The log's host against nodes that misbehave: it runs here, the node is a socket that speaks the frames."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent import socket

from dirk_gevent import config, protocol, replication
from dirk_gevent.config import Role
from dirk_gevent.conflicts import Cause, Status
from dirk_gevent.engine.build import build_fingerprint
from dirk_gevent.engine.results import Outcome
from dirk_gevent.host import LogHost
from dirk_gevent.host_link import NodeLink
from dirk_gevent.log.contract import SnapshotInfo
from dirk_gevent.log.embedded import EmbeddedLog
from dirk_gevent.log.entry import Draft, LoggedStatement, new_request_id
from dirk_gevent.logs import logger
from dirk_gevent.protocol import FrameSocket
from dirk_gevent.replication import Hello, Standing
from dirk_gevent.session import Session
from parser.errors import SqlError
from parser.shape import split

NOW_MS = 1_700_000_000_000


class FakeNode:
    """A node's end of a subscription; `frames` is its socket."""

    def __init__(
        self, host: LogHost, node: str, standings: dict[int, Standing] | None = None, process: str = ""
    ) -> None:
        mine, its = socket.socketpair()
        self.name = node
        self.frames = FrameSocket(mine)
        genesis = host.log.genesis if standings else None
        hello = Hello(node, build_fingerprint(), genesis, standings or {}, process=process)
        self._serving = gevent.spawn(host.follow, its, json.loads(json.dumps(hello.encode())))
        assert self.next("welcome")["t"] == "welcome"
        self.beat()
        until(lambda: host.cluster.nodes[node].is_connected)

    def beat(self, states: dict[int, str] | None = None) -> None:
        """A heartbeat."""
        self.frames.send(replication.node_beat({}, {}, states or {}))

    def next(self, *kinds: str) -> dict[str, Any]:
        """The next frame of one of these kinds."""
        with gevent.Timeout(5):
            while True:
                frame = self.frames.receive()
                assert frame is not None, "the host closed the link"
                if frame["t"] in kinds:
                    return frame

    def ack(self, log_id: int, index: int, digest: bytes = b"d", tables: tuple[str, ...] = ("u",)) -> None:
        """Tell how one entry ended."""
        outcome = Outcome(index, "", "", {}, 1, tables, "insert", "u", "r", digest)
        self.frames.send(replication.acks(log_id, index, [outcome]))

    def end(self) -> None:
        """Break the connection and wait until the host has seen it. Safe to call twice."""
        self.frames.close()
        self._serving.join(5)
        assert self._serving.dead


Connect = Callable[..., FakeNode]


@pytest.fixture
def connect(host: LogHost) -> Iterator[Connect]:
    """Connects fake nodes to the host; their connections end with the test."""
    made: list[FakeNode] = []

    def one(node: str, standings: dict[int, Standing] | None = None, process: str = "") -> FakeNode:
        made.append(FakeNode(host, node, standings, process))
        return made[-1]

    yield one
    for node in made:
        node.end()


def until(condition: Callable[[], object]) -> None:
    """Let the host run until it is so."""
    with gevent.Timeout(5):
        while not condition():
            gevent.sleep(0.01)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[LogHost]:
    """A host of two masters' log with one database, log 1."""
    written = {
        "configVersion": 2,
        "loadBalancer": {"listenHost": "127.0.0.1", "listenPort": 3949},
        "instances": [
            {"id": one, "role": "MASTER", "host": "127.0.0.1", "port": port, "dataDirectory": one}
            for one, port in (("m1", 3948), ("m2", 3950))
        ],
        "log": {"directory": "log"},
    }
    path = tmp_path / "config.json"
    path.write_text(json.dumps(written))
    found = config.load(path)
    log = EmbeddedLog(found.log, clock=lambda: NOW_MS)
    log.create_database("t", new_request_id(NOW_MS))
    host = LogHost(found, log, logger("test"))
    yield host
    host.is_stopping = True
    host.stop()
    log.close()


def append(host: LogHost, count: int = 1) -> None:
    """Append to log 1."""
    for _ in range(count):
        host.log.append(1, Draft(new_request_id(NOW_MS), (LoggedStatement(split("fafao u;")),)))


def upload(node: FakeNode, info: SnapshotInfo) -> None:
    """Begin to send a snapshot."""
    node.frames.send(replication.snapshot_fields("upload", info))


def snapshot_at_head(host: LogHost, log_id: int) -> SnapshotInfo:
    """What a node would say of a snapshot of the newest state."""
    head = host.log.head(log_id)
    return SnapshotInfo(log_id, head.index, head.chain, b"content")


def test_snapshots_of_two_databases_do_not_mix_on_their_way(host: LogHost, connect: Connect) -> None:
    """A node sends both at once, piece by piece: each file holds its own pieces."""
    host.log.create_database("other", new_request_id(NOW_MS))
    append(host)
    host.log.append(2, Draft(new_request_id(NOW_MS), (LoggedStatement(split("fafao u;")),)))
    node = connect("m1")
    for log_id in (1, 2):
        upload(node, snapshot_at_head(host, log_id))
    for piece in (b"a", b"b"):
        for log_id in (1, 2):
            node.frames.send({"t": "chunk", "log": log_id}, piece * log_id)
    for log_id in (1, 2):
        node.frames.send({"t": "upload_end", "log": log_id})
    until(lambda: host.log.snapshots(1) and host.log.snapshots(2))
    for log_id, whole in ((1, b"ab"), (2, b"aabb")):
        reader = host.log.open_snapshot(log_id, 1)
        assert reader.read(100) == whole
        reader.close()


def test_a_refused_snapshot_stops_nothing_else_of_its_node(host: LogHost, connect: Connect) -> None:
    """More of it comes than the host would hold: acknowledgements behind it arrive all the same."""
    append(host)
    node = connect("m1")
    wrong = SnapshotInfo(1, 1, b"another history!", b"content")
    upload(node, wrong)
    for _ in range(200):
        node.frames.send({"t": "chunk", "log": 1}, b"x" * 1000)
    node.ack(1, 1)
    until(lambda: host.cluster.nodes["m1"].applied.get(1) == 1)


def test_a_fenced_node_is_not_believed_until_its_state_is_aside(host: LogHost, connect: Connect) -> None:
    """What it applied before it heard of the fence comes in behind a heartbeat: it counts for nothing."""
    append(host, 3)
    node = connect("m1")
    node.ack(1, 1)
    until(lambda: host.cluster.nodes["m1"].applied.get(1) == 1)
    host.fence("m1", 1, 1)
    node.next("fence")
    node.beat()
    node.ack(1, 2, b"wrong")
    node.frames.send({"t": "fenced", "log": 1})
    node.frames.send(replication.node_beat({}, {1: 7}, {}))
    until(lambda: host.cluster.nodes["m1"].durable.get(1) == 7)
    assert host.outcomes_of(1).first(2) is None
    until(lambda: host.cluster.live_masters(1) == ["m1"])


def test_a_node_fenced_while_it_is_away_hears_of_it_when_it_is_back(host: LogHost, connect: Connect) -> None:
    """The chain of hashes cannot tell that its content is wrong: the host remembers."""
    append(host, 2)
    host.fence("m1", 1, 2)
    chain = host.log.chain_at(1, 2)
    assert chain is not None
    connect("m1", {1: Standing(2, chain, 2)}).next("fence")


def test_outcomes_lost_with_a_connection_are_told_again(host: LogHost, connect: Connect) -> None:
    """The node applied an entry and the link broke before it could say so: writers and headers wait for its word."""
    append(host, 3)
    node = connect("m1")
    node.ack(1, 1)
    until(lambda: host.outcomes_of(1).released == 1)
    node.end()
    chain = host.log.chain_at(1, 3)
    assert chain is not None
    again = connect("m1", {1: Standing(3, chain, 3)})
    frame = again.next("entries")
    while frame["log"] != 1:
        frame = again.next("entries")
    assert frame["first"] == 2 and len(protocol.split_entries(frame["body"])) == 2


def test_a_node_is_sent_no_more_bytes_than_it_can_hold(
    host: LogHost, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Entries of two megabytes each: the window ends long before its number of entries."""
    monkeypatch.setattr("dirk_gevent.host_link.WINDOW_BYTES", 3_000_000)
    large = LoggedStatement(split(f"fafao u rehefa n = '{'x' * 1_000_000}';"))
    for _ in range(8):
        host.log.append(1, Draft(new_request_id(NOW_MS), (large,)))
    node = connect("m1")
    link: NodeLink = host.links()["m1"]
    last = 0
    while last < 2:
        frame = node.next("entries")
        last = frame["first"] if frame["log"] == 1 else 0
    node.next("beat")
    node.next("beat")
    assert link._lanes[1].sent == 2
    node.ack(1, 1)
    until(lambda: link._lanes[1].sent > 2)


def test_a_second_masters_digest_that_differs_names_the_author_too(
    host: LogHost, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The author's own digest comes last: it must be among those that a replay judges all the same."""
    found: list[dict[str, bytes]] = []
    monkeypatch.setattr(host.disputes, "contents_differ", lambda *facts: found.append(dict(facts[2])))
    append(host)
    author, other = connect("m1"), connect("m2")
    author.ack(1, 1)
    until(lambda: host.cluster.nodes["m1"].applied.get(1) == 1)
    assert host.snapshots.begin(1) == 1
    other.frames.send({"t": "digest", "log": 1, "index": 1, "digest": b"another".hex()})
    upload(author, snapshot_at_head(host, 1))
    author.frames.send({"t": "upload_end", "log": 1})
    until(lambda: found)
    assert found == [{"m1": b"content", "m2": b"another"}]
    assert not host.log.snapshots(1)


def test_no_snapshot_is_begun_that_nobody_could_confirm(
    host: LogHost, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one of two masters away the log waits, instead of having a snapshot made again and again."""
    monkeypatch.setattr("dirk_gevent.snapshots._is_large", lambda *_: True)
    append(host)
    node = connect("m1")
    host.snapshots.consider()
    for _ in range(2):
        assert node.next("mark", "beat")["t"] == "beat"
    connect("m2")
    host.snapshots.consider()
    node.next("mark")


def test_a_fence_outlives_the_host(host: LogHost, connect: Connect) -> None:
    """The process ends before the node has put its state aside: the next one still shuts it out, and says so."""
    append(host, 2)
    host.fence("m1", 1, 2, Cause.CONTENT, (b"wrong", b"right"))
    (found,) = host.book.all()
    assert (found.node, found.database, found.index, found.status) == ("m1", "t", 2, Status.FENCED)
    again = LogHost(host.config, host.log, logger("test"))
    try:
        assert again.cluster.live_masters(1) == [] and again.fences.is_fenced("m1", 1)
        assert again.book.all() == [found]
        chain = again.log.chain_at(1, 2)
        assert chain is not None
        node = FakeNode(again, "m1", {1: Standing(2, chain, 2)})
        node.next("fence")
        node.frames.send({"t": "fenced", "log": 1, "kept": "/kept.sqlite"})
        until(lambda: not again.fences.is_fenced("m1", 1))
        assert again.book.all()[0].kept == "/kept.sqlite"
        node.end()
    finally:
        again.stop()


def test_a_writer_waits_for_the_winner_of_a_dispute(host: LogHost, connect: Connect) -> None:
    """The masters end its entry differently and the log cannot say who is right: 08007, not the first one's word."""
    first, second = connect("m1"), connect("m2")
    disputed = host.outcomes_of(1)
    disputed.watch(1)
    append(host)
    first.ack(1, 1, b"one")
    second.ack(1, 1, b"other")
    until(lambda: host.book.having(Status.UNDECIDED))
    assert disputed.first(1) is None
    with pytest.raises(SqlError) as refused:
        host.disputes.check(1)
    assert refused.value.sqlstate == "57P03"
    until(lambda: len(host.book.having(Status.UNDECIDED)) == 2)
    until(lambda: isinstance(blocking(host), SqlError) and blocking(host).key == "dispute_undecided")


def blocking(host: LogHost) -> SqlError:
    """What blocks log 1."""
    with pytest.raises(SqlError) as refused:
        host.disputes.check(1)
    return refused.value


def test_what_comes_late_of_a_dropped_database_is_not_kept(host: LogHost, connect: Connect) -> None:
    """All nodes have applied the drop, and an acknowledgement of an entry from before is still on its way."""
    append(host)
    node = connect("m1")
    node.ack(1, 1)
    until(lambda: host.outcomes_of(1).released == 1)
    before = host.head_index(0)
    dropping = gevent.spawn(host.drop_database, "t", new_request_id(NOW_MS), False)
    until(lambda: host.head_index(0) > before)
    head = host.head_index(0)
    node.frames.send(replication.node_beat({0: head}, {}, {}))
    until(lambda: host.cluster.nodes["m1"].applied.get(0) == head)
    dropping.join()
    host._forget_dropped()
    node.ack(1, 2)
    node.frames.send(replication.node_beat({1: 2}, {1: 2}, {}))
    node.frames.send(replication.node_beat({}, {0: head}, {}))
    until(lambda: host.cluster.nodes["m1"].durable.get(0) == head)
    assert 1 not in host._outcomes
    assert 1 not in host.cluster.nodes["m1"].applied and 1 not in host.cluster.nodes["m1"].durable


def test_a_copied_log_waits_for_every_master(host: LogHost) -> None:
    """It lies in another file than it was written in: who has heard of more of it must have had a chance to say so."""
    append(host, 2)
    host.log.is_copy = True  # type: ignore[misc]
    again = LogHost(host.config, host.log, logger("test"))
    made = []
    try:
        assert blocking(again).key == "log_copied" and blocking(again).params["missing"] == "m1, m2"
        for node, left in (("m1", "m2"), ("m2", None)):
            chain = again.log.chain_at(1, 1)
            assert chain is not None
            made.append(FakeNode(again, node, {1: Standing(1, chain, 1)}))
            if left is not None:
                assert blocking(again).params["missing"] == left
        again.disputes.check(1)
        assert not host.log.is_copy and again.book.all()[-1].status is Status.ENDED
    finally:
        for node_end in made:
            node_end.end()
        again.stop()


def test_a_copied_log_that_lacks_entries_is_for_a_person(host: LogHost) -> None:
    append(host, 2)
    host.log.is_copy = True  # type: ignore[misc]
    again = LogHost(host.config, host.log, logger("test"))
    chain = again.log.chain_at(1, 2)
    assert chain is not None
    node = FakeNode(again, "m1", {1: Standing(2, chain, 9)})
    try:
        assert blocking(again).key == "log_older_than_node"
        assert host.log.is_copy
    finally:
        node.end()
        again.stop()


def test_a_replica_that_differs_is_fenced_by_what_the_masters_agree_on(host: LogHost, connect: Connect) -> None:
    """It has no vote: its content is measured against the masters' one digest, and is seeded anew."""
    append(host)
    master, replica = connect("m1"), connect("m2")
    host.cluster.nodes["m2"].instance = replace(host.cluster.nodes["m2"].instance, role=Role.REPLICA)
    for node in (master, replica):
        node.ack(1, 1)
    until(lambda: all(host.cluster.nodes[name].applied.get(1) == 1 for name in ("m1", "m2")))
    assert host.snapshots.begin(1, uploads=False) == 1
    for node, digest in ((replica, b"other"), (master, b"right")):
        node.next("mark")
        node.frames.send({"t": "digest", "log": 1, "index": 1, "digest": digest.hex()})
    replica.next("fence")
    (found,) = host.book.all()
    assert (found.node, found.cause, found.right) == ("m2", Cause.CONTENT, b"right".hex())
    assert host.cluster.live_masters(1) == ["m1"]


def test_a_round_ends_at_once_when_its_author_can_give_nothing(host: LogHost, connect: Connect) -> None:
    """Its disk is full: nobody waits two minutes, and the next snapshot is not begun at once."""
    append(host)
    nodes = [connect("m1"), connect("m2")]
    for node in nodes:
        node.ack(1, 1)
    until(lambda: all(host.cluster.nodes[name].applied.get(1) == 1 for name in ("m1", "m2")))
    assert host.snapshots.begin(1) == 1
    current = host.snapshots.running(1)
    assert current is not None
    author = next(node for node in nodes if node.name == current.author)
    author.next("mark")
    author.frames.send({"t": "undone", "log": 1, "index": 1})
    with gevent.Timeout(5):
        current.ended.wait()
    assert host.snapshots.running(1) is None
    assert not host.snapshots._is_worthwhile(1, host.log.size(1))


def test_a_journal_that_is_opened_again_ends_a_round_without_a_traceback(
    host: LogHost, connect: Connect, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    append(host)
    node, other = connect("m1"), connect("m2")
    for one in (node, other):
        one.ack(1, 1)
    until(lambda: all(host.cluster.nodes[name].applied.get(1) == 1 for name in ("m1", "m2")))
    assert host.snapshots.begin(1, author="m1") == 1
    current = host.snapshots.running(1)
    assert current is not None

    def reopening(*_: object) -> bool:
        raise SqlError("log_unavailable", reason="the journal is not open")

    monkeypatch.setattr(host.log, "confirm_snapshot", reopening)
    upload(node, snapshot_at_head(host, 1))
    node.frames.send({"t": "upload_end", "log": 1})
    with gevent.Timeout(5):
        current.ended.wait()
    until(lambda: "event=snapshot_given_up" in capfd.readouterr().err)


def test_a_node_with_a_damaged_file_is_fenced(host: LogHost, connect: Connect) -> None:
    """What it has goes aside, and it is seeded from the log."""
    append(host)
    node = connect("m1")
    node.ack(1, 1)
    node.frames.send({"t": "damaged", "log": 1, "index": 1})
    node.next("fence")
    (found,) = host.book.all()
    assert (found.node, found.cause, found.status) == ("m1", Cause.DAMAGED, Status.FENCED)


def test_a_drain_outlives_the_link_and_the_proxy_but_not_the_node(host: LogHost, connect: Connect) -> None:
    """It is of a process: that one comes back drained, the next serves by itself."""
    view = host.cluster.nodes["m1"]
    connect("m1", process="a").end()
    host.drains.drain("m1")
    connect("m1", process="a").end()
    assert view.is_drained
    again = LogHost(host.config, host.log, logger("test"))
    assert again.cluster.nodes["m1"].is_drained
    for process in ("a", "b"):
        FakeNode(again, "m1", process=process).end()
        assert again.cluster.nodes["m1"].is_drained == (process == "a")
    again.stop()
    assert not LogHost(host.config, host.log, logger("test")).cluster.nodes["m1"].is_drained


def test_a_session_begins_at_the_head_whatever_its_first_request_is(host: LogHost, connect: Connect) -> None:
    """So that a first answer from an old state, which "any" may give, does not become where it stands."""
    append(host)
    session = Session("mg")
    assert host.place(session, "t") == ("t", 1)
    assert session.indexes == {1: host.head_index(1)}
    append(host)
    host.place(session, "t")
    assert session.indexes == {1: host.head_index(1) - 1}, "from then on it goes by what it sees"
