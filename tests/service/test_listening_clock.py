"""Silence of others is not what a process did not hear while it stood still itself."""

from __future__ import annotations

import time
from collections.abc import Iterator

import gevent
import pytest

from dirk_gevent.base.logger import logger
from dirk_gevent.coordinator.cluster import MISSED_BEATS
from dirk_gevent.coordinator.coordinator import Coordinator
from dirk_gevent.loop.hub_monitor import HubWatch
from dirk_gevent.replication.last_heard import SILENT_SECONDS, Heard
from tests.service.fake_node import FakeNode

#: More than a timer may be late on a busy machine, by far.
_STANDS_SECONDS = 0.8
#: What passes at most for one look: its timer, and what that may be late.
_MOST_SECONDS = 0.02 + 0.25


@pytest.fixture
def hub() -> Iterator[HubWatch]:
    """One that measures."""
    found = HubWatch()
    running = gevent.spawn(found.run)
    gevent.sleep(0.05)
    yield found
    running.kill()


def test_a_process_that_stands_still_does_not_hear_the_time_pass(hub: HubWatch) -> None:
    """However late the look itself comes, and before it has come."""
    for _ in range(3):
        gevent.sleep(0)
        before = hub.listening_seconds()
        time.sleep(_STANDS_SECONDS)
        assert hub.listening_seconds() - before <= _MOST_SECONDS
        gevent.sleep(0.03)


def test_time_in_which_it_listens_passes(hub: HubWatch) -> None:
    real, before = time.monotonic(), hub.listening_seconds()
    last = before
    while last - before < 0.2:
        gevent.sleep(0.01)
        now = hub.listening_seconds()
        assert last <= now
        last = now
    assert last - before <= time.monotonic() - real


def test_one_that_measures_nothing_is_the_monotonic_clock() -> None:
    before, found = time.monotonic(), HubWatch().listening_seconds()
    assert before <= found <= time.monotonic()


def test_the_host_of_the_log_is_silent_when_this_process_could_have_heard_it() -> None:
    seconds = [0.0]
    heard = Heard(lambda: seconds[0])
    seconds[0] = SILENT_SECONDS
    assert not heard.is_silent()
    seconds[0] += 0.1
    assert heard.is_silent()
    heard.now()
    assert not heard.is_silent()


def test_a_host_that_stood_still_calls_no_node_down(host: Coordinator, hub: HubWatch) -> None:
    """What they said meanwhile waits to be read, behind the timer by which they are judged."""
    standing = Coordinator(host.state.config, host.state.log, logger("test"), hub.listening_seconds)
    nodes = [FakeNode(standing, one) for one in ("m1", "m2")]
    for node in nodes:
        node.beat()
    time.sleep((MISSED_BEATS + 1) * standing.state.beat_seconds)
    standing._watch_nodes()
    assert [node.name for node in nodes if standing.state.cluster.nodes[node.name].is_connected] == ["m1", "m2"]
    for node in nodes:
        node.end()


def test_a_node_that_is_silent_while_the_host_listens_is_down(
    host: Coordinator, capfd: pytest.CaptureFixture[str]
) -> None:
    seconds = [0.0]
    listening = Coordinator(host.state.config, host.state.log, logger("test"), lambda: seconds[0])
    silent = FakeNode(listening, "m1")
    link = listening.state.links["m1"]
    seconds[0] += MISSED_BEATS * listening.state.beat_seconds
    listening._watch_nodes()
    assert listening.state.cluster.nodes["m1"].is_connected
    seconds[0] += 0.1
    listening._watch_nodes()
    assert not listening.state.cluster.nodes["m1"].is_connected
    link._guarded(link._frames.send, {"t": "beat"})
    silent.end()
    said = capfd.readouterr().err
    assert 'target=m1 text="Erreur réplication sur m1" reason="3 heartbeats missed"' in said
    # What was under way on the connection that the host closed is no second piece of news.
    assert "link_broken" not in said
