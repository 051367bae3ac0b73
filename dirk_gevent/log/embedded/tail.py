"""The newest entries of all logs in memory, so that followers that are level never touch the journal."""

from __future__ import annotations

from collections import deque
from itertools import islice

from dirk_gevent.log.records import Appended, Chunk

#: What an entry costs in memory besides its bytes.
_OVERHEAD_BYTES = 250


class Tail:
    """The last entries appended, over all logs, up to `max_bytes` in all: the oldest of any log goes first.

    Each log's part is consecutive and ends at its head, so one deque a log and one for the order are enough.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._logs: dict[int, _Ring] = {}
        self._order: deque[int] = deque()

    def add(self, log_id: int, chain_before: bytes, appended: Appended) -> None:
        """Takes a log's next entry; `chain_before` is the hash before it."""
        ring = self._logs.get(log_id)
        if ring is None:
            ring = self._logs[log_id] = _Ring(appended.entry.index, chain_before)
        ring.entries.append((appended.encoded, appended.chain))
        self._order.append(log_id)
        self._bytes += len(appended.encoded) + _OVERHEAD_BYTES
        while self._bytes > self._max_bytes and len(self._order) > 1:
            self._drop_oldest()

    def read(self, log_id: int, after_index: int, max_bytes: int) -> Chunk | None:
        """The entries after `after_index` as `Log.read` gives them; None when the first is not in memory."""
        ring = self._logs.get(log_id)
        if ring is None or not 0 <= (skipped := after_index + 1 - ring.first_index) < len(ring.entries):
            return None
        taken: list[bytes] = []
        taken_bytes = 0
        before = after = ring.entries[skipped - 1][1] if skipped else ring.chain_before
        for encoded, chained in islice(ring.entries, skipped, None):
            taken_bytes += len(encoded)
            if taken and taken_bytes > max_bytes:
                break
            taken.append(encoded)
            after = chained
        return Chunk(log_id, after_index + 1, tuple(taken), before, after)

    def chain_at(self, log_id: int, index: int) -> bytes | None:
        """The chain hash at an index that is in memory, or just before what is; else None."""
        ring = self._logs.get(log_id)
        if ring is None or not -1 <= (position := index - ring.first_index) < len(ring.entries):
            return None
        return ring.chain_before if position == -1 else ring.entries[position][1]

    def forget(self, log_id: int) -> None:
        """Forgets one log's entries: what follows does not continue them."""
        ring = self._logs.pop(log_id, None)
        if ring is not None:
            self._bytes -= sum(len(encoded) + _OVERHEAD_BYTES for encoded, _ in ring.entries)
            self._order = deque(other for other in self._order if other != log_id)

    def clear(self) -> None:
        """Forgets all: the journal has been read again and what is in memory may not be in it."""
        self._logs.clear()
        self._order.clear()
        self._bytes = 0

    def _drop_oldest(self) -> None:
        log_id = self._order.popleft()
        ring = self._logs[log_id]
        encoded, ring.chain_before = ring.entries.popleft()
        ring.first_index += 1
        self._bytes -= len(encoded) + _OVERHEAD_BYTES
        if not ring.entries:
            del self._logs[log_id]


class _Ring:
    """One log's part; `entries` holds (encoded, chain) from `first_index` on."""

    __slots__ = ("chain_before", "entries", "first_index")

    def __init__(self, first_index: int, chain_before: bytes) -> None:
        self.first_index = first_index
        self.chain_before = chain_before
        self.entries: deque[tuple[bytes, bytes]] = deque()
