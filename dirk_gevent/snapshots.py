"""When the log gets a snapshot of a database, who makes it, and when it may forget what lies before.

A round: the log asks all live masters for their content digest at one index, and one of them for the snapshot
too. A second master's equal digest confirms it; only then are entries dropped.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import gevent

from dirk_gevent.config import LogSettings
from dirk_gevent.log.contract import Size, SnapshotInfo
from dirk_gevent.log.entry import SYSTEM_LOG_ID
from parser.errors import SqlError

if TYPE_CHECKING:
    from dirk_gevent.host import LogHost

#: A round that has not ended by then is given up (a node died in it) and may begin again.
_ROUND_SECONDS = 120.0
#: Rounds at one time: each holds a read transaction, a file and a native thread on its author.
_MOST_ROUNDS = 4


@dataclass(slots=True)
class _Round:
    """One snapshot on its way. `author` makes it; `digests` are what the masters said, by node."""

    index: int
    author: str
    started: float
    digests: dict[str, bytes] = field(default_factory=dict)
    stored: SnapshotInfo | None = None


class SnapshotKeeper:
    """The snapshot rounds of one host."""

    def __init__(self, host: LogHost) -> None:
        self._host = host
        self._rounds: dict[int, _Round] = {}

    def consider(self) -> None:
        """Begin a round for each log that has grown past its bounds, and end those that have waited too long."""
        settings = self._host.config.log
        now = time.monotonic()
        heads = self._host.log.heads()
        for dropped in self._rounds.keys() - heads.keys():
            del self._rounds[dropped]
        for log_id in heads:
            if log_id == SYSTEM_LOG_ID:
                continue
            size = self._host.log.size(log_id)
            if (current := self._rounds.get(log_id)) is not None:
                if current.stored is not None and size.bytes > settings.retain_bytes:
                    self._confirm(log_id, current, current.stored.digest)
                elif now - current.started > _ROUND_SECONDS:
                    self._give_up(log_id, current)
            elif _is_large(size, settings) and self._is_worthwhile(log_id, size):
                self.begin(log_id)

    def _is_worthwhile(self, log_id: int, size: Size) -> bool:
        """Whether a snapshot begun now can be confirmed: by a second master, or for want of room without one."""
        if len(self._rounds) >= _MOST_ROUNDS:
            return False
        needed = min(2, self._host.cluster.masters())
        is_over = size.bytes > self._host.config.log.retain_bytes
        return is_over or len(self._host.cluster.live_masters(log_id)) >= needed

    def begin(self, log_id: int) -> int | None:
        """Ask for a snapshot at the log's head; its index, or None when no master is there to make it."""
        links = self._host.links()
        masters = [name for name in self._host.cluster.live_masters(log_id) if name in links]
        if not masters or log_id in self._rounds:
            return None
        index = self._host.head_index(log_id)
        author = max(masters, key=lambda name: self._host.cluster.nodes[name].applied.get(log_id, 0))
        self._rounds[log_id] = _Round(index, author, time.monotonic())
        for name in masters:
            links[name].mark(log_id, index, uploads=name == author)
        self._host.log_event("snapshot_begun", log=log_id, index=index, author=author)
        return index

    def digest(self, node: str, log_id: int, index: int, digest: bytes) -> None:
        """A master's content digest at `index`."""
        current = self._rounds.get(log_id)
        if current is not None and current.index == index and self._host.cluster.nodes[node].is_master:
            current.digests[node] = digest
            self._try_to_end(log_id, current)

    def store(self, node: str, info: SnapshotInfo, chunks: Iterator[bytes]) -> None:
        """Take the snapshot that `node` uploads. Blocks until it is durable."""
        try:
            stored = self._host.log.store_snapshot(info, chunks)
        except (SqlError, ConnectionError) as error:
            self._host.log_event("snapshot_refused", node=node, log=info.log_id, index=info.index, reason=str(error))
            self._rounds.pop(info.log_id, None)
            return
        current = self._rounds.get(info.log_id)
        if current is not None and current.index == info.index:
            current.stored = stored
            self._try_to_end(info.log_id, current)

    def _try_to_end(self, log_id: int, current: _Round) -> None:
        if current.stored is None:
            return
        others = [digest for node, digest in current.digests.items() if node != current.author]
        if others:
            self._confirm(log_id, current, others[0])
        elif self._host.cluster.masters() == 1:
            self._confirm(log_id, current, current.stored.digest)

    def _confirm(self, log_id: int, current: _Round, digest: bytes) -> None:
        # A greenlet of its own: forgetting many entries takes many commits, and what called here reads a node's link.
        self._rounds.pop(log_id, None)
        gevent.spawn(self._host.guarded, self._end, log_id, current, digest)

    def _end(self, log_id: int, current: _Round, digest: bytes) -> None:
        if self._host.log.confirm_snapshot(log_id, current.index, digest):
            self._host.log_event("snapshot_confirmed", log=log_id, index=current.index)
            self._truncate(log_id, current.index)
            return
        self._host.log.delete_snapshot(log_id, current.index)
        if current.stored is not None:
            # The author's own digest may still be on its way; what it stored says the same.
            current.digests[current.author] = current.stored.digest
        self._host.disputes.contents_differ(log_id, current.index, current.digests)

    def _give_up(self, log_id: int, current: _Round) -> None:
        self._rounds.pop(log_id, None)
        self._host.log_event("snapshot_given_up", log=log_id, index=current.index)
        if current.stored is not None:
            self._host.log.delete_snapshot(log_id, current.index)

    def _truncate(self, log_id: int, index: int) -> None:
        """Drop entries that every node has in its file for good; all behind the snapshot past `retainBytes`."""
        nodes = self._host.cluster.nodes.values()
        needed = min(view.durable.get(log_id, 0) for view in nodes)
        is_over = self._host.log.size(log_id).bytes > self._host.config.log.retain_bytes
        oldest = self._host.log.truncate(log_id, index if is_over else min(index, needed))
        self._host.log_event("log_truncated", log=log_id, oldest=oldest)


def _is_large(size: Size, settings: LogSettings) -> bool:
    """Whether what came since the last snapshot asks for another."""
    return (
        size.entries_since_snapshot >= settings.snapshot_entries
        or size.bytes_since_snapshot >= settings.snapshot_bytes
    )
