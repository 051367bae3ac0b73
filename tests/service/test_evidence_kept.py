"""What speaks against a log is neither lost, by what the node or the log's host goes on to do, nor made up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import apsw
import gevent
import pytest

from dirk_gevent.base.logger import logger
from dirk_gevent.base.request_ids import new_request_id
from dirk_gevent.coordinator.coordinator import Coordinator
from dirk_gevent.coordinator.divergence.registry import Cause, Conflict, ConflictSubject, Status
from dirk_gevent.log.embedded.embedded_log import EmbeddedLog
from dirk_gevent.replication.frame_types import Standing
from tests.service.fake_node import NOW_MS, FakeNode, append, blocking, snapshot_at_head, until

LATER, OTHER = b"\x07" * 16, b"\x05" * 16
#: The log had so many entries when the epoch before this opening ended.
BEFORE = 2


class Opened:
    """A log that was opened twice, and its host, which can be made anew. `first` is the epoch that is over."""

    def __init__(self, host: Coordinator) -> None:
        append(host, BEFORE)
        self.first = host.state.log.epochs.current
        host.stop()
        host.state.log.close()
        self.log = EmbeddedLog(host.state.config.log, clock=lambda: NOW_MS)
        self.host = Coordinator(host.state.config, self.log, logger("test"))

    def restart(self) -> Coordinator:
        """As the process that ends and begins again, with the log as it is."""
        self.stop()
        self.host = Coordinator(self.host.state.config, self.log, logger("test"))
        return self.host

    def stop(self) -> None:
        """End the host."""
        self.host.reports.is_stopping = True
        self.host.stop()

    def node(self, name: str, standing: Standing, epoch: bytes | None) -> FakeNode:
        """A node that comes, and stands so in log 1."""
        told = None if epoch is None else (self.log.genesis, epoch)
        return FakeNode(self.host, name, {1: standing}, epoch=told)

    def right(self, index: int, heard: int = 0) -> Standing:
        """A node that has the log's own history."""
        chain = self.log.reads.chain_at(1, index)
        assert chain is not None
        return Standing(index, chain, heard)

    def found(self) -> list[Conflict]:
        """What is undecided."""
        return self.host.state.registry.having(Status.UNDECIDED)


@pytest.fixture
def opened(host: Coordinator) -> Iterator[Opened]:
    found = Opened(host)
    yield found
    found.stop()
    found.log.close()


def told_epochs(node: FakeNode) -> set[str]:
    """Every epoch that a node is told in its first frames."""
    return {node.welcome["epoch"], *(node.next("beat", "entries")["epoch"] for _ in range(4))}


@pytest.mark.parametrize("is_past", [False, True], ids=["unknown epoch", "past epoch"])
def test_who_speaks_against_the_log_is_not_told_its_epoch(opened: Opened, is_past: bool) -> None:
    """It would write that down in the place of its own, and be shut out as one like any when it comes again."""
    append(opened.host, 9)
    epoch = opened.first if is_past else LATER
    for _ in range(2):
        node = opened.node("m1", Standing(5, OTHER, 5), epoch)
        assert told_epochs(node) == {""}
        assert blocking(opened.host).key == "log_went_back"
        assert not opened.host.state.cluster.nodes["m1"].databases.fenced
        node.end()
    node = opened.node("m2", opened.right(BEFORE, BEFORE), opened.first)
    assert opened.log.epochs.current.hex() in told_epochs(node)
    node.end()


def test_who_was_given_up_is_told_the_epoch_once_its_state_is_put_aside(opened: Opened) -> None:
    """If it ended before that with the new epoch, what it still has would speak against the log again."""
    append(opened.host, 2)
    state = Standing(9, OTHER, 9)
    opened.node("m1", state, LATER).end()
    opened.host.operations.evidence.accept()
    node = opened.node("m1", state, LATER)
    node.next("fence")
    assert (node.welcome["epoch"], node.next("beat")["epoch"]) == ("", "")
    node.end()
    # It ended in between, and has written down the new one all the same.
    node = opened.node("m1", state, opened.log.epochs.current)
    assert node.next("fence", "refuse")["t"] == "fence"
    opened.host.state.blocks.check(1)
    node.frames.send({"t": "fenced", "log": 1, "kept": ""})
    while node.next("beat")["epoch"] != opened.log.epochs.current.hex():
        continue
    node.end()


@pytest.mark.parametrize("epoch", [None, "first"])
def test_a_log_that_lacks_entries_takes_none_after_a_restart_either(opened: Opened, epoch: str | None) -> None:
    """Though the node that told so is away; it ends when the node says otherwise."""
    first = None if epoch is None else opened.first
    opened.node("m1", Standing(5, OTHER, 5), first).end()
    assert blocking(opened.host).key == "log_older_than_node"
    opened.restart()
    assert blocking(opened.host).params == {"node": "m1", "head": BEFORE, "heard": 5}
    assert opened.host.state.blocks.lacking(1) is not None, "a backup says so too"
    node = opened.node("m1", opened.right(BEFORE, BEFORE), first)
    opened.host.state.blocks.check(1)
    assert not opened.found()
    node.end()


def test_a_node_whose_disk_is_empty_now_knows_no_more(opened: Opened) -> None:
    opened.node("m1", Standing(5, OTHER, 5), opened.first).end()
    opened.restart()
    FakeNode(opened.host, "m1").end()
    opened.host.state.blocks.check(1)
    assert not opened.found()


def test_two_that_know_more_must_both_say_otherwise(opened: Opened) -> None:
    for name in ("m1", "m2"):
        opened.node(name, Standing(5, OTHER, 5), opened.first).end()
    for name in ("m1", "m2"):
        assert blocking(opened.host).key == "log_older_than_node"
        opened.node(name, opened.right(BEFORE, BEFORE), opened.first).end()
    opened.host.state.blocks.check(1)


def test_what_speaks_against_another_log_is_over(opened: Opened) -> None:
    """A rebuilt one has another genesis: what the nodes said of the log before it blocks nothing."""
    gone, book = b"g" * 16, opened.host.state.registry
    book.add(ConflictSubject("m1", "", None, 3), Cause.WENT_BACK, Status.UNDECIDED, (LATER, gone))
    book.add(ConflictSubject("m1", "t", 1, 9), Cause.OLDER_LOG, Status.UNDECIDED, (b"", gone))
    opened.restart().state.blocks.check(1)
    assert not opened.found() and opened.host.operations.evidence.undecidable() is None


def test_what_a_dropped_database_s_log_lacked_is_over(opened: Opened) -> None:
    opened.node("m1", Standing(5, OTHER, 5), opened.first).end()
    opened.log.appends.drop_database("t", new_request_id(NOW_MS))
    opened.restart()
    assert not opened.found()


def test_a_node_that_has_this_very_log_speaks_not_against_it(opened: Opened) -> None:
    """It ended, or its disk was full, before it could write down the epoch in which it applied the last entries."""
    append(opened.host, 3)
    node = opened.node("m1", opened.right(BEFORE + 2, BEFORE + 3), opened.first)
    while (frame := node.next("entries", "refuse", "fence"))["log"] != 1:
        continue
    assert frame["t"] == "entries"
    opened.host.state.blocks.check(1)
    node.end()


def test_a_hello_without_an_epoch_takes_nothing_back(opened: Opened) -> None:
    """The file with it cannot be read any more, say; what the node has is there still."""
    append(opened.host, 9)
    opened.node("m1", Standing(5, OTHER, 5), LATER).end()
    node = opened.node("m1", Standing(5, OTHER, 5), None)
    gevent.sleep(0.05)
    assert blocking(opened.host).key == "log_went_back"
    assert not opened.host.state.cluster.nodes["m1"].databases.fenced
    node.end()


def test_a_log_of_an_earlier_release_that_went_back_is_told_too(opened: Opened) -> None:
    """An old journal without epochs took the place of a later one, and grew since; the node has heard of no epoch."""
    opened.stop()
    opened.log.close()
    with closing(apsw.Connection(str(opened.host.state.config.log.directory / "journal.sqlite"))) as connection:
        connection.execute("DELETE FROM epochs")
    opened.log = EmbeddedLog(opened.host.state.config.log, clock=lambda: NOW_MS)
    opened.restart()
    append(opened.host, 9)
    for _ in range(2):
        node = opened.node("m1", Standing(5, OTHER, 5), None)
        assert node.next("refuse", "fence")["t"] == "refuse"
        assert told_epochs(node) == {""}
        node.end()
        assert not opened.host.state.cluster.nodes["m1"].databases.fenced
        assert blocking(opened.host).key == "log_went_back"
        opened.stop()
        opened.log.close()
        opened.log = EmbeddedLog(opened.host.state.config.log, clock=lambda: NOW_MS)
        opened.restart()
    node = opened.node("m2", opened.right(BEFORE, BEFORE), None)
    while (frame := node.next("entries", "refuse"))["log"] != 1:
        continue
    assert frame["t"] == "entries"
    node.end()


def test_a_snapshot_says_in_which_epoch_it_is_sent(opened: Opened) -> None:
    """It may lead to an index that none of the node's epochs had."""
    append(opened.host, 2)
    info = snapshot_at_head(opened.host, 1)
    opened.log.snapshots.store(info, [b"state"])
    assert opened.log.snapshots.confirm(1, info.index, info.digest)
    opened.log.snapshots.truncate(1, info.index)
    node = FakeNode(opened.host, "m1")
    while (frame := node.next("snapshot"))["log"] != 1:
        continue
    assert frame["epoch"] == opened.log.epochs.current.hex()
    node.reach(1, info.index)
    until(lambda: opened.host.state.cluster.nodes["m1"].applied_index(1) == info.index)
    node.end()
