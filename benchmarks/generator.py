"""The load generator, a small C program: building it, running it, reading what it found."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_SOURCES = Path(__file__).parent / "generator"
_FLAGS = ("-O2", "-std=gnu11", "-Wall", "-Wextra")
_GRACE_SECONDS = 60.0


class GeneratorError(Exception):
    """The generator could not be built, or ended without its figures; `str()` says why."""


@dataclass(frozen=True, slots=True)
class Load:
    """What to send. `template` holds `{n}`, replaced by a number: random in 1…`random_rows`, or counting from `first`.

    `statements_file` (one statement a line) replaces the template; `count` requests end the run before `seconds`.
    The first `greedy` connections keep `greedy_depth` requests on their way, the others `depth`.
    """

    port: int
    template: str = ""
    statements_file: Path | None = None
    setup: tuple[str, ...] = ()
    connections: int = 1
    depth: int = 1
    greedy: int = 0
    greedy_depth: int = 1
    seconds: float = 1.0
    warmup_seconds: float = 0.0
    count: int = 0
    random_rows: int = 0
    first: int = 1
    wire: str = "dirk"
    user: str = "bench"
    database: str = "bench"

    def arguments(self) -> list[str]:
        """The generator's command line for this load."""
        numbers = {
            "port": self.port,
            "connections": self.connections,
            "depth": self.depth,
            "greedy": self.greedy,
            "greedy-depth": self.greedy_depth,
            "seconds": self.seconds,
            "warmup": self.warmup_seconds,
            "count": self.count,
            "random": self.random_rows,
            "sequence": self.first,
        }
        words = [f"--{name}={value}" for name, value in numbers.items()]
        words += [f"--wire={self.wire}", f"--user={self.user}", f"--database={self.database}", "--per-connection"]
        words += [f"--setup={text}" for text in self.setup]
        if self.statements_file is not None:
            return [*words, f"--file={self.statements_file}"]
        return [*words, f"--template={self.template}"]


@dataclass(frozen=True, slots=True)
class Connection:
    """What one connection got: answers in the counted time, median and 99th percentile of their latency."""

    answers: int
    p50_us: float
    p99_us: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """A run's figures. `answers` and `errors` are those of the counted time, `issued` all requests sent.

    `cpu_share` is what the generator used of one CPU: near 1 it, not the server, is what was measured.
    """

    seconds: float
    answers: int
    issued: int
    errors: int
    closed: int
    rate: float
    mean_us: float
    p50_us: float
    p99_us: float
    max_us: float
    cpu_share: float
    first_error: str
    per_connection: tuple[Connection, ...]


class Generator:
    """The built programs: `run` puts a load on a server, `echo` is the path of the cheapest server there is."""

    def __init__(self, directory: Path) -> None:
        self.echo = directory / "echo"
        self._load = directory / "load"
        _compile(self._load, "load.c", "options.c", "wire.c", "histogram.c")
        _compile(self.echo, "echo.c")

    def start(self, load: Load) -> Running:
        """Begin a run, which ends as `load` says or when it is stopped."""
        return Running(load, [str(self._load), *load.arguments()])

    def run(self, load: Load) -> Outcome:
        """The figures of one run; GeneratorError when a connection was refused or lost, or any answer was an error."""
        return self.start(load).outcome()


class Running:
    """A load under way. Take its `outcome` exactly once."""

    def __init__(self, load: Load, command: Sequence[str]) -> None:
        self._load = load
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def stop(self) -> Outcome:
        """End the counted time now; as `outcome`."""
        self._process.terminate()
        return self.outcome()

    def outcome(self) -> Outcome:
        """Wait for the end, and the figures; raises as `Generator.run`."""
        load = self._load
        limit_seconds = (600.0 if load.count else load.seconds) + load.warmup_seconds + _GRACE_SECONDS
        try:
            output, errors = self._process.communicate(timeout=limit_seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            raise
        if not output:
            raise GeneratorError(errors.strip())
        found = json.loads(output)
        outcome = _outcome(found)
        if outcome.errors or outcome.closed:
            raise GeneratorError(
                f"port {load.port}: {outcome.errors} errors, {outcome.closed} connections lost; {outcome.first_error}"
            )
        return outcome


def _compile(program: Path, *sources: str) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise GeneratorError("no C compiler: apt-get install gcc libc6-dev")
    paths = [str(_SOURCES / source) for source in sources]
    done = subprocess.run([compiler, *_FLAGS, "-o", program, *paths], capture_output=True, text=True, check=False)
    if done.returncode:
        raise GeneratorError(f"{compiler}: {done.stderr.strip()}")


def _outcome(found: dict[str, object]) -> Outcome:
    connections = found["per_connection"]
    assert isinstance(connections, list)
    names = (name for name in Outcome.__slots__ if name != "per_connection")
    values = {name: found[name] for name in names}
    return Outcome(**values, per_connection=tuple(Connection(**one) for one in connections))  # type: ignore[arg-type]
