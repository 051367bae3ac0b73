"""The fast path: which received bytes one session may be answered to from the store, without reading them.

When nothing of an earlier statement is pending, a segment that was answered from the store once is a key of
`InvalidationState.hot`; then a dictionary look-up and four comparisons decide, and prebuilt bytes go out. Nothing is
parsed, and no clock but one `clock_gettime` is asked: a clock kept by a timer would save 0.1 µs and could be far
behind after the process was stopped, just when the lease matters.
"""

from __future__ import annotations

from dirk_gevent.cache.session_state import SessionState
from dirk_gevent.cache.store import HotAnswer, InvalidationState, Store, StoredAnswer, now
from dirk_gevent.server.session import Request


class FastPath:
    """One session's fast path. `answers`: received segment -> answer, empty while the store may not answer."""

    def __init__(self, store: Store, state: SessionState) -> None:
        self._store = store
        self._state = state
        self._session = state.session
        self._horizon = InvalidationState(-1)
        self.answers: dict[bytes, HotAnswer] = {}

    def look_up(self) -> None:
        """Take the answers of the database and language that the session is in now."""
        session = self._session
        self._horizon = self._store.horizon(session.log_id)
        self.answers = self._horizon.hot_answers(session.language) if self._state.may_hit() else {}

    def payload(self, hot: HotAnswer) -> bytes | None:
        """The bytes to send, which count as a hit; None when the lease, their age or the session's index forbids it."""
        store = self._store
        horizon = self._horizon
        indexes = self._session.indexes
        moment = now()
        if moment >= store.lease_until or moment >= hot.expires:
            return None
        index = hot.index
        own = indexes.get(horizon.log_id, -1)
        need = own if own > hot.least else hot.least
        if need > horizon.head and need > index:
            return None
        if index > own:
            indexes[horizon.log_id] = index
        if moment > hot.young_until:
            store.refresh(hot, moment)
        store.hits += 1
        return hot.payload

    def remember(self, request: Request, entry: StoredAnswer, segment: bytes) -> None:
        """Answer `segment` the fast way from now on, unless it asks for a level or holds what differs each time."""
        key = entry.key
        is_plain = request.request_id is None and request.trace is None and request.read == "session"
        session = self._session
        is_own_log = key.log_id == session.log_id and key.language == session.language
        if segment and is_plain and is_own_log and request.minimum.keys() <= {key.log_id}:
            least = request.minimum.get(key.log_id, -1)
            self._store.remember_segment(entry, segment, request.has_meta, least)
