"""Clients that write through faults, and the check that what they were told is what there is."""

from __future__ import annotations

import json
import re
import secrets
import threading
import time
from typing import Self

from tests.cluster import Cluster, Connection, message, wait_for

#: Answers after which the same request may be sent again with the same id.
_AGAIN = re.compile(r"\((57P03|08007|53300)\)$")
_RETRY_SECONDS = 0.05


def request_id() -> str:
    """A fresh id: the time and 64 random bits."""
    return f"{int(time.time() * 1000)}-{secrets.token_hex(8)}"


def prepare(cluster: Cluster, database: str = "t", part: str = "proxy") -> None:
    """A database with the table `u (w, n)` that writers fill."""
    with cluster.connect(part) as connection:
        for statement in (
            f"manamboara tahiry {database};",
            f"ampiasao {database};",
            "manamboara tabilao u (w ISA, n ISA);",
        ):
            answer = connection.ask(statement)
            assert "Hadisoana" not in answer, answer


class Writer(threading.Thread):
    """One client that inserts (its number, 1), (its number, 2) … until stopped; each again and again until it ends.

    `acknowledged` are the numbers whose insert was answered; `last` was begun last and may have no answer.
    """

    def __init__(self, cluster: Cluster, part: str, number: int, database: str, pause_seconds: float) -> None:
        super().__init__(name=f"writer-{number}", daemon=True)
        self.acknowledged: list[int] = []
        self.last = 0
        self.failure: str | None = None
        self.slowest_seconds = 0.0
        self._port = cluster.ports[part]
        self._number = number
        self._database = database
        self._pause_seconds = pause_seconds
        self._stopping = threading.Event()
        self._connection: Connection | None = None

    def run(self) -> None:
        """Write until stopped or told something that is no reason to try again."""
        while not self._stopping.is_set() and self.failure is None:
            self.last += 1
            began = time.monotonic()
            self._insert(self.last)
            self.slowest_seconds = max(self.slowest_seconds, time.monotonic() - began)
            self._stopping.wait(self._pause_seconds)
        if self._connection is not None:
            self._connection.close()

    def end(self) -> None:
        """Begin nothing more."""
        self._stopping.set()

    def _insert(self, n: int) -> None:
        metadata = json.dumps({"id": request_id(), "db": self._database})
        text = f"/*dirk {metadata}*/ manampia ao@ u (w, n) sanda ({self._number}, {n});"
        while not self._stopping.is_set():
            answer = self._try(text)
            if answer is not None and "Tafinditra ny fiovana ny tabilao (1)" in answer:
                self.acknowledged.append(n)
                return
            if answer is not None and not _AGAIN.search(message(answer)):
                self.failure = answer
                return
            self._stopping.wait(_RETRY_SECONDS)

    def _try(self, text: str) -> str | None:
        try:
            if self._connection is None:
                self._connection = Connection(self._port)
            return self._connection.ask(text)
        except OSError:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
            return None


class Writers:
    """Several writers at once, spread over `parts`; as a context they run while the body does."""

    def __init__(
        self,
        cluster: Cluster,
        count: int = 6,
        parts: tuple[str, ...] = ("proxy",),
        database: str = "t",
        pause_seconds: float = 0.002,
    ) -> None:
        self._cluster = cluster
        self._database = database
        self.clients = [
            Writer(cluster, parts[number % len(parts)], number, database, pause_seconds) for number in range(count)
        ]

    def __enter__(self) -> Self:
        for client in self.clients:
            client.start()
        return self

    def __exit__(self, *_: object) -> None:
        for client in self.clients:
            client.end()
        for client in self.clients:
            client.join(30)
            assert not client.is_alive(), f"{client.name} got no answer in 30 s"

    @property
    def count(self) -> int:
        """How many inserts have been acknowledged so far."""
        return sum(len(client.acknowledged) for client in self.clients)

    def await_more(self, more: int, deadline_seconds: float = 20.0) -> None:
        """Wait until `more` inserts than now are acknowledged."""
        goal = self.count + more
        wait_for(lambda: self.count >= goal or self._failures(), deadline_seconds, f"{more} more acknowledged writes")
        assert not self._failures(), self._failures()

    def _failures(self) -> list[str]:
        return [client.failure for client in self.clients if client.failure]

    def check(self, *nodes: str) -> None:
        """Every acknowledged insert is on each node, none is there twice, none that nobody asked for."""
        assert not self._failures(), self._failures()
        level(self._cluster, *nodes)
        for node in nodes:
            found = table(self._cluster, node, self._database)
            assert len(found) == len(set(found)), f"rows that are twice on {node}: {_repeated(found)}"
            for number, client in enumerate(self.clients):
                there = {n for w, n in found if w == number}
                lost = set(client.acknowledged) - there
                assert not lost, f"acknowledged and not on {node}: client {number}, {sorted(lost)[:20]}"
                assert there <= {*client.acknowledged, client.last}, f"rows on {node} that were never asked for"


def table(cluster: Cluster, node: str, database: str = "t") -> list[tuple[int, int]]:
    """All rows that writers left, as `node` has them, in the order of their insertion."""
    found = cluster.connect(node)
    with found:
        rows = found.ask_rows(f'/*dirk {{"db":"{database}","read":"any"}}*/ alaivo w, n ao@ u;')
    return [(w, n) for w, n in rows]


def server_rows(cluster: Cluster, part: str = "proxy") -> list[list[object]]:
    """The rows of `asehoy ny mpizara`."""
    with cluster.connect(part) as connection:
        return connection.ask_rows("asehoy ny mpizara;")


def states(cluster: Cluster, database: str, part: str = "proxy") -> dict[str, str]:
    """The state of one database on each node."""
    return {str(row[0]): str(row[2]) for row in server_rows(cluster, part) if row[3] == database}


def level(cluster: Cluster, *nodes: str, deadline_seconds: float = 30.0) -> None:
    """Wait until these nodes are live and have applied all that the log holds."""

    def is_level() -> bool:
        rows = [row for row in server_rows(cluster) if row[0] in nodes]
        return bool(rows) and all(row[2] == "live" and row[5] == 0 for row in rows)

    wait_for(is_level, deadline_seconds, f"{nodes} to be level")


def _repeated(rows: list[tuple[int, int]]) -> list[tuple[int, int]]:
    seen: set[tuple[int, int]] = set()
    return [row for row in rows if row in seen or seen.add(row)]  # type: ignore[func-returns-value]
