"""A node's states are put aside and made anew: what goes counts for nothing meanwhile, and what has come stays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import gevent
import pytest

from dirk_gevent import lanes
from dirk_gevent.engine.database import Database
from dirk_gevent.engine.engine import Engine
from dirk_gevent.engine.files import DataDirectory
from dirk_gevent.engine.position import NodeState
from dirk_gevent.follower import Follower
from dirk_gevent.kept_states import settle_catalog
from dirk_gevent.lane_items import Restore
from dirk_gevent.log.entry import NO_CHAIN, Entry
from dirk_gevent.logs import logger
from dirk_gevent.progress import Progress
from dirk_gevent.threads import NativeThreads
from parser.errors import SqlError
from tests.engine.plans import LogMaker, rows_of, work
from tests.service.fake_node import until
from tests.service.test_follower import entries

SYSTEM = LogMaker(0)
MADE = SYSTEM.database("create_database", "t")
EMPTY = SYSTEM.database("create_database", "empty")


def _rows() -> list[Entry]:
    log = LogMaker(1)
    return [log.sql("create table t (a)"), log.sql("insert into t values (7)")]


@pytest.fixture
def broken() -> list[int]:
    """An item for each connection that the follower would break."""
    return []


@pytest.fixture
def follower(engine: Engine, monkeypatch: pytest.MonkeyPatch, broken: list[int]) -> Follower:
    """It has one database, whole, and is connected to nobody."""
    found = Follower(engine, Progress(engine), ("127.0.0.1", 1), logger("test"))
    monkeypatch.setattr(found, "reconnect", lambda: broken.append(1))
    NativeThreads(1).call(engine.apply_system, work(MADE))
    engine.by_log(1).apply(work(*_rows()))
    found.progress.welcomed({0: 1, 1: 2})
    found.progress.check(1)
    return found


def come(follower: Follower, log_id: int, *made: Entry, before: bytes = NO_CHAIN) -> None:
    """Entries of the log come: from its first, or from where its chain is `before`."""
    follower._receive(entries(log_id, *(one.encode() for one in made), first=made[0].index, before=before))


def is_answered(follower: Follower, log_id: int) -> bool:
    """Whether the node answers from a log."""
    try:
        follower.progress.check(log_id)
    except SqlError as error:
        assert error.key == "being_seeded"
        return False
    return True


def before(monkeypatch: pytest.MonkeyPatch, method: tuple[type, str], act: Callable[[], None]) -> None:
    """Something happens each time just before this method of a class does its work."""
    does: Callable[..., object] = getattr(*method)

    def late(*arguments: object) -> object:
        act()
        return does(*arguments)

    monkeypatch.setattr(*method, late)


def test_no_part_of_a_database_is_answered_from(follower: Follower, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another log moves on just while the state goes."""
    seen: list[bool] = []

    def move_on() -> None:
        follower.progress.applied(0)
        seen.append(is_answered(follower, 1))

    before(monkeypatch, (Database, "set_aside"), move_on)
    follower._receive({"t": "fence", "log": 1, "epoch": ""})
    until(lambda: follower.engine.by_log(1).applied_index == 0)
    gevent.sleep(0.05)
    assert seen == [False] and not is_answered(follower, 1)
    come(follower, 1, *_rows())
    until(lambda: is_answered(follower, 1))
    assert rows_of(follower.engine.by_log(1), "select a from t") == [(7,)]


def test_a_database_that_came_before_the_catalog_stays(
    follower: Follower, monkeypatch: pytest.MonkeyPatch, broken: list[int]
) -> None:
    """All states of a node are put aside: a database's new one is whole before the list of databases goes."""
    follower._receive({"t": "fence", "log": 1, "epoch": ""})
    come(follower, 1, *_rows())
    until(lambda: follower.engine.by_log(1).applied_index == 2 and is_answered(follower, 1))
    before(monkeypatch, (Engine, "catalog_replaced"), lambda: follower.progress.applied(1))
    follower._receive({"t": "fence", "log": 0, "epoch": ""})
    until(lambda: follower.engine.system.applied_index == 0)
    gevent.sleep(0.05)
    assert not is_answered(follower, 0)
    come(follower, 0, MADE)
    until(lambda: is_answered(follower, 0))
    assert rows_of(follower.engine.get("t"), "select a from t") == [(7,)]
    assert not broken


def test_a_database_that_went_with_a_catalog_and_is_listed_again_is_asked_for(
    follower: Follower, broken: list[int]
) -> None:
    """What came of its log is not there any more, and nobody would send it."""
    engine = follower.engine
    engine.catalog_replaced()
    engine.system.set_aside("fenced")
    settle_catalog(follower, 0)
    assert not engine.logs().keys() - {0}
    come(follower, 0, MADE)
    until(lambda: bool(broken))
    assert engine.by_log(1).applied_index == 0 and not is_answered(follower, 1)


def test_a_database_without_an_entry_is_whole_again_at_once(
    follower: Follower, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing comes of its log; what else the node waits for may have come while the state went."""
    NativeThreads(1).call(engine.apply_system, work(EMPTY))
    follower._target = {0: 2, 1: 2, 2: 0}
    follower.progress.welcomed(follower._target)

    def move_on() -> None:
        follower.progress.applied(1)
        follower.check_level()

    before(monkeypatch, (Database, "set_aside"), move_on)
    follower._receive({"t": "fence", "log": 2, "epoch": ""})
    until(follower.level.is_set)
    assert engine.by_log(2).state is NodeState.LIVE
    assert is_answered(follower, 2) and not follower.progress.owed


def test_what_a_snapshot_of_the_catalog_is_too_old_for_stays(follower: Follower, tmp_path: Path) -> None:
    """It was made in the log after the snapshot, and all of it is here before the catalog comes anew."""
    engine, system, log = follower.engine, follower.engine.system, LogMaker(2)
    system.snapshot(tmp_path / "shot")
    chain = system.chain
    NativeThreads(1).call(engine.apply_system, work(EMPTY))
    rows = [log.sql("create table t (a)"), log.sql("insert into t values (8)")]
    follower.progress.welcomed({0: 2, 1: 2, 2: 2})
    follower._receive({"t": "fence", "log": 0, "epoch": ""})
    until(lambda: system.applied_index == 0)
    come(follower, 2, *rows)
    until(lambda: engine.by_log(2).applied_index == 2)
    follower._open_lane(0).put(Restore(tmp_path / "shot"))
    come(follower, 0, EMPTY, before=chain)
    until(lambda: is_answered(follower, 0))
    assert rows_of(engine.get("empty"), "select a from t") == [(8,)] and is_answered(follower, 2)
    assert not list(engine.directory.path.glob("kept-db2*"))


def test_a_state_that_cannot_be_put_aside_is_no_answer(follower: Follower, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine refuses at first: the log has said that it does not count."""
    refused, does = list[int](), DataDirectory.set_aside

    def refuse(self: DataDirectory, log_id: int, why: str) -> Path | None:
        if len(refused) < 2:
            refused.append(log_id)
            raise OSError(5, "Input/output error")
        return does(self, log_id, why)

    monkeypatch.setattr(lanes, "_RETRY_SECONDS", 0.05)
    monkeypatch.setattr(DataDirectory, "set_aside", refuse)
    follower._receive({"t": "fence", "log": 1, "epoch": ""})
    until(lambda: bool(refused))
    while follower.engine.by_log(1).applied_index:
        assert not is_answered(follower, 1)
        gevent.sleep(0.005)
    assert refused == [1, 1] and not is_answered(follower, 1)
    come(follower, 1, *_rows())
    until(lambda: is_answered(follower, 1))


def test_a_state_that_was_not_put_aside_counts_again_if_the_log_still_knows_it(
    follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log that wanted it away went away itself, and the one that the node comes to says nothing of the kind."""
    broken_disk = OSError(5, "Input/output error")
    monkeypatch.setattr(DataDirectory, "set_aside", lambda *_: (_ for _ in ()).throw(broken_disk))
    follower._receive({"t": "fence", "log": 1, "epoch": ""})
    until(lambda: follower.engine.by_log(1).state is NodeState.STALLED)
    assert not is_answered(follower, 1)
    follower.progress.welcomed({0: 1, 1: 2})
    assert is_answered(follower, 1)


def test_nothing_is_answered_of_a_state_that_went_without_the_one_in_its_place(
    follower: Follower, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The machine refuses between the two."""
    database, refuses = follower.engine.by_log(1), [OSError(28, "No space left on device")]
    database.snapshot(tmp_path / "shot")
    does = DataDirectory.put

    def refuse(self: DataDirectory, log_id: int, image: Path) -> None:
        if refuses:
            raise refuses[0]
        does(self, log_id, image)

    monkeypatch.setattr(lanes, "_RETRY_SECONDS", 0.05)
    monkeypatch.setattr(DataDirectory, "put", refuse)
    follower._open_lane(1).put(Restore(tmp_path / "shot"))
    until(lambda: database.applied_index == 0)
    gevent.sleep(0.1)
    assert not is_answered(follower, 1)
    refuses.clear()
    until(lambda: is_answered(follower, 1))
    assert rows_of(database, "select a from t") == [(7,)]


def test_no_more_is_owed_than_the_log_holds(follower: Follower) -> None:
    """The log was made anew, shorter, while the node had nothing, or a part."""
    database = follower.engine.by_log(1)
    for part in range(2):
        follower.progress.welcomed({0: 1, 1: 100})
        follower._receive({"t": "fence", "log": 1, "epoch": ""})
        until(lambda: database.applied_index == 0)
        if part:
            come(follower, 1, *_rows()[:part])
            until(lambda: database.applied_index == 1)
        follower.progress.welcomed({0: 1, 1: part + 1})
        assert not is_answered(follower, 1)
        come(follower, 1, _rows()[part], before=database.chain)
        until(lambda: is_answered(follower, 1))


def test_the_statements_of_a_state_that_was_put_aside_say_where_it_was(
    follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The word of it was lost: put aside a second time, there is nothing."""
    follower.engine.by_log(1).set_aside("fenced")
    follower._receive({"t": "fence", "log": 1, "epoch": ""})
    until(lambda: list(follower.engine.directory.path.glob("kept-*.sql")))
    (told,) = follower.engine.directory.path.glob("kept-*.sql")
    assert "at index 2 of its log" in told.read_text() and "t_m1_2" in told.read_text()
