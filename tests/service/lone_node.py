"""A node without a proxy, asked as a connection asks it, whose logs the test hands on."""

from __future__ import annotations

from pathlib import Path

from gevent import socket

from dirk_gevent.base.logger import logger
from dirk_gevent.config.settings import Config, Instance, Limits, LoadBalancer, Role
from dirk_gevent.engine.engine import Engine
from dirk_gevent.log.entry import Entry
from dirk_gevent.node.log_client import LogClient
from dirk_gevent.node.progress import Progress
from dirk_gevent.node.server import NodeHandler
from dirk_gevent.server.client_connection import ClientConnection
from dirk_gevent.server.session import Session, parse_request
from dirk_parser.errors import SqlError
from dirk_parser.normalize.normalizer import split
from tests.cluster import free_port
from tests.engine.plans import LogMaker, work

READ = b"alaivo n ao@ t"
LINES = logger("node", "m1")


class Node:
    """A node without a proxy, whose logs the test hands on."""

    def __init__(self, directory: Path, wait_ms: int = 5_000, *, is_welcome: bool = True) -> None:
        instance = Instance("m1", Role.MASTER, "127.0.0.1", free_port(), directory)
        config = Config(
            directory / "c.json", 2, (instance,), LoadBalancer("127.0.0.1", free_port()), limits=Limits(wait_ms=wait_ms)
        )
        self.engine = Engine(directory, "m1", config.limits)
        self.engine.open()
        self.system = LogMaker(0)
        #: What arrived of the system log.
        self.enacted: list[Entry] = []
        self.progress = Progress(self.engine)
        if is_welcome:
            self.progress.welcomed({})
        self._handler = NodeHandler(config, self.engine, self.progress, LogClient(config, "m1", None, LINES))
        near, self._client = socket.socketpair()
        self._wire = ClientConnection(near)

    def close(self) -> None:
        """End it, and its one connection."""
        self._wire.close()
        self._client.close()
        self.engine.close()

    def make(self, name: str, rows: int) -> int:
        """A database of so many rows is made, and known here; its log id."""
        made = self.system.database("create_database", name)
        self.enact(made)
        log = LogMaker(made.index)
        texts = ["manamboara tabilao t (n ISA)", *[f"manampia ao@ t sanda ({number})" for number in range(rows)]]
        self.engine.logs()[made.index].apply(work(*[log.statement(split(text)) for text in texts]))
        self.progress.applied(made.index)
        return made.index

    def enact(self, *entries: Entry) -> None:
        """Entries of the system log arrive."""
        self.enacted += entries
        self.engine.apply_system(work(*entries))
        if self.progress.is_list_whole:
            self.engine.settle()
        self.progress.applied(0)

    def put_aside(self, log_id: int) -> None:
        """A log's state goes, as when it is fenced."""
        with self.progress.replacing(log_id):
            self.engine.set_aside(self.engine.logs()[log_id], "fenced")

    def ask(self, session: Session, text: bytes) -> str:
        """A read of the session, as a connection has it answered: by the hub or, when that gave it up, by a thread."""
        request = parse_request(text)
        request.segment = text
        answer = self._handler.quick(session, text) or self._handler.answer(session, request, self._wire)
        return (answer if isinstance(answer, bytes) else b"".join(answer.chunks())).decode()

    def failure(self, session: Session, text: bytes) -> str:
        """The key of the error that a read of the session is refused with, or its answer."""
        try:
            return self.ask(session, text)
        except SqlError as error:
            return error.key
