"""Databases that simulated clients make, fill, read and drop, each client again and again under one name."""

from __future__ import annotations

import gevent

from dirk_gevent.log.entry import SYSTEM_LOG_ID
from tests.simulation.clients import AGAIN, Answer, Client, GiveUp, Step, request_id
from tests.simulation.schedule import Kind, Operation

#: The name that clients race for.
SHARED = "z"
#: The steps of a life that write, each with the letter that ends its request id.
PARTS = {"make": "a", "table": "b", "fill": "c", "drop": "d"}


def rows_of(operation: Operation) -> list[list[int]]:
    """What a life puts into its table."""
    return [[operation.number], [operation.number + 1000]]


def texts(name: str, operation: Operation) -> dict[str, str]:
    """The statements of the life of a database called `name`, in order, by what they do."""
    values = ", ".join(f"({value})" for (value,) in rows_of(operation))
    return {
        "make": f"manamboara tahiry {name};",
        "table": "manamboara tabilao t (n ISA);",
        "fill": f"manampia ao@ t (n) sanda {values};",
        "read": "alaivo n ao@ t alaharo n;",
        "drop": f"ravao ny tahiry {name};",
        "gone": "alaivo n ao@ t alaharo n;",
    }


def name_of(operation: Operation) -> str:
    """The name of the database whose life it is: each client has one of its own."""
    return f"u{operation.client}"


def race(client: Client, operation: Operation, give_up: GiveUp) -> None:
    """Make the database whose name all share, or drop it, if that can be done."""
    what = "make" if operation.kind is Kind.MAKE else "drop"
    metadata = {"id": request_id(operation, PARTS[what])}
    for _ in range(1 + operation.again):
        step = Step(operation, SHARED, what, client.elapsed)
        client.history.steps.append(step)
        step.answer = client.until_known(
            lambda: client.say(f"{operation.name} {what}", texts(SHARED, operation)[what], metadata), give_up
        )
        step.ended = client.elapsed


class Living:
    """One database's life. Nobody else has a database of its name, so each answer can be one thing only."""

    def __init__(self, client: Client, operation: Operation, give_up: GiveUp) -> None:
        self._client = client
        self._operation = operation
        self._give_up = give_up
        self._name = name_of(operation)
        #: What the session has seen of the system log and of its database's.
        self._seen: dict[str, int] = {}

    def perform(self) -> None:
        """From its making to its dropping, and a look at what is then there."""
        for what, text in texts(self._name, self._operation).items():
            answer = self._step(what, text)
            if answer is None or answer.sqlstate in AGAIN:
                return
            if self._operation.again and what in PARTS:
                self._step(what, text)
            gevent.sleep(self._operation.pause_seconds)

    def _step(self, what: str, text: str) -> Answer | None:
        step = Step(self._operation, self._name, what, self._client.elapsed)
        self._client.history.steps.append(step)
        metadata: dict[str, object] = {"min": self._seen}
        if what not in ("make", "drop"):
            metadata["db"] = self._name
        if what in PARTS:
            metadata["id"] = request_id(self._operation, PARTS[what])
        else:
            metadata["read"] = self._operation.level

        def once() -> Answer | None:
            return self._client.say(f"{self._operation.name} {what}", text, metadata)

        step.answer = self._client.until_known(once, self._give_up)
        step.ended = self._client.elapsed
        if step.answer is not None and not step.answer.sqlstate:
            key = str(step.answer.log)
            self._seen[key] = max(self._seen.get(key, 0), step.answer.index)
        if what == "drop":
            self._seen = {key: index for key, index in self._seen.items() if key == str(SYSTEM_LOG_ID)}
        return step.answer
