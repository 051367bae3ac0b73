"""The log's host and fake nodes that follow it, as fixtures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from dirk_gevent.base.logger import logger
from dirk_gevent.base.request_ids import new_request_id
from dirk_gevent.config import loader
from dirk_gevent.coordinator.coordinator import Coordinator
from dirk_gevent.engine.engine import Engine
from dirk_gevent.log.embedded.embedded_log import EmbeddedLog
from dirk_gevent.loop.threads import NativeThreads
from dirk_gevent.replication.frame_types import Standing
from tests.engine.conftest import no_watchdog, unwatched
from tests.engine.plans import open_engine
from tests.service.fake_node import NOW_MS, Connect, FakeNode
from tests.service.lone_follower import LoneFollower, lone_follower
from tests.service.lone_node import Node

__all__ = ["no_watchdog", "unwatched"]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """A node's engine, open, on hand-written plans."""
    found = open_engine(tmp_path / "data")
    yield found
    NativeThreads(1).call(found.close)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """A node without a proxy, open."""
    found = Node(tmp_path / "data")
    yield found
    found.close()


@pytest.fixture
def lone(engine: Engine) -> LoneFollower:
    """A follower of the test's own log."""
    return lone_follower(engine)


@pytest.fixture
def connect(host: Coordinator) -> Iterator[Connect]:
    """Connects fake nodes to the host; their connections end with the test."""
    made: list[FakeNode] = []

    def one(
        node: str,
        standings: dict[int, Standing] | None = None,
        process: str = "",
        states: dict[int, str] | None = None,
        owner: str | None = None,
    ) -> FakeNode:
        made.append(FakeNode(host, node, standings, process, states=states, owner=owner))
        return made[-1]

    yield one
    for node in made:
        node.end()


@pytest.fixture
def new_host(tmp_path: Path) -> Iterator[Coordinator]:
    """A host of two masters' log that holds nothing yet."""
    written = {
        "configVersion": 2,
        "loadBalancer": {"listenHost": "127.0.0.1", "listenPort": 3949},
        "instances": [
            {"id": one, "role": "MASTER", "host": "127.0.0.1", "port": port, "dataDirectory": one}
            for one, port in (("m1", 3948), ("m2", 3950))
        ],
        "log": {"directory": "log"},
    }
    path = tmp_path / "config.json"
    path.write_text(json.dumps(written))
    found = loader.load(path)
    log = EmbeddedLog(found.log, clock=lambda: NOW_MS)
    host = Coordinator(found, log, logger("test"))
    yield host
    host.reports.is_stopping = True
    host.stop()
    log.close()


@pytest.fixture
def host(new_host: Coordinator) -> Coordinator:
    """A host of two masters' log with one database, log 1."""
    new_host.state.log.appends.create_database("t", new_request_id(NOW_MS))
    return new_host
