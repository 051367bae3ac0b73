"""The clients of a simulated cluster, and the history of what they asked and were told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import gevent
import orjson

from dirk_gevent import protocol
from tests.simulation.loop import Lane
from tests.simulation.machines import PROXY, PROXY_PORT, node_port
from tests.simulation.schedule import Kind, Operation
from tests.simulation.world import World

DATABASE = "t"
#: The log of that database: it is the first that the template makes.
LOG_ID = 1
#: What the database begins with.
SCHEMA = (
    "manamboara tahiry t;",
    "manamboara tabilao lisitra (w ISA, n ISA);",
    "manamboara tabilao isany (k ISA fanalahidy, n ISA);",
    "manamboara tabilao anjara (k ISA fanalahidy);",
    "manampia ao@ isany (k, n) sanda (1, 0), (2, 0);",
)
#: SQLSTATEs after which the same request may be sent again with the same id.
AGAIN = ("57P03", "08007", "53300", "53100", "58030", "08006")
_RETRY_FIRST_SECONDS, _RETRY_MOST_SECONDS = 0.1, 1.0
_ANSWER_SECONDS = 6.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: a message or rows, the SQLSTATE of an error, the log index of the state."""

    text: str
    rows: list[list[Any]] | None
    sqlstate: str
    index: int
    node: str


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


@dataclass(slots=True)
class History:
    """Everything that was asked, in order of asking. `known` is the highest index of an acknowledged write."""

    attempts: list[Attempt] = field(default_factory=list)
    known: int = 0

    def of(self, operation: Operation) -> list[Attempt]:
        """The attempts of one operation."""
        return [one for one in self.attempts if one.operation.number == operation.number]


def request_id(operation: Operation) -> str:
    """The id under which an operation is sent, however often."""
    return f"{1_800_001_000_000 + operation.number:013d}-simulated{operation.number:05d}"


def statement(operation: Operation) -> str:
    """The text of an operation."""
    value = operation.value
    return {
        Kind.APPEND: f"manampia ao@ lisitra (w, n) sanda ({operation.client}, {value});",
        Kind.ADD: "UPDATE isany SET n = n + 1 WHERE k = 1;",
        Kind.SET: f"UPDATE isany SET n = {value} WHERE k = 2;",
        Kind.CLAIM: f"manampia ao@ anjara (k) sanda ({value});",
        Kind.READ_LIST: "alaivo w, n ao@ lisitra;",
        Kind.READ_NUMBERS: "alaivo k, n ao@ isany alaharo k;",
        Kind.READ_CLAIMS: "alaivo k ao@ anjara alaharo k;",
    }[operation.kind]


class Client:
    """One client with one session: connects to its entry, asks, and asks again what was not answered."""

    def __init__(self, world: World, lane: Lane, name: str, entry: str, history: History) -> None:
        self.name = name
        self.lane = lane
        self.floor = 0
        self._world = world
        self._address = "127.0.0.1", PROXY_PORT if entry == PROXY else node_port(entry)
        self._history = history
        self._sock: Any = None
        #: Whether the session on this connection knows what the client has seen.
        self._is_told = True

    def run(self, operations: list[Operation], give_up: Callable[[], bool]) -> None:
        """Do the operations at their times."""
        for operation in operations:
            gevent.sleep(max(0.0, operation.at_seconds - self.elapsed))
            twin = None
            if operation.twice:
                other = Client(self._world, self.lane, f"{self.name}'", PROXY, self._history)
                twin = gevent.spawn(other.perform, operation, give_up)
            self.perform(operation, give_up)
            if operation.again:
                self.perform(operation, give_up)
            if twin is not None:
                twin.join()

    @property
    def elapsed(self) -> float:
        """Virtual seconds since the world began."""
        return self._world.loop.time - 1_000.0

    def perform(self, operation: Operation, give_up: Callable[[], bool]) -> Answer | None:
        """Ask until there is an answer that is no reason to ask again."""
        pause = _RETRY_FIRST_SECONDS
        while True:
            attempt = Attempt(operation, self.elapsed, self.floor, self._history.known)
            self._history.attempts.append(attempt)
            answer = self._attempt(operation)
            attempt.ended, attempt.answer = self.elapsed, answer
            if answer is not None and answer.sqlstate not in AGAIN:
                self.floor = max(self.floor, answer.index)
                self._is_told = self._is_told or answer.index >= self.floor
                if operation.kind.is_write:
                    self._history.known = max(self._history.known, answer.index)
                return answer
            if give_up():
                return answer
            gevent.sleep(pause)
            pause = min(pause * 1.5, _RETRY_MOST_SECONDS)

    def _attempt(self, operation: Operation) -> Answer | None:
        shown = f"{operation.name} {statement(operation)}"
        if not operation.kind.is_write:
            shown += f" ({operation.level}, seen {self.floor})"
        self._world.say(self.name, shown)
        try:
            answer = self.ask(statement(operation), self._metadata(operation))
        except OSError as error:
            self._world.say(self.name, f"{operation.name} -> {type(error).__name__}: {error}")
            self._drop()
            return None
        told = answer.rows if answer.rows is not None else answer.text
        self._world.say(self.name, f"{operation.name} -> {told} @{answer.index} {answer.node}")
        return answer

    def _metadata(self, operation: Operation) -> dict[str, Any]:
        metadata: dict[str, Any] = {"db": DATABASE}
        if not self._is_told:
            # What a driver says on a new connection until it is answered: the session goes on where it was.
            metadata["min"] = {str(LOG_ID): self.floor}
        if operation.kind.is_write:
            return metadata | {"id": request_id(operation)}
        return metadata | {"read": operation.level}

    def ask(self, text: str, metadata: dict[str, Any]) -> Answer:
        """Send one statement and read its answer; OSError when none comes."""
        if self._sock is None:
            self._sock = self._world.network.connect(self._address, 2.0)
            self._sock.settimeout(_ANSWER_SECONDS)
        self._sock.sendall(protocol.with_metadata(metadata, text.encode()))
        data = b""
        while not data.endswith(protocol.END):
            more = self._sock.recv(65536)
            if not more:
                raise ConnectionResetError("the connection ended")
            data += more
        return self._read(data)

    def _read(self, data: bytes) -> Answer:
        meta, plain = protocol.split_meta(data)
        meta = meta or {}
        lines = plain.decode().split("\n")
        rows: list[list[Any]] | None = None
        if lines[0].startswith("RELATION_JSON_PAGE"):
            rows = [row for line in lines if line.startswith("{") for row in orjson.loads(line)["rows"]]
        text = "\n".join(lines[lines.index("RESULT_MESSAGE") + 1 : -2])
        # An error's META speaks of the session's own database, which is none here.
        index = int(meta["index"]) if meta.get("log") == LOG_ID else 0
        return Answer(text, rows, meta.get("sqlstate", ""), index, str(meta.get("node", "")))

    def _drop(self) -> None:
        if self._sock is not None:
            self._sock.close()
            self._sock = None
            self._is_told = not self.floor
