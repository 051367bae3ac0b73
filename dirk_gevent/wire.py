"""A connected socket as the statement loops use it: wait in the hub first, then one system call.

gevent's own `recv` asks the kernel first and goes through the hub only when there is nothing: a client that is
always ready is then never made to wait for the others, and an idle one costs an exception a request. Waiting first
is fairer and faster (`docs/performance.md`).
"""

from __future__ import annotations

import select
import struct
from contextlib import suppress

import gevent
from gevent import socket

_READ, _WRITE = 1, 2
_DROPPED_BYTES = 1024 * 1024
_LINGER_SECONDS = 2.0
_ABORT = struct.pack("ii", 1, 0)


class Wire:
    """One connection, read by one greenlet at a time. Close it exactly once; `shut` may come from any greenlet."""

    __slots__ = ("_hub", "_is_watched", "_raw", "_readable", "_writable", "sock")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._hub = gevent.get_hub()
        self._raw = sock._sock  # type: ignore[attr-defined]  # gevent documents it, its stubs do not
        self._readable = self._hub.loop.io(sock.fileno(), _READ)
        self._writable = self._hub.loop.io(sock.fileno(), _WRITE)
        self._is_watched = False

    def receive(self, most_bytes: int) -> bytes:
        """The next bytes, b"" at the end of the connection; raises OSError. Always lets others run first."""
        while True:
            self._hub.wait(self._readable)
            try:
                data: bytes = self._raw.recv(most_bytes)
            except BlockingIOError:
                continue
            return data

    def receive_watched(self, most_bytes: int) -> bytes:
        """`receive` for a loop that mostly answers at once: the socket stays watched until `unwatch`.

        That spares each round starting and stopping the watcher. Before it waits for anything else the greenlet must
        `unwatch`, else what the peer sends would wake it there.
        """
        if not self._is_watched:
            self._is_watched = True
            self._readable.start(gevent.getcurrent().switch)
        while True:
            self._hub.switch()
            try:
                data: bytes = self._raw.recv(most_bytes)
            except BlockingIOError:
                continue
            return data

    def unwatch(self) -> None:
        """End what `receive_watched` began."""
        self._is_watched = False
        self._readable.stop()

    def send(self, data: bytes) -> None:
        """Send all of `data`; blocks while the peer takes none. Raises OSError."""
        try:
            sent = self._raw.send(data)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            self.unwatch()
            self.sock.sendall(memoryview(data)[sent:])

    def yield_to_others(self) -> None:
        """Let every connection that is ready have its turn. (`gevent.sleep(0)` only lets callbacks run, for up to
        5 ms, before sockets are looked at.)
        """
        self._hub.wait(self._writable)

    def is_gone(self) -> bool:
        """Whether the peer has closed the connection, so that a long statement for it can end.

        The kernel does not tell a peer that closed from one that only closed its sending side, so both count as gone
        (as PostgreSQL's `client_connection_check_interval` has it): a client keeps its side open until it is answered.
        """
        poll = select.poll()
        poll.register(self._raw.fileno(), select.POLLRDHUP)
        return bool(poll.poll(0))

    def shut(self, how: int = socket.SHUT_RDWR) -> None:
        """Wake whoever reads it with the end of the connection."""
        with suppress(OSError):
            self._raw.shutdown(how)

    def linger(self) -> None:
        """Let the peer read the last answer: what it still sends is dropped for a moment, so no reset overtakes it."""
        self.shut(socket.SHUT_WR)
        with suppress(OSError, gevent.Timeout), gevent.Timeout(_LINGER_SECONDS):
            while self.receive(_DROPPED_BYTES):
                pass

    def close(self, *, abort: bool = False) -> None:
        """Close it; with `abort` by a reset, which tells the peer that nobody will read its answer."""
        if abort:
            with suppress(OSError):
                self._raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
        self.release()
        with suppress(OSError):
            self.sock.close()

    def release(self) -> None:
        """Give up the watchers and leave the socket to another owner."""
        self._readable.close()
        self._writable.close()
