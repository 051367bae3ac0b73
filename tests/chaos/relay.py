"""What stands between two processes: passes bytes on, until it is told to cut, refuse, hold, swallow or delay them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from random import Random

import gevent
from gevent import socket
from gevent.event import Event
from gevent.server import StreamServer

from tests.cluster import HOST

_CONNECT_SECONDS = 2.0
_RECEIVE_BYTES = 65536
#: Closing with this sends a reset: what is on its way is lost.
_RESET = struct.pack("ii", 1, 0)


@dataclass(slots=True, eq=False)
class _Pair:
    """One connection: whoever dialled, and whom the relay dialled. `share` of the relay's delay is its own."""

    near: socket.socket
    far: socket.socket
    share: float
    has_lost: bool = False

    def reset(self) -> None:
        """End both sides at once."""
        for one in (self.near, self.far):
            with suppress(OSError):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            one.close()


class Relay:
    """Connections to `port` go to `target_port`. `name` is `from>to`; `chance` shares delays out to connections.

    All faults last while their context does, and are gone without a trace afterwards, save what they lost.
    """

    def __init__(self, name: str, target_port: int, chance: Random) -> None:
        self.name = name
        self._target_port = target_port
        self._chance = chance
        self._pairs: set[_Pair] = set()
        self._is_refusing = False
        self._flowing = Event()
        self._flowing.set()
        self._swallowed_side: str | None = None
        self._delay_seconds = 0.0
        self._server = StreamServer((HOST, 0), self._relay)
        self._server.start()

    @property
    def port(self) -> int:
        """Where it listens."""
        port = self._server.server_port
        assert port is not None
        return port

    def reset_all(self) -> None:
        """Every connection ends with a reset; new ones may come."""
        for pair in list(self._pairs):
            pair.reset()

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """No connection, the ones that stand are reset."""
        self._is_refusing = True
        self.reset_all()
        try:
            yield
        finally:
            self._is_refusing = False

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Nothing passes; all of it passes afterwards."""
        self._flowing.clear()
        try:
            yield
        finally:
            self._flowing.set()

    @contextmanager
    def half_open(self, side: str) -> Iterator[None]:
        """What comes from `side` ("near" or "far") is lost, though the connection stands; such ones end afterwards."""
        self._swallowed_side = side
        try:
            yield
        finally:
            self._swallowed_side = None
            for pair in [one for one in self._pairs if one.has_lost]:
                pair.reset()

    @contextmanager
    def delaying(self, seconds: float) -> Iterator[None]:
        """Every segment comes later by up to `seconds`, on each connection by another time, so that they overtake."""
        self._delay_seconds = seconds
        try:
            yield
        finally:
            self._delay_seconds = 0.0

    def close(self) -> None:
        """End everything."""
        self._server.stop(timeout=0)
        self.reset_all()

    def _relay(self, near: socket.socket, _: object) -> None:
        share = self._chance.random()
        try:
            if self._is_refusing:
                raise OSError("refused")
            far = socket.create_connection((HOST, self._target_port), timeout=_CONNECT_SECONDS)
        except OSError:
            with suppress(OSError):
                near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            near.close()
            return
        far.settimeout(None)
        for one in (near, far):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pair = _Pair(near, far, share)
        self._pairs.add(pair)
        back = gevent.spawn(self._pump, pair, far, near, "far")
        try:
            self._pump(pair, near, far, "near")
            back.join()
        finally:
            back.kill()
            self._pairs.discard(pair)
            near.close()
            far.close()

    def _pump(self, pair: _Pair, source: socket.socket, target: socket.socket, side: str) -> None:
        try:
            while data := source.recv(_RECEIVE_BYTES):
                if self._delay_seconds:
                    gevent.sleep(self._delay_seconds * pair.share)
                self._flowing.wait()
                if self._swallowed_side == side:
                    pair.has_lost = True
                else:
                    target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pair.reset()
