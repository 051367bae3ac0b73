"""Programs that are not DirkDB, on a port where it is looked for: what each does with a connection."""

from __future__ import annotations

import os
import socket
import struct
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

Behaviour = Callable[[socket.socket], None]


def silent(peer: socket.socket) -> None:
    """Takes everything and says nothing."""
    while peer.recv(65536):
        pass


def closing(peer: socket.socket) -> None:
    """Ends the connection at once."""


def ssh(peer: socket.socket) -> None:
    """Speaks first, and then waits for its own protocol."""
    peer.sendall(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")
    silent(peer)


def http(peer: socket.socket) -> None:
    """Answers that it has not understood."""
    peer.recv(65536)
    peer.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\n\r\n<html></html>\r\n")


def echo(peer: socket.socket) -> None:
    """Gives everything back."""
    while data := peer.recv(65536):
        peer.sendall(data)


def endless(peer: socket.socket) -> None:
    """Never ends its line."""
    while True:
        peer.sendall(b"x" * 65536)


def noise(peer: socket.socket) -> None:
    """Bytes of any kind, with line feeds; no frame is as long as their beginning says, should it be taken for one's."""
    while peer.recv(65536):
        peer.sendall(b"\xff" + os.urandom(299) + b"\n\0\xff")


def frames(peer: socket.socket) -> None:
    """A frame of DirkDB's kind with nothing of DirkDB in it."""
    body = b'7\n{"x":1}'
    while peer.recv(65536):
        peer.sendall(struct.pack(">IB", len(body) + 1, 1) + body)


ALL: tuple[Behaviour, ...] = (closing, ssh, http, echo, endless, noise, frames)


class OtherProgram:
    """Listens, and does with its connections what `behaviours` say, by turns. `served` counts them."""

    def __init__(self, port: int, behaviours: Sequence[Behaviour]) -> None:
        self.served = 0
        self._behaviours = list(behaviours)
        self._peers: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", port))

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for peer in self._peers:
            with suppress(OSError):
                peer.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                peer, _ = self._listener.accept()
                self._peers.append(peer)
                behaviour = self._behaviours[self.served % len(self._behaviours)]
                self.served += 1
                threading.Thread(target=self._serve, args=(peer, behaviour), daemon=True).start()

    def _serve(self, peer: socket.socket, behaviour: Behaviour) -> None:
        with peer, suppress(OSError):
            behaviour(peer)
