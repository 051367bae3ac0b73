"""One TCP connection to a node, the proxy or a cache: requests out, answers in.

Plain blocking sockets, not gevent's: the client is one program for one person (or one script) that waits for one
answer at a time, so there is nothing to switch to while it waits; importing gevent would double its start-up time,
and a KeyboardInterrupt must reach the waiting `recv` at once. A gevent program that uses the driver needs a thread.
"""

from __future__ import annotations

import contextlib
import io
import select
import socket
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dirk_gevent.driver.answers import End, NotDirkError, Page, may_begin_answer, read_answer

_CONNECT_TIMEOUT_SECONDS = 5.0
_READ_BUFFER_BYTES = 128 * 1024
_BEGINNING_BYTES = 80
_RESET = struct.pack("ii", 1, 0)
# A peer that vanished without a word (power cut, cable) is found after 30 + 3 x 10 seconds.
_KEEPALIVE = (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class TcpConnection:
    """An open connection. Any OSError from it means that it is of no more use: close it and open another.

    `owes_answer` is true from before a request is sent until `settled` says that its answer was read to the end, so
    also after an exception has come between (a signal's, at any instruction): what comes over the connection then
    belongs to that request, and the connection can serve no other. Nor can one that `is_given_up`.
    """

    def __init__(self, address: Address, timeout_seconds: float | None = None) -> None:
        """Connect; `timeout_seconds` bounds each later wait for bytes (None waits as long as it takes)."""
        try:
            self._socket = socket.create_connection((address.host, address.port), _CONNECT_TIMEOUT_SECONDS)
        except UnicodeError:
            # What cannot even be written as a host name.
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known") from None
        self._socket.settimeout(timeout_seconds)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEPALIVE:
            if hasattr(socket, name):
                self._socket.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        self._stream = io.BufferedReader(socket.SocketIO(self._socket, "r"), _READ_BUFFER_BYTES)
        self.owes_answer = False
        self.is_given_up = False

    def ask(self, request: bytes, asks_meta: bool) -> Iterator[Page | End]:
        """Send one whole request and give the parts of its answer as they come.

        The iterator must be used up before the next `ask`. Raises OSError when the connection ends.
        """
        self.owes_answer = True
        self._socket.sendall(request)
        return self._answer(asks_meta)

    def is_answering(self, seconds: float) -> bool:
        """True when something of an answer that is owed has come, or the connection's end; waits at most `seconds`.

        Of no meaning once anything has been read. A connection with a shorter limit of its own does not wait here.
        Raises NotDirkError for bytes that begin no answer: their line may never end.
        """
        own_seconds = self._socket.gettimeout()
        if own_seconds is not None and own_seconds <= seconds:
            return True
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        if not poll.poll(seconds * 1000):
            return False
        beginning = self._socket.recv(_BEGINNING_BYTES, socket.MSG_PEEK)
        if not may_begin_answer(beginning):
            raise NotDirkError(beginning.decode("utf-8", "replace").partition("\n")[0].rstrip("\r"))
        return True

    def settled(self) -> None:
        """The answer to the last request was read to its end: the connection is ready for another."""
        self.owes_answer = False

    @property
    def is_free(self) -> bool:
        """True when it may serve another request."""
        return not (self.owes_answer or self.is_given_up)

    def has_ended(self) -> bool:
        """True when this idle connection is of no more use: nothing was asked, so what is readable is its end."""
        poll = select.poll()
        try:
            poll.register(self._socket, select.POLLIN)
            return bool(poll.poll(0))
        except (OSError, ValueError):
            return True

    def close(self) -> None:
        """Close it; the server ends what it was doing for it. Never raises.

        While an answer is owed it is reset: an ordinary end would not tell the server from one that only stopped
        sending and still reads.
        """
        if self.owes_answer:
            with contextlib.suppress(OSError):
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        with contextlib.suppress(OSError):
            self._stream.close()
        with contextlib.suppress(OSError):
            self._socket.close()

    def _answer(self, asks_meta: bool) -> Iterator[Page | End]:
        try:
            yield from read_answer(self._stream, asks_meta)
        except ValueError as error:
            raise ConnectionResetError("the connection was closed here") from error


def encode(statement: str, metadata: Mapping[str, Any]) -> bytes:
    """A request: the statement behind its metadata comment (none when `metadata` is empty), ended by ``;``.

    A statement whose last line may end in a comment gets a line feed, so that the comment does not hide the ``;``.
    Raises UnicodeEncodeError for text that is not Unicode, TypeError for metadata that JSON cannot hold.
    """
    last_line = statement[statement.rfind("\n") + 1 :]
    end = "\n;" if "--" in last_line or "//" in last_line else ";"
    body = (statement + end).encode()
    if not metadata:
        return body
    import orjson

    return b"/*dirk " + orjson.dumps(metadata).replace(b"*/", b"*\\/") + b"*/" + body
