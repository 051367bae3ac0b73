"""A cluster whose processes run on `tests.disk` and reach each other through relays only."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import gevent

from tests.chaos.relay import Relay
from tests.chaos.speaking import NoAnswerError, Speaker
from tests.cluster import HOST, Process, clean_environ, free_port
from tests.disk.launch import Control
from tests.disk.undo import cut

#: How long a process may take to be ready, or to stop, on a busy machine.
READY_SECONDS = 40.0
_LOOK_SECONDS = 0.05
#: More than this, and something is wrong for good.
_MOST_RESTARTS = 200


class Site:
    """Processes by name ("proxy", "cache" and the nodes), and relays by `from>to`; made, not started.

    Every process has a configuration of its own, in which the others' ports are those of relays.
    """

    def __init__(self, directory: Path, nodes: Sequence[str], chance: Random, mutant: str | None = None) -> None:
        self.directory = directory
        self.nodes = list(nodes)
        self.names = ["proxy", *nodes, "cache"]
        self._mutant = mutant
        self._chance = chance
        self.ports = {name: free_port() for name in self.names}
        self.relays: dict[str, Relay] = {}
        self.controls = dict.fromkeys(self.names, Control())
        #: Processes that are meant to run now: one that ends by itself is a failure.
        self.wanted: set[str] = set()
        #: How often a process had to be started again because it could not begin.
        self.restarts = 0
        for part in ("undo", "control", "data"):
            (directory / part).mkdir(parents=True)
        self.processes = {name: self._process(name) for name in self.names}

    def relay(self, source: str, target: str) -> Relay:
        """The relay from one part to another, made when first asked for."""
        name = f"{source}>{target}"
        if name not in self.relays:
            self.relays[name] = Relay(name, self.ports[target], Random(self._chance.random()))
        return self.relays[name]

    def data_directory(self, name: str) -> Path:
        """Where a process keeps its files; the proxy's is the log's."""
        return self.directory / "data" / ("log" if name == "proxy" else name)

    def start(self, *names: str) -> None:
        """Start these, without waiting."""
        for name in names:
            self.processes[name].start()
            self.wanted.add(name)

    def wait_ready(self, *names: str) -> None:
        """Wait until each says so since its last start; AssertionError when one does not."""
        for name in names:
            process = self.processes[name]
            self.wait_for(lambda process=process: "event=ready" in process.log(), f"{name} to be ready")

    def wait_for(self, condition: Any, what: str, seconds: float = READY_SECONDS) -> Any:
        """The first true value of `condition`; AssertionError after `seconds`, or when a process ended by itself."""
        left = seconds
        while not (found := condition()):
            self.check_running()
            assert left > 0, f"waited {seconds:g} s for {what}"
            left -= _LOOK_SECONDS
            gevent.sleep(_LOOK_SECONDS)
        return found

    def await_level(self, seconds: float = READY_SECONDS) -> None:
        """Wait until all nodes are live, have applied all that the log holds, and every process is ready."""
        speaker = Speaker(self.ports["proxy"])
        told: list[list[object]] = []

        def is_level() -> bool:
            try:
                told[:] = speaker.ask("SHOW SERVERS", db=None).rows
            except NoAnswerError:
                return False
            return bool(told) and all(row[2] == "live" and row[5] == 0 for row in told)

        try:
            self.wait_for(is_level, "all nodes to be level", seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}; last: {told}") from None
        speaker.leave()
        self.wait_ready(*self.names)

    def check_running(self) -> None:
        """Start again what could not begin; AssertionError naming a process that ended in another way by itself.

        A log or a directory that cannot be opened (its disk is full, or fails) is exit status 2 and one sentence:
        whoever runs such a program starts it again.
        """
        for name in sorted(self.wanted):
            process = self.processes[name]
            if process.is_running():
                continue
            status = process.exit_status()
            assert status == 2, f"{name} ended with {status}:\n{process.log()[-3000:]}"
            self.restarts += 1
            assert self.restarts < _MOST_RESTARTS, f"{name} does not begin:\n{process.log()[-3000:]}"
            process.start()

    def kill(self, *names: str) -> None:
        """kill -9; what the kernel has of their files stays."""
        for name in names:
            self.wanted.discard(name)
            with suppress(AssertionError, ProcessLookupError):
                self.processes[name].kill()

    def power_cut(self, *names: str, chance: Random) -> None:
        """kill -9, and what was not synced is lost, as `chance` says."""
        self.kill(*names)
        for name in names:
            notes, root = self.directory / "undo" / name, self.data_directory(name)
            if notes.exists() and root.exists():
                cut(notes, root, chance)

    def control(self, name: str, control: Control) -> None:
        """Change what a process's disk and clock do."""
        self.controls[name] = control
        control.write(self.directory / "control" / f"{name}.json")

    def end(self, *names: str) -> dict[str, int | None]:
        """SIGTERM to these, those of them that run; the exit status of each."""
        self.wanted.difference_update(names)
        running = [self.processes[name] for name in names if self.processes[name].is_running()]
        for process in running:
            process.signal(signal.SIGTERM)
        self.wait_for(lambda: not any(process.is_running() for process in running), f"{names} to end")
        return {process.name: process.exit_status() for process in running}

    def close(self) -> None:
        """End everything at once."""
        for name in self.names:
            with suppress(AssertionError, ProcessLookupError):
                os.kill(self.processes[name].pid, signal.SIGCONT)
        self.kill(*self.names)
        for relay in self.relays.values():
            relay.close()

    def _process(self, name: str) -> Process:
        config = self.directory / f"{name}.json"
        config.write_text(json.dumps(self._config(name), indent=1))
        if name == "proxy":
            words = ["proxy"]
        elif name == "cache":
            words = ["cache", HOST, str(self.relay("cache", "proxy").port), str(self.ports["cache"]), "1000", "200"]
        else:
            words = ["server", name]
        program = ["-m", "tests.disk.launch", "--root", str(self.data_directory(name))]
        program += ["--undo", str(self.directory / "undo" / name)]
        program += ["--control", str(self.directory / "control" / f"{name}.json")]
        program += ["--mutant", self._mutant] if self._mutant else []
        log = self.directory / "logs" / f"{name}.log"
        return Process(
            name, [*words, "--config", str(config)], log, clean_environ(), self.directory, [*program, "--"]
        )

    def _config(self, name: str) -> dict[str, Any]:
        """What `name` believes: its own port is its own, all others are relays that lead there."""
        is_proxy = name == "proxy"
        instances = [
            {
                "id": node,
                "role": "MASTER",
                "host": HOST,
                "port": self.relay("proxy", node).port if is_proxy else self.ports[node],
                "dataDirectory": str(self.data_directory(node)),
            }
            for node in self.nodes
        ]
        port = self.ports["proxy"] if is_proxy else self.relay(name, "proxy").port
        return {
            "configVersion": 2,
            "instances": instances,
            "loadBalancer": {"listenHost": HOST, "listenPort": port},
            "log": {"directory": str(self.data_directory("proxy")), "snapshotEntries": 1500},
            "limits": {"waitMs": 2000},
        }
