"""dirk-admin's conversation with a running proxy, and how it prints what it is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TextIO

from gevent import socket

from dirk_gevent.admin.usage import UsageError
from dirk_gevent.base.printable import one_line
from dirk_gevent.base.startup import plain_reason
from dirk_gevent.config.settings import Config
from dirk_gevent.loop.frame_socket import FrameSocket
from dirk_gevent.protocol.frames import FOLLOW_STATEMENT
from dirk_gevent.protocol.metadata import with_metadata

_CONNECT_SECONDS = 5.0
#: The proxy is heard every two seconds while it works.
_SILENCE_SECONDS = 30.0
#: So long it may take to say anything at all.
_FIRST_WORD_SECONDS = 10.0


class TaskFailed(Exception):  # noqa: N818 (it is the outcome's name, not a fault)
    """The task was not done: `str()` is the sentence, the exit status is 1."""


class AdminLink:
    """One task under way at the proxy. Raises UsageError when no proxy answers, TaskFailed when it goes away."""

    def __init__(self, settings: Config, task: str, **fields: Any) -> None:
        host, port = proxy_address(settings)
        self._address = f"{host}:{port}"
        self._has_answered = False
        try:
            self._socket = socket.create_connection((host, port), timeout=_CONNECT_SECONDS)
            self._socket.settimeout(_FIRST_WORD_SECONDS)
            metadata = {"follow": {"as": "admin", "do": task, **fields}}
            self._socket.sendall(with_metadata(metadata, FOLLOW_STATEMENT))
        except OSError as error:
            raise UsageError(f"the proxy at {host}:{port} does not answer: {plain_reason(error)}") from error
        self._frames = FrameSocket(self._socket)

    def receive(self) -> dict[str, Any]:
        """The next frame that is news; `line` and `table` frames are printed meanwhile."""
        while True:
            frame = self._next_frame()
            if frame["t"] == "line":
                say(frame["text"])
            elif frame["t"] == "table":
                print_table(frame["names"], frame["rows"])
            elif frame["t"] != "wait":
                return frame

    def _next_frame(self) -> dict[str, Any]:
        try:
            frame = self._frames.receive()
        except (OSError, ValueError) as error:
            raise self._failure(error) from error
        if frame is None:
            if not self._has_answered:
                raise self._failure(ConnectionResetError("it closed the connection"))
            raise TaskFailed("the proxy went away in the middle: look at its log")
        if not isinstance(frame.get("t"), str):
            raise self._failure(ValueError("an answer of another kind"))
        if not self._has_answered:
            self._has_answered = True
            self._socket.settimeout(_SILENCE_SECONDS)
        return frame

    def _failure(self, error: OSError | ValueError) -> Exception:
        """The error that a broken answer means: in the middle of a task, or from whoever has the proxy's port."""
        if self._has_answered:
            return TaskFailed(f"the proxy went away in the middle: {error}")
        who = f"what listens at {self._address}"
        if isinstance(error, OSError):
            return UsageError(f"{who} does not answer ({plain_reason(error)}): is it DirkDB's proxy?")
        return UsageError(f"{who} is not DirkDB's proxy: it answers in another way")

    def send(self, content: dict[str, Any], body: bytes = b"") -> None:
        """Tell the proxy something."""
        try:
            self._frames.send(content, body)
        except OSError as error:
            raise TaskFailed(f"the proxy went away in the middle: {error}") from error

    def finish(self, take: Callable[[dict[str, Any]], None] | None = None) -> int:
        """Hear it to the end, `take` each frame before; print the last sentence. The exit status."""
        while (frame := self.receive())["t"] != "end":
            if take is not None:
                take(frame)
        if frame["status"]:
            raise TaskFailed(frame["text"])
        say(frame["text"])
        return 0

    def close(self) -> None:
        """Let go of the connection."""
        with suppress(OSError):
            self._frames.close()


def run_task(settings: Config, task: str, **fields: Any) -> int:
    """Run one task at the proxy; return the exit status."""
    link = AdminLink(settings, task, **fields)
    try:
        return link.finish()
    finally:
        link.close()


def proxy_address(settings: Config) -> tuple[str, int]:
    """Where the log is hosted: the proxy, or the one node of a database without a proxy."""
    balancer = settings.load_balancer
    if balancer is not None:
        return balancer.reached_at, balancer.listen_port
    return settings.instances[0].reached_at, settings.instances[0].port


def say(text: str, stream: TextIO | None = None) -> None:
    """Print one line, at once: a name in it does not end it."""
    print(one_line(text), file=stream, flush=True)


def print_table(names: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Columns as wide as their widest cell."""
    lines = [list(names), *([("" if cell is None else one_line(str(cell))) for cell in row] for row in rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(names))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
