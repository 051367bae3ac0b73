"""A log that an older copy took the place of, in its own file: told by the first node that knows what came after."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dirk_gevent.base.logger import logger
from dirk_gevent.coordinator.coordinator import Coordinator
from dirk_gevent.coordinator.divergence.registry import Cause, Status
from dirk_gevent.log.embedded.embedded_log import EmbeddedLog
from dirk_gevent.messages.error_text import sentence
from dirk_gevent.replication import frame_types
from dirk_gevent.replication.frame_types import Standing
from dirk_gevent.replication.genesis import keep_heard_epoch
from tests.service.fake_node import NOW_MS, FakeNode, append, blocking, until

LATER = b"\x07" * 16


def grown(host: Coordinator) -> dict[int, Standing]:
    """The log holds four entries by now, and a node comes that had another second one."""
    append(host, 4)
    return {1: Standing(2, b"\x05" * 16, 2)}


@pytest.fixture
def opened_again(host: Coordinator) -> Iterator[Coordinator]:
    """The same log after a restart, one entry in it, and one more from this opening."""
    append(host)
    host.stop()
    host.state.log.close()
    log = EmbeddedLog(host.state.config.log, clock=lambda: NOW_MS)
    again = Coordinator(host.state.config, log, logger("test"))
    append(again)
    yield again
    again.reports.is_stopping = True
    again.stop()
    log.close()


def test_a_node_that_knows_a_later_epoch_is_not_shut_out_but_believed(host: Coordinator) -> None:
    node = FakeNode(host, "m1", grown(host), epoch=(host.state.log.genesis, LATER))
    error = blocking(host)
    assert (error.key, error.sqlstate) == ("log_went_back", "57P03")
    texts = {sentence(error.key, language, error.params) for language in ("mg", "fr", "en")}
    assert len(texts) == 3 and all("m1" in text and "rebuild-log" in text for text in texts)
    (found,) = host.state.registry.all()
    assert (found.node, found.cause, found.status) == ("m1", Cause.WENT_BACK, Status.UNDECIDED)
    append(host)
    beats = [node.next("beat", "fence", "entries") for _ in range(6)]
    assert not [frame for frame in beats if frame["t"] == "fence" or frame.get("log") == 1]
    assert not host.state.cluster.nodes["m1"].databases.fenced
    node.end()
    again = Coordinator(host.state.config, host.state.log, logger("test"))
    assert blocking(again).key == "log_went_back", "a restart forgets nothing"
    again.stop()


def test_a_person_may_take_the_log_as_it_is(host: Coordinator) -> None:
    """Then the node's history is another: it is kept aside, and the node takes the log's."""
    standings = grown(host)
    node = FakeNode(host, "m1", standings, epoch=(host.state.log.genesis, LATER))
    assert host.operations.evidence.is_open
    host.operations.evidence.accept()
    host.state.blocks.check(1)
    node.end()
    node = FakeNode(host, "m1", standings, epoch=(host.state.log.genesis, LATER))
    node.next("fence")
    node.end()


def test_a_longer_history_that_was_kept_aside_is_healed_where_the_log_is(host: Coordinator) -> None:
    """Not only when the log is as long as what was lost: a database at rest never is."""
    standings = grown(host)
    FakeNode(host, "m1", standings, epoch=(host.state.log.genesis, LATER)).end()
    host.operations.evidence.accept()
    node = FakeNode(host, "m1", standings, epoch=(host.state.log.genesis, LATER))
    node.next("fence")
    host.operations.fences.look()
    assert host.state.registry.all()[-1].status is Status.FENCED
    node.frames.send({"t": "fenced", "log": 1, "kept": "kept.sqlite"})
    until(lambda: host.state.registry.all()[-1].status is Status.KEPT)
    host.operations.fences.look()
    assert host.state.registry.all()[-1].status is Status.KEPT
    node.next("entries")
    node.ack(1, host.state.head_index(1))
    node.frames.send(frame_types.node_beat({}, {}))
    until(lambda: host.state.cluster.nodes["m1"].is_level(1, host.state.head_index(1)))
    host.operations.fences.look()
    assert host.state.registry.all()[-1].status is Status.HEALED
    node.end()


def test_the_right_log_put_back_ends_it(host: Coordinator) -> None:
    FakeNode(host, "m1", grown(host), epoch=(host.state.log.genesis, LATER)).end()
    chain = host.state.log.reads.chain_at(1, 2)
    assert chain is not None
    log = host.state.log
    node = FakeNode(host, "m1", {1: Standing(2, chain, 2)}, epoch=(log.genesis, log.epochs.current))
    host.state.blocks.check(1)
    assert host.state.registry.all()[-1].status is Status.ENDED
    node.end()


def test_a_node_that_heard_of_more_in_a_past_epoch_is_believed(opened_again: Coordinator) -> None:
    """The copy has the epoch, but not all that was written in it; the log has grown past that since."""
    host = opened_again
    append(host, 3)
    first = next(iter(host.state.log.epochs._heads_after))
    assert host.state.log.epochs.end(first, 1) == 1
    node = FakeNode(host, "m1", {1: Standing(2, b"\x05" * 16, 3)}, epoch=(host.state.log.genesis, first))
    assert node.next("refuse", "fence") == {"t": "refuse", "log": 1, "key": "log_older_than_node"}
    error = blocking(host)
    assert (error.key, error.params) == ("log_went_back", {"node": "m1", "head": 1, "heard": 3})
    assert not host.state.cluster.nodes["m1"].databases.fenced
    node.end()


def test_a_node_that_heard_no_more_follows(opened_again: Coordinator) -> None:
    host = opened_again
    first = next(iter(host.state.log.epochs._heads_after))
    chain = host.state.log.reads.chain_at(1, 1)
    assert chain is not None
    node = FakeNode(host, "m1", {1: Standing(1, chain, 1)}, epoch=(host.state.log.genesis, first))
    while (frame := node.next("entries", "refuse", "fence"))["log"] != 1:
        continue
    assert (frame["t"], frame["first"], frame["epoch"]) == ("entries", 2, host.state.log.epochs.current.hex())
    host.state.blocks.check(1)
    node.end()


def test_another_log_s_epoch_says_nothing(host: Coordinator) -> None:
    append(host)
    chain = host.state.log.reads.chain_at(1, 1)
    assert chain is not None
    node = FakeNode(host, "m1", {1: Standing(1, chain, 1)}, epoch=(b"o" * 16, LATER))
    host.state.blocks.check(1)
    node.end()


def test_what_a_node_on_this_machine_wrote_down_is_read_at_once(host: Coordinator) -> None:
    """It need not come."""
    append(host)
    directory = host.state.config.instances[0].data_directory
    directory.mkdir(parents=True)
    keep_heard_epoch(directory, host.state.log.genesis, LATER)
    again = Coordinator(host.state.config, host.state.log, logger("test"))
    assert blocking(again).params == {"node": "m1"}
    again.stop()


def test_accepting_it_does_not_hang_on_who_came_first(opened_again: Coordinator) -> None:
    """One node knows a later epoch and more entries, one more of an epoch that is over; each order ends the same."""
    host = opened_again
    append(host, 2)
    first = next(iter(host.state.log.epochs._heads_after))
    chain = host.state.log.reads.chain_at(1, 1)
    assert chain is not None
    later = {1: Standing(9, b"\x05" * 16, 9)}
    more = {1: Standing(2, b"\x06" * 16, 3)}
    nodes = [("m1", later, LATER), ("m2", more, first)]
    for name, standings, epoch in nodes:
        FakeNode(host, name, standings, epoch=(host.state.log.genesis, epoch)).end()
    causes = {(one.node, one.cause) for one in host.state.registry.having(Status.UNDECIDED)}
    assert causes == {("m1", Cause.WENT_BACK), ("m1", Cause.OLDER_LOG), ("m2", Cause.OLDER_LOG)}
    assert host.operations.evidence.undecidable() is None and host.operations.evidence.is_open
    host.operations.evidence.accept()
    host.state.blocks.check(1)
    assert not host.state.registry.having(Status.UNDECIDED) and not host.operations.evidence.is_open
    again = Coordinator(host.state.config, host.state.log, logger("test"))
    again.state.blocks.check(1)
    for name, standings, epoch in reversed(nodes):
        node = FakeNode(again, name, standings, epoch=(host.state.log.genesis, epoch))
        assert node.next("fence", "refuse")["t"] == "fence"
        again.state.blocks.check(1)
        node.end()
    again.reports.is_stopping = True
    again.stop()


def test_a_node_that_says_no_epoch_is_for_a_rebuild(host: Coordinator) -> None:
    """As one of release 2.0.0 does not: what it knows cannot be told from what the log has."""
    append(host)
    FakeNode(host, "m1", {1: Standing(5, b"\x05" * 16, 5)}).end()
    undecidable = host.operations.evidence.undecidable()
    assert undecidable is not None and undecidable.node == "m1"
