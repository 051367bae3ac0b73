"""The same point read asked of PostgreSQL 15 and of a node, in turn, beside the limit of the design.

PostgreSQL comes from Debian's packages, with its own defaults, in a temporary directory and on loopback only. It is
asked with its simple protocol, as DirkDB is: the statement's text with the value in it, each time.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from benchmarks import reads
from benchmarks.bench import CONNECTIONS, Bench, rates, ratios, say
from benchmarks.figures import Figure, Target, median
from benchmarks.generator import Load, Outcome
from benchmarks.programs import ProgramError, free_ports

_BINARIES = Path("/usr/lib/postgresql/15/bin")
_PACKAGE = "postgresql-15"
_USERS = ("postgres", "nobody")
_INSTALL_SECONDS = 600.0
_START_SECONDS = 30.0
_STOP_SECONDS = 15.0
_POSTGRES = "PostgreSQL 15"
_LIMIT = "gevent limit"
_NODE = "node"
_TABLE = (
    "CREATE TABLE points (id integer PRIMARY KEY, v varchar(40)); "
    f"INSERT INTO points SELECT n, 'value ' || n FROM generate_series(1, {reads.ROWS}) AS n"
)


class NoPeerError(Exception):
    """PostgreSQL cannot be had here; `str()` is the reason."""


def measure(bench: Bench) -> Iterator[Figure]:
    """Rates of both for each number of connections; nothing but a reason on stderr where PostgreSQL cannot be had."""
    try:
        _install()
        with _server() as port, reads.yardsticks(bench) as (limit_port, _):
            for connections in CONNECTIONS:
                say(f"peers: {connections} connections")
                node = reads.load(bench.cluster.node_port, connections, bench)
                limit = reads.load(limit_port, connections, bench)
                stretches: dict[str, Callable[[], Outcome]] = {
                    _LIMIT: partial(bench.run, limit),
                    _POSTGRES: partial(bench.run, _load(port, connections, bench)),
                    _NODE: partial(bench.run, node),
                }
                yield from _figures(connections, bench.alternate(stretches))
    except NoPeerError as reason:
        say(f"peers: skipped, {reason}")


def _figures(connections: int, found: dict[str, list[Outcome]]) -> Iterator[Figure]:
    own = rates(found[_NODE])
    for peer, bound in ((_LIMIT, 0.42), (_POSTGRES, 1.0)):
        peers = rates(found[peer])
        yield Figure("peers", peer, median(peers), "answers/s", connections)
        yield Figure(
            "peers",
            _NODE,
            median(own),
            "answers/s",
            connections,
            ratio=median(ratios(own, peers)),
            against=peer,
            target=Target(bound),
            details={"p50_us": median([one.p50_us for one in found[_NODE]])},
        )


def _load(port: int, connections: int, bench: Bench) -> Load:
    return Load(
        port,
        "SELECT * FROM points WHERE id = {n};",
        connections=connections,
        seconds=bench.seconds,
        warmup_seconds=bench.warmup_seconds,
        random_rows=reads.ROWS,
        wire="postgres",
    )


def _install() -> None:
    """Have the package's programs there; NoPeerError."""
    if (_BINARIES / "postgres").exists():
        return
    if os.geteuid() or shutil.which("apt-get") is None:
        raise NoPeerError(f"{_PACKAGE} is not installed, and only root on Debian can install it")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update", "-q"], ["install", "-q", "-y", "--no-install-recommends", _PACKAGE]):
        say(f"peers: apt-get {words[0]}")
        command = ["apt-get", *words]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=_INSTALL_SECONDS, check=False
        )
        if done.returncode:
            raise NoPeerError(f"apt-get {words[0]} failed: {done.stderr.strip()[-300:]}")


@contextmanager
def _server() -> Iterator[int]:
    """The port of a PostgreSQL with the table in it; NoPeerError when it does not begin to serve."""
    user = _unprivileged()
    directory = Path(tempfile.mkdtemp(prefix="dirk-peer-"))
    (port,) = free_ports(1)
    try:
        if user is not None:
            shutil.chown(directory, user)
        data = directory / "data"
        _run(["initdb", "-D", data, "-U", "bench", "--auth=trust", "--no-locale", "-E", "UTF8"], user, directory)
        options = ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
        with (directory / "log").open("wb") as log:
            server = subprocess.Popen(
                [_BINARIES / "postgres", "-D", data, "-p", str(port), *options], stderr=log, user=user, cwd=directory
            )
        try:
            _wait(port, server, directory)
            place = ["-h", "127.0.0.1", "-p", str(port), "-U", "bench", "-v", "ON_ERROR_STOP=1", "-q"]
            _run(["psql", *place, "-d", "postgres", "-c", "CREATE DATABASE bench"], user, directory)
            _run(["psql", *place, "-d", "bench", "-c", _TABLE, "-c", "VACUUM ANALYZE points"], user, directory)
            yield port
        finally:
            server.terminate()
            _end(server)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _unprivileged() -> str | None:
    """Whom PostgreSQL runs as, which refuses to run as root: None for the user that we are."""
    if os.geteuid():
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    for name in _USERS:
        if name in known:
            return name
    raise NoPeerError("there is no user it could run as")


def _run(command: list[str | Path], user: str | None, directory: Path) -> None:
    program = _BINARIES / command[0]
    done = subprocess.run(
        [program, *command[1:]], user=user, cwd=directory, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise NoPeerError(f"{command[0]} failed: {done.stderr.strip()[-300:]}")


def _wait(port: int, server: subprocess.Popen[bytes], directory: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    probe = [_BINARIES / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
    while subprocess.run(probe, check=False).returncode:
        if server.poll() is not None or time.monotonic() > deadline:
            tail = (directory / "log").read_text(errors="replace")[-300:]
            raise NoPeerError(f"it did not begin to serve: {tail}")
        time.sleep(0.05)


def _end(server: subprocess.Popen[bytes]) -> None:
    try:
        server.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
        raise ProgramError("PostgreSQL did not end when it was told to") from None
