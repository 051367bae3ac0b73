"""What stops a database from taking writes until it is settled: an old log, a foreign one, masters that disagree.

Two masters that end the same entry differently: a majority of the masters fences the rest. Without a majority no
write is taken until a scratch replay (the log's snapshot and entries, in a directory of its own) has decided.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import gevent

from dirk_gevent import replay
from dirk_gevent.outcomes import Disagreement
from dirk_gevent.threads import NativeThreads
from parser.errors import SqlError

if TYPE_CHECKING:
    from dirk_gevent.host import LogHost


class Disputes:
    """The blocks of one host's log, and how they end."""

    def __init__(self, host: LogHost) -> None:
        self._host = host
        self._blocked: dict[int | None, SqlError] = {}
        self._settling: set[int] = set()
        self._threads = NativeThreads(1)

    def check(self, log_id: int) -> None:
        """Raises the SqlError (57P03) that blocks writes to this log, if any."""
        if self._blocked and (error := self._blocked.get(log_id) or self._blocked.get(None)):
            raise SqlError(error.key, **error.params)

    def block(self, log_id: int | None, error: SqlError) -> None:
        """Take no writes on a log (None: on all) from now on."""
        self._blocked[log_id] = error

    def outcomes_differ(self, found: Disagreement) -> None:
        """Two masters ended one entry differently: fence the minority, or find out which one is right."""
        if found.log_id in self._settling:
            return
        votes = Counter(found.digests.values())
        winner, count = votes.most_common(1)[0]
        if count * 2 > self._host.cluster.masters():
            self._fence_others(found, winner)
            return
        self._settling.add(found.log_id)
        self.block(found.log_id, SqlError("masters_disagree", index=found.index))
        nodes = ",".join(sorted(found.digests))
        self._host.log_event("masters_disagree", log=found.log_id, index=found.index, nodes=nodes)
        gevent.spawn(self._host.guarded, self._settle, found)

    def contents_differ(self, log_id: int, index: int, digests: dict[str, bytes]) -> None:
        """Two masters hold different content at one index (found when a snapshot was to be confirmed)."""
        self.outcomes_differ(Disagreement(log_id, index, dict(digests)))

    def _settle(self, found: Disagreement) -> None:
        try:
            log_directory = self._host.config.log.directory
            with tempfile.TemporaryDirectory(prefix="replay-", dir=log_directory) as scratch:
                truth = self._threads.call(replay.digests_at, self._material(found), Path(scratch))
            winner = next((digest for digest in found.digests.values() if digest in truth), None)
            if winner is None:
                self._host.log_event("replay_agrees_with_nobody", log=found.log_id, index=found.index)
                return
            self._fence_others(found, winner)
            self._blocked.pop(found.log_id, None)
        finally:
            self._settling.discard(found.log_id)

    def _material(self, found: Disagreement) -> replay.Material:
        return replay.material(self._host.log, found.log_id, found.index, self._host.config.limits)

    def _fence_others(self, found: Disagreement, winner: bytes) -> None:
        for node, digest in found.digests.items():
            if digest != winner:
                self._host.fence(node, found.log_id, found.index)
