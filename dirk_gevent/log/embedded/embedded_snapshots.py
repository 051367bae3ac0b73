"""The snapshots of the embedded log, and what they let it forget."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from dirk_gevent.log.embedded.embedded_reads import EmbeddedReads
from dirk_gevent.log.embedded.notifier import Notifier
from dirk_gevent.log.embedded.retention import Retention
from dirk_gevent.log.embedded.tail import Tail
from dirk_gevent.log.records import SnapshotInfo, SnapshotReader


class EmbeddedSnapshots:
    """`contract.LogSnapshots` beside a journal; see the contract for every method. `time_ms` is log time."""

    def __init__(
        self, retention: Retention, reads: EmbeddedReads, tail: Tail, notifier: Notifier, time_ms: Callable[[], int]
    ) -> None:
        self._retention = retention
        self._reads = reads
        self._tail = tail
        self._notifier = notifier
        self._time_ms = time_ms

    def store(self, info: SnapshotInfo, chunks: Iterable[bytes]) -> SnapshotInfo:
        """See `contract.LogSnapshots.store`."""
        return self._retention.store(info, chunks, self._reads.chain_at(info.log_id, info.index))

    def latest(self, log_id: int) -> SnapshotInfo | None:
        """See `contract.LogSnapshots.latest`."""
        return self._retention.latest(log_id)

    def all(self, log_id: int) -> tuple[SnapshotInfo, ...]:
        """See `contract.LogSnapshots.all`."""
        return self._retention.all(log_id)

    def open(self, log_id: int, index: int) -> SnapshotReader:
        """See `contract.LogSnapshots.open`."""
        return self._retention.open(log_id, index)

    def confirm(self, log_id: int, index: int, digest: bytes) -> bool:
        """See `contract.LogSnapshots.confirm`."""
        return self._retention.confirm(log_id, index, digest)

    def delete(self, log_id: int, index: int) -> None:
        """See `contract.LogSnapshots.delete`."""
        self._retention.delete(log_id, index)

    def adopt(self, info: SnapshotInfo, chunks: Iterable[bytes]) -> SnapshotInfo:
        """See `contract.LogSnapshots.adopt`."""
        adopted = self._retention.adopt(info, chunks, self._time_ms())
        self._tail.forget(info.log_id)
        self._notifier.ring((info.log_id,))
        self._retention.discard(info.log_id)
        return adopted

    def truncate(self, log_id: int, upto: int) -> int:
        """See `contract.LogSnapshots.truncate`."""
        return self._retention.truncate(log_id, upto)

    def forget(self, log_id: int) -> None:
        """See `contract.LogSnapshots.forget`."""
        self._retention.forget(log_id)
