"""Connections to another DirkDB process: pooled, watched, and read so that a long answer is never held whole."""

from __future__ import annotations

import math
import time
from collections.abc import Container, Iterator, Mapping
from contextlib import suppress
from typing import Any, Protocol

import gevent
from gevent import socket

from dirk_gevent.base.backoff import Backoff, jittered
from dirk_gevent.base.logger import Logger
from dirk_gevent.base.startup import plain_reason
from dirk_gevent.protocol import answer_bytes
from dirk_gevent.protocol.answer_relay import AnswerRelay
from dirk_gevent.server.client_connection import ClientConnection
from dirk_gevent.server.peers import Peer

CONNECT_SECONDS = 2.0
#: Answers up to this size are collected before anything is passed on, so that a lost node can be replaced unseen.
COLLECT_BYTES = 256 * 1024
_RECEIVE_BYTES = 65536
_CHECK_SECONDS = 1.0
#: From one look for requests that are hopeless to the next.
_CUT_SECONDS = 0.25
_MAX_IDLE = 128
_RETRY_FIRST_SECONDS, _RETRY_MAX_SECONDS = 0.1, 2.0


#: Classes of errors that say no more than: this time nothing was appended.
OPEN_CLASSES = ("08", "53", "57P")


def leaves_open(meta: Mapping[str, Any] | None) -> bool:
    """True when an answer says nothing of what became of the same write when it was sent before."""
    return meta is not None and str(meta.get("sqlstate", "")).startswith(OPEN_CLASSES)


class BackendDownError(OSError):
    """No whole answer came. `was_sent`: the request may have been received all the same."""

    def __init__(self, reason: str, was_sent: bool) -> None:
        super().__init__(reason)
        self.was_sent = was_sent


class _BrokenError(OSError):
    """The connection failed under a request, by itself."""


class Owner(Protocol):
    """Whose a connection is while an answer comes over it."""

    host: str
    port: int

    def receive_more(self, wire: ClientConnection, silence_seconds: float) -> bytes:
        """The next bytes of the answer; raises OSError."""

    def give_back(self, wire: ClientConnection) -> None:
        """The answer has been read to its end."""

    def drop(self, wire: ClientConnection) -> None:
        """The answer was given up in its middle."""


class StreamedReply:
    """An answer that is still coming: the collected beginning and the connection that brings the rest."""

    def __init__(self, backend: Owner, wire: ClientConnection, data: bytes, silence_seconds: float) -> None:
        self.host, self.port = backend.host, backend.port
        self._backend = backend
        self._wire: ClientConnection | None = wire
        self._data = data
        self._silence_seconds = silence_seconds
        self._relay = AnswerRelay()

    def pieces(self) -> Iterator[bytes]:
        """The answer as it comes, without its result lines; raises BackendDownError when it is cut."""
        data = self._data
        while True:
            if passed := self._relay.feed(data):
                yield passed
            if self._relay.done:
                return
            data = self._backend.receive_more(self._wire, self._silence_seconds) if self._wire is not None else b""
            if not data:
                raise BackendDownError("closed before the end of the answer", was_sent=True)

    def end(self) -> bytes:
        """The result lines, META included; the connection goes back to the pool. Only after `pieces` ended."""
        if self._wire is not None:
            self._backend.give_back(self._wire)
            self._wire = None
        return self._relay.tail

    def close(self) -> None:
        """Drop the connection if the answer was not read to its end (the node then ends the statement)."""
        if self._wire is not None:
            self._backend.drop(self._wire)
            self._wire = None


class UpstreamPool:
    """One host:port. Logs `Erreur connexion à host:port` once when it goes down, an event when it is back.

    `peer` knows what its process says elsewhere: requests do not wait for one that is silent.
    """

    def __init__(self, host: str, port: int, logger: Logger, peer: Peer | None = None) -> None:
        self.host = host
        self.port = port
        self._peer = peer or Peer()
        #: What is under way and need not be waited for when another backend can take it up: reads of which nothing has
        #: been passed on, and transactions, which begin anew there.
        self._movable: set[ClientConnection] = set()
        self.is_up: bool | None = None
        self._logger = logger
        self._idle: list[ClientConnection] = []
        #: Requests under way: until when (monotonic s), and for which client.
        self._running: dict[ClientConnection, tuple[float, ClientConnection | None]] = {}

    def ask(
        self, request: bytes, silence_seconds: float, client: ClientConnection | None = None
    ) -> bytes | StreamedReply:
        """Send a read; the whole answer when it is small, else a `StreamedReply`.

        `silence_seconds` is how long the backend may take. Raises BackendDownError when no answer came, and
        ConnectionAbortedError when `client` went away meanwhile. A connection from the pool that turns out to be
        stale is replaced once.
        """
        if self._idle:
            try:
                return self.ask_movable(self._idle.pop(), request, silence_seconds, client, self)
            except _BrokenError:
                self._drop_idle()
        try:
            return self.ask_movable(self._connect(), request, silence_seconds, client, self)
        except _BrokenError as error:
            self._down(error)
            raise BackendDownError(str(error), was_sent=True) from error

    def ask_movable(
        self,
        wire: ClientConnection,
        request: bytes,
        silence_seconds: float,
        client: ClientConnection | None,
        owner: Owner,
    ) -> bytes | StreamedReply:
        """`exchange` that ends when the backend has gone silent while another can be asked instead."""
        self._movable.add(wire)
        try:
            return self.exchange(wire, request, silence_seconds, client, owner)
        finally:
            self._movable.discard(wire)

    def ask_once(
        self, request: bytes, silence_seconds: float, client: ClientConnection | None = None
    ) -> bytes | StreamedReply:
        """As `ask`, for what may be a write: never sent twice, so that whoever asks knows what its answer means.

        (An answer that nothing was appended, to a second sending, says nothing of the first.)
        """
        reused = bool(self._idle)
        wire = self._idle.pop() if reused else self._connect()
        try:
            return self.exchange(wire, request, silence_seconds, client, self)
        except _BrokenError as error:
            if reused:
                self._drop_idle()
            else:
                self._down(error)
            raise BackendDownError(str(error), was_sent=True) from error

    def exchange(
        self,
        wire: ClientConnection,
        request: bytes,
        silence_seconds: float,
        client: ClientConnection | None,
        owner: Owner,
    ) -> bytes | StreamedReply:
        """`ask` over one connection, which goes back to `owner`. Raises OSError: the connection is then closed."""
        self._running[wire] = (time.monotonic() + silence_seconds, client)
        try:
            wire.send(request)
            data = wire.receive(_RECEIVE_BYTES)
            if not answer_bytes.may_begin_answer(data):
                raise ConnectionResetError("what listens there does not answer as DirkDB")
            while not data.endswith(answer_bytes.END):
                if len(data) > COLLECT_BYTES:
                    self._running[wire] = (math.inf, client)
                    return StreamedReply(owner, wire, data, silence_seconds)
                more = wire.receive(_RECEIVE_BYTES)
                if not more:
                    raise ConnectionResetError("connection closed before the end of the answer")
                data += more
        except OSError as error:
            was_watched = self._running.pop(wire, None) is not None
            wire.close(abort=True)
            if not was_watched:
                raise self._given_up(client) from error
            raise _BrokenError(str(error)) from error
        owner.give_back(wire)
        return data

    def lease(self) -> PinnedConnection:
        """A connection for one session alone. Raises BackendDownError."""
        while self._idle:
            wire = self._idle.pop()
            if not wire.has_ended():
                return PinnedConnection(self, wire)
            wire.close()
        return PinnedConnection(self, self._connect())

    def rest(self, wire: ClientConnection) -> None:
        """Nothing is under way on a connection that stays with its owner."""
        self._running.pop(wire, None)

    def receive_more(self, wire: ClientConnection, silence_seconds: float) -> bytes:
        """The next bytes of a long answer; raises OSError. Only this wait counts as the backend's silence: between
        two calls the client takes what came, as slowly as it likes.
        """
        client = self._running[wire][1] if wire in self._running else None
        self._running[wire] = (time.monotonic() + silence_seconds, client)
        data = wire.receive(_RECEIVE_BYTES)
        if wire in self._running:
            self._running[wire] = (math.inf, client)
        return data

    def give_back(self, wire: ClientConnection) -> None:
        """Keep a connection whose answer has been read to its end."""
        self._running.pop(wire, None)
        if len(self._idle) < _MAX_IDLE:
            self._idle.append(wire)
        else:
            wire.close()

    def drop(self, wire: ClientConnection) -> None:
        """Give up a connection in the middle of an answer."""
        self._running.pop(wire, None)
        wire.close(abort=True)

    def watch(self) -> None:
        """Look after the backend until killed: cut what is hopeless, find out that it is down or back. Blocks.

        It asks by connecting, so that a backend that died is reported though nobody reads from it.
        """
        # At its own pace: a connection to a machine that says nothing is tried for seconds.
        cutting = gevent.spawn(self._cut_hopeless)
        backoff = Backoff(_RETRY_FIRST_SECONDS, _RETRY_MAX_SECONDS)
        pause = backoff.next_seconds()
        try:
            while True:
                gevent.sleep(pause)
                with suppress(BackendDownError):
                    self._connect().close()
                if self.is_up:
                    backoff.reset()
                pause = jittered(_CHECK_SECONDS) if self.is_up else backoff.next_seconds()
        finally:
            cutting.kill()

    def _cut_hopeless(self) -> None:
        while True:
            gevent.sleep(_CUT_SECONDS)
            self.end_hopeless()

    def close(self) -> None:
        """Close the pooled connections."""
        self._drop_idle()

    def drop_ended(self) -> None:
        """Close the pooled connections that the other side has closed: nothing was sent over them in vain yet."""
        ended = [wire for wire in self._idle if wire.has_ended()]
        for wire in ended:
            self._idle.remove(wire)
            wire.close()

    def move(self, port: int) -> None:
        """It says where it listens (0: it does not say): ask there from now on."""
        if port not in (0, self.port):
            self._logger.warning("backend_moved", host=self.host, configured=self.port, listens=port)
            self.port = port
            self._drop_idle()

    def end_hopeless(self) -> None:
        """Cut the requests that took too long, those whose client has gone, and those that wait for a silent peer."""
        if not self._running:
            return
        now = time.monotonic()
        lost: Container[ClientConnection] = self._movable if self._movable and self._peer.may_move() else ()
        if self._peer.is_silent():
            lost = self._running
        for wire, (deadline, client) in list(self._running.items()):
            if now > deadline or wire in lost or (client is not None and client.is_gone()):
                del self._running[wire]
                wire.shut()

    def _given_up(self, client: ClientConnection | None) -> OSError:
        if client is not None and client.is_gone():
            return ConnectionAbortedError("the client went away")
        return BackendDownError(f"{self.host}:{self.port} did not answer in time", was_sent=True)

    def _connect(self) -> ClientConnection:
        try:
            sock = socket.create_connection((self.host, self.port), timeout=CONNECT_SECONDS)
        except OSError as error:
            self._down(error)
            raise BackendDownError(str(error), was_sent=False) from error
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not self.is_up:
            self._peer.reached(True)
            if self.is_up is False:
                self._logger.info("backend_up", host=self.host, port=self.port)
            self.is_up = True
        return ClientConnection(sock)

    def _down(self, error: OSError) -> None:
        self._drop_idle()
        if self.is_up is not False:
            self.is_up = False
            self._peer.reached(False)
            text = f"Erreur connexion à {self.host}:{self.port}"
            self._logger.error("backend_down", text=text, reason=plain_reason(error))

    def _drop_idle(self) -> None:
        for wire in self._idle:
            wire.close()
        self._idle.clear()


class PinnedConnection:
    """One connection to a backend for one session alone, which has a transaction there."""

    def __init__(self, backend: UpstreamPool, wire: ClientConnection) -> None:
        self.host, self.port = backend.host, backend.port
        self._backend = backend
        self._wire: ClientConnection | None = wire

    def ask(self, request: bytes, silence_seconds: float, client: ClientConnection | None) -> bytes | StreamedReply:
        """As `UpstreamPool.ask`, but sent once and over this connection alone. Raises BackendDownError when it is gone,
        or its backend silent while another is not.
        """
        wire = self._wire
        if wire is None:
            raise BackendDownError("the connection is gone", was_sent=False)
        try:
            return self._backend.ask_movable(wire, request, silence_seconds, client, self)
        except _BrokenError as error:
            self._wire = None
            raise BackendDownError(str(error), was_sent=True) from error
        except OSError:
            self._wire = None
            raise

    def ask_whole(self, request: bytes, silence_seconds: float, client: ClientConnection | None) -> bytes:
        """`ask` for an answer that is no relation, however long."""
        answer = self.ask(request, silence_seconds, client)
        return b"".join(answer.pieces()) + answer.end() if isinstance(answer, StreamedReply) else answer

    def receive_more(self, wire: ClientConnection, silence_seconds: float) -> bytes:
        """As `UpstreamPool.receive_more`."""
        return self._backend.receive_more(wire, silence_seconds)

    def give_back(self, wire: ClientConnection) -> None:
        """The connection waits for the session's next statement."""
        self._backend.rest(wire)

    def drop(self, wire: ClientConnection) -> None:
        """The connection is closed, and the transaction with it."""
        self._wire = None
        self._backend.drop(wire)

    def release(self) -> None:
        """The transaction has ended there: the connection may serve others."""
        wire, self._wire = self._wire, None
        if wire is not None:
            self._backend.give_back(wire)

    def close(self) -> None:
        """Let the transaction die with its connection."""
        if self._wire is not None:
            self.drop(self._wire)
