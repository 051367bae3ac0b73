"""Connections between DirkDB's parts: what may be said of a request whose connection broke."""

from __future__ import annotations

from contextlib import closing

import gevent
import pytest
from gevent import socket

from dirk_gevent.backends import Backend, BackendDownError
from dirk_gevent.logs import logger
from tests.cluster import HOST

ANSWER = b"RESULT_MESSAGE\nOK\nEND\n"


def test_a_request_lost_on_a_kept_connection_may_have_arrived() -> None:
    """The backend takes the second request and dies: that it can't be reached afterwards does not mean "not sent"."""
    with closing(socket.socket()) as listening:
        listening.bind((HOST, 0))
        listening.listen()
        backend = Backend(HOST, listening.getsockname()[1], logger("test"))

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
            backend.ask(b"two;", 5.0)
        assert lost.value.was_sent
        server.get(timeout=5)
        backend.close()
