"""Which database a name means on a node that is behind: its own session's CREATE and DROP count there too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest
from gevent import socket

from dirk_gevent.config import Config, Instance, Limits, LoadBalancer, Role
from dirk_gevent.engine.engine import Engine
from dirk_gevent.engine.results import Page
from dirk_gevent.engine.stream import RelationStream
from dirk_gevent.forward import Forward
from dirk_gevent.log.entry import Entry
from dirk_gevent.logs import logger
from dirk_gevent.node import NodeHandler
from dirk_gevent.progress import Progress
from dirk_gevent.session import Session, parse_request
from dirk_gevent.understand import HUB_CHARACTERS
from dirk_gevent.wire import Wire
from parser.errors import SqlError
from parser.shape import split
from tests.cluster import free_port
from tests.engine.plans import LogMaker, work

READ = b"alaivo n ao@ t"
LINES = logger("node", "m1")


class Node:
    """A node without a proxy, whose logs the test hands on."""

    def __init__(self, directory: Path, wait_ms: int = 5_000) -> None:
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
        self.progress.welcomed({})
        self._handler = NodeHandler(config, self.engine, self.progress, Forward(config, "m1", None, LINES))
        near, self._client = socket.socketpair()
        self._wire = Wire(near)

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
        self.engine.by_log(made.index).apply(work(*[log.statement(split(text)) for text in texts]))
        self.progress.applied(made.index)
        return made.index

    def enact(self, *entries: Entry) -> None:
        """Entries of the system log arrive."""
        self.enacted += entries
        self.engine.apply_system(work(*entries))
        self.progress.applied(0)

    def put_aside(self, log_id: int) -> None:
        """A log's state goes, as when it is fenced."""
        with self.progress.replacing(log_id):
            if log_id == 0:
                self.engine.catalog_replaced()
            self.engine.by_log(log_id).set_aside("fenced")

    def ask(self, session: Session, text: bytes) -> str:
        """A read of the session, as a connection has it answered: by the hub or, when that gave it up, by a thread."""
        request = parse_request(text)
        request.segment = text
        answer = self._handler.quick(session, text) or self._handler.answer(session, request, self._wire)
        return (answer if isinstance(answer, bytes) else b"".join(answer.chunks())).decode()


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """An open one."""
    found = Node(tmp_path / "data")
    yield found
    found.close()


@pytest.mark.parametrize("comment", [b'/*dirk {"db":"x"}*/', b'/*dirk {"db":"x","min":{"0":1,"1":1}}*/'])
def test_a_database_that_the_session_made_is_waited_for(node: Node, comment: bytes) -> None:
    session = Session("en")
    if b"min" not in comment:
        session.saw(0, 1)
    asked = gevent.spawn(node.ask, session, comment + b"alaivo 1")
    gevent.sleep(0.05)
    assert not asked.ready()
    node.make("x", 0)
    assert '"rows":[[1]]' in asked.get(timeout=5)


@pytest.mark.parametrize("comment", [b'/*dirk {"db":"x"}*/', b""])
def test_a_database_that_the_session_dropped_is_gone(node: Node, comment: bytes) -> None:
    """Whether it was named or chosen, and whether its rows were read here before."""
    session, log_id = Session("en"), node.make("x", 2)
    if not comment:
        session.use("x", log_id)
    for _ in range(2):
        assert '"rows":[[0],[1]]' in node.ask(session, comment + READ)
    dropped = node.system.database("drop_database", "x", log_id)
    session.saw(0, dropped.index)
    asked = gevent.spawn(lambda: _failure(node, session, comment + READ))
    gevent.sleep(0.05)
    assert not asked.ready()
    node.enact(dropped)
    assert asked.get(timeout=5) == "unknown_database"


def test_a_database_of_the_same_name_is_another(node: Node) -> None:
    """Nothing is read of the one that was dropped, though this node still has it."""
    session, first = Session("en"), node.make("x", 2)
    dropped = node.system.database("drop_database", "x", first)
    session.saw(0, dropped.index + 1)
    asked = gevent.spawn(node.ask, session, b'/*dirk {"db":"x"}*/' + READ)
    gevent.sleep(0.05)
    node.enact(dropped)
    gevent.sleep(0.05)
    assert not asked.ready()
    node.make("x", 1)
    assert '"rows":[[0]]' in asked.get(timeout=5)


@pytest.mark.parametrize("read", ["any", "session"])
def test_rows_of_a_dropped_database_are_no_answer_when_the_wait_is_over(tmp_path: Path, read: str) -> None:
    """The log that `min` names is not known here, but the name is: of the database that was before."""
    node = Node(tmp_path / "data", wait_ms=50)
    first = node.make("x", 2)
    comment = b'/*dirk {"db":"x","read":"%b","min":{"%d":0}}*/' % (read.encode(), first + 2)
    session = Session("en")
    session.use("x", first)
    for text in (comment + READ, comment.replace(b'"db":"x",', b"") + READ):
        assert _failure(node, session, text) == "stale_read"
    node.enact(node.system.database("drop_database", "x", first))
    node.make("x", 1)
    assert '"rows":[[0]]' in node.ask(session, comment + READ)
    node.close()


def test_who_has_seen_a_later_database_of_the_name_reads_no_earlier_one(tmp_path: Path) -> None:
    """Its session has written to it through the log, and asks the node, which is behind, without a word of that."""
    node = Node(tmp_path / "data", wait_ms=50)
    session, first = Session("en"), node.make("x", 2)
    session.use("x", first)
    for _ in range(2):
        assert '"rows":[[0],[1]]' in node.ask(session, READ)
    session.saw(first + 2, 7)
    assert [_failure(node, session, READ) for _ in range(2)] == ["stale_read"] * 2
    node.close()


@pytest.mark.parametrize("level", [b"", b'"read":"any",'])
def test_a_lower_minimum_takes_no_session_back(tmp_path: Path, level: bytes) -> None:
    """On the long way and on the short one; "any" does free it."""
    node = Node(tmp_path / "data", wait_ms=50)
    session, log_id = Session("en"), node.make("x", 2)
    asked = b'/*dirk {"db":"x","lang":"en",%b"min":{"%d":1}}*/' % (level, log_id) + READ
    for _ in range(2):
        assert '"rows":[[0],[1]]' in node.ask(session, asked)
    session.saw(log_id, 10)
    for _ in range(2):
        if level:
            assert '"rows":[[0],[1]]' in node.ask(session, asked)
        else:
            assert _failure(node, session, asked) == "stale_read"
    node.close()


def _failure(node: Node, session: Session, text: bytes) -> str:
    try:
        return node.ask(session, text)
    except SqlError as error:
        return error.key


@pytest.mark.parametrize("comment", [b'/*dirk {"db":"x"}*/', b""])
def test_a_name_means_nothing_while_the_list_of_databases_comes_anew(node: Node, comment: bytes) -> None:
    """For a moment it is that of the first database of the name, dropped long ago, and not here any more."""
    first = node.make("x", 1)
    node.enact(node.system.database("drop_database", "x", first))
    second = node.make("x", 2)

    def newcomer() -> Session:
        """A session that has seen nothing yet: it waits for no index."""
        session = Session("en")
        if not comment:
            session.use("x", second)
        return session

    for _ in range(2):
        assert '"rows":[[0],[1]]' in node.ask(newcomer(), comment + READ)
    node.progress.welcomed({0: 3, second: 3})
    node.put_aside(0)
    for entry in list(node.enacted):
        assert _failure(node, newcomer(), comment + READ) == "being_seeded"
        node.enact(entry)
    assert '"rows":[[0],[1]]' in node.ask(newcomer(), comment + READ)


@pytest.mark.parametrize("comment", [b'/*dirk {"db":"x"}*/', b""])
def test_what_was_answered_before_is_not_while_its_state_is_put_aside(node: Node, comment: bytes) -> None:
    session, log_id = Session("en"), node.make("x", 2)
    session.use("x", log_id)
    for _ in range(2):
        assert '"rows":[[0],[1]]' in node.ask(session, comment + READ)
    with node.progress.replacing(log_id):
        assert _failure(node, session, comment + READ) == "being_seeded"


@pytest.mark.parametrize("is_begun", [True, False])
def test_a_long_read_is_not_of_a_state_that_has_gone_meanwhile(
    node: Node, monkeypatch: pytest.MonkeyPatch, is_begun: bool
) -> None:
    """It was put aside just after the read was given to a thread, or after that had read."""
    session, log_id = Session("en"), node.make("x", 2)
    session.use("x", log_id)
    does = RelationStream.fetch

    def late(self: RelationStream, pages: int) -> list[Page]:
        found = does(self, pages) if is_begun else []
        node.put_aside(log_id)
        return found or does(self, pages)

    monkeypatch.setattr(RelationStream, "fetch", late)
    node.progress.welcomed({0: 1, log_id: 3})
    assert _failure(node, session, READ + b" " * HUB_CHARACTERS) == "being_seeded"
