"""What a node answers while states of it are put aside: nothing of what does not count, and all of what does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
import pytest

from dirk_gevent.engine.read.long_reads import RelationStream
from dirk_gevent.engine.read.reads import Reads
from dirk_gevent.server.session import Session
from dirk_gevent.server.statement_cache import HUB_CHARACTERS
from dirk_parser.normalize.normalizer import split
from tests.engine.plans import LogMaker, work
from tests.service.fake_node import until
from tests.service.lone_node import READ, Node

ROWS = '"rows":[[0],[1]]'
#: So long a statement is read by a thread.
LONG = b" " * HUB_CHARACTERS


@pytest.fixture
def session(node: Node) -> Session:
    """It uses the database x, log 1, of two rows."""
    found = Session("en")
    found.use("x", node.make("x", 2))
    node.progress.welcomed({0: 1, 1: 3})
    return found


@pytest.fixture
def aside(node: Node, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Has the state of log 1 put aside just before, or after, a method does its work on a thread."""

    def set_up(cls: type, method: str, *, after: bool = False) -> None:
        does = getattr(cls, method)

        def late(*arguments: Any) -> Any:
            found = does(*arguments) if after else None
            node.put_aside(1)
            return found if after else does(*arguments)

        monkeypatch.setattr(cls, method, late)

    return set_up


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
        assert node.failure(newcomer(), comment + READ) == "being_seeded"
        node.enact(entry)
    assert '"rows":[[0],[1]]' in node.ask(newcomer(), comment + READ)


@pytest.mark.parametrize("comment", [b'/*dirk {"db":"x"}*/', b""])
def test_what_was_answered_before_is_not_while_its_state_is_put_aside(node: Node, comment: bytes) -> None:
    session, log_id = Session("en"), node.make("x", 2)
    session.use("x", log_id)
    for _ in range(2):
        assert '"rows":[[0],[1]]' in node.ask(session, comment + READ)
    with node.progress.replacing(log_id):
        assert node.failure(session, comment + READ) == "being_seeded"


@pytest.mark.parametrize("comment", [b'/*dirk {"db":"x"}*/', b""])
def test_a_list_that_only_lags_keeps_nobody_from_reading(node: Node, session: Session, comment: bytes) -> None:
    """Somebody made another database while this node was away."""
    node.progress.welcomed({0: 2, 1: 3, 2: 0})
    for text in (comment + READ, comment + READ + LONG):
        assert ROWS in node.failure(session, text)
    for text in (b"alaivo 1", b"alaivo 1" + LONG):
        assert '"rows":[[1]]' in node.failure(Session("en"), text)


def test_a_list_that_comes_anew_is_not_shown(node: Node, session: Session) -> None:
    node.enact(node.system.database("drop_database", "x", 1))
    node.make("y", 1)
    node.progress.welcomed({0: 3, 3: 2})
    node.put_aside(0)
    for entry in list(node.enacted):
        assert node.failure(Session("en"), b"SHOW DATABASES") == "being_seeded"
        node.enact(entry)
    assert '"rows":[["y"]]' in node.failure(Session("en"), b"SHOW DATABASES")


@pytest.mark.parametrize(
    ("cls", "method", "after"),
    [(Reads, "stream", False), (RelationStream, "fetch", False), (RelationStream, "fetch", True)],
)
def test_a_long_read_is_not_of_a_state_that_went_meanwhile(
    session: Session, node: Node, aside: Callable[..., None], cls: type, method: str, after: bool
) -> None:
    """Before the thread came to it, or when it had read."""
    aside(cls, method, after=after)
    assert node.failure(session, READ + LONG) == "being_seeded"


def test_a_read_that_counts_for_nothing_holds_nothing(
    node: Node, session: Session, aside: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its first pages had been read, and there are more."""
    node.make("long", 3_000)
    reader, closed, does = Session("en"), list[RelationStream](), RelationStream.close
    reader.use("long", 2)
    node.progress.welcomed({0: 2, 1: 3, 2: 3_001})

    def close(self: RelationStream) -> None:
        closed.append(self)
        does(self)

    fetch = RelationStream.fetch

    def late(self: RelationStream, pages: int) -> list[Any]:
        found = fetch(self, pages)
        assert not self.finished
        node.put_aside(2)
        return found

    monkeypatch.setattr(RelationStream, "close", close)
    monkeypatch.setattr(RelationStream, "fetch", late)
    assert node.failure(reader, READ + LONG) == "being_seeded"
    until(lambda: bool(closed))


def test_nobody_is_told_that_there_was_no_commit_by_a_state_that_went(
    node: Node, session: Session, aside: Callable[..., None]
) -> None:
    aside(Reads, "recorded")
    assert node.failure(session, b'/*dirk {"outcome":"abc"}*/COMMIT') == "being_seeded"


def test_a_transaction_reads_nothing_of_a_state_that_does_not_count(node: Node, session: Session) -> None:
    node.ask(session, b"BEGIN")
    assert ROWS in node.ask(session, READ)
    with node.progress.replacing(1):
        assert node.failure(session, READ) == "transaction_lost"


def test_a_transaction_commits_nothing_on_a_state_that_does_not_count(node: Node, session: Session) -> None:
    """Its changes are made, and the log has said meanwhile that what they stand on is not its own."""
    node.ask(session, b"BEGIN")
    node.ask(session, b"manampia ao@ t sanda (2)")
    with node.progress.replacing(1):
        assert node.failure(session, b'/*dirk {"prepare":true}*/COMMIT') == "transaction_lost"


@pytest.mark.parametrize("is_new", [True, False])
def test_a_transaction_without_a_database_needs_none(tmp_path: Path, is_new: bool) -> None:
    """No log has told a new node anything; what another was told of the list is not all here."""
    node = Node(tmp_path / "other")
    if not is_new:
        node.make("x", 0)
        node.progress.welcomed({0: 2, 1: 1, 2: 0})
    session = Session("en")
    node.ask(session, b"BEGIN")
    assert '"rows":[[1]]' in node.ask(session, b"alaivo 1")
    node.close()


@pytest.mark.parametrize(
    ("cls", "method", "after"),
    [(Reads, "stream", False), (RelationStream, "fetch", False), (RelationStream, "fetch", True)],
)
def test_a_transaction_s_long_read_is_not_of_a_state_that_went_meanwhile(
    session: Session, node: Node, aside: Callable[..., None], cls: type, method: str, after: bool
) -> None:
    node.ask(session, b"BEGIN")
    aside(cls, method, after=after)
    assert node.failure(session, READ + LONG) == "transaction_lost"
    assert node.failure(session, READ) == "transaction_aborted"


def test_a_read_that_is_refused_teaches_the_session_no_index(
    node: Node, session: Session, aside: Callable[..., None]
) -> None:
    aside(RelationStream, "fetch", after=True)
    reader = Session("en")
    reader.use("x", 1)
    assert node.failure(reader, READ + LONG) == "being_seeded"
    assert 1 not in reader.indexes


def test_a_read_that_waits_is_not_of_a_part(node: Node, session: Session) -> None:
    """The state went while it waited, and of the new one so much comes as it waits for, which is not all."""
    log, reader = LogMaker(1), Session("en")
    reader.use("x", 1)
    reader.saw(1, 5)
    texts = ["manamboara tabilao t (n ISA)", *[f"manampia ao@ t sanda ({number})" for number in range(9)]]
    entries = work(*[log.statement(split(text)) for text in texts])
    node.progress.heads[1] = 10
    asked = gevent.spawn(node.failure, reader, READ)
    gevent.sleep(0.05)
    node.put_aside(1)
    node.engine.logs()[1].apply(entries[:5])
    node.progress.applied(1)
    assert asked.get(timeout=10) == "being_seeded"


def test_a_list_that_comes_for_the_first_time_means_nothing_in_its_middle(tmp_path: Path) -> None:
    """Neither before it is whole, nor after a restart before the log has told how long it is."""
    node = Node(tmp_path / "first")
    made = node.system.database("create_database", "x")
    entries = [
        made,
        node.system.database("drop_database", "x", made.index),
        node.system.database("create_database", "x"),
    ]
    node.progress.welcomed({0: 3, 3: 0})
    for entry in entries:
        assert node.failure(Session("en"), b'/*dirk {"db":"x"}*/' + READ) == "being_seeded"
        assert node.failure(Session("en"), b"SHOW DATABASES") == "being_seeded"
        node.enact(entry)
    assert '"rows":[["x"]]' in node.failure(Session("en"), b"SHOW DATABASES")
    node.put_aside(0)
    node.enact(entries[0])
    node.close()
    node = Node(tmp_path / "first", is_welcome=False)
    assert node.failure(Session("en"), b'/*dirk {"db":"x"}*/' + READ) == "being_seeded"
    assert node.failure(Session("en"), b"SHOW DATABASES") == "being_seeded"
    node.close()
