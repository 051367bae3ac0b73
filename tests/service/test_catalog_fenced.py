"""A node's system database is shut out: what the log lists too stays, and is denied to nobody meanwhile."""

from __future__ import annotations

from typing import Any

import gevent
import pytest

from dirk_gevent.base.logger import logger
from dirk_gevent.engine.engine import Engine
from dirk_gevent.log.entry import NO_CHAIN
from dirk_gevent.log.records import chain_through
from dirk_gevent.node.follower import Follower
from dirk_gevent.node.progress import Progress
from dirk_gevent.node.queue_items import Batch, Fence
from dirk_parser.errors import SqlError
from tests.engine.plans import LogMaker, rows_of, work
from tests.service.fake_node import until
from tests.service.lone_follower import is_answered


def test_databases_that_the_log_lists_too_stay_when_the_catalog_is_shut_out(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its content was another than the others' (a file edited), at the log's own head."""
    system, log, said = LogMaker(0), LogMaker(1), list[dict[str, Any]]()
    catalog = [system.database("create_database", "x"), system.database("create_database", "y")]
    engine.apply_system(work(*catalog))
    database = engine.logs()[1]
    database.apply(work(log.sql("create table t (a)"), log.sql("insert into t values (7)")))
    follower = Follower(engine, Progress(engine), ("127.0.0.1", 1), logger("test"))
    monkeypatch.setattr(follower.context.link, "send", lambda content, *_: said.append(content))
    follower.context.progress.welcomed({0: 2, 1: 2, 2: 0})
    lane = follower.queues.open(0)
    lane.put(Fence())
    with gevent.Timeout(10):
        while not any(frame["t"] == "fenced" for frame in said):
            gevent.sleep(0.01)
    assert engine.of_log(1) is database
    with pytest.raises(SqlError) as refused:
        follower.context.progress.check(0)
    assert refused.value.key == "being_seeded"
    told = tuple(entry.encode() for entry in catalog)
    lane.put(Batch(1, NO_CHAIN, told, chain_through(NO_CHAIN, told)))
    until(lambda: is_answered(follower, 0))
    assert rows_of(engine.logs()[1], "select a from t") == [(7,)]
    assert not list(engine.directory.path.glob("kept-db-*"))
    lane.stop()
