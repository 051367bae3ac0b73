"""Which database a name means on a node that is behind: its own session's CREATE and DROP count there too."""

from __future__ import annotations

from pathlib import Path

import gevent
import pytest

from dirk_gevent.server.session import Session
from tests.service.lone_node import READ, Node


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
    asked = gevent.spawn(lambda: node.failure(session, comment + READ))
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
        assert node.failure(session, text) == "stale_read"
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
    assert [node.failure(session, READ) for _ in range(2)] == ["stale_read"] * 2
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
            assert node.failure(session, asked) == "stale_read"
    node.close()
