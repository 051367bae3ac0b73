"""Processes under measurement: starting, waiting until they serve, reading what they use, ending."""

from __future__ import annotations

import os
import re
import select
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_STOP_SECONDS = 15.0
_HUB_HELD = re.compile(rb"hub_held_ms=([0-9.]+) hub_worked_ms=([0-9.]+)")
_READY_SECONDS = 30.0


class ProgramError(Exception):
    """A program did not begin to serve; `str()` holds the end of what it wrote."""


class Program:
    """One process. Its stderr goes to `log`; `ready_seconds` is the time from spawn until it said that it serves."""

    def __init__(self, name: str, command: Sequence[str | Path], log: Path, cwd: Path | None = None) -> None:
        self.name = name
        self.ready_seconds = 0.0
        self._log = log
        self._started = time.monotonic()
        with log.open("wb") as stderr:
            self._process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=stderr, cwd=cwd, env=_environment()
            )

    def read_port(self) -> int:
        """The port that the program prints as its first line; it serves from then on."""
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], _READY_SECONDS)[0]:
            raise self._failure("printed no port")
        line = self._process.stdout.readline()
        if not line:
            raise self._failure("ended")
        self.ready_seconds = time.monotonic() - self._started
        return int(line)

    def wait_ready(self) -> None:
        """Return once the program has logged `event=ready`; ProgramError when it ends or takes too long."""
        deadline = self._started + _READY_SECONDS
        while b"event=ready" not in self._log.read_bytes():
            if self._process.poll() is not None:
                raise self._failure("ended")
            if time.monotonic() > deadline:
                raise self._failure("was not ready in time")
            time.sleep(0.005)
        self.ready_seconds = time.monotonic() - self._started

    def rss_bytes(self) -> int:
        """Resident memory now."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS:"))

    def cpu_seconds(self) -> float:
        """User and system time used so far (a clock of 10 ms ticks)."""
        stat = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(stat[11]) + int(stat[12])) / _TICKS_PER_SECOND

    def stop(self) -> None:
        """SIGTERM, and SIGKILL for one that does not drain in time."""
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def kill(self) -> None:
        """End it as a crash does."""
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def log_text(self) -> str:
        """All that it has logged."""
        return self._log.read_text(errors="replace")

    def hub_ms(self) -> tuple[float, float] | None:
        """The longest its hub was held, and how long of a hold it worked at most, which it logs as it stops; None for a
        program that does not say."""
        found = _HUB_HELD.findall(self._log.read_bytes())
        return (float(found[-1][0]), float(found[-1][1])) if found else None

    def _failure(self, what: str) -> ProgramError:
        tail = self._log.read_text(errors="replace")[-2000:]
        return ProgramError(f"{self.name} {what}; it wrote:\n{tail}")


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()


def _environment() -> Mapping[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("DIRK_")}
