"""Two programs with one node's id: the one that is alive stays, the other is told so; a dead one blocks nobody."""

from __future__ import annotations

import json
from dataclasses import replace

import gevent
import pytest
from gevent import socket

from dirk_gevent.coordinator.coordinator import Coordinator
from dirk_gevent.engine.build import build_fingerprint
from dirk_gevent.loop.frame_socket import FrameSocket
from dirk_gevent.replication.frame_types import Hello
from tests.service.fake_node import Connect, until

HELLO = Hello("m1", build_fingerprint(), None, {}, None)


def first_frame(host: Coordinator, hello: Hello) -> dict[str, object]:
    """What the host answers to a hello first; the connection is ended then."""
    mine, its = socket.socketpair()
    serving = gevent.spawn(host.requests.follow, its, json.loads(json.dumps(hello.encode())))
    frames = FrameSocket(mine)
    with gevent.Timeout(5):
        frame = frames.receive()
    frames.close()
    serving.join(5)
    assert serving.dead and frame is not None
    return frame


def test_a_second_program_is_refused_while_the_first_is_alive(
    host: Coordinator, connect: Connect, capfd: pytest.CaptureFixture[str]
) -> None:
    node = connect("m1", process="first")
    link = host.state.links["m1"]
    for _ in range(3):
        node.beat()
        gevent.sleep(0)
        refused = first_frame(host, replace(HELLO, process="second"))
        assert (refused["t"], refused["key"]) == ("refuse", "node_runs_twice")
        assert "m1" in str(refused["text"]) and "since 20" in str(refused["text"])
    assert host.state.links["m1"] is link
    node.beat()
    assert capfd.readouterr().err.count("event=node_refused") == 1


def test_the_same_program_may_connect_again_before_its_old_connection_is_seen_to_end(
    host: Coordinator, connect: Connect
) -> None:
    connect("m1", process="first")
    assert first_frame(host, replace(HELLO, process="first"))["t"] == "welcome"


def test_a_program_that_ended_leaves_its_place_at_once(host: Coordinator, connect: Connect) -> None:
    connect("m1", process="first").end()
    assert first_frame(host, replace(HELLO, process="second"))["t"] == "welcome"


def test_a_program_that_is_silent_leaves_its_place(host: Coordinator, connect: Connect) -> None:
    """Its machine lost power: the connection stands, as far as TCP knows."""
    connect("m1", process="first")
    until(lambda: not host.state.cluster.is_beating("m1"))
    assert first_frame(host, replace(HELLO, process="second"))["t"] == "welcome"
