"""A scripted upstream over real sockets: statements and header frames as the proxy speaks them.

It has one log whose index the test moves by writes; headers go out when the test says so. A statement's first word
says what it does: ``alaivo T`` reads table T, ``soraty T`` writes it, ``ampiasao X`` uses a database.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent
from gevent import socket
from gevent.event import Event
from gevent.pool import Pool
from gevent.server import StreamServer

from dirk_gevent.base.logger import logger
from dirk_gevent.cache.options import CacheOptions
from dirk_gevent.cache.server import CacheService
from dirk_gevent.loop.frame_socket import FrameSocket
from dirk_gevent.protocol import answer_bytes
from dirk_gevent.protocol.splitter import StatementSplitter
from dirk_gevent.server.session import Request, parse_request
from tests.cluster import free_port

LOG_ID = 7
COLUMNS = b'[{"name":"n","origin":"t"}]'


def wait_for(condition: Callable[[], Any], deadline_seconds: float = 5.0) -> Any:
    """Poll until `condition` gives something true."""
    with gevent.Timeout(deadline_seconds):
        while not (found := condition()):
            gevent.sleep(0.005)
    return found


class FakeUpstream:
    """Listens on a port of its own; `stop` and `start` play the proxy dying and coming back on it."""

    def __init__(self) -> None:
        self.index = 10
        self.requests: list[Request] = []
        self.is_echoing = True
        self.gate = Event()
        self.gate.set()
        self.cuts = 0
        self.cut_after_bytes: int | None = None
        self.extra_meta: dict[str, Any] = {}
        self.outcomes: dict[str, int] = {}
        self.sent_bytes = 0
        self.stale_index: int | None = None
        self.streams: list[FrameSocket] = []
        self.connections: list[socket.socket] = []
        #: Not one that somebody's outgoing connection may have while this does not listen.
        self.port = free_port()
        self._server: StreamServer | None = None
        self._pool = Pool()

    def start(self) -> None:
        self._server = StreamServer(("127.0.0.1", self.port), self._connection, spawn=self._pool)
        self._server.start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._pool.kill()
            self._server = None

    def headers(self, *headers: tuple[int, list[str]]) -> None:
        """Send headers of the log to every follower."""
        for stream in self.streams:
            stream.send({"t": "headers", "h": [[LOG_ID, index, tables] for index, tables in headers]})

    def frame(self, message: dict[str, Any]) -> None:
        for stream in self.streams:
            stream.send(message)

    def reads(self, text: str) -> int:
        return sum(request.text.strip() == text for request in self.requests)

    def _connection(self, sock: socket.socket, _address: object) -> None:
        splitter = StatementSplitter(64 * 1024 * 1024)
        self.connections.append(sock)
        try:
            while data := sock.recv(1 << 20):
                for statement in splitter.feed(data):
                    request = parse_request(statement)
                    if "follow" in request.metadata:
                        self._follow(sock)
                        return
                    self.requests.append(request)
                    if not self._answer(sock, request):
                        return
        except OSError:
            pass
        finally:
            sock.close()

    def _follow(self, sock: socket.socket) -> None:
        stream = FrameSocket(sock)
        stream.send({"t": "heads", "heads": {"0": 1, str(LOG_ID): self.index}})
        self.streams.append(stream)
        try:
            while (message := stream.receive()) is not None:
                if self.is_echoing:
                    stream.send({"t": "pong", "n": message["n"]})
        finally:
            self.streams.remove(stream)

    def _answer(self, sock: socket.socket, request: Request) -> bool:
        body, meta = self._run(request)
        self.gate.wait()
        if self.cuts:
            self.cuts -= 1
            return False
        if body == b"":
            return self._huge(sock, request, meta)
        encoded = answer_bytes.meta_line(answer_bytes.json_bytes(meta))
        sock.sendall(body[: -len(answer_bytes.END)] + encoded + answer_bytes.END)
        return True

    def _run(self, request: Request) -> tuple[bytes, dict[str, Any]]:
        word, _, rest = request.text.strip().partition(" ")
        meta: dict[str, Any] = {"node": "m1", "db": "x", "log": LOG_ID, "lang": "mg", "tx": False, **self.extra_meta}
        meta |= {"index": self.index, "kind": "read", "tables": [rest[:1]], "repeatable": True}
        if word == "soraty":
            if request.request_id not in self.outcomes:
                self.index += 1
                self.outcomes[str(request.request_id)] = self.index
            index = self.outcomes[str(request.request_id)]
            return answer_bytes.message("Tafinditra"), meta | {"kind": "write", "index": index}
        if word == "ampiasao":
            return answer_bytes.message("Ny tahiry : x dia miasa ankehitriny"), meta | {"kind": "session"}
        if word == "atombohy":
            self.extra_meta["tx"] = True
            return answer_bytes.message("Nanomboka ny asa"), meta | {"kind": "session", "tx": True}
        if rest == "diso":
            return answer_bytes.message("Hadisoana : diso (42P01)"), meta | {"sqlstate": "42P01"}
        if rest.startswith("huge"):
            return b"", meta
        index = self.stale_index if self.stale_index is not None else self.index
        rows = [[f"{rest}@{index}"]]
        page = answer_bytes.encoded_page(b'"t"', COLUMNS, answer_bytes.json_bytes(rows), 1, 1)
        return page + answer_bytes.relation_end(), meta | {"index": index}

    def _huge(self, sock: socket.socket, request: Request, meta: dict[str, Any]) -> bool:
        pages = int(request.text.split()[2])
        for number in range(1, pages + 1):
            data = answer_bytes.encoded_page(b'"t"', COLUMNS, answer_bytes.json_bytes([["x" * 1000]] * 200), number, 0)
            sock.sendall(data)
            self.sent_bytes += len(data)
            if self.cut_after_bytes is not None and self.sent_bytes > self.cut_after_bytes:
                return False
        sock.sendall(answer_bytes.relation_end(answer_bytes.json_bytes(meta)))
        return True


class Client:
    """A plain client: sends text, reads answers to END."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port))
        self._buffer = b""

    def send(self, text: str | bytes) -> None:
        self.sock.sendall(text.encode() if isinstance(text, str) else text)

    def answer(self, deadline_seconds: float = 10.0) -> bytes:
        """The next answer, END included; b"" when the connection ended before it."""
        with gevent.Timeout(deadline_seconds):
            while (end := self._buffer.find(answer_bytes.END)) < 0:
                data = self.sock.recv(1 << 20)
                if not data:
                    return b""
                self._buffer += data
        end += len(answer_bytes.END)
        answer, self._buffer = self._buffer[:end], self._buffer[end:]
        return answer

    def ask(self, text: str | bytes) -> bytes:
        self.send(text)
        return self.answer()

    def close(self) -> None:
        self.sock.close()


class Bench:
    """A fake upstream with a cache before it, and clients."""

    def __init__(self, **options: Any) -> None:
        self.upstream = FakeUpstream()
        self.upstream.start()
        settings: dict[str, Any] = {"port": 0, "ttl_seconds": 30.0, **options}
        self.cache = CacheService(CacheOptions("127.0.0.1", self.upstream.port, **settings), logger("cache"))
        self.cache.start()
        self._clients: list[Client] = []

    @property
    def store(self) -> Any:
        return self.cache.store

    def leased(self) -> Bench:
        """Wait until the header stream is up and echoes."""
        wait_for(lambda: self.store.horizon(LOG_ID).head >= 0 and self.store.lease_until > 0)
        return self

    def client(self, database: str = "x") -> Client:
        """A client that has chosen its database (so the cache knows its log)."""
        client = Client(self.cache.address[1])
        self._clients.append(client)
        if database:
            assert b"miasa" in client.ask(f"ampiasao {database};")
        return client

    def head(self, index: int) -> None:
        """Wait until the cache has seen header `index`."""
        wait_for(lambda: self.store.horizon(LOG_ID).head == index)

    def stop(self) -> None:
        for client in self._clients:
            client.close()
        self.upstream.gate.set()
        self.cache.stop()
        self.upstream.stop()
