"""Two masters, the proxy and the cache of DirkDB in a temporary directory, on free ports."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.client import Client, StatementError
from benchmarks.programs import Program, ProgramError, free_ports

_ROOT = Path(__file__).resolve().parent.parent
_CACHE_TTL_MS = 600_000
_CACHE_ENTRIES = 20_000
_SETTLE_SECONDS = 30.0


class Cluster:
    """The running programs. `node_port` is m1's own; `programs` are in the order in which they were started."""

    def __init__(self, directory: Path, log_settings: Mapping[str, int] | None = None) -> None:
        self.directory = directory
        self._log_settings = dict(log_settings or {})
        self.node_port, self.second_port, self.proxy_port, self.cache_port = free_ports(4)
        self.programs: list[Program] = []
        self._words: dict[str, list[str]] = {}
        self._config = directory / "config.json"
        self._config.write_text(json.dumps(self._settings()))

    def start(self) -> None:
        """Start all four and wait until each serves; ProgramError when one does not."""
        cache_numbers = (self.proxy_port, self.cache_port, _CACHE_TTL_MS, _CACHE_ENTRIES)
        for name, words in (
            ("m1", ["server", "m1"]),
            ("m2", ["server", "m2"]),
            ("proxy", ["proxy"]),
            ("cache", ["cache", "127.0.0.1", *map(str, cache_numbers)]),
        ):
            self._words[name] = words
            self.programs.append(self._spawn(name))
        for program in self.programs:
            program.wait_ready()

    def _spawn(self, name: str) -> Program:
        command = [sys.executable, "-m", "dirk_gevent.cli", *self._words[name], "--config", str(self._config)]
        return Program(name, command, self.directory / f"{name}.log", cwd=_ROOT)

    def start_again(self, name: str) -> Program:
        """Start a program that was ended, with a new log file; it may not serve yet."""
        place = next(place for place, program in enumerate(self.programs) if program.name == name)
        self.programs[place] = self._spawn(name)
        return self.programs[place]

    def data_directory(self, name: str) -> Path:
        """Where a node keeps its files."""
        return self.directory / "data" / name

    def program(self, name: str) -> Program:
        """The program called `name`: m1, m2, proxy or cache."""
        return next(program for program in self.programs if program.name == name)

    def wait_writable(self) -> None:
        """Return once the proxy takes statements for the masters: a node may be ready before the log is."""
        _wait(lambda: self._answers(self.proxy_port, "asehoy ny tahiry;"), "the proxy to answer")

    def wait_level(self, database: str, question: str, expected: str) -> None:
        """Return once both masters answer `question` with rows `expected`; ProgramError when they never do."""
        for port in (self.node_port, self.second_port):

            def agrees(port: int = port) -> bool:
                try:
                    with Client(port) as client:
                        client.ask(f"ampiasao {database};")
                        return f'"rows":[[{expected}]]'.encode() in client.ask(question)
                except StatementError:
                    return False  # the node has not come to the database or the table yet

            _wait(agrees, f"port {port} to answer {expected} to {question}")

    def stop(self) -> None:
        """End all programs, the last started first; their logs and figures stay readable."""
        for program in reversed(self.programs):
            program.stop()

    def _answers(self, port: int, statement: str) -> bool:
        try:
            with Client(port) as client:
                client.ask(statement)
        except (OSError, StatementError):
            return False
        return True

    def _settings(self) -> dict[str, object]:
        ports = {"m1": self.node_port, "m2": self.second_port}
        return {
            "configVersion": 2,
            "loadBalancer": {"listenHost": "127.0.0.1", "listenPort": self.proxy_port},
            "instances": [
                {"id": name, "role": "MASTER", "host": "127.0.0.1", "port": port, "dataDirectory": f"data/{name}"}
                for name, port in ports.items()
            ],
            "log": {"type": "embedded", "directory": "data/log", **self._log_settings},
        }


def _wait(is_done: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _SETTLE_SECONDS
    while not is_done():
        if time.monotonic() > deadline:
            raise ProgramError(f"waited {_SETTLE_SECONDS:g} s for {what}")
        time.sleep(0.02)
