"""The whole cluster on this machine: start every part, wait until each is ready, then a prompt; stop all of it.

A plain single-threaded program without gevent: it reads the parts' log pipes, one line at a time, and watches them
end. The parts are in sessions of their own, so that Ctrl-C at the prompt is the client's alone, and are told by the
kernel when this process dies in any way. It starts parts once: one that dies later is reported, not restarted,
because an operator who stops a part wants it stopped.
"""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from dirk_gevent.base.addresses import reachable
from dirk_gevent.base.files import DATA_LOCK, LOG_LOCK, lock_holder
from dirk_gevent.base.ports import address_in_use
from dirk_gevent.base.startup import CannotStartError
from dirk_gevent.base.streams import HangUp
from dirk_gevent.config.settings import Config
from dirk_gevent.launcher.parts import LOG_NAME, LogStream, OneAtATime, Part, Parts

#: How long all parts together may take to be ready (a node may have many entries to replay).
READY_SECONDS = 120.0
#: From the first SIGTERM to SIGKILL: nodes are told after two stages and may finish statements for 5 s.
STOP_SECONDS = 10.0
#: How long a part in front (cache, then proxy) has to end before those behind it are told to.
_STAGE_SECONDS = 2.0
_TELL_EVERY_SECONDS = 3.0
#: How long nodes may take to listen before the proxy is started all the same.
_LISTEN_SECONDS = 5.0
_PUMP_SECONDS = 0.1
#: The client's exit status after a Ctrl-C before its prompt was there.
_INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class _Planned:
    """A part to start: its command line after `dirk_gevent.cli` and the address it will listen on."""

    name: str
    words: tuple[str, ...]
    host: str
    port: int
    #: What the program locks as long as it runs; None for one without a directory.
    lock: Path | None = None


def run(config: Config, cache_port: int) -> int:
    """Run the cluster of `config` until the client leaves or a signal comes; the exit status.

    CannotStartError when it runs already or an address is taken. 0 after an ordinary end, 1 when a part did not
    come up or all of them died.
    """
    planned = _plan(config, cache_port)
    with OneAtATime(config.log.directory, config.path):
        _must_be_free(planned)
        is_terminal = sys.stdin.isatty() and sys.stdout.isatty()
        with LogStream(config.log.directory / LOG_NAME, [part.name for part in planned]) as stream:
            return _Run(config, planned, stream, is_terminal).run()


def _plan(config: Config, cache_port: int) -> list[_Planned]:
    option = ("--config", str(config.path))
    planned = [
        _Planned(
            instance.id,
            ("server", instance.id, *option),
            instance.listens_on,
            instance.port,
            instance.data_directory / DATA_LOCK,
        )
        for instance in config.instances
    ]
    front = config.load_balancer
    if front is not None:
        upstream = (front.reached_at, str(front.listen_port))
        lock = config.log.directory / LOG_LOCK
        planned.append(_Planned("proxy", ("proxy", *option), front.listen_host, front.listen_port, lock))
        planned.append(_Planned("cache", ("cache", *upstream, str(cache_port), *option), "127.0.0.1", cache_port))
    return planned


def _must_be_free(planned: Sequence[_Planned]) -> None:
    """CannotStartError for the first part that can't listen at its address beside those before it."""
    with ExitStack() as listeners:
        for part in planned:
            listeners.enter_context(_listener(part))


def _listener(one: _Planned) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(one.host, one.port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family)
    except socket.gaierror:
        raise CannotStartError(f"{one.name} can't listen on {one.host}: no machine has that name") from None
    except OSError as error:
        reason = os.strerror(error.errno).lower() if error.errno else str(error)
        if error.errno == errno.EADDRINUSE:
            if one.lock is not None and (process := lock_holder(one.lock)) is not None:
                whose = f" (process {process})" if process else ""
                raise CannotStartError(
                    f"{one.name} runs already{whose}: {one.lock.parent} is in use by it; stop it first"
                ) from None
            reason = f"it is in use, {address_in_use(one.host, one.port)}"
        raise CannotStartError(f"{one.name} can't listen on {one.host}:{one.port}: {reason}") from None


class _Run:
    """One life of the cluster. Signals only set flags; `run` looks at them between two pumps."""

    def __init__(self, config: Config, planned: Sequence[_Planned], stream: LogStream, is_terminal: bool) -> None:
        self._config = config
        self._planned = planned
        self._stream = stream
        self._is_terminal = is_terminal
        self._parts = Parts(stream)
        self._client: subprocess.Popen[bytes] | None = None
        self._stop_wanted = False
        self._is_hurried = False
        self._told_dead: set[str] = set()
        self._hang_up = HangUp()
        self._reopen_wanted = False

    def run(self) -> int:
        """Start, wait, serve, stop."""
        before = {number: signal.signal(number, self._on_signal) for number in _STOP_SIGNALS}
        try:
            if not self._start():
                return 0 if self._stop_wanted else 1
            self._tell_ready()
            return self._serve_client() if self._is_terminal else self._serve()
        finally:
            self._stop()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGINT and self._client is not None:
            return  # the terminal sent it to the client too, which knows what it means
        if number == signal.SIGHUP and not self._hang_up.is_terminal_gone():
            self._reopen_wanted = True
            return
        self._is_hurried = self._stop_wanted
        self._stop_wanted = True

    def _start(self) -> bool:
        """Start the parts, back to front; whether all became ready.

        Any order works; this one spares a newcomer the errors of parts that look for each other in vain.
        """
        for planned in self._planned:
            if planned.name == "proxy" and not self._wait(lambda part: part.is_listening, _LISTEN_SECONDS):
                return False
            if planned.name == "cache" and not self._wait(lambda part: part.is_listening, READY_SECONDS):
                return False
            self._parts.start(planned.name, planned.words)
        if not self._wait(lambda part: part.is_ready, READY_SECONDS):
            return False
        waiting = self._waiting(lambda part: part.is_ready)
        if waiting:
            self._stream.say(f"{', '.join(waiting)} not ready after {READY_SECONDS:g} s, stopping")
        return not waiting

    def _waiting(self, is_done: Callable[[Part], bool]) -> list[str]:
        return [part.name for part in self._parts if not is_done(part)]

    def _wait(self, is_done: Callable[[Part], bool], deadline_seconds: float) -> bool:
        """Pump until all started parts are done, or the deadline; False when a part died or a signal came."""
        begun = last_told = time.monotonic()
        while not self._stop_wanted:
            self._pump()
            dead = next((part for part in self._parts if part.has_ended()), None)
            if dead is not None:
                self._tell_death_at_start(dead)
                return False
            waiting, now = self._waiting(is_done), time.monotonic()
            if not waiting or now - begun > deadline_seconds:
                return True
            if now - last_told > _TELL_EVERY_SECONDS:
                last_told = now
                self._stream.say(f"waiting for {', '.join(waiting)}")
        return False

    def _tell_death_at_start(self, part: Part) -> None:
        self._stream.say(f"{part.name} {part.end()} before it was ready, stopping; its last lines:")
        for line in part.tail:
            self._stream.say(f"    {line}")

    def _tell_ready(self) -> None:
        addresses = ", ".join(f"{part.name} {part.host}:{part.port}" for part in self._planned)
        self._stream.say(f"ready: {addresses}")

    def _serve(self) -> int:
        """Without a terminal: until a signal, or until nothing runs any more."""
        while not self._stop_wanted:
            self._pump()
            self._tell_deaths()
            if all(part.has_ended() for part in self._parts):
                self._stream.say("every part has ended")
                return 1
        return 0

    def _serve_client(self) -> int:
        """The prompt, until it ends; log lines go to the file alone so that they do not run through it."""
        front = self._planned[-1]
        self._stream.say(f"log lines from here on: {self._stream.shown_path()}")
        self._stream.say("miala or Ctrl-C at the prompt leaves and stops everything")
        self._stream.is_quiet = True  # from here to the end: a person at a prompt asked for no log
        kept = termios.tcgetattr(0)
        self._client = self._parts.open_client(reachable(front.host), front.port)
        try:
            while self._client.poll() is None and not self._stop_wanted:
                self._pump()
                self._tell_deaths()
            status = self._client.poll()
            return 0 if status is None or status < 0 or status == _INTERRUPTED else status
        finally:
            self._end_client(self._client)
            self._client = None
            with suppress(termios.error):
                termios.tcsetattr(0, termios.TCSADRAIN, kept)

    def _end_client(self, client: subprocess.Popen[bytes]) -> None:
        if client.poll() is None:
            client.terminate()
            try:
                client.wait(1.0)
            except subprocess.TimeoutExpired:
                client.kill()
                client.wait()

    def _tell_deaths(self) -> None:
        for part in self._parts:
            if part.has_ended() and part.name not in self._told_dead:
                self._told_dead.add(part.name)
                words = " ".join(part.words[: 2 if part.words[0] == "server" else 1])
                again = f"bin/dirk-{words} starts it again, and is then yours to stop"
                self._stream.say(f"{part.name} {part.end()}; {again}", aloud=True)

    def _stop(self) -> None:
        """Front to back: cache, proxy, nodes; whatever still runs after `STOP_SECONDS` is killed."""
        running = [part for part in self._parts if not part.has_ended()]
        if running:
            self._stream.say(f"stopping {', '.join(part.name for part in reversed(running))}", aloud=True)
        deadline = time.monotonic() + STOP_SECONDS
        front = [[part] for part in reversed(running) if part.name in ("cache", "proxy")]
        nodes = [part for part in running if part.name not in ("cache", "proxy")]
        for stage in [*front, nodes]:
            for part in stage:
                part.terminate()
            self._pump_until(stage, min(deadline, time.monotonic() + _STAGE_SECONDS))
        self._pump_until(running, deadline)
        for part in running:
            if not part.has_ended():
                self._stream.say(f"{part.name} did not end by itself, killed", aloud=True)
                part.kill()
        self._parts.drain()

    def _pump_until(self, parts: Sequence[Part], deadline: float) -> None:
        while time.monotonic() < deadline and not self._is_hurried:
            if all(part.has_ended() for part in parts):
                return
            self._parts.pump(_PUMP_SECONDS)

    def _pump(self) -> None:
        """Move log lines for a moment; those to come into a new file when the one there was moved away."""
        if self._reopen_wanted:
            self._reopen_wanted = False
            self._hang_up.reopen()
            self._stream.reopen()
        self._parts.pump(_PUMP_SECONDS)


_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
