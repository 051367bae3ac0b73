"""DirkDB as real processes for tests: free ports, a config in a directory of the test's, kill -9, SIGSTOP, restart.

    with Cluster(tmp_path) as cluster:          # m1, m2, proxy, cache, all ready
        cluster.ask("cache", "alaivo 1 antso x;")
        cluster.kill("m2")
        cluster.start("m2")
        wait_for(lambda: "m2" in cluster.ask("proxy", "asehoy ny mpizara;"), 5)

Processes are named by node id, "proxy" and "cache". Nothing here imports DirkDB: a test sees what a client sees.
"""

from __future__ import annotations

import atexit
import fcntl
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, Self, TypeVar

from tests import leftovers

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"

#: How long a process may take to be ready, an answer to come, a process to end: no promises, only so short that a test
#: which waits in vain says for what before pytest ends it.
READY_SECONDS = 45.0
ANSWER_SECONDS = 45.0
STOP_SECONDS = 30.0

Found = TypeVar("Found")

_PAGE = re.compile(r"^RELATION_JSON_PAGE \d+/\d+$")
_given_ports: set[int] = set()


def wait_for(condition: Callable[[], Found], deadline_seconds: float, what: str = "the condition") -> Found:
    """The first true value of `condition`, asked every 20 ms; AssertionError after `deadline_seconds`.

    They are as much longer as the machine has more to do than it has processors.
    """
    began = time.monotonic()
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() - began > deadline_seconds * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1)):
            raise AssertionError(f"waited {deadline_seconds:g} s for {what}; last value: {found!r}")
        time.sleep(0.02)


def free_port() -> int:
    """A port nobody listens on, outside the range that outgoing connections take; never the same twice.

    It stays this process's until its end: one that is not bound, as before the start or after a kill, is no other
    test run's either.
    """
    source = random.SystemRandom()
    while True:
        port = source.randrange(15_000, 32_000)
        if port in _given_ports:
            continue
        with socket.socket() as probe, suppress(OSError):
            fcntl.lockf(_port_claims(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
            probe.bind((HOST, port))
            _given_ports.add(port)
            return port


@cache
def _port_claims() -> int:
    """A file whose byte number `port` is locked by the process that took the port.

    Record locks: no child has them, they end with their process, and one descriptor is enough for all. Of several
    users each has a file.
    """
    path = Path(tempfile.gettempdir()) / f"dirk-test-ports-{os.getuid()}"
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def is_listening(port: int) -> bool:
    """Whether something accepts connections on `port` of this machine."""
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True


class Connection:
    """One session, spoken as an old client would: text out, text in up to the line END."""

    def __init__(self, port: int, timeout_seconds: float = ANSWER_SECONDS, host: str = HOST) -> None:
        self.socket = socket.create_connection((host, port), timeout=timeout_seconds)
        self._waiting = b""

    def ask(self, text: str) -> str:
        """Send `text` and read one answer, END included; ConnectionError when the other side closes first."""
        self.send(text)
        return self.receive()

    def ask_rows(self, text: str) -> list[list[Any]]:
        """The rows that `text` answers with; AssertionError when it answers with anything else."""
        return rows(self.ask(text))

    def send(self, text: str) -> None:
        """Send `text` as it is; the `;` is the caller's."""
        self.socket.sendall(text.encode())

    def receive(self) -> str:
        """The next answer, END included."""
        end = 0
        while True:
            if self._waiting.startswith(b"END\n"):
                end = 4
                break
            found = self._waiting.find(b"\nEND\n", end)
            if found >= 0:
                end = found + 5
                break
            end = max(0, len(self._waiting) - 5)
            data = self.socket.recv(1 << 20)
            if not data:
                raise ConnectionError(f"closed before END; received {self._waiting[-2000:]!r}")
            self._waiting += data
        answer, self._waiting = self._waiting[:end], self._waiting[end:]
        return answer.decode()

    def close(self) -> None:
        """End the session."""
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def ask(port: int, text: str, timeout_seconds: float = ANSWER_SECONDS) -> str:
    """One statement on a connection of its own: the answer, END included."""
    with Connection(port, timeout_seconds) as connection:
        return connection.ask(text)


def pages(answer: str) -> list[dict[str, Any]]:
    """The relation pages of an answer."""
    lines = answer.split("\n")
    return [json.loads(lines[place + 1]) for place, line in enumerate(lines) if _PAGE.match(line)]


def rows(answer: str) -> list[list[Any]]:
    """All rows of a relation's answer; AssertionError when it is not one."""
    assert "\nRELATION_JSON_END\n" in answer, answer
    return [row for page in pages(answer) for row in page["rows"]]


def message(answer: str) -> str:
    """The message of an answer: the lines after RESULT_MESSAGE, without META and END."""
    text = answer.partition("RESULT_MESSAGE\n")[2].removesuffix("END\n").rstrip("\n")
    lines = text.split("\n")
    return "\n".join(lines[:-1] if lines[-1].startswith("META {") else lines)


def meta(answer: str) -> dict[str, Any]:
    """The META fields of an answer; AssertionError when it has none."""
    line = answer.rstrip("\n").split("\n")[-2]
    assert line.startswith("META "), answer
    found: dict[str, Any] = json.loads(line[5:])
    return found


class Process:
    """One program of the cluster: started, killed and started again under one name and one log file."""

    def __init__(
        self,
        name: str,
        words: Sequence[str],
        log: Path,
        environ: Mapping[str, str],
        cwd: Path,
        program: Sequence[str] = ("-m", "dirk_gevent.cli"),
    ) -> None:
        self.name = name
        self.words = [*program, *words]
        self.log_path = log
        self._environ = dict(environ)
        self._cwd = cwd
        self._child: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    @property
    def pid(self) -> int:
        """The running process's id."""
        assert self._child is not None, f"{self.name} is not started"
        return self._child.pid

    def command(self) -> list[str]:
        """What is run."""
        return [sys.executable, "-P", *self.words]

    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._child is not None and self._child.poll() is None

    def start(self) -> None:
        """Start it, without waiting until it is ready."""
        assert not self.is_running(), f"{self.name} runs already"
        leftovers.watch()
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        self._log_start = self.log_path.stat().st_size if self.log_path.exists() else 0
        with self.log_path.open("ab") as log:
            self._child = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._cwd,
                env=self._environ,
            )

    def wait_ready(self, deadline_seconds: float = READY_SECONDS) -> None:
        """Wait for its `event=ready`; AssertionError with its log when it ends or the deadline passes."""
        ready = re.compile(r"\bevent=ready\b")

        def is_ready() -> bool:
            if not self.is_running():
                raise AssertionError(f"{self.name} ended with {self.exit_status()}:\n{self.log()[-4000:]}")
            return bool(ready.search(self.log()))

        try:
            wait_for(is_ready, deadline_seconds, f"event=ready of {self.name}")
        except AssertionError as error:
            raise AssertionError(f"{error}\n--- {self.log_path}\n{self.log()[-4000:]}") from None

    def log(self, whole: bool = False) -> str:
        """What it logged since its last start, or since its first."""
        if not self.log_path.exists():
            return ""
        data = self.log_path.read_bytes()
        return data[0 if whole else self._log_start :].decode("utf-8", "replace")

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal; SIGSTOP and SIGCONT pause and go on."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """kill -9, and wait until it is gone. Nothing happens when it does not run."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()

    def stop(self, deadline_seconds: float = STOP_SECONDS) -> int:
        """SIGTERM, and its exit status; AssertionError when it still runs after the deadline."""
        assert self._child is not None
        self._child.send_signal(signal.SIGCONT)
        self._child.terminate()
        try:
            return self._child.wait(deadline_seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} still ran {deadline_seconds:g} s after SIGTERM:\n{self.log()}") from None

    def exit_status(self) -> int | None:
        """Its exit status, negative for a signal; None while it runs."""
        return None if self._child is None else self._child.poll()


class Cluster:
    """A config and its processes under one directory.

    `masters` and `replicas` are the node ids; `settings` is merged over the config written (objects key by key);
    `is_balanced` false writes no `loadBalancer`: a single node that holds the log itself.
    """

    def __init__(
        self,
        directory: Path,
        masters: Sequence[str] = ("m1", "m2"),
        replicas: Sequence[str] = (),
        settings: Mapping[str, Any] | None = None,
        environ: Mapping[str, str] | None = None,
        is_balanced: bool = True,
        cache_words: Sequence[str] = ("3000", "200"),
    ) -> None:
        self.directory = directory
        self.nodes = [*masters, *replicas]
        names = [*self.nodes, *(["proxy", "cache"] if is_balanced else [])]
        self.ports = {name: free_port() for name in names}
        self.config = _merged(self._config(masters, replicas, is_balanced), settings or {})
        self.config_path = directory / "config.json"
        directory.mkdir(parents=True, exist_ok=True)
        self.config_path.write_text(json.dumps(self.config, indent=2), encoding="utf-8")
        self._environ = clean_environ() | dict(environ or {})
        self._cache_words = list(cache_words)
        self.processes = {name: self._process(name) for name in names}
        atexit.register(self.close)

    def start(self, *names: str, ready: bool = True) -> None:
        """Start these, or all, at once; then wait until each is ready unless told not to."""
        chosen = names or tuple(self.processes)
        for name in chosen:
            self.processes[name].start()
        if ready:
            for name in chosen:
                self.processes[name].wait_ready()

    def kill(self, *names: str) -> None:
        """kill -9 each."""
        for name in names:
            self.processes[name].kill()

    def stop(self, *names: str) -> list[int]:
        """SIGTERM to these, or all that run, one by one; their exit statuses."""
        chosen = names or tuple(name for name, one in self.processes.items() if one.is_running())
        return [self.processes[name].stop() for name in chosen]

    def pause(self, name: str) -> None:
        """SIGSTOP: it neither runs nor ends."""
        self.processes[name].signal(signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """SIGCONT."""
        self.processes[name].signal(signal.SIGCONT)

    def log(self, name: str, whole: bool = False) -> str:
        """What a process logged since its last start, or since its first."""
        return self.processes[name].log(whole)

    def ask(self, name: str, text: str, timeout_seconds: float = ANSWER_SECONDS) -> str:
        """One statement to one part, on a connection of its own."""
        return ask(self.ports[name], text, timeout_seconds)

    def connect(self, name: str, timeout_seconds: float = ANSWER_SECONDS) -> Connection:
        """A session with one part."""
        return Connection(self.ports[name], timeout_seconds)

    def data_directory(self, node: str) -> Path:
        """Where a node keeps its files."""
        return self.directory / "data" / node

    def close(self) -> None:
        """End every process at once."""
        for process in self.processes.values():
            with suppress(ProcessLookupError):
                process.kill()
        atexit.unregister(self.close)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _config(self, masters: Sequence[str], replicas: Sequence[str], is_balanced: bool) -> dict[str, Any]:
        roles = [(node, "MASTER") for node in masters] + [(node, "REPLICA") for node in replicas]
        instances = [
            {"id": node, "role": role, "host": HOST, "port": self.ports[node], "dataDirectory": f"data/{node}"}
            for node, role in roles
        ]
        config: dict[str, Any] = {"configVersion": 2, "instances": instances, "log": {"directory": "data/log"}}
        if is_balanced:
            config["loadBalancer"] = {"listenHost": HOST, "listenPort": self.ports["proxy"]}
        return config

    def _process(self, name: str) -> Process:
        config = ["--config", str(self.config_path)]
        if name == "proxy":
            words = ["proxy", *config]
        elif name == "cache":
            words = ["cache", HOST, str(self.ports["proxy"]), str(self.ports["cache"]), *self._cache_words, *config]
        else:
            words = ["server", name, *config]
        return Process(name, words, self.directory / "logs" / f"{name}.log", self._environ, self.directory)


def clean_environ() -> dict[str, str]:
    """This process's environment without DirkDB's own variables, and with this checkout importable.

    Python may keep what it compiled, as it does for users: programs start in half the time.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DIRK_")}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return kept | {"PYTHONPATH": str(ROOT)}


def _merged(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        merged[key] = _merged(old, value) if isinstance(old, dict) and isinstance(value, Mapping) else value
    return merged
