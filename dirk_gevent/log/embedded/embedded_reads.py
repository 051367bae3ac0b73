"""Reads of the embedded log: which databases there are, where each log stands, its entries."""

from __future__ import annotations

from collections.abc import Mapping

from dirk_gevent.log.embedded.checked_reads import CheckedJournal
from dirk_gevent.log.embedded.found_damage import FoundDamage
from dirk_gevent.log.embedded.log_state import CurrentState
from dirk_gevent.log.embedded.notifier import Notifier, Subscription
from dirk_gevent.log.embedded.tail import Tail
from dirk_gevent.log.entry import SYSTEM_LOG_ID
from dirk_gevent.log.records import Chunk, Damage, DatabaseInfo, Head, Size
from dirk_parser.names import key as name_key


class EmbeddedReads:
    """`contract.LogReads` on a journal; see the contract for every method."""

    def __init__(
        self, current: CurrentState, checked: CheckedJournal, tail: Tail, notifier: Notifier, damage: FoundDamage
    ) -> None:
        self._current = current
        self._checked = checked
        self._tail = tail
        self._notifier = notifier
        self._damage = damage

    def databases(self) -> tuple[DatabaseInfo, ...]:
        """See `contract.LogReads.databases`."""
        state = self._current.get()
        return tuple(state.info(log_id) for log_id in sorted(state.names.values()) if log_id != SYSTEM_LOG_ID)

    def find(self, name: str) -> DatabaseInfo | None:
        """See `contract.LogReads.find`."""
        state = self._current.get()
        log_id = state.names.get(name_key(name))
        return None if log_id is None else state.info(log_id)

    def is_open(self, log_id: int) -> bool:
        """See `contract.LogReads.is_open`."""
        log = self._current.get().logs.get(log_id)
        return log is not None and log.is_open

    def heads(self) -> Mapping[int, Head]:
        """See `contract.LogReads.heads`."""
        return {log_id: log.head for log_id, log in self._current.get().logs.items() if log.is_open}

    def head(self, log_id: int) -> Head:
        """See `contract.LogReads.head`."""
        return self._current.get().log(log_id).head

    def oldest(self, log_id: int) -> int:
        """See `contract.LogReads.oldest`."""
        return self._current.get().log(log_id).row.base.index + 1

    def older_upto(self, log_id: int) -> int:
        """See `contract.LogReads.older_upto`."""
        log = self._current.get().logs.get(log_id)
        return log.older_upto if log is not None and log.older_upto > log.row.base.index else 0

    def size(self, log_id: int) -> Size:
        """See `contract.LogReads.size`."""
        return self._current.get().log(log_id).size()

    def read(self, log_id: int, after_index: int, max_bytes: int) -> Chunk:
        """See `contract.LogReads.read`; ValueError for an index beyond the head."""
        return self._checked.read(self._tail, log_id, after_index, max_bytes)

    def chain_at(self, log_id: int, index: int) -> bytes | None:
        """See `contract.LogReads.chain_at`."""
        log = self._current.get().logs.get(log_id)
        if log is None or not log.row.base.index <= index <= log.head.index:
            return None
        return self._tail.chain_at(log_id, index) or self._checked.chain_at(log_id, index)

    def index_at(self, log_id: int, time_ms: int) -> int:
        """See `contract.LogReads.index_at`."""
        return self._checked.index_at(log_id, time_ms)

    def damage(self, log_id: int) -> Damage | None:
        """See `contract.LogReads.damage`."""
        return self._damage.of(log_id)

    def is_scrubbed(self, log_id: int) -> bool:
        """See `contract.LogReads.is_scrubbed`."""
        return self._damage.is_scrubbed(log_id)

    def vouch(self, log_id: int, index: int, chain: bytes) -> None:
        """See `contract.LogReads.vouch`."""
        self._checked.vouch(log_id, index, chain)

    def watch(self) -> Subscription:
        """See `contract.LogReads.watch`."""
        return self._notifier.new()
