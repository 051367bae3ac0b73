"""The header subscription: what keeps the store right, and its lease alive.

One greenlet reads frames, one sends pings. An echoed ping proves that everything the upstream had released when
it answered lies before the echo in the stream; so from the moment the ping was *sent* the store is no older than
the time since, and the lease runs from there. When the stream ends the store is left alone: it may serve until its
lease ends. When a stream begins again everything is forgotten first, since headers were missed in between.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import gevent

from dirk_gevent.base.backoff import Backoff
from dirk_gevent.base.logger import Logger
from dirk_gevent.base.startup import plain_reason
from dirk_gevent.cache.store import Store, now
from dirk_gevent.cache.upstream import RETRY_LEAST_SECONDS, RETRY_MOST_SECONDS, connect
from dirk_gevent.log.clock import HeardTime
from dirk_gevent.loop.frame_socket import FrameSocket
from dirk_gevent.protocol.frames import FOLLOW_STATEMENT
from dirk_gevent.protocol.metadata import with_metadata

MIN_PING_SECONDS = 0.01
MAX_PING_SECONDS = 0.5
#: A stream without any frame for so long (pings are not echoed) is given up and opened again.
SILENCE_SECONDS = 10.0


class Pings:
    """The pings of one stream whose echo may still come: when each was sent."""

    def __init__(self) -> None:
        self._last = 0
        self._sent_at: dict[int, float] = {}

    def begin(self) -> int:
        """The number of a ping that is sent now."""
        self._last += 1
        self._sent_at[self._last] = now()
        return self._last

    def echoed(self, number: int) -> float | None:
        """When the ping was sent that came back, None when it is not waited for; older ones are forgotten with it."""
        sent_at = self._sent_at.pop(number, None)
        if sent_at is not None:
            for older in [n for n in self._sent_at if n < number]:
                del self._sent_at[older]
        return sent_at

    def forget(self) -> None:
        """The stream has ended: no echo of its pings counts any more."""
        self._sent_at.clear()


class HeaderFollower:
    """Follows the headers of every log through the upstream, for as long as `run` is not killed.

    `on_first_welcome` is called once, when the upstream answered for the first time.
    """

    def __init__(self, store: Store, host: str, port: int, log: Logger, on_first_welcome: Callable[[], None]) -> None:
        self._store = store
        self._host = host
        self._port = port
        self._log = log
        self._on_first_welcome = on_first_welcome
        self._was_welcome = False
        self._is_down = False
        self._is_following = False
        self._pings = Pings()
        self._heard_at = 0.0
        #: What time the log's host last said it is.
        self.log_time = HeardTime()
        self._backoff = Backoff(RETRY_LEAST_SECONDS, RETRY_MOST_SECONDS)

    def run(self) -> None:
        """Follow, reconnect, follow … until killed."""
        while True:
            reason = "closed by the other side"
            try:
                self._follow_once()
            except OSError as error:
                reason = plain_reason(error)
            except ValueError as error:
                reason = f"what listens there does not answer as DirkDB: {error}"
            except Exception as error:
                self._log.exception("follow_failed", error)
                reason = type(error).__name__
            self._went_down(reason)
            gevent.sleep(self._backoff.next_seconds())

    def _follow_once(self) -> None:
        """One stream from its beginning to its end."""
        sock = connect(self._host, self._port)
        frames = FrameSocket(sock)
        pinger = None
        try:
            sock.sendall(with_metadata({"follow": {"as": "cache"}}, FOLLOW_STATEMENT))
            self._pings.forget()
            self._heard_at = now()
            pinger = gevent.spawn(self._ping, frames)
            while (message := frames.receive()) is not None:
                self._heard_at = now()
                self._store.upstream_heard.now()
                self._take(frames, message)
        finally:
            self._is_following = False
            if pinger is not None:
                pinger.kill()
            frames.close()

    def _ping(self, frames: FrameSocket) -> None:
        """Send pings once the heads have come; close a stream that has gone silent.

        Before its first frame the upstream may still read statements, so nothing but the subscription is sent.
        """
        interval = max(MIN_PING_SECONDS, min(self._store.ttl_seconds / 3, MAX_PING_SECONDS))
        while True:
            if now() - self._heard_at > SILENCE_SECONDS:
                frames.close()
                return
            if self._is_following:
                self._send_ping(frames)
            gevent.sleep(interval)
            self._store.expire()

    def _send_ping(self, frames: FrameSocket) -> None:
        number = self._pings.begin()
        # A stream that just ended: its reader finds out by itself.
        with suppress(OSError):
            frames.send({"t": "ping", "n": number})

    def _take(self, frames: FrameSocket, message: dict[str, Any]) -> None:
        kind = message.get("t")
        if "clock" in message:
            self.log_time.heard(int(message["clock"]))
        if kind == "headers":
            for log_id, index, tables in message["h"]:
                if not self._store.header(log_id, index, tables):
                    self._log.warning("header_gap", log_id=log_id, index=index)
        elif kind == "pong":
            self._echoed(message["n"])
        elif kind == "heads":
            self._take_heads(frames, {int(log_id): index for log_id, index in message["heads"].items()})
        elif kind == "dropped":
            self._store.dropped(message["log"])

    def _take_heads(self, frames: FrameSocket, heads: dict[int, int]) -> None:
        """The first heads of a stream begin it; later ones name logs that are new."""
        if self._is_following:
            self._store.opened(heads)
        else:
            self._welcome(heads)
            self._send_ping(frames)

    def _welcome(self, heads: dict[int, int]) -> None:
        self._store.welcome(heads)
        self._is_following = True
        self._backoff.reset()
        if self._is_down:
            self._is_down = False
            self._log.info("upstream_back", upstream=f"{self._host}:{self._port}")
        if not self._was_welcome:
            self._was_welcome = True
            self._on_first_welcome()

    def _echoed(self, number: int) -> None:
        """Renew the lease. Before the heads of this stream an echo would prolong what the last one left."""
        sent_at = self._pings.echoed(number)
        if sent_at is not None and self._is_following:
            self._store.renew_lease(sent_at + self._store.ttl_seconds)

    def _went_down(self, reason: str) -> None:
        """Log the change of state, once. Before the first time it is an ordinary wait: programs start in any order."""
        if self._is_down:
            return
        self._is_down = True
        if not self._was_welcome:
            self._log.info("waiting", **{"for": "proxy"}, upstream=f"{self._host}:{self._port}", reason=reason)
            return
        text = f"Erreur connexion à {self._host}:{self._port}"
        self._log.error("upstream_down", text=text, reason=reason)
