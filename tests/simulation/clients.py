"""The clients of a simulated cluster, and the history of what they asked and were told."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import gevent
import orjson

from dirk_gevent.log.entry import SYSTEM_LOG_ID
from dirk_gevent.loop.frame_socket import FrameSocket
from dirk_gevent.protocol import answer_bytes
from dirk_gevent.protocol.frames import FOLLOW_STATEMENT
from dirk_gevent.protocol.metadata import with_metadata
from tests.simulation.loop import BEGIN_SECONDS, Lane
from tests.simulation.machines import port_of
from tests.simulation.schedule import Kind, Operation
from tests.simulation.world import World

DATABASE = "t"
#: The log of that database: it is the first that the template makes.
LOG_ID = 1
#: Money in each account of the bank at the beginning.
FIRST_BALANCE = 20
#: What the database begins with.
SCHEMA = (
    "manamboara tahiry t;",
    "manamboara tabilao lisitra (w ISA, n ISA);",
    "manamboara tabilao isany (k ISA fanalahidy, n ISA);",
    "manamboara tabilao anjara (k ISA fanalahidy);",
    "manamboara tabilao banky (k ISA fanalahidy, n ISA);",
    "manamboara tabilao endrika (k ISA fanalahidy);",
    "manampia ao@ isany (k, n) sanda (1, 0), (2, 0);",
    "manampia ao@ endrika (k) sanda (1);",
    f"manampia ao@ banky (k, n) sanda (1, {FIRST_BALANCE}), (2, {FIRST_BALANCE}), (3, {FIRST_BALANCE});",
)
#: SQLSTATEs after which the same request may be sent again with the same id.
AGAIN = ("57P03", "08007", "53300", "53100", "58030", "08006")
_RETRY_FIRST_SECONDS, _RETRY_MOST_SECONDS = 0.1, 1.0
_ANSWER_SECONDS = 6.0
#: Reads whose `min` is below what their session has seen, of its database's log; and so many of the log of databases.
_LESS_SHARE = 0.3

GiveUp = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: a message or rows, the SQLSTATE of an error, the log and the index there that META names.

    `is_hit`: a cache had it.
    """

    text: str
    rows: list[list[Any]] | None
    sqlstate: str
    log: int
    index: int
    node: str
    is_hit: bool = False

    @property
    def seen(self) -> int:
        """The index of the shared database's log that it shows; 0 when it speaks of another (as an error does)."""
        return self.index if self.log == LOG_ID else 0


@dataclass(slots=True)
class Attempt:
    """One sending of an operation. `answer` is None when the connection broke or nothing came.

    `floor` is the index that the client's session had seen before it, `known` the highest index that anybody had
    been told of.
    """

    operation: Operation
    began: float
    floor: int
    known: int
    ended: float = 0.0
    answer: Answer | None = None


@dataclass(frozen=True, slots=True)
class Sight:
    """What a transaction read: the table as `kind` reads it, at the index that META named. `is_own`: after a change of
    its own.
    """

    kind: Kind
    rows: list[list[Any]]
    index: int
    is_own: bool


@dataclass(slots=True)
class Trial:
    """One run of a transaction. `sqlstate` and `text` are what ended it before COMMIT.

    Its COMMITs are attempts of the history. `is_handed_over`: COMMIT was sent.
    """

    operation: Operation
    floor: int
    sights: list[Sight] = field(default_factory=list)
    sqlstate: str = ""
    text: str = ""
    is_handed_over: bool = False


@dataclass(slots=True)
class Step:
    """One step of a database's life, answered in the end or never (`answer` None). `name` is the database's."""

    operation: Operation
    name: str
    what: str
    began: float
    ended: float = math.inf
    answer: Answer | None = None


@dataclass(slots=True)
class History:
    """Everything that was asked, in order of asking. `known` is the highest index of an acknowledged write, `last` the
    latest answer to anything.
    """

    attempts: list[Attempt] = field(default_factory=list)
    trials: list[Trial] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    known: int = 0
    last: Answer | None = None

    def of(self, operation: Operation) -> list[Attempt]:
        """The attempts of one operation."""
        return [one for one in self.attempts if one.operation.number == operation.number]


def request_id(operation: Operation, part: str = "") -> str:
    """The id under which an operation, or a part of it, is sent, however often."""
    return f"{1_800_001_000_000 + operation.number:013d}-simulated{operation.number:05d}{part}"


def statement(operation: Operation) -> str:
    """The text of an operation of one statement."""
    value = operation.value
    return {
        Kind.APPEND: f"manampia ao@ lisitra (w, n) sanda ({operation.client}, {value});",
        Kind.ADD: "UPDATE isany SET n = n + 1 WHERE k = 1;",
        Kind.SET: f"UPDATE isany SET n = {value} WHERE k = 2;",
        Kind.CLAIM: f"manampia ao@ anjara (k) sanda ({value});",
        Kind.READ_LIST: "alaivo w, n ao@ lisitra;",
        Kind.READ_NUMBERS: "alaivo k, n ao@ isany alaharo k;",
        Kind.READ_CLAIMS: "alaivo k ao@ anjara alaharo k;",
        Kind.READ_BANK: "alaivo k, n ao@ banky alaharo k;",
        Kind.DEFINE: f"ALTER TABLE endrika ADD COLUMN n{operation.number} INTEGER DEFAULT {operation.number};",
        Kind.READ_SHAPE: "alaivo * ao@ endrika;",
    }[operation.kind]


class Client:
    """One client with one session: connects to its entry, asks, and asks again what was not answered."""

    def __init__(self, world: World, lane: Lane, name: str, entry: str, history: History) -> None:
        self.name = name
        self.lane = lane
        self.floor = 0
        #: What it has seen of the log of databases.
        self.names_floor = LOG_ID
        self.world = world
        self.history = history
        self._address = "127.0.0.1", port_of(entry)
        self._sock: Any = None
        #: Whether the session on this connection knows what the client has seen.
        self._is_told = True
        self._is_refused = False

    @property
    def elapsed(self) -> float:
        """Virtual seconds since the world began."""
        return self.world.loop.time - BEGIN_SECONDS

    def perform(self, operation: Operation, give_up: GiveUp) -> Answer | None:
        """Ask until there is an answer that is no reason to ask again."""

        def once() -> Answer | None:
            attempt = self.attempt(operation)
            attempt.answer = self._asked(operation)
            attempt.ended = self.elapsed
            if attempt.answer is not None and attempt.answer.sqlstate not in AGAIN and operation.kind.is_write:
                self.history.known = max(self.history.known, attempt.answer.seen)
            return attempt.answer

        return self.until_known(once, give_up)

    def until_known(self, once: Callable[[], Answer | None], give_up: GiveUp) -> Answer | None:
        """Do it until its answer is no reason to do it again, or until one may give up; the last answer."""
        pause = _RETRY_FIRST_SECONDS
        while True:
            answer = once()
            if (answer is not None and answer.sqlstate not in AGAIN) or give_up():
                return answer
            gevent.sleep(pause)
            pause = min(pause * 1.5, _RETRY_MOST_SECONDS)

    def attempt(self, operation: Operation) -> Attempt:
        """A new line of the history."""
        if self.world.has_lost and self._is_refused:
            # What its session has seen may be in no log any more, and it would wait for it for ever.
            self._is_refused, self.floor, self.names_floor = False, 0, LOG_ID
            self.leave()
        made = Attempt(operation, self.elapsed, self.floor, self.history.known)
        self.history.attempts.append(made)
        return made

    def _asked(self, operation: Operation) -> Answer | None:
        if operation.kind.is_write:
            return self.say(operation.name, statement(operation), {"id": request_id(operation)})
        return self.say(operation.name, statement(operation), {"read": operation.level} | self._less(operation))

    def _less(self, operation: Operation) -> dict[str, Any]:
        """Sometimes a `min` that demands no more than the session has seen: it may not be told less for it."""
        chance = Random(f"min {operation}")
        least: dict[str, int] = {}
        if self._is_told and chance.random() < _LESS_SHARE:
            least[str(LOG_ID)] = max(0, self.floor - chance.choice((0, 1, 3, 100)))
        if self.names_floor and chance.random() < _LESS_SHARE:
            least[str(SYSTEM_LOG_ID)] = chance.randint(1, self.names_floor)
        return {"min": self._unknown().get("min", {}) | least} if least else {}

    def say(self, name: str, text: str, metadata: dict[str, Any]) -> Answer | None:
        """One statement in the shared database, unless `metadata` names another; None when nothing came.

        It is told in the trace, and what it shows of the shared database is what this client has seen.
        """
        level = f" ({metadata['read']}, seen {self.floor})" if "read" in metadata else ""
        self.world.say(self.name, f"{name} {text}{level}")
        try:
            answer = self.ask(text, {"db": DATABASE} | self._unknown() | metadata)
        except OSError as error:
            self.world.say(self.name, f"{name} -> {type(error).__name__}: {error}")
            self.leave()
            return None
        self.history.last, self._is_refused = answer, answer.sqlstate in AGAIN
        told = answer.rows if answer.rows is not None else answer.text
        self.world.say(self.name, f"{name} -> {told} @{answer.index} {answer.node}")
        if not answer.sqlstate and answer.log == SYSTEM_LOG_ID:
            self.names_floor = max(self.names_floor, answer.index)
        if answer.sqlstate not in AGAIN:
            self.floor = max(self.floor, answer.seen)
            self._is_told = self._is_told or answer.seen >= self.floor
        return answer

    def _unknown(self) -> dict[str, Any]:
        """What a driver says on a new connection until it is answered: the session goes on where it was."""
        return {} if self._is_told else {"min": {str(LOG_ID): self.floor}}

    def ask(self, text: str, metadata: dict[str, Any]) -> Answer:
        """Send one statement and read its answer; OSError when none comes."""
        if self._sock is None:
            self._sock = self.world.network.connect(self._address, 2.0)
            self._sock.settimeout(_ANSWER_SECONDS)
        self._sock.sendall(with_metadata(metadata, text.encode()))
        data = b""
        while not data.endswith(answer_bytes.END):
            more = self._sock.recv(65536)
            if not more:
                raise ConnectionResetError("the connection ended")
            data += more
        return self._read(data)

    def _read(self, data: bytes) -> Answer:
        meta, plain = answer_bytes.split_meta(data)
        meta = meta or {}
        lines = plain.decode().split("\n")
        rows: list[list[Any]] | None = None
        if lines[0].startswith("RELATION_JSON_PAGE"):
            rows = [row for line in lines if line.startswith("{") for row in orjson.loads(line)["rows"]]
        text = "\n".join(lines[lines.index("RESULT_MESSAGE") + 1 : -2])
        log, index = int(meta.get("log", 0)), int(meta.get("index", 0))
        is_hit = meta.get("cache") == "hit"
        return Answer(text, rows, meta.get("sqlstate", ""), log, index, str(meta.get("node", "")), is_hit)

    def accept_log(self) -> None:
        """What a person has dirk-admin ask for when a log that went back shall count: `settle --accept-log`."""
        sock = self.world.network.connect(self._address, 2.0)
        sock.settimeout(_ANSWER_SECONDS)
        metadata = {"follow": {"as": "admin", "do": "settle", "accept_log": True}}
        sock.sendall(with_metadata(metadata, FOLLOW_STATEMENT))
        frames = FrameSocket(sock)
        while (frame := frames.receive()) is not None and frame["t"] != "end":
            continue
        self.world.say(self.name, f"settle --accept-log -> {frame and frame['text']}")
        frames.close()

    def leave(self) -> None:
        """End the connection, and the session with it; the next statement makes another."""
        if self._sock is not None:
            self._sock.close()
            self._sock = None
            self._is_told = not self.floor
