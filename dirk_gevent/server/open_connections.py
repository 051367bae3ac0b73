"""The open connections of a service, and how they end when it stops."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import gevent
from gevent import socket

from dirk_gevent.server.client_connection import ClientConnection

_DRAIN_SECONDS = 5.0
_DRAIN_LOOK_SECONDS = 0.02


class OpenConnections:
    """How many connections are open, and which of them wait for a statement (`idle`).

    `is_draining`: no session begins another statement.
    """

    def __init__(self) -> None:
        self.count = 0
        self.idle: set[ClientConnection] = set()
        self.is_draining = False
        self._taken_over = 0

    @contextmanager
    def taken_over(self) -> Iterator[None]:
        """The time in which a connection is no session any more but something else (a subscription)."""
        self._taken_over += 1
        try:
            yield
        finally:
            self._taken_over -= 1

    def drain(self) -> None:
        """End idle sessions at once and give the others five seconds. *Blocks.*"""
        self.is_draining = True
        for wire in list(self.idle):
            wire.shut(socket.SHUT_RD)
        deadline = time.monotonic() + _DRAIN_SECONDS
        # Subscriptions do not end by themselves: only sessions are waited for.
        while self.count > self._taken_over and time.monotonic() < deadline:
            gevent.sleep(_DRAIN_LOOK_SECONDS)
