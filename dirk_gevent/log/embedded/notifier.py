"""The subscriptions of a log's followers."""

from __future__ import annotations

from collections.abc import Iterable

from gevent.event import Event


class Notifier:
    """All watches of one log; rung by the appender after each durable batch."""

    def __init__(self) -> None:
        # In the order in which they were made: who is woken first is then never a matter of addresses.
        self._watches: dict[Subscription, None] = {}
        self._closed = False

    def new(self) -> Subscription:
        """Another watch; one made after `close` never waits."""
        subscription = Subscription(self)
        self._watches[subscription] = None
        if self._closed:
            subscription.end()
        return subscription

    def ring(self, log_ids: Iterable[int]) -> None:
        """Tells every watch that these logs changed."""
        for subscription in self._watches:
            subscription.ring(log_ids)

    def discard(self, subscription: Subscription) -> None:
        """Forgets a watch."""
        self._watches.pop(subscription, None)

    def close(self) -> None:
        """Ends the waiting of every watch, for good."""
        self._closed = True
        for subscription in self._watches:
            subscription.end()


class Subscription:
    """A `contract.Watch`: gathers the ids of logs that changed since its last `wait`."""

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier
        self._rung = Event()
        self._changed: set[int] = set()
        self._ended = False

    def wait(self, timeout_seconds: float | None = None) -> frozenset[int]:
        """See `contract.Watch.wait`."""
        self._rung.wait(timeout_seconds)
        if self._ended:
            return frozenset()
        self._rung.clear()
        changed, self._changed = frozenset(self._changed), set()
        return changed

    def ring(self, log_ids: Iterable[int]) -> None:
        """Notes that logs changed and wakes the waiter."""
        self._changed.update(log_ids)
        self._rung.set()

    def end(self) -> None:
        """No wait blocks any more."""
        self._ended = True
        self._rung.set()

    def close(self) -> None:
        """See `contract.Watch.close`."""
        self._notifier.discard(self)
        self.end()
