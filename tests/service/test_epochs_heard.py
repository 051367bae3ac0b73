"""The epoch of the log on the node's side: written down before what it leads to, and while others are busy."""

from __future__ import annotations

from threading import Event
from typing import Any

import gevent
import pytest

from dirk_gevent.base.logger import logger
from dirk_gevent.engine.engine import Engine
from dirk_gevent.log.entry import CREATE_DATABASE
from dirk_gevent.node.follower import Follower
from dirk_gevent.node.progress import Progress
from dirk_gevent.replication.frame_types import Welcome
from dirk_gevent.replication.genesis import heard_epoch
from tests.engine.plans import LogMaker
from tests.service.test_follower import entries

GENESIS, FIRST, SECOND = b"g" * 16, b"1" * 16, b"2" * 16


@pytest.fixture
def follower(engine: Engine) -> Follower:
    """It follows a log in its first epoch."""
    found = Follower(engine, Progress(engine), ("127.0.0.1", 1), logger("test"))
    found._accepted(Welcome(GENESIS, (), {0: 0}, 0.5, FIRST))
    return found


def kept(engine: Engine) -> bytes:
    """The epoch that the node's directory has."""
    found = heard_epoch(engine.directory.path)
    assert found is not None and found[0] == GENESIS
    return found[1]


def beat(epoch: bytes, heads: dict[str, int]) -> dict[str, Any]:
    return {"t": "beat", "heads": heads, "clock": 1, "epoch": epoch.hex()}


def test_a_snapshot_s_epoch_is_kept_before_it_is_taken(follower: Follower, engine: Engine) -> None:
    follower.incoming.receive({"t": "snapshot", "log": 5, "epoch": SECOND.hex()})
    assert kept(engine) == SECOND
    follower.incoming.snapshots.drop_all()


def test_entries_do_not_wait_for_those_who_are_busy(follower: Follower, engine: Engine) -> None:
    """Two large snapshots are being taken in when the first entry of an epoch comes."""
    done = Event()
    busy = [follower.context.slow.start(done.wait) for _ in range(2)]
    change = LogMaker(0).database(CREATE_DATABASE, "a")
    frame = {**entries(0, change.encode()), "epoch": SECOND.hex()}
    try:
        with gevent.Timeout(5):
            follower.incoming.receive(frame)
            while engine.enacted_index < 1:
                gevent.sleep(0.01)
    finally:
        done.set()
    for one in busy:
        one.result()
    assert kept(engine) == SECOND


def test_heads_count_as_heard_in_the_epoch_that_is_kept(
    follower: Follower, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the disk does not take the epoch, they are not written down either: they would belong to the one before."""

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr("dirk_gevent.replication.genesis.keep_heard_epoch", refuse)
        follower.incoming.receive(beat(SECOND, {"0": 7}))
        assert (kept(engine), engine.system.file.heard_head, follower.context.progress.heads[0]) == (FIRST, 0, 7)
    follower.incoming.receive(beat(SECOND, {}))
    assert follower.heartbeats.unwritten_states() == {}
    assert (kept(engine), engine.system.file.heard_head) == (SECOND, 7)
