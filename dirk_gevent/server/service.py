"""Accepting connections and answering their statements one by one: what node and proxy have in common.

A service gives a `Handler`; this file owns sockets, framing, order, fairness and draining. One greenlet a
connection; between pipelined statements it lets the others run.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Protocol

import gevent
from gevent import socket
from gevent.event import Event
from gevent.pool import Pool
from gevent.server import StreamServer

from dirk_gevent.base.logger import Logger
from dirk_gevent.base.startup import give_way_to_hub
from dirk_gevent.config.settings import Limits
from dirk_gevent.loop.threads import NativeThreads
from dirk_gevent.messages.error_text import render
from dirk_gevent.protocol import answer_bytes
from dirk_gevent.protocol.frames import FOLLOW_STATEMENT
from dirk_gevent.protocol.meta import Meta, encode
from dirk_gevent.protocol.metadata import METADATA_OPEN
from dirk_gevent.protocol.splitter import StatementSplitter, StatementTooLongError
from dirk_gevent.server import replies
from dirk_gevent.server.admission import AdmissionSlots, RequestBytes
from dirk_gevent.server.client_connection import ClientConnection
from dirk_gevent.server.listening import listen
from dirk_gevent.server.open_connections import OpenConnections
from dirk_gevent.server.rest_of_statement import receive_rest
from dirk_gevent.server.session import Request, Session, parse_request, spoken, without_what_is_wrong
from dirk_gevent.server.statement_cache import HUB_CHARACTERS
from dirk_parser.errors import SqlError
from dirk_parser.normalize.normalizer import placed

_RECEIVE_BYTES = 65536
_LARGE_RECEIVE_BYTES = 1024 * 1024
_STALL_SECONDS = 1.0
_SPARE_CONNECTIONS = 64
#: Statements whose reading takes a good part of a millisecond.
_LARGE_BYTES = 8 * 1024
#: Longer segments are rarely repeated to the letter.
_REMEMBERED_BYTES = 512
_REMEMBERED_REQUESTS = 8192
#: A connection too many has so long to say that it comes from a part of the cluster, which is not turned away.
_PEEK_SECONDS = 0.2
_PEEK_BYTES = 64


class Streamed(Protocol):
    """An answer that is not held whole: `chunks` in order; `stalled` when the reader takes none for a second."""

    def chunks(self) -> Iterator[bytes]:
        """The answer's bytes, END included."""

    def stalled(self) -> None:
        """Begin to free what a slow reader must not hold (a read transaction); returns at once."""

    def close(self) -> None:
        """The connection is gone or the answer is out: end what still runs. Safe to call twice."""


Answer = bytes | Streamed


class TakeOver(Exception):  # noqa: N818 - not an error: it leaves the statement loop
    """A statement that turns the connection into something else; `run` gets the socket and what was read ahead."""

    def __init__(self, run: Callable[[socket.socket], None]) -> None:
        super().__init__()
        self.run = run


class Handler(Protocol):
    """A service's answers to statements. `name` is who answers, in META."""

    name: str

    def open_session(self) -> Session:
        """The session of a new connection."""

    def answer(self, session: Session, request: Request, wire: ClientConnection) -> Answer:
        """Run one statement. SqlError becomes the error's answer; TakeOver ends the statement loop."""

    def error_meta(self, session: Session, request: Request, error: SqlError) -> Meta:
        """The META of an error's answer."""

    def close_session(self, session: Session) -> None:
        """The connection is gone."""


#: The answer to all that came in one piece, when it is known what that means; None: it is to be read first.
Quick = Callable[[Session, bytes], bytes | None]


class Service:
    """One listening socket with its connections. `stop` drains: running statements have 5 s to end."""

    def __init__(
        self, host: str, port: int, handler: Handler, limits: Limits, log: Logger, quick: Quick | None = None
    ) -> None:
        self._handler = handler
        self._quick = quick
        #: What segments are that were one request each: programs say the same again and again.
        self._requests: dict[bytes, Request] = {}
        self._limits = limits
        self._log = log
        self._pool = Pool(limits.max_connections + _SPARE_CONNECTIONS)
        self._open = OpenConnections()
        self._threads = NativeThreads(1)
        self._slots = AdmissionSlots(limits.max_running, limits.queue_ms)
        self._request_bytes = RequestBytes(limits.request_bytes)
        self._place = host, port
        self._server = StreamServer((host, port), self._connection, spawn=self._pool, backlog=1024)

    def start(self) -> None:
        """Listen; CannotStartError when that can't be done at the address."""
        give_way_to_hub()
        listen(self._server, *self._place)

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return self._open.count

    def stop(self) -> None:
        """Accept no more, let what runs end (`OpenConnections.drain`), then close all."""
        self._server.close()
        self._open.drain()
        self._pool.kill(timeout=1)

    def _connection(self, sock: socket.socket, _address: object) -> None:
        wire = ClientConnection(sock)
        if self._open.count >= self._limits.max_connections and not _is_follower(sock):
            self._refuse(wire)
            return
        self._open.count += 1
        session = self._handler.open_session()
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._statements(wire, session)
        except TakeOver as taken:
            with self._open.taken_over():
                taken.run(sock)
        except OSError:
            self._log.debug("connection_lost")
        except Exception as error:
            self._log.exception("connection_failed", error)
        finally:
            self._open.count -= 1
            self._open.idle.discard(wire)
            self._handler.close_session(session)
            wire.close()

    def _refuse(self, wire: ClientConnection) -> None:
        error = SqlError("too_many_connections", limit=self._limits.max_connections)
        with suppress(OSError):
            wire.send(answer_bytes.message(render(error, self._handler.open_session().language)))
            wire.drain_then_close()
        wire.close()

    def _statements(self, wire: ClientConnection, session: Session) -> None:
        splitter = StatementSplitter(self._limits.max_statement_bytes)
        connections, idle, quick = self._open, self._open.idle, self._quick
        held_bytes = 0
        try:
            while not connections.is_draining:
                idle.add(wire)
                has_begun = splitter.pending_bytes
                data = self._rest(wire, splitter) if has_begun else wire.receive_watched(_RECEIVE_BYTES)
                idle.discard(wire)
                if not data:
                    return
                if quick is not None and not has_begun and (answer := quick(session, data)) is not None:
                    wire.send(answer)
                    continue
                wire.unwatch()
                if not has_begun and (again := self._requests.get(data)) is not None:
                    self._run(wire, session, again)
                    continue
                statements = splitter.feed(data)
                if has_begun or splitter.pending_bytes:
                    now_bytes = splitter.pending_bytes + sum(map(len, statements))
                    held_bytes = self._request_bytes.change(held_bytes, now_bytes)
                segment = None if has_begun or splitter.pending_bytes or len(statements) > 1 else data
                for position, statement in enumerate(statements):
                    if position:
                        wire.yield_to_others()
                    self._one(wire, session, statement, segment)
                if held_bytes:
                    held_bytes = self._request_bytes.change(held_bytes, splitter.pending_bytes)
        except StatementTooLongError:
            self._end(wire, session, SqlError("statement_too_long", limit_bytes=self._limits.max_statement_bytes))
        except SqlError as error:
            # There is no room for the rest of a long statement: what is dropped now is room for others.
            held_bytes = self._request_bytes.change(held_bytes, 0)
            self._end(wire, session, error)
        finally:
            self._request_bytes.change(held_bytes, 0)

    def _rest(self, wire: ClientConnection, splitter: StatementSplitter) -> bytes:
        return receive_rest(wire, splitter, _LARGE_RECEIVE_BYTES, self._limits.idle_statement_seconds)

    def _end(self, wire: ClientConnection, session: Session, error: SqlError) -> None:
        """Say why the connection can't go on, and end it."""
        wire.send(answer_bytes.message(render(error, session.language)))
        wire.drain_then_close()

    def _one(self, wire: ClientConnection, session: Session, statement: bytes, segment: bytes | None) -> None:
        if len(statement) > _LARGE_BYTES:
            # The loop looks at its sockets and timers between some milliseconds of what begins here, not after all.
            gevent.sleep(0)
        try:
            request = parse_request(statement)
        except SqlError as error:
            wire.send(self._error(session, without_what_is_wrong(statement), error))
            return
        request.segment = segment
        if segment is not None and len(segment) <= _REMEMBERED_BYTES and request.request_id is None:
            if len(self._requests) >= _REMEMBERED_REQUESTS:
                self._requests.clear()
            self._requests[segment] = request
        self._run(wire, session, request)

    def _run(self, wire: ClientConnection, session: Session, request: Request) -> None:
        try:
            answer = self._answer(session, request, wire)
        except SqlError as error:
            answer = self._error(session, request, error)
        except (TakeOver, OSError):
            raise
        except Exception as unexpected:
            self._log.exception("statement_failed", unexpected)
            answer = self._error(session, request, SqlError("internal", detail=type(unexpected).__name__))
        if isinstance(answer, bytes):
            wire.send(answer)
        else:
            _send_streamed(wire, answer)

    def _answer(self, session: Session, request: Request, wire: ClientConnection) -> Answer:
        """The handler's answer, when its turn has come; raises what that raises, too_many_requests before it began.

        What was begun goes on in any case: the end of a transaction frees more than it takes, and the parts of the
        cluster must find each other under any load.
        """
        if request.is_empty:
            meta = replies.meta_of(session, request, self._handler.name, "session")
            return answer_bytes.message("OK", meta)
        if session.transaction is not None or request.raw == FOLLOW_STATEMENT:
            return self._handler.answer(session, request, wire)
        self._slots.take()
        session.slots = self._slots
        try:
            return self._handler.answer(session, request, wire)
        finally:
            session.slots = None
            self._slots.give_back()

    def _error(self, session: Session, request: Request | None, error: SqlError) -> bytes:
        if request is not None and error.place >= 0:
            error = self._placed(error, request.text)
        meta = b""
        if request is not None and request.has_meta:
            meta = encode(self._handler.error_meta(session, request, error))
        return answer_bytes.message(render(error, spoken(session, request)), meta)

    def _placed(self, error: SqlError, text: str) -> SqlError:
        """The error with its line and column; what a long text costs is not the hub's to pay."""
        if len(text) <= HUB_CHARACTERS:
            return placed(error, text)
        return self._threads.call(placed, error, text)


def _is_follower(sock: socket.socket) -> bool:
    """True when the peer begins with a subscription: a node, a cache or a person's program. Blocks for a moment."""
    sock.settimeout(_PEEK_SECONDS)
    try:
        beginning = sock.recv(_PEEK_BYTES, socket.MSG_PEEK)
    except OSError:
        return False
    finally:
        sock.settimeout(None)
    return beginning.startswith(METADATA_OPEN + b'{"follow":')


def _send_streamed(wire: ClientConnection, answer: Streamed) -> None:
    try:
        for chunk in answer.chunks():
            stall = gevent.spawn_later(_STALL_SECONDS, answer.stalled)
            try:
                wire.send(chunk)
                # This waits too while the peer takes nothing: a chunk may just have fitted into the socket's buffer.
                wire.yield_to_others()
            finally:
                stall.kill(block=False)
    finally:
        answer.close()


class StopRequest:
    """SIGTERM or SIGINT, from when this is made on: before anybody is told that the program is there, so that none who
    was ends it without its stop.
    """

    def __init__(self) -> None:
        self._came = Event()
        self._watchers = [gevent.signal_handler(number, self._came.set) for number in (signal.SIGTERM, signal.SIGINT)]

    def wait(self) -> None:
        """Block until one has come. The next ends the program at once."""
        self._came.wait()
        for watcher in self._watchers:
            watcher.cancel()
