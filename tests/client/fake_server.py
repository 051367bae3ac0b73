"""A server over real sockets that answers what a test tells it to, drops connections and goes away on demand."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from dirk_gevent.protocol import answer_bytes
from dirk_gevent.protocol.metadata import split_metadata
from dirk_gevent.protocol.splitter import StatementSplitter
from tests.cluster import free_port

#: Answers instead of bytes: close without a word; close after the bytes that follow.
DROP = b"\0drop"


@dataclass
class Asked:
    """One statement that arrived: its text, its metadata (None without), the connection's number from 1."""

    statement: str
    metadata: dict[str, Any] | None
    connection: int


@dataclass
class FakeServer:
    """`answer(asked)` gives the bytes to send; bytes that begin with `DROP` end the connection after the rest."""

    answer: Callable[[Asked], bytes]
    port: int = 0
    asked: list[Asked] = field(default_factory=list)
    closed: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> FakeServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Listen (again, on the same port)."""
        self._connections: list[socket.socket] = []
        self._count = getattr(self, "_count", 0)
        # Not the system's choice: between two lives of the server that would be anybody's.
        self.port = self.port or free_port()
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def stop(self) -> None:
        """Stop listening and cut every connection."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def statements(self) -> list[str]:
        """The statements that arrived, in order."""
        return [asked.statement for asked in self.asked]

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            self._count += 1
            threading.Thread(target=self._serve, args=(connection, self._count), daemon=True).start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        splitter = StatementSplitter()
        with connection, contextlib.suppress(OSError):
            while data := connection.recv(65536):
                for statement in splitter.feed(data):
                    metadata, body = split_metadata(statement)
                    asked = Asked(body.decode(), metadata, number)
                    self.asked.append(asked)
                    answer = self.answer(asked)
                    if answer.startswith(DROP):
                        connection.sendall(answer[len(DROP) :])
                        connection.shutdown(socket.SHUT_RDWR)
                        return
                    connection.sendall(answer)
        self.closed.set()


def relation(names: list[str], rows: list[list[Any]], meta: dict[str, Any] | None = None) -> bytes:
    """A whole answer with a relation, in pages of 200 rows."""
    columns = orjson.dumps([{"name": name, "origin": "t"} for name in names])
    pages = [rows[at : at + 200] for at in range(0, len(rows), 200)] or [[]]
    body = b"".join(
        answer_bytes.encoded_page(b'"t"', columns, orjson.dumps(page), number, len(pages))
        for number, page in enumerate(pages, 1)
    )
    return body + answer_bytes.relation_end(orjson.dumps(meta) if meta else b"")


def message(text: str, meta: dict[str, Any] | None = None) -> bytes:
    """A whole answer with a message."""
    return answer_bytes.message(text, orjson.dumps(meta) if meta else b"")


def wait_for(condition: Callable[[], Any], deadline_seconds: float = 10.0) -> Any:
    """The condition's value once it is true. Raises AssertionError when it never becomes so."""
    end = time.monotonic() + deadline_seconds
    while not (value := condition()):
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)
    return value


def ordinary(asked: Asked) -> bytes:
    """What a small server says: META to those that ask, a relation for a read, messages for the rest."""
    meta = None
    if asked.metadata is not None:
        meta = {"node": "m1", "log": 7, "index": 41, "tx": False, "db": asked.metadata.get("db")}
    words = asked.statement.casefold().replace("`", "").split()
    if words[0] in ("ampiasao", "use"):
        return message(f"Ny tahiry : {words[1]} dia miasa ankehitriny", meta)
    if words[0] == "safidio":
        return message(f"Ny fiteny : {words[3]}", meta)
    if words[0] in ("alaivo", "select"):
        return relation(["id", "anarana"], [[1, "Rakoto"], [2, "Éric"], [3, None]], meta)
    if words[0] in ("manampia", "insert"):
        return message("Tafinditra ny fiovana ny tabilao (2)", meta and {**meta, "rows": 2, "index": 42})
    if meta is not None:
        meta |= {"sqlstate": "42601", "line": 2 if "\n" in asked.statement else 1, "column": 1}
    return message(
        f"Hadisoana : tsy mety ny teny hoe {words[0]}\n  {words[0]}\n  ^\nandrasana : alaivo (42601)", meta
    )
