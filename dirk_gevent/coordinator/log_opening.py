"""Where a node goes on in each log when it comes: from where it stands, from a snapshot, fenced, or not at all."""

from __future__ import annotations

from dirk_gevent.coordinator.divergence.registry import Cause
from dirk_gevent.coordinator.link_parts import LinkParts
from dirk_gevent.coordinator.log_sender import LogSender
from dirk_gevent.coordinator.node_connection import NodeConnection
from dirk_gevent.log.records import Watch
from dirk_gevent.replication.frame_types import Hello


class LogOpening:
    """Opens the logs for the node that has said `hello`, those that there are and those that begin later."""

    def __init__(self, parts: LinkParts, connection: NodeConnection, sender: LogSender, hello: Hello) -> None:
        self._parts = parts
        self._state = parts.state
        self._log = parts.state.log
        self._node = connection.node
        self._frames = connection.frames
        self._queue = connection.queue
        self._epoch = connection.epoch
        self._sender = sender
        self._hello = hello
        #: Logs of which the node is sent nothing.
        self._refused: set[int] = set()

    def open(self, log_id: int) -> None:
        """Decide where the node goes on in one log, and begin there."""
        if self._state.cluster.nodes[self._node].is_evicted(log_id):
            return
        standing = self._hello.standings.get(log_id)
        head = self._log.reads.head(log_id).index
        if standing is None:
            if self._state.is_shut_out(self._node, log_id):
                self._parts.fences.done(self._node, log_id, "")
            self._parts.fences.follows(self._node, log_id)
            self._sender.go_on(log_id, self._queue.begin(log_id, 0))
            return
        if self._state.is_shut_out(self._node, log_id):
            # What is shut out does not speak against the log either.
            self._queue.begin(log_id, standing.applied)
            self._sender.fence(log_id)
            return
        if not self._epoch.is_from_predecessor and (lacks := self._parts.evidence.lacks(self._hello, log_id, head)):
            self._refuse(log_id, lacks)
            return
        window = self._queue.begin(log_id, standing.applied)
        self._parts.integrity.vouch(self._node, log_id, standing)
        if (hashes := self._parts.fences.apart(log_id, standing)) is not None:
            if self._parts.evidence.is_believed(self._node):
                del self._queue.windows[log_id]
                self._refused.add(log_id)
            else:
                self._parts.fences.fence(self._node, log_id, standing.applied, Cause.HISTORY, hashes)
            return
        self._parts.fences.follows(self._node, log_id)
        self._parts.reports.applied(self._node, log_id, standing.applied)
        # What was applied while no connection stood is sent again: writers and headers wait for the recorded outcomes.
        unreported = self._parts.reports.unreported_index(self._node, log_id, standing.applied)
        if self._log.reads.oldest(log_id) <= unreported + 1 <= standing.applied:
            window.restart(unreported)
        self._sender.go_on(log_id, window)

    def listen(self, watch: Watch) -> None:
        """Wake the sender when logs change, and open those that begin, until `watch` is closed."""
        fences, is_evicted = self._parts.fences, self._state.cluster.nodes[self._node].is_evicted
        windows = self._queue.windows
        while changed := watch.wait():
            for log_id in changed | fences.taken_places(self._hello, changed, windows):
                if log_id not in windows and log_id not in self._refused and not is_evicted(log_id):
                    self._queue.begin(log_id, 0)
                    fences.begun(self._hello, log_id)
                self._queue.add(log_id)
            self._queue.wake()

    def _refuse(self, log_id: int, lacks: tuple[int, int]) -> None:
        self._refused.add(log_id)
        self._parts.evidence.is_older(self._node, log_id, lacks, self._hello.epoch)
        self._frames.send({"t": "refuse", "log": log_id, "key": "log_older_than_node"})
