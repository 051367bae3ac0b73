"""How long a write waits: while a master gets on with what stands before it, and no longer."""

from __future__ import annotations

from collections.abc import Callable

import gevent
import pytest

from dirk_gevent.base.request_ids import new_request_id
from dirk_gevent.config.settings import Limits
from dirk_gevent.coordinator.coordinator import Coordinator
from dirk_gevent.coordinator.efforts import Efforts
from dirk_gevent.coordinator.server_rows import ServerRow, server_rows
from dirk_gevent.engine.apply.at_work import Effort
from dirk_gevent.log.entry import Draft, LoggedStatement
from dirk_gevent.replication import frame_types
from dirk_parser.errors import SqlError
from dirk_parser.normalize.normalizer import split
from tests.service.fake_node import NOW_MS, Connect, until

LIMITS = Limits(wait_ms=5_000, statement_seconds=60.0)


class Clock:
    """Seconds that a test lets pass."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def yes(_: int) -> bool:
    return True


def waited(clock: Clock, left_seconds: Callable[[], float], each_second: Callable[[], None]) -> float:
    """How long a write waits that asks every second."""
    began = clock.now
    while left_seconds() > 0:
        clock.now += 1.0
        each_second()
    return clock.now - began


@pytest.mark.parametrize(
    ("grows", "expected"), [("steps", 60.0), ("cpu", 60.0), ("index", 60.0), ("nothing", 5.0), ("fenced", 5.0)]
)
def test_a_write_waits_while_a_master_gets_on(grows: str, expected: float) -> None:
    """Up to the statement's own limit; who is at the same step, or does not count, is not waited for."""
    clock = Clock()
    efforts = Efforts(clock)
    left_seconds = efforts.patience(4, LIMITS)
    at = Effort(1, 0, 0, 0)
    efforts.told("m1", {4: at}, yes)

    def beat() -> None:
        nonlocal at
        at = Effort(
            at.index + (grows == "index"), at.ms + 1000, at.steps + (grows == "steps"), at.cpu_ms + (grows == "cpu")
        )
        efforts.told("m1", {4: at}, yes if grows != "fenced" else lambda _: False)

    assert waited(clock, left_seconds, beat) == pytest.approx(expected, abs=1.0)


def test_progress_of_another_log_is_not_this_one_s() -> None:
    clock = Clock()
    efforts = Efforts(clock)
    assert waited(clock, efforts.patience(4, LIMITS), lambda: efforts.moved(5)) == pytest.approx(5.0, abs=1.0)
    assert waited(clock, efforts.patience(4, LIMITS), lambda: efforts.moved(4)) == pytest.approx(60.0, abs=1.0)


def test_a_writer_waits_past_waitms_and_is_answered(host: Coordinator, connect: Connect) -> None:
    """The master tells in each heartbeat how far it is; SHOW SERVERS shows it."""
    object.__setattr__(host.state.config.limits, "wait_ms", 2000)
    node = connect("m1")
    writing = gevent.spawn(_write, host)
    until(lambda: host.state.head_index(1) == 1)
    for beat in range(26):
        node.frames.send(frame_types.node_beat({}, {}, {1: Effort(1, 100 * beat, 10_000 * beat, 100 * beat)}))
        gevent.sleep(0.1)
    until(lambda: _row(host).work_steps == 250_000)
    assert not writing.ready()
    row = _row(host)
    assert row.work_index == 1 and row.work_seconds == pytest.approx(2.5)
    node.ack(1, 1)
    assert writing.get(timeout=5) == ""


def test_a_writer_is_told_that_nobody_knows_when_nothing_moves(host: Coordinator, connect: Connect) -> None:
    object.__setattr__(host.state.config.limits, "wait_ms", 300)
    node = connect("m1")
    writing = gevent.spawn(_write, host)
    until(lambda: host.state.head_index(1) == 1)
    while not writing.ready():
        node.frames.send(frame_types.node_beat({}, {}, {1: Effort(1, 5, 10_000, 70)}))
        gevent.sleep(0.1)
    assert writing.get() == "08007"


def test_databases_are_made_when_a_master_has_made_them(host: Coordinator, connect: Connect) -> None:
    """Else nobody knows, as with any write."""
    object.__setattr__(host.state.config.limits, "wait_ms", 300)
    node = connect("m1")
    with pytest.raises(SqlError) as told:
        host.operations.appends.create_database("other", new_request_id(NOW_MS), False)
    assert told.value.sqlstate == "08007"
    object.__setattr__(host.state.config.limits, "wait_ms", 5000)
    making = gevent.spawn(host.operations.appends.create_database, "third", new_request_id(NOW_MS), False)
    until(lambda: host.state.log.reads.find("third") is not None)
    node.reach(0, host.state.head_index(0))
    assert making.get(timeout=5).change.name == "third"


def _row(host: Coordinator) -> ServerRow:
    """What SHOW SERVERS says of m1 and the database."""
    (row,) = (row for row in server_rows(host.state) if (row.node, row.database) == ("m1", "t"))
    return row


def _write(host: Coordinator) -> str:
    draft = Draft(new_request_id(NOW_MS), (LoggedStatement(split("fafao u;")),))
    try:
        return host.operations.appends.write(1, "t", "u", draft).sqlstate
    except SqlError as error:
        return error.sqlstate
