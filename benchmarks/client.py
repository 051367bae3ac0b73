"""A blocking client for what a benchmark says outside the measured time."""

from __future__ import annotations

import socket
from types import TracebackType

_TIMEOUT_SECONDS = 120.0


class StatementError(Exception):
    """A statement got an error; `str()` is the server's message."""


class Client:
    """One session over plain TCP; a context manager."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self._socket = socket.create_connection((host, port), timeout=_TIMEOUT_SECONDS)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def send(self, statement: str) -> None:
        """Send a statement without waiting for its answer."""
        self._socket.sendall(statement.encode())

    def ask(self, statement: str) -> bytes:
        """The statement's answer, END included; StatementError for an error's answer."""
        self.send(statement)
        return self.receive(statement)

    def receive(self, statement: str = "") -> bytes:
        """The answer to what was sent; `statement` is named when it is an error."""
        answer = b""
        while not (answer.endswith(b"\nEND\n") or answer == b"END\n"):
            received = self._socket.recv(1 << 20)
            if not received:
                raise StatementError(f"connection closed after {statement[:80]}")
            answer += received
        if b"RESULT_MESSAGE\nHadisoana" in answer:
            raise StatementError(f"{statement[:80]}: {answer.decode(errors='replace')}")
        return answer

    def close(self) -> None:
        """End the session."""
        self._socket.close()
