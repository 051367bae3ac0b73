"""Turns: one at a time in each database, in order, and nothing is kept of those that are over."""

from __future__ import annotations

import gevent
from gevent.event import Event

from dirk_gevent.loop.keyed_lock import KeyedLock


def test_turns_are_in_order_and_each_log_has_its_own() -> None:
    turns, seen, go = KeyedLock(), [], Event()

    def take(name: str, log_id: int) -> None:
        with turns.acquire(log_id):
            seen.append(name)
            go.wait()
            seen.append(name)

    others = [gevent.spawn(take, name, log_id) for name, log_id in (("a", 1), ("b", 1), ("c", 2), ("d", 1))]
    gevent.idle()
    assert seen == ["a", "c"]
    go.set()
    gevent.joinall(others, timeout=10, raise_error=True)
    assert seen.index("b") < seen.index("d") and len(seen) == 8
    assert turns._queues == {}


def test_a_turn_ends_with_the_greenlet_that_waits_for_it() -> None:
    turns = KeyedLock()
    with turns.acquire(1):
        waiting = gevent.spawn(lambda: turns.acquire(1).__enter__())
        gevent.idle()
        waiting.kill()
    assert turns._queues == {}
    with turns.acquire(1):
        pass
