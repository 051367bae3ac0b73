"""The frames for one node over one connection: the window of each log, and which logs have something to send."""

from __future__ import annotations

from collections.abc import Iterator

from gevent.event import Event

from dirk_gevent.coordinator.send_window import SendWindow

#: What may be on its way over all logs: past it a log has one message on its way, so that a stalled one stops no other.
LINK_WINDOW_BYTES = 256 * 1024 * 1024


class SendQueue:
    """The windows of all logs that go to the node, by log id, and the logs that wait for their turn."""

    def __init__(self) -> None:
        self.windows: dict[int, SendWindow] = {}
        self._pending: set[int] = set()
        #: Logs that have more to send once the node has applied some of what is on its way.
        self._held_back: set[int] = set()
        self._in_flight_bytes = 0
        self._wake = Event()

    def begin(self, log_id: int, index: int) -> SendWindow:
        """Send what lies behind `index`, where the node stands."""
        self.windows[log_id] = window = SendWindow(index, index)
        return window

    def add(self, log_id: int) -> None:
        """Note that there may be more of a log to send, for whenever the sender wakes next."""
        self._pending.add(log_id)

    def wake(self) -> None:
        """Wake the sender for what was noted."""
        self._wake.set()

    def poke(self, log_id: int) -> None:
        """Wake the sender to see if there is more of a log to send."""
        self._pending.add(log_id)
        self._wake.set()

    def turns(self) -> Iterator[tuple[int, SendWindow]]:
        """The logs whose turn it is, one after the other, without end. Blocks while there is none."""
        while True:
            self._wake.wait()
            self._wake.clear()
            # The system log goes first: it makes the databases that the others belong to.
            for log_id in sorted(self._pending):
                self._pending.discard(log_id)
                window = self.windows.get(log_id)
                if window is not None and not window.is_seeding:
                    yield log_id, window

    def holds_back(self, log_id: int, window: SendWindow) -> bool:
        """True when a log waits until the node has applied some of what all logs have on their way."""
        is_held = bool(window.in_flight) and self._is_full()
        if is_held:
            self._held_back.add(log_id)
        return is_held

    def on_sent(self, window: SendWindow, count: int, size_bytes: int, chain: bytes) -> None:
        """`count` entries of a log have been sent, which lead to the hash `chain`."""
        window.on_sent(count, size_bytes, chain)
        self._in_flight_bytes += size_bytes

    def on_acked(self, window: SendWindow, index: int) -> None:
        """The node has applied a log up to `index`: what was held back for it has its turn again."""
        self._in_flight_bytes -= window.in_flight_bytes
        window.on_acked(index)
        self._in_flight_bytes += window.in_flight_bytes
        if self._held_back and not self._is_full():
            self._pending |= self._held_back
            self._held_back.clear()
            self._wake.set()

    def _is_full(self) -> bool:
        """True when as much is on its way as may be; what windows that began anew had sent is found out only here."""
        if self._in_flight_bytes >= LINK_WINDOW_BYTES:
            self._in_flight_bytes = sum(window.in_flight_bytes for window in self.windows.values())
        return self._in_flight_bytes >= LINK_WINDOW_BYTES
