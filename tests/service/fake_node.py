"""A node that is a socket which speaks the frames, for tests of the log's host."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import gevent
import pytest
from gevent import socket

from dirk_gevent.base.request_ids import new_request_id
from dirk_gevent.coordinator.coordinator import Coordinator
from dirk_gevent.coordinator.send_window import SendWindow
from dirk_gevent.engine.build import build_fingerprint
from dirk_gevent.engine.results import Outcome
from dirk_gevent.log.entry import Draft, Entry, LoggedStatement
from dirk_gevent.log.records import SnapshotInfo
from dirk_gevent.log.skipped import own_bytes
from dirk_gevent.loop.frame_socket import FrameSocket
from dirk_gevent.replication import frame_types
from dirk_gevent.replication.frame_types import Acks, Hello, Standing
from dirk_parser.errors import SqlError
from dirk_parser.normalize.normalizer import split

NOW_MS = 1_700_000_000_000


class FakeNode:
    """A node's end of a subscription; `frames` is its socket."""

    def __init__(
        self,
        host: Coordinator,
        node: str,
        standings: dict[int, Standing] | None = None,
        process: str = "",
        epoch: tuple[bytes, bytes] | None = None,
        states: dict[int, str] | None = None,
        owner: str | None = None,
        genesis: bytes | None = None,
    ) -> None:
        self.host = host
        mine, its = socket.socketpair()
        self.name = node
        self.frames = FrameSocket(mine)
        genesis = genesis or (host.state.log.genesis if standings else None)
        hello = Hello(node, build_fingerprint(), genesis, standings or {}, owner, process=process, epoch=epoch)
        self._serving = gevent.spawn(host.requests.follow, its, json.loads(json.dumps(hello.encode())))
        try:
            self.welcome = self.next("welcome")
        except AssertionError:
            self.frames.close()
            raise
        self.beat(states)
        until(lambda: host.state.cluster.nodes[node].is_connected)

    def beat(self, states: dict[int, str] | None = None, durable: dict[int, int] | None = None) -> None:
        """A heartbeat."""
        self.frames.send(frame_types.node_beat(durable or {}, states or {}))

    def next(self, *kinds: str) -> dict[str, Any]:
        """The next frame of one of these kinds."""
        with gevent.Timeout(5):
            while True:
                frame = self.frames.receive()
                assert frame is not None, "the host closed the link"
                if frame["t"] in kinds:
                    return frame

    def ack(self, log_id: int, index: int, digest: bytes = b"d", tables: tuple[str, ...] = ("u",)) -> None:
        """Tell how one entry ended, as soon as it was sent."""
        self._wait_for(log_id, index)
        encoded = own_bytes(self.host.state.log.reads.read(log_id, index - 1, 1).entries[0])
        request_id = Entry.decode(encoded).request_id
        outcome = Outcome(index, "", "", {}, 1, tables, "insert", "u", request_id, digest)
        self.frames.send(Acks(log_id, index, index, self._chain(log_id, index), [outcome]).encode())

    def reach(self, log_id: int, index: int) -> None:
        """Say that all up to `index` is applied, and not how it ended."""
        self._wait_for(log_id, index)
        self.frames.send(Acks(log_id, index, index, self._chain(log_id, index), ()).encode())

    def reply(self, log_id: int, index: int, digest: bytes | None, **more: object) -> None:
        """Reply to the last mark: with a digest, or (None) that there is none."""
        place = {"log": log_id, "index": index, "ask": self._window(log_id).ask, **more}
        told = {"t": "undone"} if digest is None else {"t": "digest", "digest": digest.hex(), "ms": 1}
        self.frames.send({**told, **place})

    def _windows(self) -> dict[int, SendWindow]:
        return self.host.state.links[self.name]._queue.windows

    def _window(self, log_id: int) -> SendWindow:
        return self._windows()[log_id]

    def _chain(self, log_id: int, index: int) -> bytes:
        return self.host.state.log.reads.chain_at(log_id, index) or b""

    def _wait_for(self, log_id: int, index: int) -> None:
        until(lambda: log_id in self._windows() and self._window(log_id).sent >= index)

    def end(self) -> None:
        """Break the connection and wait until the host has seen it. Safe to call twice."""
        self.frames.close()
        self._serving.join(5)
        assert self._serving.dead


Connect = Callable[..., FakeNode]


def until(condition: Callable[[], object]) -> None:
    """Let the host run until it is so."""
    with gevent.Timeout(5):
        while not condition():
            gevent.sleep(0.01)


def append(host: Coordinator, count: int = 1) -> None:
    """Append to log 1."""
    for _ in range(count):
        host.state.log.appends.append(1, Draft(new_request_id(NOW_MS), (LoggedStatement(split("fafao u;")),)))


def upload(node: FakeNode, info: SnapshotInfo) -> None:
    """Begin to send a snapshot, as the last mark asks."""
    ask = {"ask": node._window(info.log_id).ask}
    node.frames.send({**frame_types.snapshot_fields("upload", info), **ask})


def snapshot_at_head(host: Coordinator, log_id: int) -> SnapshotInfo:
    """What a node would say of a snapshot of the newest state."""
    head = host.state.log.reads.head(log_id)
    return SnapshotInfo(log_id, head.index, head.chain, b"content")


def blocking(host: Coordinator) -> SqlError:
    """What blocks log 1."""
    with pytest.raises(SqlError) as refused:
        host.state.blocks.check(1)
    return refused.value
