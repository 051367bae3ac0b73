"""Connections of a session to its server: opened with patience, and the user told when that takes time."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from dirk_gevent.base.backoff import Backoff
from dirk_gevent.driver.answers import End, Page
from dirk_gevent.driver.requests import UnreachableError
from dirk_gevent.driver.silence import wait_for_first_word
from dirk_gevent.driver.tcp_connection import Address, TcpConnection

_BACKOFF_FIRST_SECONDS = 0.05
_BACKOFF_MOST_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How long connecting is tried: the first time, and after a connection that worked was lost."""

    first_seconds: float = 0.0
    again_seconds: float = 30.0
    answer_timeout_seconds: float | None = None


class Dialer:
    """Opens the connections of one session, one after the other.

    `notify(key, params)` is told what the user should know on the way. `is_lost`: a connection that worked has ended.
    """

    def __init__(
        self, address: Address, patience: Patience, notify: Callable[[str, Mapping[str, str]], None]
    ) -> None:
        self.address = address
        self.is_lost = False
        self._patience = patience
        self._notify = notify
        self._was_connected = self._has_heard = False

    def first_part(self, connection: TcpConnection, answer: Iterator[Page | End]) -> Page | End:
        """The beginning of an answer; of the very first one only from what answers as DirkDB does (TimeoutError)."""
        if not self._has_heard:
            wait_for_first_word(connection, self.address, self._notify)
        first = next(answer)
        self._has_heard = True
        return first

    def open(self) -> TcpConnection:
        """Connect, trying again with jittered back-off; the user is told once that it takes time.

        Raises UnreachableError when the patience is over.
        """
        patience_seconds = self._patience.again_seconds if self._was_connected else self._patience.first_seconds
        deadline = time.monotonic() + patience_seconds
        params = {"address": str(self.address)}
        attempt = 0
        backoff = new_backoff()
        while True:
            try:
                connection = TcpConnection(self.address, self._patience.answer_timeout_seconds)
                break
            except (ValueError, OverflowError) as error:
                # No name of a machine, no number of a port: waiting changes nothing.
                raise UnreachableError("client_unreachable", "08001", **params, reason=str(error)) from error
            except OSError as error:
                pause_seconds = backoff.next_seconds()
                if time.monotonic() + pause_seconds > deadline:
                    raise UnreachableError("client_unreachable", "08001", **params, reason=_reason(error)) from error
            if attempt == 0:
                self._notify("client_reconnecting" if self._was_connected else "client_waiting", params)
            time.sleep(pause_seconds)
            attempt += 1
        if attempt or self.is_lost:
            self._notify("client_connected", params)
        self._was_connected, self.is_lost = True, False
        return connection


def new_backoff() -> Backoff:
    """The waits between attempts to reach a server, or to have it answer."""
    return Backoff(_BACKOFF_FIRST_SECONDS, _BACKOFF_MOST_SECONDS)


def _reason(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
