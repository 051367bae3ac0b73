"""A node's states are put aside and made anew: what goes counts for nothing meanwhile, and what has come stays."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import gevent
import pytest

from dirk_gevent.engine.apply.applier import Work
from dirk_gevent.engine.database import Database
from dirk_gevent.engine.engine import Engine
from dirk_gevent.engine.results import Outcome
from dirk_gevent.engine.status import DatabaseState
from dirk_gevent.loop.threads import NativeThreads
from dirk_gevent.node.kept_states import KeptStates
from dirk_gevent.node.queue_items import Restore
from tests.engine.plans import LogMaker, rows_of, work
from tests.service.fake_node import until
from tests.service.lone_follower import EMPTY, MADE, LoneFollower, come, fence, is_answered, rows_of_t


def before(monkeypatch: pytest.MonkeyPatch, method: tuple[type, str], act: Callable[[], None]) -> None:
    """Something happens each time just before this method of a class does its work."""
    does: Callable[..., object] = getattr(*method)

    def late(*arguments: object) -> object:
        act()
        return does(*arguments)

    monkeypatch.setattr(*method, late)


def test_no_part_of_a_database_is_answered_from(lone: LoneFollower, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another log moves on just while the state goes."""
    seen: list[bool] = []

    def move_on() -> None:
        lone.progress.applied(0)
        seen.append(is_answered(lone, 1))

    before(monkeypatch, (Database, "set_aside"), move_on)
    fence(lone, 1)
    until(lambda: lone.engine.logs()[1].applied_index == 0)
    gevent.sleep(0.05)
    assert seen == [False] and not is_answered(lone, 1)
    come(lone, 1, *rows_of_t())
    until(lambda: is_answered(lone, 1))
    assert rows_of(lone.engine.logs()[1], "select a from t") == [(7,)]


def test_a_database_that_came_before_the_catalog_stays(lone: LoneFollower, monkeypatch: pytest.MonkeyPatch) -> None:
    """All states of a node are put aside: a database's new one is whole before the list of databases goes."""
    fence(lone, 1)
    come(lone, 1, *rows_of_t())
    until(lambda: lone.engine.logs()[1].applied_index == 2 and is_answered(lone, 1))
    before(monkeypatch, (Engine, "set_aside"), lambda: lone.progress.applied(1))
    fence(lone, 0)
    until(lambda: lone.engine.system.applied_index == 0)
    gevent.sleep(0.05)
    assert not is_answered(lone, 0)
    come(lone, 0, MADE)
    until(lambda: is_answered(lone, 0))
    assert rows_of(lone.engine.get("t"), "select a from t") == [(7,)]
    assert not lone.broken


def test_a_database_that_went_with_a_catalog_and_is_listed_again_is_asked_for(lone: LoneFollower) -> None:
    """What came of its log is not there any more, and nobody would send it."""
    engine = lone.engine
    engine.set_aside(engine.system, "fenced")
    KeptStates(lone.context, lone.catch_up).settle_catalog(0)
    assert not engine.logs().keys() - {0}
    come(lone, 0, MADE)
    until(lambda: bool(lone.broken))
    assert engine.logs()[1].applied_index == 0 and not is_answered(lone, 1)


def test_a_database_without_an_entry_is_whole_again_at_once(
    lone: LoneFollower, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing comes of its log; what else the node waits for may have come while the state went."""
    NativeThreads(1).call(engine.apply_system, work(EMPTY))
    lone.catch_up.target = {0: 2, 1: 2, 2: 0}
    lone.progress.welcomed(lone.catch_up.target)

    def move_on() -> None:
        lone.progress.applied(1)
        lone.catch_up.check()

    before(monkeypatch, (Database, "set_aside"), move_on)
    fence(lone, 2)
    until(lone.catch_up.level.is_set)
    assert engine.logs()[2].status.state is DatabaseState.LIVE
    assert is_answered(lone, 2) and not lone.progress.min_serving_index


def test_what_a_snapshot_of_the_catalog_is_too_old_for_stays(lone: LoneFollower, tmp_path: Path) -> None:
    """It was made in the log after the snapshot, and all of it is here before the catalog comes anew."""
    engine, system, log = lone.engine, lone.engine.system, LogMaker(2)
    system.upkeep.snapshot(tmp_path / "shot")
    chain = system.position.chain
    NativeThreads(1).call(engine.apply_system, work(EMPTY))
    rows = [log.sql("create table t (a)"), log.sql("insert into t values (8)")]
    lone.progress.welcomed({0: 2, 1: 2, 2: 2})
    fence(lone, 0)
    until(lambda: system.applied_index == 0)
    come(lone, 2, *rows)
    until(lambda: engine.logs()[2].applied_index == 2)
    lone.queues.open(0).put(Restore(tmp_path / "shot"))
    come(lone, 0, EMPTY, before=chain)
    until(lambda: is_answered(lone, 0))
    assert rows_of(engine.get("empty"), "select a from t") == [(8,)] and is_answered(lone, 2)
    assert not list(engine.directory.path.glob("kept-db-00000002*"))


def test_no_more_is_owed_than_the_log_holds(lone: LoneFollower) -> None:
    """The log was made anew, shorter, while the node had nothing, or a part."""
    database = lone.engine.logs()[1]
    for part in range(2):
        lone.progress.welcomed({0: 1, 1: 100})
        fence(lone, 1)
        until(lambda: database.applied_index == 0)
        if part:
            come(lone, 1, *rows_of_t()[:part])
            until(lambda: database.applied_index == 1)
        lone.progress.welcomed({0: 1, 1: part + 1})
        assert not is_answered(lone, 1)
        come(lone, 1, rows_of_t()[part], before=database.position.chain)
        until(lambda: is_answered(lone, 1))


def test_the_statements_of_a_state_that_was_put_aside_say_where_it_was(
    lone: LoneFollower, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The word of it was lost: put aside a second time, there is nothing."""
    lone.engine.logs()[1].set_aside("fenced")
    fence(lone, 1)
    until(lambda: list(lone.engine.directory.path.glob("kept-*.sql")))
    (told,) = lone.engine.directory.path.glob("kept-*.sql")
    assert "at index 2 of its log" in told.read_text() and "t_m1_2" in told.read_text()


def test_all_is_owed_that_a_log_holds_which_is_heard_of_meanwhile(lone: LoneFollower) -> None:
    """The state is being put aside for one log, and the node comes to a longer one."""
    database, progress = lone.engine.logs()[1], lone.progress
    with progress.replacing(1):
        progress.welcomed({0: 1, 1: 100})
        database.set_aside("fenced")
    progress.put_aside(database)
    database.apply(work(*rows_of_t()))
    progress.applied(1)
    assert not is_answered(lone, 1)


def test_nothing_is_owed_of_a_log_that_the_new_one_lacks(lone: LoneFollower) -> None:
    """It was made anew without a database that this node had nothing of."""
    NativeThreads(1).call(lone.engine.apply_system, work(EMPTY))
    lone.progress.welcomed({0: 2, 1: 2, 2: 100})
    assert lone.progress.min_serving_index == {2: 100}
    lone.progress.welcomed({0: 1, 1: 2})
    fence(lone, 0)
    until(lambda: lone.engine.system.applied_index == 0)
    come(lone, 0, MADE)
    until(lambda: lone.engine.of_log(2) is None)
    until(lambda: not lone.progress.min_serving_index)


def test_a_database_that_only_the_former_list_had_goes_with_it(
    lone: LoneFollower, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its last entries came by the log before, and are applied when the new one has the list put aside."""
    engine, system = lone.engine, lone.engine.system
    system.upkeep.snapshot(tmp_path / "shot")
    NativeThreads(1).call(engine.apply_system, work(EMPTY))
    lone.progress.welcomed({0: 2, 1: 2, 2: 1})
    does, go, begun = Database.apply, threading.Event(), threading.Event()

    def slow(self: Database, entries: Sequence[Work]) -> list[Outcome]:
        if self.log_id == 2:
            begun.set()
            go.wait(20)
        return does(self, entries)

    monkeypatch.setattr(Database, "apply", slow)
    come(lone, 2, LogMaker(2).sql("create table t (a)"))
    until(begun.is_set)
    lone.progress.welcomed({0: 1, 1: 2})
    fence(lone, 0)
    until(lambda: system.applied_index == 0)
    go.set()
    until(lambda: engine.logs()[2].applied_index == 1)
    gevent.sleep(0.05)
    lone.queues.open(0).put(Restore(tmp_path / "shot"))
    until(lambda: is_answered(lone, 0))
    until(lambda: engine.named("empty") is None)
    assert list(engine.directory.path.glob("kept-db-00000002*"))
