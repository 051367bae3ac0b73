"""A word of a node counts only for what was sent on the connection that it comes over, however late it is."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import gevent
import pytest
from gevent.event import Event
from gevent.lock import RLock

from dirk_gevent.base.logger import logger
from dirk_gevent.base.request_ids import new_request_id
from dirk_gevent.coordinator.coordinator import Coordinator
from dirk_gevent.coordinator.divergence.registry import Cause
from dirk_gevent.engine.engine import Engine
from dirk_gevent.engine.results import Outcome
from dirk_gevent.log.entry import NO_CHAIN, Draft, Entry, LoggedStatement, chain
from dirk_gevent.node import apply_queue
from dirk_gevent.node.follower import Follower
from dirk_gevent.node.progress import Progress
from dirk_gevent.replication.frame_types import Acks, Hello, Standing
from dirk_parser.errors import SqlError
from dirk_parser.normalize.normalizer import split
from tests.engine.plans import LogMaker, open_database
from tests.seeds import chosen_seed
from tests.service.fake_node import NOW_MS, Connect, append, until
from tests.service.test_follower import entries

_RUNS = 4
_STEPS = 50


class History:
    """What one log holds: entries, their request ids and the hashes behind them (the first is before them all)."""

    def __init__(self) -> None:
        self.maker = LogMaker(1)
        self.ids: list[str] = []
        self.encoded: list[bytes] = []
        self.chains = [NO_CHAIN]
        self.add("create table t (a)")

    def add(self, sql: str) -> None:
        """Append an entry."""
        entry = self.maker.sql(sql)
        self.ids.append(entry.request_id)
        self.encoded.append(entry.encode())
        self.chains.append(chain(self.chains[-1], self.encoded[-1]))

    def rebuilt(self, upto: int) -> History:
        """Another log that holds the same up to an index."""
        other = History()
        other.ids, other.encoded = self.ids[:upto], self.encoded[:upto]
        other.chains = self.chains[: upto + 1]
        other.maker.index, other.maker.time_ms = upto, self.maker.time_ms
        return other


@dataclass
class Connection:
    """What a log's host has sent over one connection, and what it was told there: it stands for the frames, too."""

    history: History
    said: list[dict[str, Any]] = field(default_factory=list)
    #: Request ids sent, by index; where what was sent ends; the numbers of questions; how many fences.
    ids: dict[int, str] = field(default_factory=dict)
    ends: set[tuple[int, str]] = field(default_factory=set)
    asks: list[int] = field(default_factory=list)
    fences: int = 0
    sent: int = 0
    is_open: bool = True
    lock: RLock = field(default_factory=RLock)

    def send(self, content: dict[str, Any], body: bytes = b"") -> None:
        """As a connection's frames."""
        if not self.is_open:
            raise OSError("closed")
        self.said.append(content)

    def close(self) -> None:
        """As a connection's frames."""
        self.is_open = False

    def turn(self) -> RLock:
        """As a connection's frames."""
        return self.lock

    def check(self) -> None:
        """Judge all that was said by what was sent."""
        for frame in self.said:
            match frame["t"]:
                case "acks":
                    acks = Acks.decode(frame)
                    assert (acks.upto, acks.chain.hex()) in self.ends, f"{frame} of what was not sent here"
                    for outcome in acks.outcomes:
                        assert self.ids.get(outcome.index) == outcome.request_id, f"{outcome} of another entry"
                case "digest" | "undone" | "upload":
                    assert frame["ask"] in self.asks, f"{frame} to what was not asked here"
        assert sum(frame["t"] == "fenced" for frame in self.said) <= self.fences, "more fences obeyed than sent"


class Schedule:
    """A node, and what happens to its connections by chance. What it works on ends when the schedule says so."""

    def __init__(self, engine: Engine, seed: int) -> None:
        self.chance = random.Random(seed)
        self.engine = engine
        self.follower = Follower(engine, Progress(engine), ("127.0.0.1", 1), logger("test"))
        self.database = open_database(engine)
        self.history = History()
        self.connections: list[Connection] = []
        self.held: list[Event] = []
        self.asked = 0
        for threads in (self.follower.context.appliers, self.follower.context.slow):
            threads.call = self._late(threads.call)  # type: ignore[method-assign]

    def _late(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def held(*words: Any) -> Any:
            before, behind = Event(), Event()
            self.held += [before, behind]
            before.wait()
            try:
                return call(*words)
            finally:
                behind.wait()

        return held

    @property
    def here(self) -> Connection | None:
        """The connection that stands."""
        last = self.connections[-1] if self.connections else None
        return last if last is not None and last.is_open else None

    def step(self) -> None:
        """One thing happens."""
        steps: list[Callable[[], None]] = [self.append, self.release, self.release, self.release, self.connect]
        if self.here is not None:
            steps += [self.send, self.send, self.send, self.mark, self.fence, self.cut]
        self.chance.choice(steps)()
        self.settle()

    def settle(self) -> None:
        """Let greenlets and threads come to where they are held, and a host act on what it was told."""
        for _ in range(3):
            gevent.sleep(0.001)
        here = self.here
        if here is None:
            if self.follower.context.link.is_open:
                self.cut()
            return
        for frame in here.said:
            if frame["t"] == "stands" and here.history.chains[frame["at"] : frame["at"] + 1] != [
                bytes.fromhex(frame["chain"])
            ]:
                self.cut()

    def append(self) -> None:
        """The log grows, or is replaced by one that was rebuilt from a part of it."""
        if self.chance.random() < 0.2:
            self.history = self.history.rebuilt(self.chance.randint(1, len(self.history.ids)))
            self.cut()
        self.history.add(f"insert into t values ({self.chance.randrange(1000)})")

    def release(self) -> None:
        """Something goes on that was held."""
        if self.held:
            self.held.pop(self.chance.randrange(len(self.held))).set()

    def cut(self) -> None:
        """The connection ends."""
        if self.here is not None:
            self.here.close()
        self.follower._disconnected(_Closed())  # type: ignore[arg-type]

    def connect(self) -> None:
        """The node comes (again); meanwhile what it was at may end."""
        self.cut()
        hello = self.follower._hello()
        while self.chance.random() < 0.5 and self.held:
            self.release()
            gevent.sleep(0.002)
        here = Connection(self.history)
        self.connections.append(here)
        self.follower.context.link.begin(here)  # type: ignore[arg-type]
        self.follower.context.link.is_connected = True
        self._welcome(hello, here)
        self.follower._tell_moved(hello)

    def _welcome(self, hello: Hello, here: Connection) -> None:
        stands = hello.standings[1]
        if self.history.chains[stands.applied : stands.applied + 1] == [stands.chain]:
            here.sent = stands.applied
            return
        self.fence()

    def send(self) -> None:
        """The host sends some of what follows."""
        here = self.here
        assert here is not None
        upto = min(here.sent + self.chance.randint(1, 4), len(here.history.ids))
        part = here.history.encoded[here.sent : upto]
        if not part:
            return
        frame = entries(1, *part, first=here.sent + 1, before=here.history.chains[here.sent])
        here.ids.update(zip(range(here.sent + 1, upto + 1), here.history.ids[here.sent : upto], strict=True))
        here.ends.add((upto, frame["after"]))
        here.sent = upto
        self.follower.incoming.receive({**frame, "epoch": ""})

    def mark(self) -> None:
        """The host asks for a digest."""
        here = self.here
        assert here is not None
        self.asked += 1
        here.asks.append(self.asked)
        how = {"upload": self.chance.random() < 0.3, "way": "", "ask": self.asked}
        self.follower.incoming.receive({"t": "mark", "log": 1, "index": here.sent, **how})

    def fence(self) -> None:
        """The host shuts the node's state out."""
        here = self.here
        assert here is not None
        here.fences += 1
        here.sent = 0
        self.follower.incoming.receive({"t": "fence", "log": 1})

    def end(self) -> None:
        """All goes on: the node gets all of the log, has that and nothing else, and says so."""
        self.cut()
        self.history.add("insert into t values (0)")
        last = len(self.history.ids)
        with gevent.Timeout(20):
            while True:
                while self.held:
                    self.release()
                if self.here is None:
                    self.connect()
                    continue
                self.send()
                self.settle()
                if any(frame["t"] == "acks" and frame["applied"] == last for frame in self.connections[-1].said):
                    break
        assert self.database.position.chain == self.history.chains[last]


class _Closed:
    def close(self) -> None:
        """As a socket."""


@pytest.mark.parametrize("run", range(_RUNS))
def test_a_node_says_on_a_connection_only_what_is_of_it(
    engine: Engine, run: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reconnects, logs that replace another, fences and questions at any moment of what the node is at."""
    monkeypatch.setattr(apply_queue, "_RETRY_SECONDS", 0.01)
    schedule = Schedule(engine, chosen_seed() + run)
    for _ in range(_STEPS):
        schedule.step()
    schedule.end()
    for connection in schedule.connections:
        connection.check()
    schedule.follower.queues.stop_all()


class Liar:
    """A node whose words of earlier connections, and of another log, come in among those that are true."""

    def __init__(self, host: Coordinator, connect: Connect, seed: int) -> None:
        self.host = host
        self.chance = random.Random(seed)
        self.connect = connect
        self.honest = 0
        self.node = connect("m1")

    def come(self) -> None:
        """The node's connection is made anew."""
        self.node.end()
        chain_here = self.host.state.log.reads.chain_at(1, self.honest)
        standings = {1: Standing(self.honest, chain_here, self.honest)} if chain_here and self.honest else None
        self.node = self.connect("m1", standings)

    def work(self) -> None:
        """It applies what it was sent, and says so."""
        if self.honest < self.host.state.head_index(1) and not self.host.state.is_shut_out("m1", 1):
            self.node.ack(1, self.honest + 1)
            self.honest += 1
            until(lambda: self.host.state.cluster.nodes["m1"].applied_index(1) >= self.honest)

    def lie(self) -> None:
        """One late word; its connection may be ended for it."""
        window = self.node._window(1)
        head = self.host.state.head_index(1)
        index = self.chance.randint(1, head + 2)
        ours = self.host.state.log.reads.chain_at(1, index) or bytes(16)
        foreign = Outcome(index, "", "", {}, 1, ("u",), "insert", "u", "another", b"false")
        words: list[dict[str, Any]] = [
            Acks(1, index, index, self.chance.randbytes(16), [foreign]).encode(),
            Acks(1, head + 1, head + 1, ours, [replace(foreign, index=head + 1)]).encode(),
            Acks(1, index, index, ours, [replace(foreign, index=index + 1)]).encode(),
            {"t": "digest", "log": 1, "index": index, "ask": window.ask - 1, "digest": b"false".hex(), "ms": 1},
            {"t": "undone", "log": 1, "index": index, "ask": window.ask + 1},
            {"t": "stands", "log": 1, "at": index, "chain": self.chance.randbytes(16).hex()},
        ]
        if not window.is_fencing:
            words.append({"t": "fenced", "log": 1, "kept": "false"})
        word = self.chance.choice(words)
        self.node.frames.send(word)
        if word["t"] in ("acks", "stands") and not self.host.state.is_shut_out("m1", 1):
            # Where the node stands is not what was thought: it has to come again and say so.
            until(lambda: self.node._serving.dead)
            self.come()

    def fence(self) -> None:
        """Its state is shut out; a word from before counts no more, then it obeys."""
        if self.host.state.is_shut_out("m1", 1):
            return
        self.host.operations.fences.fence("m1", 1, self.honest, Cause.CONTENT)
        self.node.next("fence")
        self.honest = 0
        if self.chance.random() < 0.5:
            self.lie()
        if self.node._window(1).is_fencing:
            self.node.frames.send({"t": "fenced", "log": 1, "kept": "kept"})
            until(lambda: not self.host.state.is_shut_out("m1", 1))

    def check(self) -> None:
        """Nothing that was not said of what was sent has counted."""
        view = self.host.state.cluster.nodes["m1"]
        assert view.applied_index(1) <= self.honest
        assert view.progress.digests.get(1, (0, b""))[1] != b"false"
        for index in range(1, self.host.state.head_index(1) + 2):
            outcome = self.host.state.outcomes.of(1).first(index)
            assert outcome is None or outcome.digest != b"false"
        assert all(row.kept != "false" for row in self.host.state.registry.all())


@pytest.mark.parametrize("run", range(_RUNS))
def test_a_host_counts_only_what_answers_what_it_sent(host: Coordinator, connect: Connect, run: int) -> None:
    liar = Liar(host, connect, chosen_seed() + run)
    append(host)
    for _ in range(_STEPS):
        liar.chance.choice([liar.work, liar.work, liar.lie, liar.lie, liar.come, liar.fence, lambda: append(host)])()
        liar.check()
    while liar.honest < host.state.head_index(1):
        liar.work()
    liar.check()


def test_a_writer_is_not_told_how_another_entry_ended(host: Coordinator, connect: Connect) -> None:
    """The outcome of its index names another request: nothing is known of its own."""
    object.__setattr__(host.state.config.limits, "wait_ms", 300)
    connect("m1")
    draft = Draft(new_request_id(NOW_MS), (LoggedStatement(split("fafao u;")),))
    writing = gevent.spawn(_refusal, host, draft)
    until(lambda: host.state.head_index(1) == 1)
    host.reports.outcomes_came("m1", 1, [Outcome(1, "", "", {}, 1, ("u",), "insert", "u", "another", b"d")])
    assert writing.get(timeout=5) == "08007"
    assert Entry.decode(host.state.log.reads.read(1, 0, 1).entries[0]).request_id == draft.request_id


def _refusal(host: Coordinator, draft: Draft) -> str:
    try:
        host.operations.appends.write(1, "t", "u", draft)
    except SqlError as error:
        return error.sqlstate
    return ""
