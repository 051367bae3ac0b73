"""Connections between DirkDB's parts: what may be said of a request whose connection broke."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import gevent
import pytest
from gevent import socket
from gevent.event import Event

from dirk_gevent.base.logger import logger
from dirk_gevent.config.loader import load
from dirk_gevent.node.log_client import LogClient
from dirk_gevent.protocol import answer_bytes
from dirk_gevent.server.client_connection import ClientConnection
from dirk_gevent.server.session import Request, Session
from dirk_gevent.server.statement_cache import StatementCache
from dirk_gevent.server.upstream_pool import BackendDownError, UpstreamPool
from dirk_parser.errors import SqlError
from tests.cluster import HOST

ANSWER = b"RESULT_MESSAGE\nOK\nEND\n"


def test_a_request_lost_on_a_kept_connection_may_have_arrived() -> None:
    """The backend takes the second request and dies: that it can't be reached afterwards does not mean "not sent"."""
    with closing(socket.socket()) as listening:
        listening.bind((HOST, 0))
        listening.listen()
        backend = UpstreamPool(HOST, listening.getsockname()[1], logger("test"))

        def die_in_the_second() -> None:
            accepted, _ = listening.accept()
            assert accepted.recv(100) == b"one;"
            accepted.sendall(ANSWER)
            assert accepted.recv(100) == b"two;"
            listening.close()
            accepted.close()

        server = gevent.spawn(die_in_the_second)
        assert backend.ask(b"one;", 5.0) == ANSWER
        with pytest.raises(BackendDownError) as lost:
            backend.ask_once(b"two;", 5.0)
        assert lost.value.was_sent
        server.get(timeout=5)
        backend.close()


def forward_to(port: int, directory: Path) -> LogClient:
    """A node's way to a proxy on `port`."""
    config = {
        "configVersion": 2,
        "loadBalancer": {"listenPort": port},
        "instances": [{"id": "m1", "role": "MASTER", "port": 1}],
        "limits": {"waitMs": 20_000},
    }
    path = directory / "config.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    return LogClient(load(path), "m1", None, logger("test"))


DONE = answer_bytes.message("OK", b'{"log":1,"index":7}')
NOT_NOW = answer_bytes.message("Hadisoana : … (57P03)", b'{"sqlstate":"57P03"}')
FULL = answer_bytes.message("Hadisoana : … (53100)", b'{"sqlstate":"53100"}')


def told_in_turn(directory: Path, texts: Sequence[str], *connections: Sequence[bytes]) -> list[bytes]:
    """What proxies receive that answer so, connection by connection, while a node has `texts` run: each must be done.

    An empty answer is none: the connection ends instead.
    """
    received: list[bytes] = []
    near, far = socket.socketpair()
    with closing(socket.socket()) as listening, closing(near), closing(far):
        listening.bind((HOST, 0))
        listening.listen()

        def proxies() -> None:
            for answers in connections:
                accepted, _ = listening.accept()
                for answer in answers:
                    received.append(accepted.recv(1000))
                    accepted.sendall(answer)
                accepted.close()

        server = gevent.spawn(proxies)
        forward = forward_to(listening.getsockname()[1], directory)
        session, wire = Session("mg"), ClientConnection(near)
        for text in texts:
            parsed = StatementCache().parse(text)
            request = Request(text.encode(), text)
            answer = forward.run(session, request, parsed.normalized, parsed.route, wire)
            assert answer == b"RESULT_MESSAGE\nOK\nEND\n"
        server.get(timeout=20)
        assert forward._proxy is not None
        forward._proxy.close()
    return received


@pytest.mark.parametrize("statement", ["manampia ao@ t sanda (1)", "tehirizo"])
def test_what_a_second_attempt_is_refused_with_does_not_settle_the_first(tmp_path: Path, statement: str) -> None:
    """The proxy may have appended what it was sent before it died; the next one says only that it can't append now."""
    received = told_in_turn(tmp_path, [statement], [b""], [NOT_NOW], [DONE])
    assert len(received) == 3 and len(set(received)) == 1, "one request, one id"


def test_a_write_lost_on_a_kept_connection_is_not_settled_by_what_comes_next(tmp_path: Path) -> None:
    """The connection from before takes the write and breaks; the next one says that the log has no room."""
    received = told_in_turn(tmp_path, ["fafao ao@ u", "manampia ao@ t sanda (1)"], [DONE, b""], [FULL, DONE])
    assert len(received) == 4 and len(set(received)) == 2, "the second was sent three times under one id"


def test_a_write_that_finds_the_proxy_gone_was_not_sent(tmp_path: Path) -> None:
    """The connection from before has ended: nothing goes over it, so it is certain that nothing was written."""
    with closing(socket.socket()) as listening:
        listening.bind((HOST, 0))
        listening.listen()
        forward = forward_to(listening.getsockname()[1], tmp_path)

        def answer_once_and_die() -> None:
            accepted, _ = listening.accept()
            accepted.recv(1000)
            accepted.sendall(ANSWER)
            listening.close()
            accepted.close()

        server = gevent.spawn(answer_once_and_die)
        ours, theirs = socket.socketpair()
        text = "fafao ao@ u"
        parsed = StatementCache().parse(text)
        wire = ClientConnection(ours)
        request = Request(text.encode(), text)
        assert forward.run(Session("en"), request, parsed.normalized, parsed.route, wire) == ANSWER
        server.get(timeout=5)
        with pytest.raises(SqlError, match="proxy_unreachable"):
            forward.run(Session("en"), request, parsed.normalized, parsed.route, wire)
        wire.close()
        theirs.close()


def test_requests_are_ended_while_a_connection_is_being_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """The backend's machine says nothing: a new connection to it hangs, and who waits for an answer is let go."""
    with closing(socket.socket()) as listening:
        listening.bind((HOST, 0))
        listening.listen()
        backend = UpstreamPool(HOST, listening.getsockname()[1], logger("test"))
        asking = gevent.spawn(_unanswered, backend)
        accepted, _ = listening.accept()
        tried, hanging = Event(), Event()

        def hang(*_: object, **__: object) -> None:
            tried.set()
            hanging.wait()
            raise OSError("nothing was heard")

        monkeypatch.setattr("dirk_gevent.server.upstream_pool.socket.create_connection", hang)
        watching = gevent.spawn(backend.watch)
        assert tried.wait(5)
        assert "did not answer in time" in asking.get(timeout=5)
        watching.kill()
        accepted.close()


def _unanswered(backend: UpstreamPool) -> str:
    try:
        backend.ask(b"one;", 0.3)
    except BackendDownError as error:
        return str(error)
    return ""
