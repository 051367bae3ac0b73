"""Slots, budgets and queues: who waits, who is turned away, and that nothing is lost of either."""

from __future__ import annotations

from typing import cast

import gevent
import pytest
from gevent.event import AsyncResult, Event

from dirk_gevent.coordinator import cache_link
from dirk_gevent.coordinator.cache_link import CacheLink
from dirk_gevent.coordinator.outcomes import InvalidationNotice
from dirk_gevent.log.embedded.append_queue import Waiting, WaitingQueue
from dirk_gevent.log.embedded.log_state import ChangeRequest
from dirk_gevent.loop.frame_socket import FrameSocket
from dirk_gevent.loop.keyed_lock import KeyedLock
from dirk_gevent.server.admission import AdmissionSlots, RequestBytes
from dirk_parser.errors import SqlError


def test_places_are_given_in_order_and_all_come_back() -> None:
    places, order, ends = AdmissionSlots(2, 60_000), list[int](), Event()

    def work(number: int) -> None:
        with places.taken():
            order.append(number)
            ends.wait()

    jobs = [gevent.spawn(work, number) for number in range(6)]
    gevent.idle()
    assert order == [0, 1]
    jobs[3].kill()
    ends.set()
    gevent.joinall(jobs, timeout=20)
    assert order == [0, 1, 2, 4, 5]
    for _ in range(2):
        places.take()
    assert places._free == 0 and not places._waiting


def test_who_has_waited_too_long_is_turned_away() -> None:
    places = AdmissionSlots(1, 10)
    with places.taken():
        with pytest.raises(SqlError) as refused:
            places.take()
        assert refused.value.sqlstate == "53300"
    with places.taken():
        pass


def test_requests_take_so_many_bytes_together() -> None:
    budget = RequestBytes(100)
    first = budget.change(0, 300)
    with pytest.raises(SqlError) as refused:
        budget.change(0, 1)
    assert refused.value.sqlstate == "53300"
    assert budget.change(first, 20) == 20
    assert budget.change(0, 80) == 80
    budget.change(20, 0)
    budget.change(80, 0)
    assert budget.change(0, 500) == 500


def test_a_turn_that_does_not_come_is_given_up() -> None:
    turns = KeyedLock()
    with turns.acquire(1):
        with pytest.raises(SqlError) as refused, turns.acquire(1, 0.01):
            pass
        assert refused.value.sqlstate == "53300"
        with turns.acquire(2, 0.01):
            pass
    assert not turns._queues


def test_a_write_that_waits_can_be_withdrawn_until_a_commit_takes_it() -> None:
    queue = WaitingQueue(10)
    waiting = [Waiting(ChangeRequest("create_database", str(n), str(n), False), 5, AsyncResult()) for n in range(3)]
    for one in waiting:
        queue.put(one)
    assert queue.withdraw(waiting[1])
    assert queue.take() == [waiting[0], waiting[2]]
    assert not queue.withdraw(waiting[0])


class _Stuck:
    """A connection whose other side takes nothing."""

    def __init__(self) -> None:
        self.is_closed = False
        self.sent: list[object] = []

    def send(self, content: object) -> None:
        self.sent.append(content)
        Event().wait()

    def receive(self) -> None:
        while not self.is_closed:
            gevent.sleep(0.001)

    def close(self) -> None:
        self.is_closed = True


def test_a_cache_that_takes_nothing_is_cut_before_much_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_link, "_CACHE_HEADERS", 100)
    frames = _Stuck()
    link = CacheLink(cast(FrameSocket, frames), lambda: 0)
    tables = tuple(f"t{number}" for number in range(30))
    for index in range(1, 4):
        link.headers([InvalidationNotice(1, index, tables)])
    assert not frames.is_closed
    link.headers([InvalidationNotice(1, 4, tables)])
    assert frames.is_closed


def test_a_cache_that_takes_its_headers_is_never_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_link, "_CACHE_HEADERS", 100)
    frames = _Stuck()
    link = CacheLink(cast(FrameSocket, frames), lambda: 0)
    monkeypatch.setattr(frames, "send", frames.sent.append)
    serving = gevent.spawn(link.run, {})
    for index in range(1, 500):
        link.headers([InvalidationNotice(1, index, ("a", "b"))])
        if index % 7 == 0:
            link.opened(index, 0)
        gevent.sleep(0)
    assert not frames.is_closed and not serving.ready()
    frames.close()
    serving.join(20)
