"""Which program runs as each node, and whether another that comes under the same id takes its place or is refused."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gevent import socket

from dirk_gevent.replication.frame_types import Hello

if TYPE_CHECKING:
    from dirk_gevent.coordinator.cluster import Cluster


@dataclass(frozen=True, slots=True)
class _Program:
    """A program that was taken as a node: its `Hello.process`, where it connects from, and since when (Unix s)."""

    process: str
    address: str
    since_unix_seconds: float


class Namesakes:
    """The programs that run as the nodes of one cluster.

    One that has died must not keep its successor out: its connection is closed, or it misses its beats, and then its
    place is free. One whose connection stands and beats is alive, and another program of that id is a second one.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._programs: dict[str, _Program] = {}

    def came(self, hello: Hello, sock: socket.socket) -> None:
        """A program was taken as `hello.node`; its own reconnect does not make it younger."""
        program = self._programs.get(hello.node)
        since = program.since_unix_seconds if program and program.process == hello.process else time.time()
        self._programs[hello.node] = _Program(hello.process, _peer(sock), since)

    def other(self, hello: Hello) -> dict[str, str] | None:
        """Where from and since when another program runs as `hello.node`; None when none does.

        A program that does not say which process it is passes for the one that is there.
        """
        program = self._programs.get(hello.node)
        if program is None or not program.process or hello.process in ("", program.process):
            return None
        if not self._cluster.is_beating(hello.node):
            return None
        since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(program.since_unix_seconds))
        return {"address": program.address, "since": since}


def _peer(sock: socket.socket) -> str:
    try:
        name = sock.getpeername()
    except OSError:
        return "?"
    return str(name[0]) if isinstance(name, tuple) else "?"
