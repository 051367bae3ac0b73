"""A connection that carries the frames of a log subscription."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from typing import Any

import zstandard
from gevent import socket
from gevent.lock import RLock

from dirk_gevent.protocol.frames import FRAME_KINDS, frame_bytes, frame_compressor, frame_content


class FrameSocket:
    """The framed half of a log subscription (see `protocol/frames.py`). `send` may be called from any greenlet.

    Corrupt or oversized frames raise ValueError, a cut connection OSError; a clean end is None.
    """

    MAX_FRAME_BYTES = 256 * 1024 * 1024

    def __init__(self, sock: socket.socket, received: bytes = b"") -> None:
        self._sock = sock
        self._lock = RLock()
        self._buffer = bytearray(received)
        self._compressor = frame_compressor()
        self._decompressor = zstandard.ZstdDecompressor()
        #: Whether this side has closed it.
        self.is_closed = False

    def send(self, content: Mapping[str, Any], body: bytes = b"") -> None:
        """Send one object, with `body` as its raw ``body`` bytes."""
        self.send_frame(frame_bytes(content, body, self._compressor))

    def turn(self) -> AbstractContextManager[object]:
        """While the body runs nobody else sends: what it finds to say is as true as what was sent before it."""
        return self._lock

    def send_frame(self, frame: bytes) -> None:
        """Send what `frame_bytes` made."""
        with self._lock:
            self._sock.sendall(frame)

    def receive(self) -> dict[str, Any] | None:
        """The next object (its bytes, if any, under ``body``); None when the other side ended."""
        header = self._exactly(5, end_is_clean=True)
        if header is None:
            return None
        length, kind = struct.unpack(">IB", header)
        if not 1 <= length <= self.MAX_FRAME_BYTES:
            raise ValueError(f"frame of {length} bytes")
        if kind not in FRAME_KINDS:
            # Told from its beginning: from another program the rest may never come.
            raise ValueError(f"frame of kind {kind}")
        payload = self._exactly(length - 1)
        if payload is None:
            raise ConnectionResetError("connection ended inside a frame")
        if kind == 2:
            try:
                payload = self._decompressor.decompress(payload, max_output_size=self.MAX_FRAME_BYTES)
            except zstandard.ZstdError as error:
                raise ValueError(f"corrupt frame: {error}") from error
        return frame_content(payload)

    def close(self) -> None:
        """Close the connection; a greenlet blocked in `receive` gets None or OSError."""
        self.is_closed = True
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()

    def _exactly(self, count: int, *, end_is_clean: bool = False) -> bytes | None:
        buffer = self._buffer
        while len(buffer) < count:
            data = self._sock.recv(262144)
            if not data:
                if end_is_clean and not buffer:
                    return None
                raise ConnectionResetError("connection ended inside a frame")
            buffer += data
        taken = bytes(buffer[:count])
        del buffer[:count]
        return taken
