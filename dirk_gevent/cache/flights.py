"""Single-flight: sessions that miss on the same key at the same time wait for one answer from upstream."""

from __future__ import annotations

from gevent.event import Event

from dirk_gevent.cache.store import Key, StoredAnswer


class Flight:
    """One forwarded read that others may wait for. `least`: the index its answer is at or past."""

    __slots__ = ("_entry", "_landed", "least")

    def __init__(self, least: int) -> None:
        self.least = least
        self._landed = Event()
        self._entry: StoredAnswer | None = None

    def wait(self) -> StoredAnswer | None:
        """The stored answer; None when there is none to share: the waiter then asks by itself."""
        self._landed.wait()
        return self._entry

    def land(self, entry: StoredAnswer | None) -> None:
        """End the flight; only the first call counts."""
        if not self._landed.is_set():
            self._entry = entry
            self._landed.set()


class Flights:
    """The flights under way, by key."""

    def __init__(self) -> None:
        self._by_key: dict[Key, Flight] = {}

    def joinable(self, key: Key, need: int, done: int) -> Flight | None:
        """A flight whose answer is new enough for a session at index `need`, and waits for nothing else to happen.

        `done` is the index up to which entries are known to have run: a question that needs a later one waits for it.
        """
        flight = self._by_key.get(key)
        return flight if flight is not None and need <= flight.least <= max(need, done) else None

    def take_off(self, key: Key, least: int) -> Flight:
        """Begin a flight. A newer one takes the place of one that was too old to join; that one lands unseen."""
        flight = self._by_key[key] = Flight(least)
        return flight

    def land(self, key: Key, flight: Flight, entry: StoredAnswer | None) -> None:
        """End a flight with the entry that it stored, or None (failure, cancellation, not cacheable)."""
        if self._by_key.get(key) is flight:
            del self._by_key[key]
        flight.land(entry)
