"""One session's connection to the proxy: opened when first needed, opened again after it broke."""

from __future__ import annotations

import select
import struct
from collections.abc import Callable
from contextlib import suppress

from gevent import socket

CONNECT_SECONDS = 2.0
#: How long a request that was cut after it had been sent is tried again on fresh connections.
RETRY_SECONDS = 5.0
#: Between two of these tries, and between two attempts to follow the log.
RETRY_LEAST_SECONDS, RETRY_MOST_SECONDS = 0.02, 2.0
#: How often a long wait looks whether its client is still there.
ABANDONED_SECONDS = 0.25
RECEIVE_BYTES = 256 * 1024
#: TCP's own probing finds a machine that vanished: first probe, between probes, probes.
_KEEPALIVE = ((socket.TCP_KEEPIDLE, 5), (socket.TCP_KEEPINTVL, 2), (socket.TCP_KEEPCNT, 3))

_ABORT = struct.pack("ii", 1, 0)


class UpstreamDownError(Exception):
    """No connection could be made; nothing was sent."""


class UpstreamLostError(Exception):
    """The connection broke after something was sent: what became of the request is not known."""


def connect(host: str, port: int) -> socket.socket:
    """A connection with no delay for small segments and with keep-alive probes. OSError when it can't be made."""
    sock = socket.create_connection((host, port), timeout=CONNECT_SECONDS)
    sock.settimeout(None)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _KEEPALIVE:
        sock.setsockopt(socket.IPPROTO_TCP, option, value)
    return sock


def is_readable(sock: socket.socket) -> bool:
    """True when there is something to read: on a connection that owes no answer, its end."""
    poll = select.poll()
    poll.register(sock.fileno(), select.POLLIN)
    return bool(poll.poll(0))


class Upstream:
    """A lazily opened connection that carries one request at a time.

    `is_abandoned` is asked now and then during a long wait: when nobody wants the answer any more the connection
    is closed, so that the upstream can end what it runs. `is_silent` too: nothing will come from one that stands still.
    """

    def __init__(
        self, host: str, port: int, is_abandoned: Callable[[], bool], is_silent: Callable[[], bool]
    ) -> None:
        self._is_abandoned = is_abandoned
        self._is_silent = is_silent
        self.host = host
        self.port = port
        self._sock: socket.socket | None = None

    def is_open(self) -> bool:
        """True when there is a connection that the other side has not ended while nothing was asked of it.

        Looking costs 2 µs and turns the common case, a proxy that was restarted, from "sent, outcome not known"
        into "not sent".
        """
        if self._sock is not None and is_readable(self._sock):
            self.close()
        return self._sock is not None

    def send(self, request: bytes) -> None:
        """Send a whole request. UpstreamDownError before anything was sent, UpstreamLostError after."""
        if not self.is_open():
            try:
                self._sock = connect(self.host, self.port)
            except OSError as error:
                raise UpstreamDownError(str(error)) from error
        assert self._sock is not None
        try:
            self._sock.sendall(request)
        except OSError as error:
            self.close()
            raise UpstreamLostError(str(error)) from error

    def receive(self) -> bytes:
        """The answer's next bytes, never empty. UpstreamLostError when the connection ends.

        ConnectionAbortedError when the request was abandoned.
        """
        assert self._sock is not None
        try:
            data = self._receive(self._sock)
        except ConnectionAbortedError:
            self.close(abort=True)
            raise
        except OSError as error:
            self.close()
            raise UpstreamLostError(str(error)) from error
        if not data:
            self.close()
            raise UpstreamLostError("closed by the other side")
        return data

    def _receive(self, sock: socket.socket) -> bytes:
        sock.settimeout(ABANDONED_SECONDS)
        try:
            while True:
                try:
                    return sock.recv(RECEIVE_BYTES)
                except TimeoutError:
                    if self._is_abandoned():
                        raise ConnectionAbortedError("the client is gone") from None
                    if self._is_silent():
                        raise TimeoutError("the upstream stands still") from None
        finally:
            sock.settimeout(None)

    def close(self, *, abort: bool = False) -> None:
        """Close; the next `send` opens a fresh connection. `abort` resets it: nobody will read the answer."""
        sock, self._sock = self._sock, None
        if sock is not None:
            if abort:
                with suppress(OSError):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
            with suppress(OSError):
                sock.close()
