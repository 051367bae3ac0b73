"""Frames of a subscription from whatever listens there: one that cannot be a frame is told from its beginning."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import gevent
import pytest
from gevent import socket

from dirk_gevent.loop.frame_socket import FrameSocket


@pytest.fixture
def ends() -> Iterator[tuple[FrameSocket, socket.socket]]:
    """A connection: the end that reads frames, and the other one."""
    mine, its = socket.socketpair()
    yield FrameSocket(mine), its
    mine.close()
    its.close()


@pytest.mark.parametrize("kind", [0, 3, 77, 255])
def test_a_frame_of_no_kind_is_not_waited_for(ends: tuple[FrameSocket, socket.socket], kind: int) -> None:
    """Another program's bytes may begin with a length that a frame may have."""
    frames, its = ends
    its.sendall(struct.pack(">IB", 1_000_000, kind))
    with gevent.Timeout(10), pytest.raises(ValueError, match=f"kind {kind}"):
        frames.receive()


def test_frames_of_both_kinds_come_as_they_were_sent(ends: tuple[FrameSocket, socket.socket]) -> None:
    frames, its = ends
    for size_bytes in (10, 100_000):
        body = b"x" * size_bytes
        gevent.spawn(FrameSocket(its).send, {"t": "chunk", "n": size_bytes}, body)
        with gevent.Timeout(10):
            assert frames.receive() == {"t": "chunk", "n": size_bytes, "body": body}
