"""Rounds of digests and snapshots when nodes are cut off, shut out or stalled inside one: every round ends."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import gevent
import pytest

from dirk_gevent.base.logger import logger
from dirk_gevent.config.settings import Role
from dirk_gevent.coordinator.coordinator import Coordinator
from dirk_gevent.coordinator.divergence import digest_round
from dirk_gevent.coordinator.divergence.digest_round import DigestRound
from dirk_gevent.coordinator.divergence.registry import Cause
from dirk_gevent.coordinator.node_view import NodeState
from dirk_gevent.engine.apply.at_work import Effort
from dirk_gevent.replication import frame_types
from dirk_gevent.replication.frame_types import Standing
from tests.service.fake_node import Connect, FakeNode, append, snapshot_at_head, until, upload

LOG_ID = 1
BEAT_SECONDS = 0.1


@pytest.fixture(autouse=True)
def looked_after(host: Coordinator, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The host looks after its rounds, as it does when it runs; a lost node is awaited for longer than a test waits."""
    monkeypatch.setattr(digest_round, "RECONNECT_SECONDS", 60.0)

    def look() -> None:
        while True:
            gevent.sleep(0.02)
            host.state.log_errors(host.operations.rounds.consider)

    # None is begun by itself.
    monkeypatch.setattr(host.operations.rounds._comparisons, "is_due", lambda *_: False)
    looking = gevent.spawn(look)
    yield
    looking.kill()


@pytest.fixture
def reconnect_seconds(looked_after: None, monkeypatch: pytest.MonkeyPatch) -> float:
    """A lost node is awaited for a moment."""
    monkeypatch.setattr(digest_round, "RECONNECT_SECONDS", 0.4)
    return 0.4


def standing(host: Coordinator, index: int) -> dict[int, Standing]:
    """What a node says that has applied log 1 up to `index`."""
    chain = host.state.log.reads.chain_at(LOG_ID, index)
    assert chain is not None
    return {LOG_ID: Standing(index, chain, index)}


def two(host: Coordinator, connect: Connect, entries: int = 1) -> list[FakeNode]:
    """Two masters that are level."""
    append(host, entries)
    made = [connect("m1", standing(host, entries)), connect("m2", standing(host, entries))]
    until(lambda: all(host.state.cluster.nodes[name].applied_index(LOG_ID) == entries for name in ("m1", "m2")))
    return made


def begun(host: Coordinator, uploads: bool = False, author: str | None = None) -> DigestRound:
    """A round that begins now."""
    assert host.operations.rounds.begin(LOG_ID, uploads, author) is not None
    current = host.operations.rounds.running(LOG_ID)
    assert current is not None
    return current


def tell(node: FakeNode, index: int, digest: bytes) -> None:
    """Tell a digest."""
    node.reply(LOG_ID, index, digest)


def ends(current: DigestRound) -> None:
    """Wait for the round's end."""
    with gevent.Timeout(10):
        current.ended.wait()


def is_urgent(host: Coordinator) -> bool:
    """Whether the database is still to be compared."""
    return host.operations.rounds._comparisons._known[LOG_ID].is_urgent


@pytest.mark.parametrize("is_marked", [False, True])
def test_a_node_whose_link_was_cut_and_made_again_is_asked_again(
    host: Coordinator, connect: Connect, is_marked: bool
) -> None:
    """Between two looks of the host: it never sees the node away."""
    first, second = two(host, connect)
    current = begun(host)
    if is_marked:
        second.next("mark")
    second.end()
    again = connect("m2", standing(host, 1))
    assert again.next("mark")["index"] == 1
    tell(again, 1, b"right")
    tell(first, 1, b"right")
    ends(current)
    assert current.digests == {"m1": b"right", "m2": b"right"} and not is_urgent(host)


def test_the_difference_that_a_node_tells_over_its_next_connection_counts(
    host: Coordinator, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[dict[str, bytes]] = []
    monkeypatch.setattr(host.operations.resolver, "contents_differ", lambda *facts: found.append(dict(facts[2])))
    first, second = two(host, connect)
    current = begun(host)
    tell(first, 1, b"right")
    second.next("mark")
    second.end()
    again = connect("m2", standing(host, 1))
    again.next("mark")
    tell(again, 1, b"other")
    ends(current)
    assert found == [{"m1": b"right", "m2": b"other"}]


def test_a_node_that_comes_back_past_the_index_is_not_awaited(host: Coordinator, connect: Connect) -> None:
    first, second = two(host, connect)
    current = begun(host)
    second.end()
    append(host)
    again = connect("m2", standing(host, 2))
    again.beat()
    tell(first, 1, b"right")
    ends(current)
    assert current.withdrawn == {"m2"} and is_urgent(host)


def test_a_round_ends_when_a_master_dies_in_it(host: Coordinator, connect: Connect, reconnect_seconds: float) -> None:
    first, second = two(host, connect)
    current = begun(host)
    tell(first, 1, b"right")
    began = time.monotonic()
    second.end()
    ends(current)
    assert time.monotonic() - began >= reconnect_seconds
    assert current.withdrawn == {"m2"} and is_urgent(host)


@pytest.mark.parametrize("victim", ["author", "other"])
def test_a_snapshot_round_ends_when_a_master_dies_in_it(
    host: Coordinator, connect: Connect, reconnect_seconds: float, victim: str
) -> None:
    nodes = two(host, connect)
    current = begun(host, uploads=True)
    author, other = sorted(nodes, key=lambda node: node.name != current.author)
    (author if victim == "author" else other).end()
    if victim == "other":
        upload(author, snapshot_at_head(host, LOG_ID))
        author.frames.send({"t": "upload_end", "log": LOG_ID})
    ends(current)
    until(lambda: not host.state.log.snapshots.all(LOG_ID))
    assert host.operations.rounds.running(LOG_ID) is None


def test_a_round_ends_when_a_node_stalls_in_it(host: Coordinator, connect: Connect) -> None:
    """Its disk is full: it is connected and says so, and will not come to the index."""
    first, second = two(host, connect)
    current = begun(host)
    second.beat({LOG_ID: "stalled"})
    tell(first, 1, b"right")
    ends(current)
    assert current.withdrawn == {"m2"} and is_urgent(host)


def test_a_round_ends_when_a_node_is_fenced_in_it(host: Coordinator, connect: Connect) -> None:
    first, second = two(host, connect)
    current = begun(host)
    host.operations.fences.fence("m2", LOG_ID, 1, Cause.ASKED)
    second.frames.send({"t": "fenced", "log": LOG_ID})
    tell(first, 1, b"right")
    ends(current)
    assert current.digests == {"m1": b"right"}


def test_a_node_that_is_silent_in_a_round_is_not_awaited(
    host: Coordinator, connect: Connect, reconnect_seconds: float
) -> None:
    """SIGSTOP: the connection stands, and nothing comes over it."""
    first, _ = two(host, connect)
    current = begun(host)
    tell(first, 1, b"right")
    host.reports.node_lost("m2", "the connection ended")
    ends(current)
    assert current.withdrawn == {"m2"}


@pytest.mark.parametrize("role", [Role.MASTER, Role.REPLICA])
def test_a_node_evicted_from_one_database_holds_up_none_of_its_rounds(
    host: Coordinator, connect: Connect, role: Role
) -> None:
    append(host)
    view = host.state.cluster.nodes["m2"]
    view.instance = replace(view.instance, role=role)
    first = connect("m1", standing(host, 1))
    host.operations.fences.evict("m2", LOG_ID)
    connect("m2", standing(host, 1))
    until(lambda: host.state.cluster.nodes["m1"].applied_index(LOG_ID) == 1)
    current = begun(host)
    tell(first, 1, b"right")
    ends(current)
    assert not is_urgent(host)
    current = begun(host, uploads=True)
    upload(first, snapshot_at_head(host, LOG_ID))
    first.frames.send({"t": "upload_end", "log": LOG_ID})
    ends(current)
    assert [one.confirmed for one in host.state.log.snapshots.all(LOG_ID)] == [True]


def test_a_master_evicted_from_one_database_has_no_vote_there(host: Coordinator) -> None:
    host.operations.fences.evict("m2", LOG_ID)
    masters = host.state.cluster.masters
    assert (masters(LOG_ID), masters(0), masters()) == (1, 2, 2)


def test_a_backup_begins_though_a_snapshot_is_on_its_way(host: Coordinator, connect: Connect) -> None:
    """What the backup reads is forgotten behind no snapshot meanwhile; the snapshot is confirmed afterwards."""
    nodes = two(host, connect)
    current = begun(host, uploads=True)
    author, other = sorted(nodes, key=lambda node: node.name != current.author)
    with gevent.Timeout(5), host.operations.rounds.held():
        upload(author, snapshot_at_head(host, LOG_ID))
        author.frames.send({"t": "upload_end", "log": LOG_ID})
        tell(other, 1, b"content")
        until(lambda: current.stored is not None and "m2" in current.digests)
        gevent.sleep(0.2)
        assert not current.ended.is_set() and not host.state.log.snapshots.all(LOG_ID)[0].confirmed
    ends(current)
    assert host.state.log.snapshots.all(LOG_ID)[0].confirmed


def test_a_question_is_not_lost_behind_the_one_before(host: Coordinator, connect: Connect) -> None:
    """The first round is given up while its question is being sent; the second one's stands behind it."""
    two(host, connect)
    link = host.state.links["m1"]
    asked: list[int] = []
    send = link._frames.send

    def slow(content: dict[str, object], body: bytes = b"") -> None:
        if content["t"] == "mark":
            asked.append(int(str(content["index"])))
            gevent.sleep(0.2)
        send(content, body)

    link._frames.send = slow  # type: ignore[method-assign]
    link.mark(LOG_ID, 1, False)
    until(lambda: asked)
    append(host)
    assert link.mark(LOG_ID, 2, False)
    until(lambda: asked == [1, 2])


def test_a_snapshot_that_nobody_confirmed_seeds_nobody_and_goes(host: Coordinator, connect: Connect) -> None:
    """The proxy died between the author's upload and the second master's word: the author may have been edited."""
    append(host)
    host.state.log.snapshots.store(snapshot_at_head(host, LOG_ID), [b"what somebody put into a file"])
    assert host.state.log.snapshots.latest(LOG_ID) is None
    again = Coordinator(host.state.config, host.state.log, logger("test"))
    try:
        again.operations.rounds.consider()
        assert not host.state.log.snapshots.all(LOG_ID)
    finally:
        again.stop()


def test_a_snapshot_that_no_other_can_confirm_is_given_up(host: Coordinator, connect: Connect) -> None:
    """Nobody is awaited and nobody was asked but its author: another round may begin when there is a second master."""
    append(host)
    author = connect("m1", standing(host, 1))
    until(lambda: host.state.cluster.nodes["m1"].applied_index(LOG_ID) == 1)
    current = begun(host, uploads=True)
    upload(author, snapshot_at_head(host, LOG_ID))
    author.frames.send({"t": "upload_end", "log": LOG_ID})
    tell(author, 1, b"right")
    ends(current)
    until(lambda: not host.state.log.snapshots.all(LOG_ID))


def test_no_snapshot_is_begun_with_a_master_that_does_not_follow_the_log(host: Coordinator, connect: Connect) -> None:
    append(host)
    connect("m1", standing(host, 1))
    until(lambda: host.state.cluster.nodes["m1"].applied_index(LOG_ID) == 1)
    other = connect("m2", {LOG_ID: Standing(1, b"\x05" * 16, 7)})
    until(lambda: host.state.cluster.nodes["m2"].state(LOG_ID) is NodeState.LIVE)
    assert host.operations.rounds._able(LOG_ID) == ["m1"]
    other.end()


def test_what_is_uploaded_for_a_round_that_was_given_up_is_not_kept(host: Coordinator, connect: Connect) -> None:
    nodes = two(host, connect)
    current = begun(host, uploads=True)
    author = next(node for node in nodes if node.name == current.author)
    host.operations.rounds._give_up(LOG_ID, current)
    upload(author, snapshot_at_head(host, LOG_ID))
    author.frames.send({"t": "upload_end", "log": LOG_ID})
    tell(author, 1, b"right")
    until(lambda: host.state.cluster.nodes[author.name].progress.digests.get(LOG_ID) == (1, b"right"))
    assert not host.state.log.snapshots.all(LOG_ID)


def answering(node: FakeNode, count: int) -> None:
    """A heartbeat of a node that has come so far with its answer about log 1."""
    node.frames.send(frame_types.node_beat({}, {}, answers={LOG_ID: count}))


@pytest.fixture
def still_seconds(monkeypatch: pytest.MonkeyPatch) -> float:
    """How long a node that does not get on with its answer is awaited: a moment."""
    monkeypatch.setattr("dirk_gevent.coordinator.divergence.answer_progress.STILL_SECONDS", 0.4)
    return 0.4


@pytest.fixture
def beats(monkeypatch: pytest.MonkeyPatch) -> range:
    """Heartbeats that come, with `BEAT_SECONDS` between two, for longer than a node that stands still is awaited."""
    monkeypatch.setattr("dirk_gevent.coordinator.divergence.answer_progress.STILL_SECONDS", 20 * BEAT_SECONDS)
    return range(25)


def test_a_round_ends_without_a_node_that_hangs_in_its_digest(
    host: Coordinator, connect: Connect, still_seconds: float
) -> None:
    """It is connected and its heartbeats come. The next rounds do not wait for it until it gets on."""
    first, second = two(host, connect)
    began = time.monotonic()
    current = begun(host)
    second.next("mark")
    tell(first, 1, b"right")
    while not current.ended.is_set():
        answering(second, 7)
        gevent.sleep(0.02)
        assert time.monotonic() - began < 60
    assert time.monotonic() - began >= still_seconds
    assert current.withdrawn == {"m2"} and is_urgent(host)
    current = begun(host)
    assert set(current.asked) == {"m1"}
    tell(first, 1, b"right")
    ends(current)
    answering(second, 8)
    until(lambda: set(host.operations.rounds._able(LOG_ID)) == {"m1", "m2"})


def test_a_node_that_gets_on_with_its_digest_is_awaited(host: Coordinator, connect: Connect, beats: range) -> None:
    """However long it takes: until it stands still."""
    first, second = two(host, connect)
    current = begun(host)
    tell(first, 1, b"right")
    for count in beats:
        answering(second, count)
        gevent.sleep(BEAT_SECONDS)
        assert not current.ended.is_set()
    tell(second, 1, b"right")
    ends(current)
    assert set(current.digests) == {"m1", "m2"} and not is_urgent(host)


def test_a_node_that_works_at_entries_before_the_question_is_awaited(
    host: Coordinator, connect: Connect, beats: range
) -> None:
    append(host)
    first, second = connect("m1", standing(host, 1)), connect("m2")
    until(lambda: host.state.cluster.nodes["m1"].applied_index(LOG_ID) == 1)
    current = begun(host)
    tell(first, 1, b"right")
    for beat in beats:
        effort = Effort(1, 100 * beat, 0, 100 * beat)
        second.frames.send(frame_types.node_beat({}, {}, {LOG_ID: effort}))
        gevent.sleep(BEAT_SECONDS)
        assert not current.ended.is_set()
    ends(current)
    assert current.withdrawn == {"m2"}


def test_the_next_snapshot_is_not_asked_of_a_node_that_hangs(
    host: Coordinator, connect: Connect, still_seconds: float
) -> None:
    """Its author hangs: the round is given up. The other is asked next, but only when it could be confirmed."""
    nodes = {node.name: node for node in two(host, connect)}
    began = time.monotonic()
    current = begun(host, uploads=True)
    author = str(current.author)
    (other,) = nodes.keys() - {author}
    tell(nodes[other], 1, b"right")
    ends(current)
    assert time.monotonic() - began >= still_seconds
    host.operations.rounds._not_before.clear()
    assert host.operations.rounds._able(LOG_ID) == [other]
    assert not host.operations.rounds._is_worthwhile(LOG_ID, host.state.log.reads.size(LOG_ID))
    answering(nodes[author], 1)
    until(lambda: host.operations.rounds._is_worthwhile(LOG_ID, host.state.log.reads.size(LOG_ID)))
