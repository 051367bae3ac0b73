"""What clients asked and were told, and what was done to the cluster meanwhile: in memory, and as JSON lines in a file.

Each operation is two lines, `invoke` and `ok`, `fail` or `info` (nobody knows), and a fault is one or two. `moment`
counts all events of the run, so that "before" has one meaning.
"""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson


@dataclass(slots=True, eq=False)
class Operation:
    """One thing that one client wanted. `begun` and `ended` are moments; `ended` is infinite while nobody knows.

    `key` and `value` depend on `kind`. `log` and `index` are what META said; `tries` how often it was sent.
    """

    number: int
    client: int
    kind: str
    key: Any
    value: Any
    level: str
    request_id: str
    begun: int
    ended: float = math.inf
    status: str = "info"
    result: Any = None
    log: int = 0
    index: int = 0
    node: str = ""
    tries: int = 0
    seconds: float = 0.0

    @property
    def is_write(self) -> bool:
        """Whether it goes through the log."""
        return bool(self.request_id)

    def shown(self) -> str:
        """One line for people."""
        end = "?" if math.isinf(self.ended) else f"{self.ended:.0f}"
        told = f"{self.status} {self.result!r}" + (f" @{self.index} by {self.node}" if self.node else "")
        wanted = f"{self.level} {self.kind} {self.key!r}" + (f" {self.value!r}" if self.is_write else "")
        return f"[{self.begun}, {end}] {self.seconds:.2f} s client {self.client}: {wanted} -> {told}"


@dataclass(frozen=True, slots=True)
class Happened:
    """A fault's beginning or end."""

    moment: int
    seconds: float
    what: str


class History:
    """All of one run. The file at `path` is written as things happen."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.operations: list[Operation] = []
        self.faults: list[Happened] = []
        self._file = path.open("wb")
        self._began = time.monotonic()
        self._moment = 0

    def invoke(
        self, client: int, kind: str, key: Any, value: Any = None, level: str = "", request_id: str = ""
    ) -> Operation:
        """A client begins an operation."""
        made = Operation(len(self.operations), client, kind, key, value, level, request_id, self._next())
        made.seconds = time.monotonic() - self._began
        self.operations.append(made)
        self._write("invoke", asdict(made))
        return made

    def end(self, operation: Operation, status: str, result: Any = None) -> None:
        """A client was told how it ended."""
        operation.ended, operation.status, operation.result = self._next(), status, result
        self._write(status, asdict(operation))

    def fault(self, what: str) -> None:
        """Something was done to the cluster."""
        happened = Happened(self._next(), time.monotonic() - self._began, what)
        self.faults.append(happened)
        self._write("fault", asdict(happened))

    def close(self) -> None:
        """Note those that nobody knows of, and close the file."""
        for operation in self.operations:
            if math.isinf(operation.ended):
                self._write("info", asdict(operation))
        self._file.close()

    def _next(self) -> int:
        self._moment += 1
        return self._moment

    def _write(self, kind: str, fields: dict[str, Any]) -> None:
        self._file.write(orjson.dumps({"type": kind, **fields}, default=str) + b"\n")
