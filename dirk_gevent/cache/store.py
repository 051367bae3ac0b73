"""The stored answers, and the log index until which each is still right. No sockets here.

An answer read at log index i is right for every state in [i, H], H being the last header received in sequence
for its log, as long as no header in between touches one of its tables: such a header removes it. So an entry that
is in the store is good up to its log's head, and serving it is two comparisons (`Store.find`, and `FastPath.payload`).

::

    index      i                 H
    ───────────●═════════════════●───────►   a session whose own index is in here or before is served
               read here         last header

Headers are remembered by table (`InvalidationState.touched`), so that an answer that comes back *after* a header that
made it old is not stored. What is not known to be in sequence is not trusted: a log without a head stores nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from cachetools import TTLCache

from dirk_gevent.protocol import answer_bytes
from dirk_gevent.protocol.meta import with_cache
from dirk_gevent.replication.last_heard import Heard
from dirk_parser.names import key as name_key

#: Spellings of one request (final newline, spaces, metadata) that the fast path knows for one entry.
ALIASES_AN_ENTRY = 4
#: Tables remembered a log; past it all of them count as touched by the newest header.
TOUCHED_TABLES = 4096
#: How often at most a served entry is moved to the young end of the eviction order.
RECENCY_SECONDS = 0.05
#: What an entry costs besides its bytes, roughly.
_ENTRY_OVERHEAD_BYTES = 1000


def now() -> float:
    """Seconds on a clock that also counts while the machine sleeps: a lease must not outlive a suspend."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Key(NamedTuple):
    """The key under which two requests share an answer. `args` is canonical JSON, empty without parameters."""

    log_id: int
    language: str
    statement: bytes
    args: bytes


class StoredAnswer:
    """A stored answer: its bytes without META, the META it came with, the log index it was read at."""

    __slots__ = ("_answer_with_meta", "answer", "expires", "index", "key", "meta", "segments", "tables")

    def __init__(self, key: Key, answer: bytes, meta: Mapping[str, Any], tables: frozenset[str]) -> None:
        self.key = key
        self.answer = answer
        self.meta = meta
        self.index: int = meta["index"]
        self.tables = tables
        self.expires = 0.0
        self.segments: list[bytes] = []
        self._answer_with_meta = b""

    def payload(self, with_meta: bool) -> bytes:
        """The bytes to send: with a META line that says ``"cache":"hit"`` for those that asked."""
        if not with_meta:
            return self.answer
        if not self._answer_with_meta:
            self._answer_with_meta = answer_with_meta(self.answer, with_cache(self.meta, "hit"))
        return self._answer_with_meta

    @property
    def size_bytes(self) -> int:
        """Memory that the entry accounts for: answer (twice: META has its own copy), key, spellings."""
        return 2 * len(self.answer) + 2 * len(self.key.statement) + len(self.key.args) + _ENTRY_OVERHEAD_BYTES


def answer_with_meta(answer: bytes, meta: bytes) -> bytes:
    """`answer` (complete, without META) with the META line of an encoded `meta`."""
    return answer[: -len(answer_bytes.END)] + answer_bytes.meta_line(meta) + answer_bytes.END


class HotAnswer:
    """Prebuilt bytes for one exact received segment. `least`: the index that the segment itself demands."""

    __slots__ = ("expires", "index", "key", "least", "payload", "young_until")

    def __init__(self, entry: StoredAnswer, payload: bytes, least: int) -> None:
        self.payload = payload
        self.index = entry.index
        self.expires = entry.expires
        self.key = entry.key
        self.least = least
        self.young_until = 0.0


@dataclass(slots=True, eq=False)
class InvalidationState:
    """How far the headers of one log are known, and what is stored of it.

    `head`: last header in sequence, -1 while unknown. `floor`: results older than this are not stored because
    what happened before is not known table by table. `hot`: language -> received segment -> answer; these
    dictionaries are never replaced, only emptied, so that sessions may keep a reference.
    """

    log_id: int
    head: int = -1
    floor: int = 0
    touched: dict[str, int] = field(default_factory=dict)
    keys: set[Key] = field(default_factory=set)
    keys_by_table: dict[str, set[Key]] = field(default_factory=dict)
    hot: dict[str, dict[bytes, HotAnswer]] = field(default_factory=dict)

    def hot_answers(self, language: str) -> dict[bytes, HotAnswer]:
        """The fast path's dictionary for `language`."""
        return self.hot.setdefault(language, {})

    def follow_from(self, index: int) -> None:
        """Trust headers after `index`; nothing is known of those before."""
        self.head = self.floor = index
        self.touched.clear()

    def is_older_than_seen(self, index: int, tables: Iterable[str]) -> bool:
        """True when a header after `index` that touches `tables` (or may have) was seen."""
        return index < self.floor or any(self.touched.get(table, -1) > index for table in tables)

    def touch(self, index: int, tables: Iterable[str]) -> None:
        """Remember that header `index` touched `tables`."""
        for table in tables:
            self.touched[table] = index
        if len(self.touched) > TOUCHED_TABLES:
            self.follow_from(index)


class _Entries(TTLCache[Key, StoredAnswer]):
    """TTLCache that tells its store what leaves it by age or for want of room."""

    def __init__(self, store: Store, entries: int, ttl_seconds: float) -> None:
        super().__init__(maxsize=max(1, entries), ttl=ttl_seconds, timer=now)
        self._store = store

    def expire(self, time: float | None = None) -> list[tuple[Key, StoredAnswer]]:
        """Drop what is past its time."""
        expired = list(super().expire(time))
        for _, entry in expired:
            self._store.unlink(entry)
        return expired

    def popitem(self) -> tuple[Key, StoredAnswer]:
        """Drop the least recently served."""
        key, entry = super().popitem()
        self._store.unlink(entry)
        return key, entry


class Store:
    """Answers by key, bounded by time to live, number and bytes, kept right by the logs' headers.

    `lease_until` (seconds of `now`): no entry is served at or past it. `collecting_bytes`: what sessions hold of
    answers on their way; it counts against a bound of its own size, so memory is bounded however many arrive.
    `hits` and `misses` count requests since the start. `upstream_heard`: when the header stream last brought anything.
    """

    def __init__(self, entries: int, ttl_seconds: float, max_bytes: int, heard: Heard | None = None) -> None:
        self.ttl_seconds = ttl_seconds
        self.max_bytes = max_bytes
        self.answer_limit_bytes = max(1, max_bytes // 8)
        # What one entry may take: nothing when no entry is wanted.
        self._room_bytes = 2 * self.answer_limit_bytes if entries > 0 else 0
        self.lease_until = float("-inf")
        self.upstream_heard = heard or Heard()
        self.collecting_bytes = 0
        self.stored_bytes = 0
        self.hits = 0
        self.misses = 0
        self._entries = _Entries(self, entries, ttl_seconds)
        self._horizons: dict[int, InvalidationState] = {}

    def horizon(self, log_id: int) -> InvalidationState:
        """The invalidation state of a log; a log never heard of gets one that stores nothing yet."""
        horizon = self._horizons.get(log_id)
        if horizon is None:
            horizon = self._horizons[log_id] = InvalidationState(log_id)
        return horizon

    def may_collect(self) -> bool:
        """True when one more segment of an arriving answer may be held."""
        return self.collecting_bytes < self.max_bytes

    def renew_lease(self, until: float) -> None:
        """An echo arrived: entries may be served until `until`."""
        self.lease_until = max(self.lease_until, until)

    def find(self, key: Key, need: int) -> StoredAnswer | None:
        """The entry that a session at index `need` may be served, if any (-1: any state will do)."""
        if now() >= self.lease_until:
            return None
        entry = self._entries.get(key)
        if entry is None or need > max(self.horizon(key.log_id).head, entry.index):
            return None
        return entry

    def put(self, key: Key, answer: bytes, meta: Mapping[str, Any], tables: Iterable[str]) -> StoredAnswer | None:
        """Store an answer (without META) read at ``meta["index"]``; None when it may already be old."""
        horizon = self.horizon(key.log_id)
        entry = StoredAnswer(key, answer, meta, frozenset(map(name_key, tables)))
        if horizon.head < 0 or horizon.is_older_than_seen(entry.index, entry.tables):
            return None
        if entry.size_bytes > self._room_bytes or now() >= self.lease_until:
            return None
        held = self._entries.get(key)
        if held is not None:
            if held.index > entry.index:
                return held
            self._remove(held)
        self._insert(entry, horizon)
        return entry

    def remember_segment(self, entry: StoredAnswer, segment: bytes, with_meta: bool, least: int) -> None:
        """Let the fast path answer `segment` from `entry` without parsing it."""
        if len(entry.segments) >= ALIASES_AN_ENTRY or entry.key not in self._entries:
            return
        hot = self.horizon(entry.key.log_id).hot_answers(entry.key.language)
        if segment not in hot:
            entry.segments.append(segment)
            hot[segment] = HotAnswer(entry, entry.payload(with_meta), least)

    def refresh(self, hot: HotAnswer, moment: float) -> None:
        """Note that `hot` was served, for the eviction order."""
        hot.young_until = moment + RECENCY_SECONDS
        self._entries.get(hot.key)

    def welcome(self, heads: Mapping[int, int]) -> None:
        """A header stream begins at `heads`: everything from before is forgotten."""
        self._entries.expire()
        for horizon in list(self._horizons.values()):
            self._clear(horizon)
            horizon.head = -1
        for log_id, index in heads.items():
            self.horizon(log_id).follow_from(index)

    def opened(self, heads: Mapping[int, int]) -> None:
        """Logs that are new: their headers begin after these indexes. What is known of others stays."""
        for log_id, index in heads.items():
            if not self.follows(log_id):
                self.horizon(log_id).follow_from(index)

    def follows(self, log_id: int) -> bool:
        """True when headers of the log are being followed."""
        horizon = self._horizons.get(log_id)
        return horizon is not None and horizon.head >= 0

    def header(self, log_id: int, index: int, tables: Iterable[str]) -> bool:
        """Take one header. False when it did not follow the one before: the log's entries are gone then."""
        horizon = self.horizon(log_id)
        if index <= horizon.head:
            return True
        if index != horizon.head + 1:
            is_new = horizon.head < 0
            self._clear(horizon)
            horizon.follow_from(index)
            return is_new
        horizon.head = index
        names = [name_key(table) for table in tables]
        if "*" in names:
            horizon.floor = index
            self._remove_older(horizon.keys, index)
        else:
            horizon.touch(index, names)
            for name in names:
                self._remove_older(horizon.keys_by_table.get(name, set()), index)
        return True

    def dropped(self, log_id: int) -> None:
        """A database is gone, and its log id with it for good."""
        horizon = self.horizon(log_id)
        self._clear(horizon)
        horizon.head = -1
        del self._horizons[log_id]

    def expire(self) -> None:
        """Free what is past its time (it is not served in any case)."""
        self._entries.expire()

    def __len__(self) -> int:
        return len(self._entries)

    def unlink(self, entry: StoredAnswer) -> None:
        """Forget where an entry that left the entries was listed."""
        horizon = self.horizon(entry.key.log_id)
        horizon.keys.discard(entry.key)
        for table in entry.tables:
            listed = horizon.keys_by_table.get(table)
            if listed is not None:
                listed.discard(entry.key)
                if not listed:
                    del horizon.keys_by_table[table]
        hot = horizon.hot_answers(entry.key.language)
        for segment in entry.segments:
            hot.pop(segment, None)
        self.stored_bytes -= entry.size_bytes

    def _insert(self, entry: StoredAnswer, horizon: InvalidationState) -> None:
        while self._entries and self.stored_bytes + entry.size_bytes > self.max_bytes:
            self._entries.popitem()
        entry.expires = now() + self.ttl_seconds
        self._entries[entry.key] = entry
        self.stored_bytes += entry.size_bytes
        horizon.keys.add(entry.key)
        for table in entry.tables:
            horizon.keys_by_table.setdefault(table, set()).add(entry.key)

    def _remove(self, entry: StoredAnswer) -> None:
        # `pop` with a default: an entry whose time has just ended is dropped by TTLCache itself.
        if self._entries.pop(entry.key, None) is not None:
            self.unlink(entry)

    def _remove_older(self, keys: set[Key], index: int) -> None:
        self._entries.expire()
        for key in list(keys):
            entry = self._entries.get(key)
            if entry is not None and entry.index < index:
                self._remove(entry)

    def _clear(self, horizon: InvalidationState) -> None:
        for key in list(horizon.keys):
            entry = self._entries.get(key)
            if entry is not None:
                self._remove(entry)
