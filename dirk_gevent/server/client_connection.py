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
#: A connection that was reset, and one of which one side at least has ended.
_BREAKS = select.POLLERR | select.POLLNVAL
_ENDS = _BREAKS | select.POLLHUP | select.POLLRDHUP
_DROPPED_BYTES = 1024 * 1024
_LINGER_SECONDS = 2.0
_ABORT = struct.pack("ii", 1, 0)


class ClientConnection:
    """One connection, read by one greenlet at a time. Close it exactly once; `shut` may come from any greenlet."""

    __slots__ = ("_has_all", "_hub", "_is_watched", "_raw", "_readable", "_was_looked_at", "_writable", "sock")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._hub = gevent.get_hub()
        self._raw = sock._sock  # type: ignore[attr-defined]  # gevent documents it, its stubs do not
        self._readable = self._hub.loop.io(sock.fileno(), _READ)
        self._writable = self._hub.loop.io(sock.fileno(), _WRITE)
        self._is_watched = False
        self._was_looked_at = self._has_all = False

    def receive(self, most_bytes: int) -> bytes:
        """The next bytes, b"" at the end of the connection; raises OSError. Always lets others run first."""
        self._was_looked_at = False
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
        self._was_looked_at = False
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

    def has_ended(self) -> bool:
        """True when the peer has closed the connection, or its sending side."""
        return bool(self._polled(select.POLLRDHUP) & _ENDS)

    def is_readable(self) -> bool:
        """True when `receive` would give something at once."""
        return bool(self._polled(select.POLLIN))

    def is_gone(self) -> bool:
        """True when nobody waits for an answer any more, so that a long statement can end. Whoever waits looks at least
        once a second.

        The kernel does not tell a peer that closed the connection from one that closed its sending side only. One that
        has done so by the first look has sent all it had (`printf … | nc -N`) and reads its answers. One whose end
        comes while it waits has given up, as has one that reset the connection.
        """
        events = self._polled(select.POLLRDHUP)
        if not self._was_looked_at:
            self._was_looked_at = True
            self._has_all = bool(events & select.POLLRDHUP)
        return bool(events & _BREAKS) or (bool(events & select.POLLRDHUP) and not self._has_all)

    def _polled(self, wanted: int) -> int:
        poll = select.poll()
        poll.register(self._raw.fileno(), wanted)
        return sum(events for _, events in poll.poll(0))

    def shut(self, how: int = socket.SHUT_RDWR) -> None:
        """Wake whoever reads it with the end of the connection."""
        with suppress(OSError):
            self._raw.shutdown(how)

    def drain_then_close(self) -> None:
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
