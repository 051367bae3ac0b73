"""A node's side of the log, on an engine of its own: what breaks a connection never ends the following."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gevent
import pytest

from dirk_gevent.base.logger import logger
from dirk_gevent.engine.database import Database
from dirk_gevent.engine.engine import Engine
from dirk_gevent.engine.errors.faults import StorageFault
from dirk_gevent.engine.results import Outcome
from dirk_gevent.engine.status import DatabaseState
from dirk_gevent.log.entry import NO_CHAIN, chain
from dirk_gevent.log.records import chain_through
from dirk_gevent.loop.threads import NativeThreads
from dirk_gevent.node.apply_queue import ApplyQueue
from dirk_gevent.node.follower import Follower
from dirk_gevent.node.log_applier import LogApplier
from dirk_gevent.node.progress import Progress
from dirk_gevent.node.queue_items import Batch, Fence, Mark, Restore
from dirk_gevent.replication.frame_types import Hello, Welcome
from dirk_gevent.replication.genesis import followed_log
from dirk_parser.errors import SqlError
from tests.engine.plans import LogMaker, work
from tests.service.fake_node import until


def entries(log_id: int, *encoded: bytes, first: int = 1, before: bytes = NO_CHAIN) -> dict[str, Any]:
    """Entries as the host sends them."""
    after = chain_through(before, encoded).hex()
    frame = {"t": "entries", "log": log_id, "first": first, "chain": before.hex(), "after": after}
    return {**frame, "epoch": "", "body": b"\n".join(encoded)}


@pytest.fixture
def follower(engine: Engine) -> Follower:
    """It follows nobody yet."""
    return Follower(engine, Progress(engine), ("127.0.0.1", 1), logger("test"))


def test_a_fault_of_the_machine_does_not_end_the_following(
    follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full at the moment of connecting: the node tries again."""
    tried: list[int] = []

    def attempt() -> None:
        tried.append(1)
        raise StorageFault(OSError(28, "No space left on device"), "heard")

    monkeypatch.setattr(follower, "_attempt", attempt)
    running = gevent.spawn(follower.run)
    with gevent.Timeout(5):
        while len(tried) < 3:
            gevent.sleep(0.02)
    running.kill()


def test_a_second_snapshot_does_not_take_the_first_ones_file(follower: Follower) -> None:
    """The connection broke while the first was being taken in: the second has a file of its own."""
    waiting: list[Path] = []
    for _ in range(2):
        follower.incoming.receive({"t": "snapshot", "log": 5})
        follower.incoming.receive({"t": "chunk", "log": 5, "body": b"whole"})
        waiting.append(follower.incoming.snapshots.end(5))
    assert waiting[0] != waiting[1]
    assert [path.read_bytes() for path in waiting] == [b"whole", b"whole"]


def test_a_database_made_and_dropped_in_one_batch_leaves_nothing_waiting(
    follower: Follower, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own entries arrived too: nobody waits for it, and no connection is broken for its sake."""
    broken: list[int] = []
    monkeypatch.setattr(follower.context.link, "reconnect", lambda: broken.append(1))
    monkeypatch.setattr("dirk_gevent.node.apply_queue._LOOK_MS", 100)
    system, log = LogMaker(0), LogMaker(1)
    made = system.database("create_database", "brief")
    changes = (made, system.database("drop_database", "brief", made.index))
    row = log.sql("create table t (a)")
    follower.incoming.receive(entries(1, row.encode()))
    gevent.sleep(0.05)
    follower.incoming.receive(entries(0, *(entry.encode() for entry in changes)))
    with gevent.Timeout(5):
        while engine.enacted_index < 2:
            gevent.sleep(0.02)
    follower.incoming.receive(entries(1, row.encode()))
    assert follower.queues.get(1) is None
    gevent.sleep(0.6)
    assert not broken


def test_what_a_broken_connection_leaves_waiting_goes_with_its_files(follower: Follower, tmp_path: Path) -> None:
    """Items that had not begun are dropped, a snapshot's file among them."""
    path = tmp_path / "incoming.partial"
    path.write_bytes(b"x")
    follower.incoming.receive(entries(9, b"x"))
    lane = follower.queues.get(9)
    assert lane is not None
    lane.put(Restore(path))
    lane.put(Batch(1, b"", (), b""))
    lane.cut()
    assert not path.exists()
    lane.stop()


def test_an_error_that_nobody_foresaw_stops_one_database_alone(
    follower: Follower, engine: Engine, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """It is tried again over a new connection once; then the database is blocked, until it is seeded anew."""
    broken: list[int] = []
    monkeypatch.setattr(follower.context.link, "reconnect", lambda: broken.append(1))
    system = LogMaker(0)
    follower.incoming.receive(entries(0, system.database("create_database", "odd").encode()))
    with gevent.Timeout(5):
        while engine.of_log(1) is None:
            gevent.sleep(0.02)
    database = engine.of_log(1)
    assert database is not None

    def odd(*_: object) -> list[Outcome]:
        raise RuntimeError("odd")

    with monkeypatch.context() as while_odd:
        while_odd.setattr(database, "apply", odd)
        row = LogMaker(1).sql("create table t (a)").encode()
        follower.incoming.receive(entries(1, row))
        until(lambda: broken)
        follower.incoming.receive(entries(1, row))
        until(lambda: database.status.state is DatabaseState.BLOCKED)
        for _ in range(2):
            follower.incoming.receive(entries(1, row))
            gevent.sleep(0.1)
    assert len(broken) == 1, "the others are not kept waiting for ever"
    assert database.status.told is DatabaseState.STALLED and "odd" in database.status.reason
    assert capfd.readouterr().err.count("event=stuck") == 1
    lane = follower.queues.get(1)
    assert lane is not None
    lane.put(Fence())
    follower.incoming.receive(entries(1, row))
    with gevent.Timeout(5):
        while database.applied_index < 1 or database.status.state is not DatabaseState.LIVE:
            gevent.sleep(0.02)


@pytest.mark.parametrize("change", [(b"odd", b"ode"), (b"[", b"{")], ids=["valid", "broken"])
def test_entries_that_are_not_the_logs_are_not_applied_but_asked_for_again(
    follower: Follower, engine: Engine, monkeypatch: pytest.MonkeyPatch, change: tuple[bytes, bytes]
) -> None:
    """Bytes that changed on the way, or in the log, make no database; the right ones that follow do."""
    broken: list[int] = []
    monkeypatch.setattr(follower.context.link, "reconnect", lambda: broken.append(1))
    right = entries(0, LogMaker(0).database("create_database", "odd").encode())
    follower.incoming.receive({**right, "body": right["body"].replace(*change)})
    with gevent.Timeout(5):
        while not broken:
            gevent.sleep(0.01)
    assert engine.system.applied_index == 0
    follower.incoming.receive(right)
    with gevent.Timeout(5):
        while set(engine.databases()) != {"dirk", "odd"}:
            gevent.sleep(0.01)


def test_the_last_epoch_heard_is_written_down_before_its_entries_are_applied(
    follower: Follower, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes with the welcome, with beats and with entries; the hello after a restart tells it."""
    monkeypatch.setattr(follower.context.link, "send", lambda *_: None)
    epochs = [bytes([number]) * 16 for number in range(3)]
    follower._accepted(Welcome(b"g" * 16, (), {0: 0}, 0.5, epochs[0]))
    assert follower._hello().epoch == (b"g" * 16, epochs[0])
    follower.incoming.receive({"t": "beat", "heads": {}, "clock": 1, "epoch": epochs[1].hex()})
    follower.incoming.receive({"t": "beat", "heads": {}, "clock": 1, "epoch": ""})
    assert follower._hello().epoch == (b"g" * 16, epochs[1])
    seen: list[object] = []
    monkeypatch.setattr(ApplyQueue, "put", lambda *_: seen.append(follower._hello().epoch))
    follower.incoming.receive({**entries(0, b"x"), "epoch": epochs[2].hex()})
    assert seen == [(b"g" * 16, epochs[2])]
    again = Follower(engine, Progress(engine), ("127.0.0.1", 1), logger("test"))
    hello = again._hello()
    assert hello.epoch == (b"g" * 16, epochs[2])
    assert Hello.decode(json.loads(json.dumps(hello.encode()))) == hello


def test_a_full_disk_before_the_first_entry_is_told_and_recovers(
    follower: Follower, engine: Engine, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The node follows all the same, says that it is stalled in every log, and tries again with each beat."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("dirk_gevent.node.followed_log.keep_followed_log", full)
    for _ in range(2):
        follower._accepted(Welcome(b"g" * 16, (), {0: 3, 2: 1}, 0.5))
        assert follower.heartbeats.unwritten_states() == {0: "stalled", 2: "stalled"}
    assert follower.context.link.is_connected
    assert capfd.readouterr().err.count("event=stalled") == 1
    monkeypatch.undo()
    assert follower.heartbeats.unwritten_states() == {}
    assert followed_log(engine.directory.path) == b"g" * 16


def test_a_database_that_is_dropped_while_a_node_comes_is_not_waited_for(follower: Follower, engine: Engine) -> None:
    """The log told its head, and then that it is gone: the node is level without it."""
    system = LogMaker(0)
    made = system.database("create_database", "brief")
    changes = (made, system.database("drop_database", "brief", made.index))
    follower._accepted(Welcome(b"g" * 16, (), {0: 1, 1: 3}, 0.5))
    assert not follower.catch_up.level.is_set()
    follower.incoming.receive(entries(0, *(entry.encode() for entry in changes)))
    assert follower.catch_up.level.wait(5)
    assert not engine.of_log(1)


def test_entries_that_joined_a_stalled_batch_are_tried_again_with_it(
    follower: Follower, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk fails twice; what came in between is neither lost nor waits for what comes next."""
    monkeypatch.setattr("dirk_gevent.node.apply_queue._RETRY_SECONDS", 0.05)
    apply_on_thread, faults = LogApplier._apply_on_thread, 0

    def apply(applier: LogApplier, database: Database, batch: Batch) -> list[Outcome]:
        nonlocal faults
        if faults < 2:
            faults += 1
            raise StorageFault(OSError(5, "Input/output error"), "entry")
        return apply_on_thread(applier, database, batch)

    monkeypatch.setattr(LogApplier, "_apply_on_thread", apply)
    system, at = LogMaker(0), NO_CHAIN
    for index in (1, 2):
        body = system.database("create_database", f"d{index}").encode()
        follower.incoming.receive(entries(0, body, first=index, before=at))
        at = chain(at, body)
        with gevent.Timeout(5):
            while faults < index:
                gevent.sleep(0.005)
    with gevent.Timeout(5):
        while engine.enacted_index < 2:
            gevent.sleep(0.01)
    assert set(engine.databases()) == {"dirk", "d1", "d2"}


def test_a_node_without_its_files_does_not_say_that_there_is_no_database(engine: Engine) -> None:
    """Before it heard of the log, and until it has what the log held then, a name it does not know may exist."""
    progress, system = Progress(engine), LogMaker(0)
    with pytest.raises(SqlError, match="being_seeded"):
        progress.check(0)
    progress.welcomed({0: 2, 1: 2})
    with pytest.raises(SqlError, match="being_seeded"):
        progress.check(0)
    entries = (system.database("create_database", "t"), system.database("create_database", "u"))
    engine.apply_system(work(*entries))
    progress.applied(0)
    progress.check(0)
    with pytest.raises(SqlError, match="being_seeded"):
        progress.check(1)
    progress.check(2)
    log = LogMaker(1)
    engine.logs()[1].apply(work(log.sql("create table t (a)"), log.sql("insert into t values (1)")))
    progress.applied(1)
    progress.check(1)
    assert not progress.min_serving_index


@pytest.fixture
def told(follower: Follower, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """What the follower tells the host, and `broken` for a connection that it breaks."""
    said: list[dict[str, object]] = []
    monkeypatch.setattr(follower.context.link, "send", lambda content, *_: said.append(content))
    monkeypatch.setattr(follower.context.link, "reconnect", lambda: said.append({"t": "broken"}))
    monkeypatch.setattr("dirk_gevent.node.apply_queue._LOOK_MS", 50)
    return said


def answered(told: list[dict[str, object]], index: int) -> None:
    """Wait until it has said that it can give no digest at `index`."""
    with gevent.Timeout(5):
        while {"t": "undone", "log": 1, "index": index, "ask": 0} not in told:
            gevent.sleep(0.02)


def test_a_log_that_lacks_a_drop_is_answered_for_at_once(
    follower: Follower, engine: Engine, told: list[dict[str, object]]
) -> None:
    """The database was dropped here, and its log does not know: its entries are left out, its rounds not held up."""
    system, log = LogMaker(0), LogMaker(1)
    made = system.database("create_database", "brief")
    changes = (made, system.database("drop_database", "brief", made.index))
    NativeThreads(1).call(engine.apply_system, work(*changes))
    for first in range(1, 200, 2):
        follower.incoming.receive(entries(1, log.sql("create table t (a)").encode(), first=first))
    follower.incoming.receive({"t": "mark", "log": 1, "index": 1, "upload": False, "way": "", "ask": 0})
    # A look's time for each of the batches would be five.
    with gevent.Timeout(3):
        answered(told, 1)
    assert {"t": "broken"} not in told and follower.catch_up.left_out == {1}


def test_a_database_that_comes_late_is_waited_for(
    follower: Follower, engine: Engine, told: list[dict[str, object]]
) -> None:
    """Its entries are here before the system log's that makes it, for much longer than it is looked for at a time."""
    made = LogMaker(0).database("create_database", "late")
    row = LogMaker(1).sql("create table t (a)")
    follower.incoming.receive(entries(1, row.encode()))
    gevent.sleep(0.3)
    NativeThreads(1).call(engine.apply_system, work(made))
    with gevent.Timeout(5):
        while (database := engine.of_log(1)) is None or not database.applied_index:
            gevent.sleep(0.02)
    assert {"t": "broken"} not in told


def test_a_database_that_was_left_out_and_is_here_after_all_is_asked_for_anew(
    follower: Follower, engine: Engine, told: list[dict[str, object]]
) -> None:
    """The node's system log was another history's, which had dropped it: the log's own makes it again."""
    follower.catch_up.left_out.add(1)
    NativeThreads(1).call(engine.apply_system, work(LogMaker(0).database("create_database", "late")))
    follower.catch_up.check()
    assert told == [{"t": "broken"}]


@pytest.mark.parametrize("what", ["behind", "stuck", "cut"])
def test_a_question_that_can_not_be_answered_is_answered_so(
    follower: Follower, engine: Engine, told: list[dict[str, object]], what: str
) -> None:
    """The database is at another index, or can't be brought there."""
    NativeThreads(1).call(engine.apply_system, work(LogMaker(0).database("create_database", "t")))
    lane = follower.queues.open(1)
    if what == "stuck":
        lane._stick(ValueError("an entry that this program can't apply"))
    lane.put(Mark(7, False))
    if what == "cut":
        lane.cut()
    answered(told, 7)


def test_a_database_that_is_dropped_while_a_mark_is_at_work_is_no_failure(
    follower: Follower, engine: Engine, told: list[dict[str, object]], capfd: pytest.CaptureFixture[str]
) -> None:
    """The mark waits for its turn at the writer; when that comes nothing is left to look at."""
    system = LogMaker(0)
    made = system.database("create_database", "brief")
    NativeThreads(1).call(engine.apply_system, work(made))
    lane = follower.queues.open(1)
    with follower.context.progress.turns.acquire(1):
        lane.put(Mark(0, False))
        gevent.sleep(0.05)
        NativeThreads(1).call(engine.apply_system, work(system.database("drop_database", "brief", made.index)))
    answered(told, 0)
    assert "apply_failed" not in capfd.readouterr().err
    assert told == [told[-1]], "the connection is kept"
