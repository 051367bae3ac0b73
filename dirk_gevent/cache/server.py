"""The cache process: listens, follows, drains."""

from __future__ import annotations

from contextlib import suppress

import gevent
from gevent import socket
from gevent.event import Event
from gevent.pool import Pool
from gevent.server import StreamServer

from dirk_gevent.base.logger import Logger, logger
from dirk_gevent.base.startup import give_way_to_hub
from dirk_gevent.cache.cache_connection import CacheConnection, SessionEndedError
from dirk_gevent.cache.flights import Flights
from dirk_gevent.cache.log_follower import HeaderFollower
from dirk_gevent.cache.options import CacheOptions
from dirk_gevent.cache.store import Store
from dirk_gevent.config.settings import Config
from dirk_gevent.loop.hub_monitor import HubWatch
from dirk_gevent.messages.error_text import render
from dirk_gevent.protocol import answer_bytes
from dirk_gevent.replication.last_heard import Heard
from dirk_gevent.server.admission import RequestBytes
from dirk_gevent.server.client_connection import ClientConnection
from dirk_gevent.server.listening import listen
from dirk_gevent.server.open_files import RELAY_FILES_A_CONNECTION, fitted
from dirk_gevent.server.service import StopRequest
from dirk_parser.errors import SqlError

DRAIN_SECONDS = 5.0
#: Connections above the limit that can be told so at the same time.
_REFUSALS = 64
_BACKLOG = 1024
_DRAIN_STEP_SECONDS = 0.02


class CacheService:
    """One listening socket, its connections, one store and the header stream that keeps it right."""

    def __init__(self, options: CacheOptions, log: Logger) -> None:
        self._options = options
        self._log = log
        self._upstream_answered = Event()
        self._hub = HubWatch()
        heard = Heard(self._hub.listening_seconds)
        self._store = Store(options.entries, options.ttl_seconds, options.max_bytes, heard)
        self._flights = Flights()
        self._request_bytes = RequestBytes(options.request_bytes)
        self._follower = HeaderFollower(
            self._store, options.upstream_host, options.upstream_port, log, self._upstream_answered.set
        )
        self._connections: dict[gevent.Greenlet[..., object], CacheConnection] = {}
        self._pool = Pool(options.max_connections + _REFUSALS)
        self._server = StreamServer((options.host, options.port), self._connection, spawn=self._pool, backlog=_BACKLOG)
        self._greenlets: list[gevent.Greenlet[[], None]] = []

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens, once started."""
        port = self._server.server_port
        assert port is not None
        return self._options.host, port

    @property
    def store(self) -> Store:
        """The stored answers."""
        return self._store

    def start(self) -> None:
        """Listen and begin to follow; CannotStartError when that can't be done at the address."""
        give_way_to_hub()
        listen(self._server, self._options.host, self._options.port)
        self._greenlets = [gevent.spawn(work) for work in (self._hub.run, self._follower.run, self._announce)]

    def stop(self) -> None:
        """Accept no more, end idle connections, give running statements `DRAIN_SECONDS`, then end all."""
        self._server.close()
        with suppress(gevent.Timeout), gevent.Timeout(DRAIN_SECONDS):
            while self._connections:
                self._end_idle()
                gevent.sleep(_DRAIN_STEP_SECONDS)
        self._pool.kill(timeout=1)
        gevent.killall(self._greenlets, timeout=1)
        self._log.info("stopped", hits=self._store.hits, misses=self._store.misses)

    def _end_idle(self) -> None:
        for greenlet, connection in list(self._connections.items()):
            if connection.is_idle:
                greenlet.kill(block=False)

    def _announce(self) -> None:
        self._upstream_answered.wait()
        host, port = self.address
        self._log.info("ready", listen=f"{host}:{port}")

    def _connection(self, client: socket.socket, _address: object) -> None:
        wire = ClientConnection(client)
        try:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if len(self._connections) >= self._options.max_connections:
                self._refuse(wire)
            else:
                self._serve(wire)
        except OSError as error:
            self._log.debug("connection_lost", reason=str(error))
        except Exception as error:
            self._log.exception("connection_failed", error)
        finally:
            wire.close()

    def _serve(self, client: ClientConnection) -> None:
        connection = CacheConnection(
            client=client,
            options=self._options,
            store=self._store,
            flights=self._flights,
            request_bytes=self._request_bytes,
            log_time=self._follower.log_time,
        )
        greenlet = gevent.getcurrent()
        assert isinstance(greenlet, gevent.Greenlet)
        self._connections[greenlet] = connection
        try:
            connection.run()
        except SessionEndedError as ended:
            self._log.debug("session_ended", reason=repr(ended.__cause__))
        finally:
            del self._connections[greenlet]
            connection.close()

    def _refuse(self, client: ClientConnection) -> None:
        error = SqlError("too_many_connections", limit=self._options.max_connections)
        client.send(answer_bytes.message(render(error, self._options.language)))
        client.drain_then_close()


def options_from(
    config: Config, *, upstream_host: str, upstream_port: int, port: int, ttl_ms: int, entries: int
) -> CacheOptions:
    """Options from the command line and the config file together."""
    return CacheOptions(
        upstream_host=upstream_host,
        upstream_port=upstream_port,
        port=port,
        ttl_seconds=ttl_ms / 1000,
        entries=entries,
        max_bytes=config.cache.max_bytes,
        max_connections=config.limits.max_connections,
        max_statement_bytes=config.limits.max_statement_bytes,
        request_bytes=config.limits.request_bytes,
        idle_statement_seconds=config.limits.idle_statement_seconds,
        language=config.language,
    )


def run(config: Config, *, upstream_host: str, upstream_port: int, port: int, ttl_ms: int, entries: int) -> None:
    """The cache program: blocks until SIGTERM or SIGINT, then drains. CannotStartError when `port` is taken."""
    log = logger("cache")
    config, _ = fitted(config, log, RELAY_FILES_A_CONNECTION)
    service = CacheService(options_from(
        config,
        upstream_host=upstream_host,
        upstream_port=upstream_port,
        port=port,
        ttl_ms=ttl_ms,
        entries=entries,
    ), log)
    stop = StopRequest()
    service.start()
    stop.wait()
    service.stop()
