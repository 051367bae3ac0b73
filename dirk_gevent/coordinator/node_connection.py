"""The state that the parts of one node's link share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dirk_gevent.coordinator.announced_epoch import AnnouncedEpoch
from dirk_gevent.coordinator.send_queue import SendQueue
from dirk_gevent.loop.frame_socket import FrameSocket


@dataclass(frozen=True, slots=True)
class NodeConnection:
    """One node's connection. `spawn` runs a function in a greenlet; when that fails, the connection ends."""

    node: str
    frames: FrameSocket
    queue: SendQueue
    epoch: AnnouncedEpoch
    spawn: Callable[..., object]
