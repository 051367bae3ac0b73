"""A simulated world: machines with processes on them, a network, one virtual time, and a trace of what happened.

`install` puts the simulation where the operating system was, once, before anything of DirkDB is imported: clocks,
chance, sockets, native threads and the log lines' way out. It is for a process that does nothing else.
"""

from __future__ import annotations

import os
import random
import select
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from random import Random
from typing import Any, ClassVar

import apsw
import gevent
import gevent.pool
import gevent.server
import gevent.socket
import gevent.threadpool
from gevent._hub_local import set_hub
from gevent.event import Event
from gevent.hub import Hub

from tests.simulation.disk import SimDisks
from tests.simulation.loop import BEGIN_SECONDS, Lane, SimLoop
from tests.simulation.network import Listener, Network, Poll
from tests.simulation.threads import SimThreadPool

#: Unix time at virtual second 0.
EPOCH_SECONDS = 1_800_000_000.0
_MOST_LINES = 5_000
#: Log lines that checks look at, and that operations wait for.
_NOTED = ("masters_disagree", "node_fenced", "log_went_back")
#: Facts that are not the same in each run of a seed: a path, and what old memory in the pages of a file compresses to.
_UNTOLD = ("directory", "bytes")
#: Exceptions that a full disk, a failed fsync or a lost connection ends in.
_MACHINE_TROUBLES = (
    "dirk_gevent.engine.errors.faults.StorageFault",
    "dirk_gevent.log.embedded.journal_threads.CommitFailedError",
    "dirk_parser.errors.SqlError: disk_full_log",
    "dirk_parser.errors.SqlError: log_unavailable",
    "OSError",
    "Connection",
    "TimeoutError",
    "apsw.",
)


@dataclass(frozen=True, slots=True)
class Logged:
    """A log line of DirkDB's, `at_seconds` after the world began."""

    at_seconds: float
    event: str
    facts: dict[str, object]


class World:
    """Everything of one schedule (`World.now` is the one that runs). One after the other may be made in a process."""

    now: ClassVar[World | None] = None
    #: Greenlets of those that ended must not unwind into the next one: nothing of them is ever let go.
    _ended: ClassVar[list[World]] = []

    def __init__(self, seed: int, root: Path, verbose: bool = False) -> None:
        World.now = self
        self._root = f"{root}/"
        self.loop = SimLoop(seed)
        self.network = Network(self.loop, seed)
        self.disks = SimDisks()
        self.chance = Random(f"world {seed}")
        self.offsets: dict[Lane, float] = {}
        self.lines: list[str] = []
        #: What DirkDB's logs told, by event.
        self.events: set[str] = set()
        #: Whether a person has decided that a log which lost entries counts.
        self.has_lost = False
        #: Exceptions that reached the top of a greenlet, and failures that the code under test logged as unexpected.
        self.failures: list[str] = []
        #: The lines among DirkDB's that are noted, in order, and who waits for which.
        self.logged_lines: list[Logged] = []
        self._awaiting: list[tuple[str, Lane, Event]] = []
        self._hash = blake2b(digest_size=12)
        self._verbose = verbose
        self._entropy = Random(f"entropy {seed}")
        random.seed(f"random {seed}")
        SimThreadPool.loop = self.loop
        self.hub: Any = Hub(loop=self.loop)  # type: ignore[call-overload]
        set_hub(self.hub)
        self.hub.handle_error = self._failed

    def end(self) -> None:
        """Nothing of it runs any more; its databases are closed."""
        for connection in apsw.connections():
            # The disk that it closes on may have stopped.
            with suppress(apsw.Error):
                connection.close(True)
        World._ended.append(self)
        World.now = None

    def entropy(self, count: int) -> bytes:
        """What the system's source of chance gives."""
        return self._entropy.randbytes(count)

    def unix_seconds(self) -> float:
        """The wall clock of the machine whose code runs."""
        return EPOCH_SECONDS + self.loop.time + self.offsets.get(self.loop.current, 0.0)

    def say(self, who: str, what: str) -> None:
        """One line of the trace."""
        line = f"{self.loop.time - BEGIN_SECONDS:10.6f} {who:<7} {what}".replace(self._root, "")
        self._hash.update(line.encode())
        if self._verbose:
            print(line, flush=True)
        self.lines.append(line)
        if len(self.lines) > _MOST_LINES:
            del self.lines[: _MOST_LINES // 2]

    def digest(self) -> str:
        """Hash of the whole run: every line of the trace, every step of the loop."""
        found = self._hash.copy()
        found.update(f"{self.loop.path} {self.loop.steps} {self.loop.time!r}".encode())
        return found.hexdigest()

    def as_process(self, lane: Lane, function: Callable[..., Any], *arguments: Any) -> gevent.Greenlet[..., Any]:
        """Spawn a greenlet that belongs to a process."""
        before, self.loop.current = self.loop.current, lane
        try:
            return gevent.spawn(function, *arguments)
        finally:
            self.loop.current = before

    def logged(self, level: str, head: str, event: str, facts: dict[str, object]) -> None:
        """A log line of DirkDB's; one with a traceback is a failure."""
        trace = facts.pop("traceback", None)
        self.events.add(event)
        self.loop.current.is_ready |= event == "ready"
        shown = " ".join(f"{name}={fact}" for name, fact in facts.items() if name not in _UNTOLD)
        self.say(self.loop.current.name, f"{event} {shown}")
        if event in _NOTED:
            self._note(event, facts)
        if trace is not None and not self.loop.current.is_dead and not _is_the_machines(str(trace)):
            self.failures.append(f"{head} {event}\n{trace}")

    def _note(self, event: str, facts: dict[str, object]) -> None:
        self.logged_lines.append(Logged(self.loop.time - BEGIN_SECONDS, event, facts))
        for name, lane, told in self._awaiting:
            if name == event:
                self.loop.call(lane, told.set)

    def await_line(self, event: str, most_seconds: float) -> None:
        """Wait until DirkDB logs it, or until it has not for so long (part of the process whose code runs)."""
        told = Event()
        self._awaiting.append((event, self.loop.current, told))
        told.wait(most_seconds)

    def _failed(self, _context: object, kind: Any, error: Any, at: Any) -> None:
        if kind is not None and issubclass(kind, (KeyboardInterrupt, SystemExit, SystemError)):
            self.hub.handle_system_error(kind, error, at)
            return
        if kind is None or issubclass(kind, gevent.GreenletExit) or self.loop.current.is_dead:
            return
        import traceback

        text = "".join(traceback.format_exception(kind, error, at))
        self.say(self.loop.current.name, f"uncaught {kind.__name__}: {error}")
        self.failures.append(f"{self.loop.current.name} uncaught\n{text}")


def _is_the_machines(trace: str) -> bool:
    """Whether a logged failure is what a fault of the disk or the network looks like."""
    return trace.rpartition("\n")[2].startswith(_MACHINE_TROUBLES)


def the_world() -> World:
    """The world of this process; LookupError when there is none."""
    if World.now is None:
        raise LookupError("no world in this process")
    return World.now


def install() -> None:
    """Put the simulation where the operating system was. Before any module of DirkDB is imported.

    A process without a world (the one that forks the runs) keeps the real clocks and the real chance.
    """
    monotonic, unix, urandom, poll = time.monotonic, time.time, os.urandom, select.poll
    time.monotonic = lambda: World.now.loop.time if World.now else monotonic()
    time.perf_counter = time.monotonic
    boot_time, thread_time = time.clock_gettime, time.thread_time
    time.clock_gettime = lambda clock: World.now.loop.time if World.now else boot_time(clock)
    # A job happens at one instant: how long the machine needs for it decides nothing.
    time.thread_time = lambda: World.now.loop.time if World.now else thread_time()
    time.time = lambda: World.now.unix_seconds() if World.now else unix()
    time.time_ns = lambda: int(time.time() * 1_000_000_000)
    random._urandom = lambda count: World.now.entropy(count) if World.now else urandom(count)  # type: ignore[attr-defined]
    select.poll = lambda: Poll(World.now.network) if World.now else poll()  # type: ignore[assignment,misc,return-value]
    put(gevent.threadpool, "ThreadPool", SimThreadPool)
    put(gevent.socket, "create_connection", lambda *words, **named: the_world().network.connect(*words, **named))
    put(gevent.server, "StreamServer", _listener)
    _quiet_dirk()
    _share_grammar()
    _order_sets()


def put(owner: Any, name: str, value: object) -> None:
    """Replace what a module or class calls `name`; AttributeError when it has no such thing."""
    getattr(owner, name)
    setattr(owner, name, value)


def _listener(address: tuple[str, int], handle: Any, spawn: Any, backlog: int) -> Listener:
    return Listener(the_world().network, address, handle, spawn)


def _quiet_dirk() -> None:
    """What measures real time has nothing to measure; log lines go into the trace."""
    from dirk_gevent.base import logger
    from dirk_gevent.cache import server as cache_service
    from dirk_gevent.engine.apply import suspects
    from dirk_gevent.engine.read import watchdog
    from dirk_gevent.log.embedded import journal_file
    from dirk_gevent.loop import hub_monitor
    from dirk_gevent.server import listening, service

    def identity(directory: Path) -> bytes:
        disk = the_world().disks.disk_of(f"{directory}/")
        return disk.identity.encode() if disk is not None else b""

    def write(self: logger.Logger, level: str, event: str, facts: dict[str, object]) -> None:
        the_world().logged(level, self._head, event, facts)

    put(logger.Logger, "_write", write)
    put(hub_monitor, "_LOOK_SECONDS", 1e6)
    # A process of its own would be a real one; no entry here kills.
    put(suspects, "try_out", lambda *_: None)
    for one in (service, cache_service):
        put(one, "give_way_to_hub", lambda: None)
    put(listening, "is_broadcast", lambda _: False)
    put(journal_file, "_inode", identity)
    for name in ("start", "stop"):
        put(watchdog.Watchdog, name, lambda _: None)


def _share_grammar() -> None:
    """All simulated processes share the grammar's tables and what was parsed: neither ever changes."""
    from dirk_parser.grammar import lr_tables, statements

    put(lr_tables, "load", lru_cache(maxsize=1)(lr_tables.load))
    shared = lru_cache(maxsize=None)(statements.Statements()._parse)
    put(statements.Statements, "_parse", lambda _, shape: shared(shape))


class _InOrder(dict[Any, None]):
    """A set that is walked in the order in which it was filled, not in that of addresses."""

    def add(self, item: object) -> None:
        """Put it in."""
        self[item] = None

    def discard(self, item: object) -> None:
        """Take it out if it is there."""
        self.pop(item, None)


def _order_sets() -> None:
    """Sets of greenlets and of connections are walked when a process ends."""
    from dirk_gevent.server.client_connection import ClientConnection

    made = gevent.pool.Group.__init__

    def make(self: gevent.pool.Group, *greenlets: Any) -> None:
        made(self, *greenlets)
        for name in ("greenlets", "dying"):
            put(self, name, _InOrder())

    put(gevent.pool.Group, "__init__", make)
    put(ClientConnection, "__hash__", lambda wire: wire.sock.fd)


def fresh_directory(root: Path, name: str, life: int) -> Path:
    """Where a process keeps its files in one of its lives."""
    return root / f"{name}.{life}"
