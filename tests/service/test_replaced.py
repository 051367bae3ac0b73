"""A node's states are put aside and made anew: what goes counts for nothing meanwhile, and what has come stays."""

from __future__ import annotations

from collections.abc import Callable

import gevent
import pytest

from dirk_gevent.engine.database import Database
from dirk_gevent.engine.engine import Engine
from dirk_gevent.engine.position import NodeState
from dirk_gevent.follower import Follower
from dirk_gevent.kept_states import settle_catalog
from dirk_gevent.log.entry import Entry
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


def come(follower: Follower, log_id: int, *made: Entry) -> None:
    """The log's entries come, from its first."""
    follower._receive(entries(log_id, *(one.encode() for one in made)))


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
