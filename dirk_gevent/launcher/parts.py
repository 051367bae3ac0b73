"""The parts of `up`: child processes, their merged log, the lock against a second run."""

from __future__ import annotations

import ctypes
import os
import selectors
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from dirk_gevent.base.files import FileLock, FileLockedError, make_directory
from dirk_gevent.base.startup import CannotStartError, plain_reason

#: The merged log and the lock, in the log's directory.
LOG_NAME = "dirk-up.log"
LOCK_NAME = "dirk-up.lock"

#: The merged log is renamed to `….1` when it passes this.
_ROTATE_BYTES = 16 * 1024 * 1024
_READ_BYTES = 65_536
#: A line longer than this is shown in pieces.
_LINE_BYTES = 1024 * 1024
_TAIL_LINES = 12
_COLOURS = (36, 33, 35, 32, 34, 96, 93, 95)
_PR_SET_PDEATHSIG = 1


class OneAtATime:
    """Held while a cluster runs from one log directory; the lock goes with the process, however it ends."""

    def __init__(self, directory: Path, config_path: Path) -> None:
        self._path = directory / LOCK_NAME
        self._config_path = config_path

    def __enter__(self) -> Self:
        try:
            make_directory(self._path.parent)
            self._lock = FileLock(self._path)
        except OSError as error:
            raise CannotStartError(f"{self._path}: {plain_reason(error)}") from None
        except FileLockedError as error:
            process = error.process or "?"
            raise CannotStartError(f"the cluster of {self._config_path} already runs, as process {process}") from None
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()


class LogStream:
    """All parts' lines, each with its part's name in front: to stderr, unless quiet, and to the file at `path`."""

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        self._path = path
        self._width = max(len(name) for name in [*names, "up"])
        self._colours = {name: _COLOURS[number % len(_COLOURS)] for number, name in enumerate(names)}
        self._is_coloured = sys.stderr.isatty() and "NO_COLOR" not in os.environ
        self.is_quiet = False

    def __enter__(self) -> Self:
        self._rotate()
        self._file = self._path.open("ab", buffering=0)
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def reopen(self) -> None:
        """Go on in a new file at the path: the one there may have been moved away. Where that fails, in the old one."""
        with suppress(OSError):
            file = self._path.open("ab", buffering=0)
            self._file.close()
            self._file = file

    def line(self, name: str, text: str, aloud: bool = False) -> None:
        """One line of the part `name`; `aloud` shows it even while quiet."""
        prefix = f"{name:<{self._width}} | "
        plain = f"{prefix}{text}\n".encode("utf-8", "backslashreplace")
        with suppress(OSError):  # a full disk takes the file's lines, not the cluster
            self._file.write(plain)
            if self._file.tell() > _ROTATE_BYTES:
                self._file.close()
                self._rotate()
                self._file = self._path.open("ab", buffering=0)
        if self.is_quiet and not aloud:
            return
        colour = self._colours.get(name)
        if self._is_coloured and colour:
            plain = f"\x1b[{colour}m{prefix}\x1b[0m{text}\n".encode("utf-8", "backslashreplace")
        with suppress(OSError):
            os.write(2, b"\r\x1b[K" + plain if aloud and self.is_quiet else plain)

    def say(self, text: str, aloud: bool = False) -> None:
        """One line of this program's own."""
        self.line("up", text, aloud)

    def shown_path(self) -> str:
        """The file's path as short as it can be written from here."""
        here = Path.cwd()
        return str(self._path.relative_to(here) if self._path.is_relative_to(here) else self._path)

    def _rotate(self) -> None:
        with suppress(OSError):
            self._path.replace(self._path.with_name(self._path.name + ".1"))


class Part:
    """One child process. `tail` holds its last lines; `event=listening` and `event=ready` set the flags."""

    def __init__(self, name: str, words: Sequence[str], child: subprocess.Popen[bytes]) -> None:
        self.name = name
        self.words = tuple(words)
        self.tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self.is_listening = False
        self.is_ready = False
        self._child = child
        self._rest = b""

    def has_ended(self) -> bool:
        """True when the process is gone."""
        return self._child.poll() is not None

    def end(self) -> str:
        """How it ended, for a sentence."""
        status = self._child.poll()
        if status is not None and status < 0:
            return f"was ended by {signal.Signals(-status).name}"
        return f"ended with status {status}"

    def terminate(self) -> None:
        """Ask it to drain and end."""
        self._child.terminate()

    def kill(self) -> None:
        """End it now."""
        self._child.kill()
        self._child.wait()

    def lines(self, data: bytes) -> Iterator[str]:
        """The lines that `data`, just read from its pipe, completes; no data means the last, unended one."""
        whole, newline, self._rest = (self._rest + data).rpartition(b"\n")
        if not data or len(self._rest) > _LINE_BYTES:
            whole, self._rest = whole + newline + self._rest, b""
        for line in whole.split(b"\n") if whole else ():
            text = line.decode("utf-8", "replace")
            self.tail.append(text)
            self.is_ready = self.is_ready or " event=ready" in text
            self.is_listening = self.is_listening or self.is_ready or " event=listening" in text
            yield text


class Parts:
    """The children and their pipes; `pump` moves what they log into the stream."""

    def __init__(self, stream: LogStream) -> None:
        self._stream = stream
        self._selector = selectors.DefaultSelector()
        self._parts: list[Part] = []

    def __iter__(self) -> Iterator[Part]:
        return iter(self._parts)

    def start(self, name: str, words: Sequence[str]) -> None:
        """Start `dirk_gevent.cli WORDS…` in a session of its own, with its output on a pipe."""
        child = subprocess.Popen(
            _command(words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_tied_to_this_process(),
        )
        part = Part(name, words, child)
        self._parts.append(part)
        assert child.stdout is not None
        os.set_blocking(child.stdout.fileno(), False)
        self._selector.register(child.stdout, selectors.EVENT_READ, part)

    def open_client(self, host: str, port: int) -> subprocess.Popen[bytes]:
        """Start the client on this process's own terminal. A Ctrl-C before it can take one waits until it can."""
        words = ["client", "--interrupt-leaves", host, str(port)]
        tie = _tied_to_this_process()

        def prepare() -> None:
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
            if tie is not None:
                tie()

        return subprocess.Popen(_command(words), preexec_fn=prepare)

    def pump(self, timeout_seconds: float) -> None:
        """Move the lines that have come; wait for some at most `timeout_seconds`."""
        for key, _ in self._selector.select(timeout_seconds):
            part: Part = key.data
            data = os.read(key.fd, _READ_BYTES)
            for line in part.lines(data):
                self._stream.line(part.name, line)
            if not data:
                self._selector.unregister(key.fileobj)

    def drain(self) -> None:
        """Move what is left in the pipes of children that have ended."""
        while self._selector.get_map() and self._selector.select(0):
            self.pump(0)


def _command(words: Sequence[str]) -> list[str]:
    return [sys.executable, "-P", "-m", "dirk_gevent.cli", *words]


def _tied_to_this_process() -> Callable[[], None] | None:
    """A function that a child runs before its program, so that the kernel sends it SIGTERM when this process dies."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)  # loaded here: not between fork and exec
    parent = os.getpid()

    def tie() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)

    return tie
