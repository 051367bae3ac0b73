"""Who computes otherwise does not follow: one sentence names both builds."""

from __future__ import annotations

import json
import re
from typing import Any

import apsw
import gevent
from gevent import socket

from dirk_gevent.coordinator.coordinator import Coordinator
from dirk_gevent.engine.build import build_fingerprint
from dirk_gevent.log.entry import RULES
from dirk_gevent.loop.frame_socket import FrameSocket
from dirk_gevent.replication.frame_types import Hello
from tests.cluster import ROOT


def hello(host: Coordinator, build: str) -> dict[str, Any]:
    """The first frame that a node of a build gets."""
    mine, its = socket.socketpair()
    frames = FrameSocket(mine)
    serving = gevent.spawn(host.requests.follow, its, json.loads(json.dumps(Hello("m1", build, None, {}).encode())))
    with gevent.Timeout(5):
        found = frames.receive()
        mine.close()
        serving.join()
    assert found is not None
    return found


def test_a_node_of_another_build_is_told_both(host: Coordinator) -> None:
    """Of the release before, of other rules, and of another SQLite."""
    own = build_fingerprint()
    others = ["3.54.1-0123456789abcdef", own.replace(f"rules {RULES}", f"rules {RULES + 1}"), own[:-1] + "x"]
    for other in others:
        refusal = hello(host, other)
        assert (refusal["t"], refusal["key"]) == ("refuse", "build_differs")
        assert other in refusal["text"] and own in refusal["text"] and "\n" not in refusal["text"]
    assert hello(host, own)["t"] == "welcome"


def test_setup_pins_the_one_sqlite_that_these_rules_are_of() -> None:
    pins = re.findall(r'"apsw([^"]*)"', (ROOT / "setup.py").read_text(encoding="utf-8"))
    assert pins == [f"=={apsw.apsw_version()}"]
