"""Whether the log is the one that was written last, or a copy from before: who can say so, and what waits until then.

The journal knows the inode that it lies in. One that was put back from a copy lies in another, and may lack entries
that only some node has seen: it takes no write until every master has told how far it is, in a hello or by its files
where they are on this machine. A node that knows more blocks the log for a person (`Disputes`); a person may also
decide that nobody else will come (`dirk-admin settle --accept-log`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dirk_gevent.conflicts import Cause, Status
from dirk_gevent.log.entry import SYSTEM_LOG_ID
from dirk_gevent.replication import Hello
from dirk_gevent.survey import node_files
from parser.errors import SqlError

if TYPE_CHECKING:
    from dirk_gevent.host import LogHost

_KEY = "log_copied"


class LogEvidence:
    """The question whether one host's log is whole. `is_open` until it has been answered."""

    def __init__(self, host: LogHost) -> None:
        self._host = host
        self.is_open = host.log.is_copy and host.head_index(SYSTEM_LOG_ID) > 0
        self._missing = {name for name, view in host.cluster.nodes.items() if view.is_master and not view.evicted}
        if not self.is_open:
            host.log.trust()
            self._end()
            return
        if host.book.find("", None, Status.UNDECIDED) is None:
            head = host.head_index(SYSTEM_LOG_ID)
            host.book.add(("", "", None, head), Cause.COPIED_LOG, Status.UNDECIDED)
        self._block()
        for instance in host.config.instances:
            found = node_files(instance.id, instance.data_directory)
            if found.genesis == host.log.genesis and not found.problems:
                heads = {log_id: max(one.applied_index, one.heard_head) for log_id, one in found.databases.items()}
                self._heard(instance.id, heads)

    def heard_of(self, hello: Hello) -> None:
        """A node told how far it is."""
        if self.is_open:
            heads = {log_id: max(one.applied, one.heard) for log_id, one in hello.standings.items()}
            self._heard(hello.node, heads)

    def accept(self) -> None:
        """The log counts from now on: every master has been heard, or a person decided."""
        self.is_open = False
        self._host.log.trust()
        self._host.disputes.unblock(None, _KEY)
        self._end()
        self._host.log_event("log_accepted")

    def _end(self) -> None:
        found = self._host.book.find("", None, Status.UNDECIDED)
        if found is not None:
            self._host.book.change(found.number, status=Status.ENDED)

    def _heard(self, node: str, heads: Mapping[int, int]) -> None:
        for log_id, heard in heads.items():
            head = self._host.head_index(log_id)
            if heard > head and (log_id > self._host.head_index(SYSTEM_LOG_ID) or self._host.log.is_open(log_id)):
                self._host.log_is_older(node, log_id, head, heard)
                return
        self._missing.discard(node)
        if self._missing:
            self._block()
        else:
            self.accept()

    def _block(self) -> None:
        missing = ", ".join(sorted(self._missing))
        self._host.disputes.block(None, SqlError(_KEY, missing=missing))
