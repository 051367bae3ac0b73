"""The host's side of a cache's subscription: headers in order, and an echo for each ping."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent
from gevent.queue import Empty, Full, Queue

from dirk_gevent.coordinator.outcomes import InvalidationNotice
from dirk_gevent.loop.frame_socket import FrameSocket

#: What may wait for one cache: so many batches, and so many headers and names of tables in them.
_CACHE_BATCHES = 4096
_CACHE_HEADERS = 65_536
#: A cache is heard every half second; one that is silent, or takes nothing, for so long is cut.
SILENCE_SECONDS = 10.0


class CacheLink:
    """A cache's subscription: headers in order, and an echo for each of its pings. `log_ms` gives the log's time."""

    def __init__(self, frames: FrameSocket, log_ms: Callable[[], int]) -> None:
        self._frames = frames
        self._log_ms = log_ms
        self._batches: Queue[dict[str, Any]] = Queue(_CACHE_BATCHES)
        self._waiting_headers = 0

    def run(self, released: dict[int, int]) -> None:
        """Serve the cache; `released` says up to which index of each log headers have gone out before it came."""
        self._frames.send({"t": "heads", "heads": {str(i): at for i, at in released.items()}, "clock": self._log_ms()})
        sender = gevent.spawn(self._send_all)
        try:
            while (frame := self._frames.receive()) is not None:
                if frame.get("t") == "ping":
                    self._put({"t": "pong", "n": frame.get("n"), "clock": self._log_ms()})
        finally:
            sender.kill()

    def close(self) -> None:
        """End the connection."""
        self._frames.close()

    def headers(self, headers: list[InvalidationNotice]) -> None:
        """Queue headers; a cache that does not take them is cut off (it clears itself and comes back)."""
        batch = {"t": "headers", "h": [[h.log_id, h.index, h.tables] for h in headers]}
        self._waiting_headers += _weight(batch)
        if self._waiting_headers > _CACHE_HEADERS and not self._batches.empty():
            self.close()
        else:
            self._put(batch)

    def opened(self, log_id: int, index: int) -> None:
        """A log that is new to the cache: its headers begin after `index`."""
        self._put({"t": "heads", "heads": {str(log_id): index}})

    def dropped(self, log_id: int) -> None:
        """A database is gone."""
        self._put({"t": "dropped", "log": log_id})

    def _put(self, batch: dict[str, Any]) -> None:
        try:
            self._batches.put_nowait(batch)
        except Full:
            self.close()

    def _send_all(self) -> None:
        try:
            self._send_batches()
        except OSError:
            # Whoever reads finds out, too, that the connection is gone.
            self.close()

    def _send_batches(self) -> None:
        while True:
            batch = self._batches.get()
            self._waiting_headers -= _weight(batch)
            while batch["t"] == "headers":
                try:
                    following = self._batches.get_nowait()
                except Empty:
                    break
                self._waiting_headers -= _weight(following)
                if following["t"] != "headers":
                    self._frames.send(batch)
                    batch = following
                else:
                    batch["h"] += following["h"]
            self._frames.send(batch)



class CacheLinks:
    """All caches that follow now: what one is told they all are."""

    def __init__(self) -> None:
        self._links: set[CacheLink] = set()

    def serve(self, link: CacheLink, released: dict[int, int]) -> None:
        """Serve a cache until its connection ends; `released` as in `CacheLink.run`."""
        self._links.add(link)
        try:
            link.run(released)
        finally:
            self._links.discard(link)

    def headers(self, headers: list[InvalidationNotice]) -> None:
        """Entries whose outcomes are known, in the order of their log."""
        for link in self._links:
            link.headers(headers)

    def opened(self, log_id: int, index: int) -> None:
        """A log that is new to them: its headers begin after `index`."""
        for link in self._links:
            link.opened(log_id, index)

    def dropped(self, log_id: int) -> None:
        """A database is gone, or nothing that was said of it holds."""
        for link in self._links:
            link.dropped(log_id)

    def close(self) -> None:
        """End all connections."""
        for link in list(self._links):
            link.close()


def _weight(batch: dict[str, Any]) -> int:
    """The rough size of a batch, in headers with one table."""
    return sum(max(1, len(tables)) for _, _, tables in batch.get("h", ()))
