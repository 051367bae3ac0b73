"""Who may begin now, who waits for a moment, and who is turned away (53300).

Every connection has one request under way at most, so what waits here is bounded by `limits.maxConnections`; what this
adds is a deadline, and that only so much is worked on, and held in memory, at one time. Who is turned away has begun
nothing: the same request may be sent again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from gevent.event import Event

from dirk_parser.errors import SqlError


class AdmissionSlots:
    """`most` slots for work of one kind, given in the order in which they were asked for.

    Who finds none free waits for `wait_ms` at most. `_free` is below 0 while more are at work because they came back
    from `lent`.
    """

    def __init__(self, most: int, wait_ms: int) -> None:
        self._most = most
        self._free = most
        self._wait_seconds = wait_ms / 1000
        self._waiting: deque[Event] = deque()

    def take(self) -> None:
        """Take a slot until `give_back`. Blocks this greenlet; SqlError too_many_requests when the wait is over."""
        if self._free > 0:
            # A slot is free only while nobody waits: one that is given back goes to the first who does.
            self._free -= 1
            return
        turn = Event()
        self._waiting.append(turn)
        try:
            is_mine = turn.wait(self._wait_seconds)
        except BaseException:
            self._leave(turn)
            raise
        if not is_mine:
            self._leave(turn)
            raise SqlError("too_many_requests", limit=self._most)

    def give_back(self) -> None:
        """The work has ended."""
        if self._waiting and self._free >= 0:
            self._waiting.popleft().set()
        else:
            self._free += 1

    @contextmanager
    def taken(self) -> Iterator[None]:
        """A slot for as long as the body runs; raises as `take`."""
        self.take()
        try:
            yield
        finally:
            self.give_back()

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Others have the slot of whoever runs this while the body waits for something else than its own work.

        It is had again at once, before all who wait for one: what has happened meanwhile can't be turned away any more.
        """
        self.give_back()
        try:
            yield
        finally:
            self._free -= 1

    @property
    def is_unused(self) -> bool:
        """True when nobody has a slot."""
        return self._free == self._most

    def _leave(self, turn: Event) -> None:
        """Wait no more; a slot that came at the last moment goes on to the next."""
        if turn.is_set():
            self.give_back()
        else:
            self._waiting.remove(turn)


class AdmissionSlotsByLog:
    """`AdmissionSlots` of each log's own: who waits in one log keeps nobody from another. Only those in use are
    kept."""

    def __init__(self, most: int, wait_ms: int) -> None:
        self._most = most
        self._wait_ms = wait_ms
        self._slots: dict[int, AdmissionSlots] = {}

    @contextmanager
    def taken(self, log_id: int) -> Iterator[None]:
        """A slot in a log for as long as the body runs; raises as `AdmissionSlots.take`."""
        slots = self._slots.get(log_id)
        if slots is None:
            slots = self._slots[log_id] = AdmissionSlots(self._most, self._wait_ms)
        slots.take()
        try:
            yield
        finally:
            slots.give_back()
            if slots.is_unused:
                self._slots.pop(log_id, None)


class RequestBytes:
    """The bytes of requests that have not been answered yet, over all connections of a process: `most` bytes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held = 0

    def change(self, before: int, now: int) -> int:
        """One connection holds `now` bytes where it held `before`; gives `now` back.

        SqlError too_many_requests when it wants more and there is no room: it then still holds `before`. The first may
        hold as much as it likes.
        """
        held = self._held - before
        if now > before and held and held + now > self._most:
            raise SqlError("too_many_requests", limit=f"{self._most} bytes")
        self._held = held + now
        return now
