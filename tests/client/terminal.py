"""A real pseudo-terminal with the client in it: what a person would see and press."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[=>]|\x1b\][^\x07]*\x07|\r")


class Terminal:
    """The client on its own terminal; `seen` is all that it wrote."""

    def __init__(self, *arguments: str, term: str = "xterm-256color", columns: int = 100, **environment: str) -> None:
        self.seen = ""
        self._from = 0
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            variables = {**os.environ, "TERM": term, **environment}
            # A shell has what it runs in the background ignore the key, and so all that this begins.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            command = [sys.executable, "-m", "dirk_gevent.cli", "client", *arguments]
            os.execve(command[0], command, variables)
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))

    def press(self, keys: str) -> None:
        """Press keys (``\\r`` is Enter, ``\\x03`` Ctrl-C, ``\\x04`` Ctrl-D)."""
        os.write(self._fd, keys.encode())

    def expect(self, text: str, deadline_seconds: float = 25.0) -> str:
        """Wait until `text` shows after what the last `expect` found; all that showed until its end, plain."""
        end = time.monotonic() + deadline_seconds
        while text not in (plain := _ESCAPES.sub("", self.seen[self._from :])):
            assert time.monotonic() < end, f"{text!r} did not show; this did: {plain!r}"
            self._read(0.05)
        raw_end = self._from + 1
        while text not in _ESCAPES.sub("", self.seen[self._from : raw_end]):
            raw_end += 1
        self._from = raw_end
        return plain

    def status(self, deadline_seconds: float = 25.0) -> int:
        """Wait for the client to end; its exit status."""
        end = time.monotonic() + deadline_seconds
        while True:
            self._read(0.02)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = 0
                return os.waitstatus_to_exitcode(status)
            assert time.monotonic() < end, f"still running; last seen: {self.seen[-300:]!r}"

    def echoes(self) -> bool:
        """Whether the terminal is as a shell wants it: it echoes what is typed."""
        return bool(termios.tcgetattr(self._fd)[3] & termios.ECHO)

    def close(self) -> None:
        """End the client if it still runs."""
        if self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self._fd)

    def _read(self, seconds: float) -> None:
        readable, _, _ = select.select([self._fd], [], [], seconds)
        if readable:
            with contextlib.suppress(OSError):
                self.seen += os.read(self._fd, 65536).decode("utf-8", "replace")
