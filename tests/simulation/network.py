"""The network between simulated processes: connections with latency, and what breaks them.

Bytes of one direction arrive in order. Between two machines a link may be *slow*, *held* (nothing arrives until it
heals: a partition, a half-open connection; in one direction or both) or *cut* (all connections are reset, new ones
are refused). A machine without power answers nobody; one that is up without the process refuses.
"""

from __future__ import annotations

import errno
import itertools
import select
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import gevent
from gevent.timeout import Timeout

from tests.simulation.loop import Lane, SimLoop

#: Bytes that may be under way or unread in one direction before the sender waits.
WINDOW_BYTES = 256 * 1024
_FIRST_DESCRIPTOR = 1_000_000


@dataclass(slots=True)
class Link:
    """What lies between two machines, in one direction. `held_until`: nothing arrives before (virtual s)."""

    least_seconds: float = 0.000_1
    spread_seconds: float = 0.002
    held_until: float = 0.0


class Network:
    """All listeners, links and connections. Machines are named by their process: m1, proxy, client."""

    def __init__(self, loop: SimLoop, seed: int) -> None:
        self._loop = loop
        self._chance = Random(f"network {seed}")
        self._links: dict[tuple[str, str], Link] = {}
        self._numbers = itertools.count(_FIRST_DESCRIPTOR)
        self.listeners: dict[int, Listener] = {}
        self.sockets: dict[int, SimSocket] = {}
        #: Told of every segment that arrives: from which machine, at which.
        self.watchers: list[Callable[[str, str], None]] = []
        #: Machines without power: they answer nothing at all.
        self.dark: set[str] = set()

    def link(self, source: str, target: str) -> Link:
        """The link from one machine to another."""
        return self._links.setdefault((source, target), Link())

    def delay(self, source: str, target: str) -> float:
        """How long a segment that leaves now takes."""
        link = self.link(source, target)
        latency = link.least_seconds + self._chance.random() * link.spread_seconds
        return max(0.0, link.held_until - self._loop.time) + latency

    def connect(self, address: tuple[str, int], timeout: float | None = None, *_: object) -> SimSocket:
        """`socket.create_connection`: blocks for a round trip; raises OSError as it does."""
        lane = self._loop.current
        listener = self.listeners.get(address[1])
        target = listener.machine if listener is not None else f"port {address[1]}"
        wait = self.delay(lane.name, target) + self.delay(target, lane.name)
        if target in self.dark or (timeout is not None and wait > timeout):
            gevent.sleep(timeout or 1.0)
            raise TimeoutError(errno.ETIMEDOUT, "timed out")
        gevent.sleep(wait)
        listener = self.listeners.get(address[1])
        if listener is None or listener.lane.is_dead:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
        near = SimSocket(self, lane, next(self._numbers))
        far = SimSocket(self, listener.lane, next(self._numbers))
        near.peer, far.peer = far, near
        self.sockets[near.fd], self.sockets[far.fd] = near, far
        self._loop.sockets.update({near.fd: near, far.fd: far})
        self._loop.call(listener.lane, listener.accept, far)
        return near

    def forget(self, sock: SimSocket) -> None:
        """A socket was closed."""
        self.sockets.pop(sock.fd, None)
        self._loop.sockets.pop(sock.fd, None)

    def cut(self, one: str, other: str) -> None:
        """Reset every connection between two machines."""
        for sock in list(self.sockets.values()):
            if sock.peer is not None and {sock.lane.name, sock.peer.lane.name} == {one, other}:
                sock.reset()

    def mend(self, one: str, other: str) -> None:
        """The links between two machines are as they were at the beginning."""
        for pair in ((one, other), (other, one)):
            self._links.pop(pair, None)

    def ended(self, lane: Lane, silently: bool) -> None:
        """A process is gone. The kernel tells its peers, unless the machine went with it (`silently`)."""
        for port, listener in list(self.listeners.items()):
            if listener.lane is lane and not silently:
                del self.listeners[port]
        for sock in [one for one in self.sockets.values() if one.lane is lane]:
            self.forget(sock)
            sock.closed = True
            if not silently and sock.peer is not None:
                self.later(lane.name, sock.peer, sock.peer.reset)

    def later(self, source: str, sock: SimSocket, happen: Callable[[], None]) -> None:
        """Something reaches `sock` from `source`, after everything that was sent before it."""
        at = max(sock.last_arrival, self._loop.time + self.delay(source, sock.lane.name))
        sock.last_arrival = at
        self._loop.later(at - self._loop.time, happen)

    @property
    def loop(self) -> SimLoop:
        """The loop that carries it all."""
        return self._loop


class SimSocket:
    """One end of a connection, with what the services use of gevent's socket and of the socket below it."""

    def __init__(self, network: Network, lane: Lane, fd: int) -> None:
        self.fd = fd
        self.lane = lane
        self.peer: SimSocket | None = None
        self.closed = False
        self.last_arrival = 0.0
        self.watchers: dict[int, Any] = {}
        self._network = network
        self._received = bytearray()
        self._flying = 0
        self._ended = False
        self._sent_end = False
        self._error: OSError | None = None
        self._timeout: float | None = None
        self._sock = _Raw(self)

    # -- as gevent's ------------------------------------------------------------------------------------------

    def recv(self, most: int) -> bytes:
        """The next bytes; b"" at the end. Blocks; raises OSError."""
        while True:
            try:
                return self.take(most)
            except BlockingIOError:
                self._wait(1)

    def sendall(self, data: bytes | memoryview) -> None:
        """Send everything. Blocks while the window is full; raises OSError."""
        rest = bytes(data)
        while rest:
            try:
                rest = rest[self.put(rest) :]
            except BlockingIOError:
                self._wait(2)

    def settimeout(self, seconds: float | None) -> None:
        """How long one blocking call may take."""
        self._timeout = seconds

    def setsockopt(self, *_: object) -> None:
        """Nothing: options are the kernel's."""

    def getpeername(self) -> tuple[str, int]:
        """Where the other end is: all machines of a play have one address."""
        return "127.0.0.1", 0

    def fileno(self) -> int:
        """The descriptor by which the loop knows it; -1 once closed."""
        return -1 if self.closed else self.fd

    def shutdown(self, how: int) -> None:
        """End one direction or both (SHUT_RD 0, SHUT_WR 1, SHUT_RDWR 2)."""
        if self.closed or self._error is not None:
            raise OSError(errno.ENOTCONN, "Transport endpoint is not connected")
        if how in (0, 2):
            self._ended = True
        if how in (1, 2):
            self._send_end()
        self.changed()

    def close(self) -> None:
        """Close it; the peer reads the end."""
        if self.closed:
            return
        if self._error is None:
            self._send_end()
        self.closed = True
        self._network.forget(self)
        self.changed()

    # -- what moves -------------------------------------------------------------------------------------------

    def take(self, most: int) -> bytes:
        """Bytes that are there; BlockingIOError when none are."""
        if self.closed:
            raise OSError(errno.EBADF, "Bad file descriptor")
        if self._received:
            data = bytes(self._received[:most])
            del self._received[:most]
            if self.peer is not None:
                self.peer.landed(len(data))
            return data
        if self._error is not None:
            raise self._error
        if self._ended:
            return b""
        raise BlockingIOError(errno.EAGAIN, "would block")

    def put(self, data: bytes) -> int:
        """Hand bytes to the network; how many it took. BlockingIOError when the window is full."""
        if self.closed:
            raise OSError(errno.EBADF, "Bad file descriptor")
        if self._error is not None:
            raise self._error
        if self._sent_end or self.peer is None:
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")
        room = WINDOW_BYTES - self._flying
        if room <= 0:
            raise BlockingIOError(errno.EAGAIN, "would block")
        piece, peer = data[:room], self.peer
        self._flying += len(piece)
        self._network.later(self.lane.name, peer, lambda: peer.arrived(piece))
        return len(piece)

    def arrived(self, data: bytes) -> None:
        """Bytes are here. A peer that is gone answers with a reset; one without power not at all."""
        if self.lane.name in self._network.dark:
            return
        if self.peer is not None:
            for told in list(self._network.watchers):
                told(self.peer.lane.name, self.lane.name)
        if self.closed:
            if self.peer is not None:
                self._network.later(self.lane.name, self.peer, self.peer.reset)
            return
        self._received += data
        self.changed()

    def landed(self, count: int) -> None:
        """The peer has taken bytes out of the window."""
        self._flying -= count
        self.changed()

    def ended(self) -> None:
        """The peer sends nothing more."""
        self._ended = True
        self.changed()

    def reset(self) -> None:
        """The connection is broken."""
        if self._error is None:
            self._error = ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
            self._received.clear()
            self.changed()

    def changed(self) -> None:
        """Wake whoever waits on it."""
        if self.watchers:
            for watcher in list(self.watchers.values()):
                watcher.look()

    @property
    def is_readable(self) -> bool:
        """Whether a read would not block."""
        return bool(self._received or self._ended or self._error or self.closed)

    @property
    def is_writable(self) -> bool:
        """Whether a write would not block."""
        return bool(self._flying < WINDOW_BYTES or self._error or self.closed)

    @property
    def is_gone(self) -> bool:
        """Whether the peer has closed (POLLRDHUP)."""
        return bool(self._ended or self._error or self.closed)

    def _send_end(self) -> None:
        if not self._sent_end and self.peer is not None:
            self._sent_end = True
            self._network.later(self.lane.name, self.peer, self.peer.ended)

    def _wait(self, events: int) -> None:
        hub = gevent.get_hub()
        error = TimeoutError(errno.ETIMEDOUT, "timed out")
        timeout = Timeout.start_new(self._timeout, error) if self._timeout is not None else None
        try:
            hub.wait(hub.loop.io(self.fd, events))
        finally:
            if timeout is not None:
                timeout.close()


class _Raw:
    """The socket below gevent's: never blocks."""

    def __init__(self, sock: SimSocket) -> None:
        self.recv = sock.take
        self.send = sock.put
        self.fileno = sock.fileno
        self.shutdown = sock.shutdown
        self.setsockopt = sock.setsockopt


class Listener:
    """`StreamServer` of a simulated process: accepts for as long as the process lives."""

    def __init__(self, network: Network, address: tuple[str, int], handle: Callable[..., None], spawn: Any) -> None:
        self._network = network
        self._port = address[1]
        self._handle = handle
        self._pool = spawn
        self.lane = network.loop.current
        self.machine = self.lane.name

    def start(self) -> None:
        """Listen."""
        self._network.listeners[self._port] = self

    def accept(self, sock: SimSocket) -> None:
        """Serve a new connection (in the hub, as the process)."""
        if self._network.listeners.get(self._port) is not self:
            sock.reset()
        elif self._pool.free_count() > 0:
            self._pool.spawn(self._serve, sock)

    def _serve(self, sock: SimSocket) -> None:
        try:
            self._handle(sock, (sock.lane.name, 0))
        finally:
            sock.close()

    @property
    def server_port(self) -> int:
        """The port it listens on."""
        return self._port

    def close(self) -> None:
        """Listen no more."""
        if self._network.listeners.get(self._port) is self:
            del self._network.listeners[self._port]


@dataclass(slots=True)
class Poll:
    """`select.poll` for simulated sockets: whether the peer of the one registered has gone."""

    network: Network
    _fds: list[int] = field(default_factory=list)

    def register(self, fd: int, _mask: int) -> None:
        """Ask about this socket."""
        self._fds.append(fd)

    def poll(self, _timeout_ms: float) -> list[tuple[int, int]]:
        """Those that are gone."""
        found = [(fd, self.network.sockets.get(fd)) for fd in self._fds]
        return [(fd, select.POLLRDHUP) for fd, sock in found if sock is None or sock.is_gone]
