"""A log is taken as it is: what comes meanwhile, and a disk that fails meanwhile, take nothing from the promise."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import apsw
import gevent
import pytest

from dirk_gevent.base.logger import logger
from dirk_gevent.coordinator.coordinator import Coordinator
from dirk_gevent.coordinator.divergence.registry import Cause, Status
from dirk_gevent.log.embedded.journal import Journal
from dirk_gevent.replication.frame_types import Standing
from dirk_parser.errors import SqlError
from tests.service.fake_node import FakeNode, append, blocking, until

FIRST, SECOND = b"\x07" * 16, b"\x08" * 16
GATE_SECONDS = 20.0


class Gate:
    """Holds one of the journal's methods on its thread until `open`, or lets it fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, method: str, fails: Callable[[object], bool]) -> None:
        self.came, self.open = threading.Event(), threading.Event()
        ran = getattr(Journal, method)

        def held(journal: Journal, *words: object) -> None:
            self.came.set()
            assert self.open.wait(GATE_SECONDS)
            if fails(words[0] if words else None):
                raise apsw.IOError("the disk failed")
            ran(journal, *words)

        monkeypatch.setattr(Journal, method, held)


@pytest.fixture
def copied(host: Coordinator) -> Iterator[Coordinator]:
    """The host of a log that lies in another file than it was written in, with two entries of log 1."""
    append(host, 2)
    host.state.log.is_copy = True  # type: ignore[misc]
    again = Coordinator(host.state.config, host.state.log, logger("test"))
    yield again
    again.stop()


def standing(host: Coordinator) -> dict[int, Standing]:
    """A node that has the log's own history."""
    chain = host.state.log.reads.chain_at(1, 1)
    assert chain is not None
    return {1: Standing(1, chain, 1)}


def comes(host: Coordinator, node: str, epoch: bytes | None = None) -> Callable[[], None]:
    """A node comes, whatever is said to it; the call ends it."""
    made: list[FakeNode] = []

    def come() -> None:
        with suppress(AssertionError):
            made.append(
                FakeNode(host, node, standing(host), epoch=None if epoch is None else (host.state.log.genesis, epoch))
            )

    coming = gevent.spawn(come)

    def end() -> None:
        coming.join()
        for one in made:
            one.end()

    return end


def test_who_comes_while_the_disk_notes_it_still_speaks_against_the_log(
    copied: Coordinator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody decided about that one: it blocks the log, and its epoch is not disowned."""
    gate = Gate(monkeypatch, "claim", lambda _: False)
    ends = [comes(copied, "m1")]
    until(lambda: "m1" in copied.state.links)
    ends.append(comes(copied, "m2"))
    until(gate.came.is_set)
    ends.append(comes(copied, "m1", FIRST))
    until(lambda: copied.state.registry.having(Status.UNDECIDED)[-1].cause is Cause.WENT_BACK)
    gate.open.set()
    until(lambda: not copied.state.log.is_copy)
    for end in ends:
        end()
    assert blocking(copied).key == "log_went_back"
    assert not copied.state.log.epochs.is_disowned(FIRST)


def test_who_comes_while_a_person_s_word_is_noted_was_not_decided(
    host: Coordinator, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(host, 2)
    first = comes(host, "m1", FIRST)
    until(lambda: len(host.state.registry.having(Status.UNDECIDED)) == 1)
    gate = Gate(monkeypatch, "disown_epoch", lambda _: False)
    accepting = gevent.spawn(host.operations.evidence.accept)
    until(gate.came.is_set)
    second = comes(host, "m2", SECOND)
    until(lambda: len(host.state.registry.having(Status.UNDECIDED)) == 2)
    gate.open.set()
    accepting.get(timeout=GATE_SECONDS)
    assert blocking(host).key == "log_went_back"
    assert host.state.log.epochs.is_disowned(FIRST) and not host.state.log.epochs.is_disowned(SECOND)
    for end in (first, second):
        end()


def test_all_that_a_node_knows_from_an_epoch_is_decided_at_once(
    host: Coordinator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says so log by log, and the word of a person comes in the middle of that."""
    append(host, 2)
    epoch = host.state.log.genesis, FIRST
    host.operations.evidence.is_older("m1", 0, (1, 9), epoch)
    gate = Gate(monkeypatch, "disown_epoch", lambda _: False)
    accepting = gevent.spawn(host.operations.evidence.accept)
    until(gate.came.is_set)
    host.operations.evidence.is_older("m1", 1, (2, 9), epoch)
    gate.open.set()
    accepting.get(timeout=GATE_SECONDS)
    host.operations.evidence.is_older("m1", 1, (2, 9), epoch)
    assert not host.operations.evidence.is_open
    for log_id in (0, 1):
        host.state.blocks.check(log_id)


def test_a_history_that_is_shut_out_keeps_no_writer_waiting(host: Coordinator) -> None:
    """Whatever it had said before: it goes aside, and nobody could decide about it any more."""
    append(host, 2)
    host.operations.evidence.is_older("m1", 1, (2, 9), None)
    assert blocking(host).key == "log_older_than_node"
    host.operations.fences.fence("m1", 1, 9, Cause.HISTORY)
    host.state.blocks.check(1)
    host.operations.evidence.is_older("m2", 1, (2, 9), None)
    host.operations.fences.fence("m1", 1, 9, Cause.HISTORY)
    assert blocking(host).key == "log_older_than_node", "m2 still has to be heard"


@pytest.mark.parametrize("fails", [apsw.IOError("the disk failed"), FileNotFoundError(2, "no such directory")])
def test_a_copied_log_counts_once_the_disk_takes_it(
    copied: Coordinator, monkeypatch: pytest.MonkeyPatch, fails: Exception
) -> None:
    """The disk fails when the last master has come: that one is let go, and what it says when it comes again counts."""

    def refuse(_: object) -> None:
        raise fails

    made = [FakeNode(copied, "m1", standing(copied))]
    with monkeypatch.context() as patched:
        patched.setattr(Journal, "claim", refuse)
        with pytest.raises(AssertionError, match="closed the link"):
            FakeNode(copied, "m2", standing(copied))
    assert copied.state.log.is_copy and copied.operations.evidence.is_open and blocking(copied).key == "log_copied"
    assert "m2" not in copied.state.links and not copied.state.cluster.nodes["m2"].is_connected
    until(lambda: not copied.state.log.appends.is_in_doubt)
    made.append(FakeNode(copied, "m2", standing(copied)))
    copied.state.blocks.check(1)
    assert not copied.state.log.is_copy
    for node in made:
        node.end()


def test_what_failed_half_way_is_done_when_it_is_said_again(host: Coordinator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two nodes speak against the log, of different databases; the second's epoch cannot be noted at first."""
    append(host, 2)
    head = host.state.head_index(1)
    host.operations.evidence.is_older("m1", 1, (head, head + 3), (host.state.log.genesis, FIRST))
    host.operations.evidence.is_older("m2", 0, (1, 9), (host.state.log.genesis, SECOND))
    with monkeypatch.context() as patched:
        Gate(patched, "disown_epoch", lambda epoch: epoch == SECOND).open.set()
        with pytest.raises(SqlError, match="log_unavailable"):
            host.operations.evidence.accept()
    assert len(host.state.registry.having(Status.UNDECIDED)) == 2
    until(lambda: not host.state.log.appends.is_in_doubt)
    host.operations.evidence.accept()
    for log_id in (0, 1):
        host.state.blocks.check(log_id)
    assert not host.operations.evidence.is_open


def test_two_that_accept_at_once_do_not_undo_each_other(copied: Coordinator, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first one's disk fails while the second waits: whoever comes finds a log that counts, or still a copy."""
    failing = [True]
    gate = Gate(monkeypatch, "claim", lambda _: failing.pop() if failing else False)
    head = copied.state.head_index(1)
    copied.operations.evidence.is_older("m1", 1, (head, head + 3), (copied.state.log.genesis, FIRST))
    told: list[str] = []

    def accept() -> None:
        try:
            copied.operations.evidence.accept()
            told.append("")
        except SqlError as error:
            told.append(error.key)

    both = [gevent.spawn(accept), gevent.spawn(accept)]
    until(gate.came.is_set)
    gate.open.set()
    gevent.joinall(both, timeout=GATE_SECONDS)
    assert "log_unavailable" in told
    until(lambda: not copied.state.log.appends.is_in_doubt)
    if copied.state.log.is_copy:
        copied.operations.evidence.accept()
    node = FakeNode(copied, "m2", standing(copied))
    copied.state.blocks.check(1)
    assert not copied.state.log.is_copy and not copied.operations.evidence.is_open
    node.end()
