"""The parts that requests work with where the log is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gevent import socket

from dirk_gevent.coordinator.appends import Appends
from dirk_gevent.coordinator.sessions import Sessions
from dirk_gevent.coordinator.state import CoordinatorState


@dataclass(frozen=True, slots=True)
class RequestParts:
    """The parts of one coordinator that requests reach.

    `follow` serves a subscription on a socket until it ends, given the metadata's `follow`.
    """

    state: CoordinatorState
    appends: Appends
    sessions: Sessions
    follow: Callable[[socket.socket, object], None]
