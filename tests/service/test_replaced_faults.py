"""A node's machine fails while a state is put aside, or another takes its place: nothing of it is answered from, what
the log said is done when the machine works again, and nothing is waited for that never comes.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from dirk_gevent.engine.engine import Engine
from dirk_gevent.engine.errors.faults import StorageFault
from dirk_gevent.engine.files.data_directory import DataDirectory
from dirk_gevent.engine.status import DatabaseState
from dirk_gevent.loop.threads import NativeThreads
from dirk_gevent.node import apply_queue
from dirk_gevent.node.queue_items import Restore
from tests.engine.plans import LogMaker, TestLimits, rows_of, work
from tests.service.fake_node import until
from tests.service.lone_follower import EMPTY, MADE, LoneFollower, come, fence, is_answered, rows_of_t

BROKEN = OSError(5, "Input/output error")


class Machine:
    """Refuses one kind of work until it is mended."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, method: tuple[type, str], fault: Exception = BROKEN) -> None:
        self.refused = 0
        self._fails = True
        does = getattr(*method)

        def refuse(*arguments: Any) -> Any:
            if self._fails:
                self.refused += 1
                raise fault
            return does(*arguments)

        monkeypatch.setattr(*method, refuse)

    def mend(self) -> None:
        """It works from now on."""
        self._fails = False


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the machine refuses is tried again at once."""
    monkeypatch.setattr(apply_queue, "_RETRY_SECONDS", 0.05)


class ClientConnection:
    """A connection on which nobody listens."""

    def send(self, *_: Any) -> None:
        """Nobody hears it."""

    def close(self) -> None:
        """Nothing is there to close."""


def connect(lone: LoneFollower) -> None:
    """A connection begins, in the place of the one that there is."""
    lone.queues.cut_all()
    lone.context.link.begin(ClientConnection())  # type: ignore[arg-type]


@pytest.mark.parametrize("log_id", [0, 1])
def test_a_state_that_cannot_be_put_aside_is_no_answer(
    lone: LoneFollower, monkeypatch: pytest.MonkeyPatch, log_id: int
) -> None:
    """The log has said that it does not count."""
    machine = Machine(monkeypatch, (DataDirectory, "set_aside"))
    fence(lone, log_id)
    until(lambda: machine.refused > 2)
    assert not is_answered(lone, log_id)
    machine.mend()
    until(lambda: not lone.engine.logs()[log_id].applied_index)
    assert not is_answered(lone, log_id)
    come(lone, log_id, *([MADE] if log_id == 0 else rows_of_t()))
    until(lambda: is_answered(lone, log_id))
    assert rows_of(lone.engine.get("t"), "select a from t") == [(7,)]


@pytest.mark.parametrize("log_id", [0, 1])
def test_a_state_that_was_not_put_aside_counts_if_the_next_log_knows_it(
    lone: LoneFollower, monkeypatch: pytest.MonkeyPatch, log_id: int
) -> None:
    """The log that wanted it away went away itself, and sends nothing more; the next has nothing to send."""
    Machine(monkeypatch, (DataDirectory, "set_aside"))
    connect(lone)
    fence(lone, log_id)
    until(lambda: lone.engine.logs()[log_id].status.state is DatabaseState.STALLED)
    assert not is_answered(lone, log_id)
    connect(lone)
    lone.progress.welcomed({0: 1, 1: 2})
    lone.queues.welcomed()
    until(lambda: is_answered(lone, log_id))
    until(lambda: not lone.progress.min_serving_index)


def test_it_counts_too_if_that_is_told_while_the_machine_is_at_it(lone: LoneFollower) -> None:
    with pytest.raises(StorageFault), lone.progress.replacing(1):
        lone.progress.welcomed({0: 1, 1: 2})
        assert not is_answered(lone, 1)
        raise StorageFault(BROKEN)
    assert is_answered(lone, 1) and not lone.progress.min_serving_index


def test_an_error_that_nobody_foresaw_makes_no_answer_of_it(
    lone: LoneFollower, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(monkeypatch, (DataDirectory, "set_aside"), RuntimeError("nobody foresaw it"))
    fence(lone, 1)
    until(lambda: lone.broken == 1)
    fence(lone, 1)
    until(lambda: lone.engine.logs()[1].status.state is DatabaseState.BLOCKED)
    assert machine.refused == 2
    assert not is_answered(lone, 1)


def test_nothing_is_answered_of_a_state_that_went_without_the_one_in_its_place(
    lone: LoneFollower, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The machine refuses between the two."""
    database = lone.engine.logs()[1]
    database.upkeep.snapshot(tmp_path / "shot")
    machine = Machine(monkeypatch, (DataDirectory, "put"))
    lone.queues.open(1).put(Restore(tmp_path / "shot"))
    until(lambda: database.status.state is DatabaseState.STALLED)
    assert not database.applied_index and not is_answered(lone, 1)
    machine.mend()
    until(lambda: is_answered(lone, 1))
    assert rows_of(database, "select a from t") == [(7,)]


def test_the_state_of_before_is_there_until_the_one_in_its_place_is(
    lone: LoneFollower, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    database, does, go, begun = lone.engine.logs()[1], DataDirectory.put, threading.Event(), threading.Event()
    database.upkeep.snapshot(tmp_path / "shot")

    def slow(self: DataDirectory, log_id: int, image: Path) -> None:
        begun.set()
        go.wait(20)
        does(self, log_id, image)

    monkeypatch.setattr(DataDirectory, "put", slow)
    lone.queues.open(1).put(Restore(tmp_path / "shot"))
    until(begun.is_set)
    assert database.applied_index == 2
    go.set()
    until(lambda: database.status.state is DatabaseState.LIVE)
    assert rows_of(database, "select a from t") == [(7,)]


def test_the_list_follows_a_snapshot_once_the_machine_works_again(
    lone: LoneFollower, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The connection on which it came has ended, and on the next nothing has to be sent."""
    other = Engine(tmp_path / "other", "m2", TestLimits())
    other.open()
    NativeThreads(1).call(other.apply_system, work(MADE, EMPTY))
    other.system.upkeep.snapshot(tmp_path / "shot")
    other.close()
    machine = Machine(monkeypatch, (Engine, "reload_databases"), StorageFault(BROKEN))
    connect(lone)
    lone.queues.open(0).put(Restore(tmp_path / "shot"))
    until(lambda: lone.engine.system.applied_index == 2 and lone.engine.system.status.state is DatabaseState.STALLED)
    connect(lone)
    lone.progress.welcomed({0: 2, 1: 2, 2: 0})
    assert not is_answered(lone, 0)
    machine.mend()
    until(lambda: is_answered(lone, 0))
    assert lone.engine.get("empty").log_id == 2


def test_a_database_goes_once_the_machine_works_again(lone: LoneFollower, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its DROP is in the file of the list; the connection on which it came has ended."""
    log = LogMaker(0)
    log.database("create_database", "t")
    machine = Machine(monkeypatch, (DataDirectory, "remove"))
    connect(lone)
    come(lone, 0, log.database("drop_database", "t", 1), before=lone.engine.system.position.chain)
    until(lambda: lone.engine.system.status.state is DatabaseState.STALLED)
    connect(lone)
    lone.progress.welcomed({0: 2})
    machine.mend()
    until(lambda: is_answered(lone, 0))
    assert lone.engine.of_log(1) is None


def test_what_was_left_undone_is_done_with_what_comes_next(lone: LoneFollower, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine works again just when the next entry is there: nobody tries it for itself."""
    monkeypatch.setattr(apply_queue, "_RETRY_SECONDS", 0.2)
    log = LogMaker(0)
    log.database("create_database", "t")
    left = [log.database("drop_database", "t", 1), log.database("create_database", "y")]
    machine = Machine(monkeypatch, (DataDirectory, "remove"))
    connect(lone)
    come(lone, 0, *left, before=lone.engine.system.position.chain)
    until(lambda: lone.engine.system.status.state is DatabaseState.STALLED)
    connect(lone)
    machine.mend()
    come(lone, 0, log.database("create_database", "z"), before=lone.engine.system.position.chain)
    until(lambda: 4 in lone.engine.logs())
    assert set(lone.engine.logs()) == {0, 3, 4}
