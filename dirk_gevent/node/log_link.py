"""A node's connection to the log's host, for those who send over it or break it."""

from __future__ import annotations

from typing import Any

from dirk_gevent.loop.frame_socket import FrameSocket
from dirk_gevent.node.sender import Sender


class LogLink:
    """Sends frames over the connection there is, and nothing while there is none.

    `is_connected`: the host has taken this node in.
    """

    def __init__(self) -> None:
        self.is_connected = False
        self._frames: FrameSocket | None = None

    @property
    def is_open(self) -> bool:
        """True while there is a connection to send over."""
        return self._frames is not None

    def begin(self, frames: FrameSocket) -> None:
        """Send over a new connection from now on."""
        self._frames = frames

    def end(self) -> None:
        """The connection is gone."""
        self._frames = None

    def send(self, content: dict[str, Any], body: bytes = b"") -> None:
        """Tell the host something."""
        if (frames := self._frames) is not None:
            try:
                frames.send(content, body)
            except OSError:
                # Part of a frame may be out: nothing more can be said on this connection.
                frames.close()

    def reconnect(self) -> None:
        """Break the connection: the next hello says where each database stands."""
        if self._frames is not None:
            self._frames.close()

    def sender(self) -> Sender:
        """`send` over the connection there is now."""
        frames = self._frames
        return Sender(self.send, lambda: self._frames is frames)
