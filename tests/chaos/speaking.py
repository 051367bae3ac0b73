"""One client's way to the cluster: a connection that is made again, answers read, failures told apart."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any

from gevent import socket

from tests.cluster import HOST, message, meta, rows

#: A request that is not answered by then is given up, and its connection with it.
ANSWER_SECONDS = 5.0
#: The database of a run that is always there.
DATABASE = "k"
_CONNECT_SECONDS = 2.0
_RECEIVE_BYTES = 65536


class NoAnswerError(Exception):
    """The connection ended, or nothing came in time: nobody knows what became of the request."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came: rows of a relation, or how many a write changed; `sqlstate` is empty on success."""

    sqlstate: str
    rows: list[list[Any]]
    changed: int
    log: int
    index: int
    node: str
    text: str

    @staticmethod
    def read(text: str) -> Answer:
        """An answer with META."""
        facts = meta(text)
        is_relation = "\nRELATION_JSON_END\n" in text
        return Answer(
            str(facts.get("sqlstate", "")),
            rows(text) if is_relation else [],
            int(facts.get("rows") or 0),
            int(facts.get("log") or 0),
            int(facts.get("index") or 0),
            str(facts.get("node", "")),
            message(text)[:300],
        )


class Speaker:
    """A session with the part behind `port`, which is the proxy unless told otherwise.

    The proxy gives a new session its log's head. Elsewhere no such promise is made, and the client brings along the
    highest index it has seen, as any client that reconnects may.
    """

    def __init__(self, port: int, part: str = "proxy") -> None:
        self._port = port
        self._carries = part != "proxy"
        self.is_at_node = part not in ("proxy", "cache")
        self._socket: socket.socket | None = None
        self._waiting = b""
        self._seen: dict[str, int] = {}
        self._is_new = True

    def learn(self, other: Speaker) -> None:
        """Take over what another has seen, as whoever hands work on to another client would."""
        self._seen |= other._seen

    def less(self, chance: Random) -> dict[str, int]:
        """A `min` that demands no more than the session has seen: it changes nothing of what it may be told."""
        logs = [log for log in sorted(self._seen) if chance.random() < 0.5]
        return {log: max(0, self._seen[log] - chance.choice((0, 1, 5, 100))) for log in logs}

    def ask(self, text: str, seconds: float = ANSWER_SECONDS, **metadata: Any) -> Answer:
        """One statement; NoAnswerError when there is none."""
        fields = {"db": DATABASE, "lang": "en", **metadata}
        if self._carries and self._is_new and self._seen:
            fields["min"] = {**metadata.get("min", {}), **self._seen}
        try:
            sock = self._connected()
            sock.settimeout(seconds)
            sock.sendall(f"/*dirk {json.dumps(fields)}*/ {text};".encode())
            answer = Answer.read(self._receive(sock))
        except OSError as error:
            self.leave()
            raise NoAnswerError(str(error)) from error
        if not answer.sqlstate:
            self._is_new = False
            self._seen[str(answer.log)] = max(self._seen.get(str(answer.log), 0), answer.index)
        return answer

    def leave(self) -> None:
        """End the connection; the next request makes another."""
        sock, self._socket = self._socket, None
        self._waiting = b""
        self._is_new = True
        if sock is not None:
            with suppress(OSError):
                sock.close()

    def _connected(self) -> socket.socket:
        if self._socket is None:
            self._socket = socket.create_connection((HOST, self._port), timeout=_CONNECT_SECONDS)
        return self._socket

    def _receive(self, sock: socket.socket) -> str:
        while b"\nEND\n" not in self._waiting:
            data = sock.recv(_RECEIVE_BYTES)
            if not data:
                raise ConnectionResetError("closed before the end of the answer")
            self._waiting += data
        answer, _, self._waiting = self._waiting.partition(b"\nEND\n")
        return answer.decode() + "\nEND\n"
