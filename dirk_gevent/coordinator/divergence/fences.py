"""States of nodes that are shut out: remembered on the disk, told to the node, followed until it is healed."""

from __future__ import annotations

from collections.abc import Collection, Container

from dirk_gevent.coordinator.divergence.copied_log_check import CopiedLogCheck
from dirk_gevent.coordinator.divergence.digest_rounds import DigestRounds
from dirk_gevent.coordinator.divergence.registry import Cause, Conflict, ConflictSubject, Status
from dirk_gevent.coordinator.renamed_nodes import RenamedNodes
from dirk_gevent.coordinator.state import CoordinatorState
from dirk_gevent.log.entry import SYSTEM_LOG_ID
from dirk_gevent.replication.frame_types import Hello, Standing
from dirk_parser.errors import SqlError

#: A node that ended one entry otherwise so often will do so again: seeding it anew would only fill its disk.
MOST_FENCES = 3
#: What is known against a node's state while its conflict stands so.
_OPEN = (Status.UNDECIDED, Status.FENCED, Status.EVICTED)


def restore_fences(state: CoordinatorState) -> None:
    """Tell the view of the cluster who was shut out when the process before this one ended."""
    for conflict in state.registry.having(Status.FENCED, Status.EVICTED):
        view = state.cluster.nodes.get(conflict.node)
        if view is None:
            continue
        if conflict.status is Status.EVICTED:
            view.databases.evicted.add(conflict.log_id)
        elif conflict.log_id is not None:
            view.fence(conflict.log_id)


class Fences:
    """The fences of one coordinator. The conflict book is their memory; the cluster's view follows it."""

    def __init__(self, state: CoordinatorState, evidence: CopiedLogCheck, rounds: DigestRounds) -> None:
        self._state = state
        self._book = state.registry
        self._logger = state.logger
        self._evidence = evidence
        self._rounds = rounds
        self._renamed = RenamedNodes(state.config.log.directory, state.logger.exception)

    def fence(
        self,
        node: str,
        log_id: int,
        index: int,
        cause: Cause = Cause.OUTCOME,
        digests: tuple[bytes, bytes] = (b"", b""),
    ) -> None:
        """Shut out a node's state of one log: kept aside there, then seeded again. Blocks until it is remembered.

        Nothing happens when it is shut out already.
        """
        if self._state.is_shut_out(node, log_id):
            return
        # Remembered until the node confirms it: it may be away now, or end before it has put its state aside.
        self._state.cluster.nodes[node].fence(log_id)
        self._logger.error("node_fenced", target=node, log=log_id, index=index, reason=str(cause))
        conflict = self._book.find(node, log_id, Status.UNDECIDED)
        if conflict is not None:
            self._book.change(conflict.number, status=Status.FENCED, right=digests[1].hex())
        else:
            name = self._state.database_name(log_id)
            self._book.add(ConflictSubject(node, name, log_id, index), cause, Status.FENCED, digests)
        # What is shut out does not speak against the log, whose writes must not go on waiting for it.
        self._evidence.follows(node, log_id)
        self._state.outcomes.discard_reports(node, log_id)
        self._rounds.shut_out(node, log_id)
        link = self._state.links.get(node)
        if link is not None:
            link.fence(log_id)

    def done(self, node: str, log_id: int, kept: str) -> None:
        """The node has put its wrong state aside: what it says from now on is of the new one."""
        self._state.cluster.nodes[node].databases.fenced.discard(log_id)
        conflict = self._book.find(node, log_id, Status.FENCED)
        if conflict is None:
            return
        self._book.change(conflict.number, status=Status.KEPT, kept=kept)
        if conflict.cause is Cause.OUTCOME and self._times_shut_out(conflict) >= MOST_FENCES:
            self.evict(node, log_id)

    def _times_shut_out(self, found: Conflict) -> int:
        """How often this node ended this entry otherwise than the others, each time from the log's own state."""
        subject = found.node, found.log_id, found.index, found.cause
        return sum(
            (conflict.node, conflict.log_id, conflict.index, conflict.cause) == subject for conflict in self._book.all()
        )

    def dumped(self, node: str, log_id: int, kept: str, kept_sql: str) -> None:
        """The state that a node kept aside can be read as statements, too."""
        for conflict in self._book.all():
            if (conflict.node, conflict.log_id, conflict.kept) == (node, log_id, kept):
                self._book.change(conflict.number, kept_sql=kept_sql)

    def check_owner(self, hello: Hello) -> None:
        """A node comes with a directory: another node's stands aside whole, and the node is seeded anew.

        Two nodes with copies of one directory would be two witnesses for what one of them has seen. (One may bear the
        id under which the other has written it, before that was renamed.)
        """
        owner = hello.owner
        if owner == hello.node:
            # The id may be back, with a directory that another node has gone on with since.
            owner = self._renamed.heir(owner)
        if owner is None:
            self._renamed.forget(hello.node)
            return
        if self._is_renamed(owner, hello.node):
            self._renamed.remember(owner, hello.node)
            self._logger.info("node_renamed", target=hello.node, before=owner)
            return
        self._logger.error("copied_node", target=hello.node, owner=owner)
        for log_id, standing in hello.standings.items():
            if standing.applied:
                ours = self._state.log.reads.chain_at(log_id, standing.applied) or b""
                self.fence(hello.node, log_id, standing.applied, Cause.COPIED_NODE, (standing.chain, ours))
        # From now on it has nothing of a directory of before.
        self._renamed.forget(hello.node)

    def _is_renamed(self, owner: str, node: str) -> bool:
        """True when `node` is the one that was `owner`: the cluster has no such id any more, no other node came with
        its directory, and nothing is open about the state in it (the book knows that under the old id alone).
        """
        is_gone = owner not in self._state.cluster.nodes and self._renamed.may_be(owner, node)
        is_open = any(conflict.node == owner for conflict in self._book.having(*_OPEN))
        return is_gone and not is_open

    def taken_places(self, hello: Hello, changed: Collection[int], known: Container[int]) -> set[int]:
        """The logs that have begun since a node came, if it came with something in their places; not those `known`."""
        if SYSTEM_LOG_ID not in changed:
            return set()
        return {
            log
            for log in hello.standings
            if log not in known and self._state.log.reads.is_open(log)
        }

    def begun(self, hello: Hello, log_id: int) -> None:
        """A log begins while a node is connected. What that came with under the same number is of another history,
        which went on past the log: taken for the log's own, the first entries would count as applied.
        """
        standing = hello.standings.get(log_id)
        if standing is None or not standing.applied:
            return
        if (hashes := self.apart(log_id, standing)) is not None:
            self.fence(hello.node, log_id, standing.applied, Cause.HISTORY, hashes)

    def apart(self, log_id: int, standing: Standing) -> tuple[bytes, bytes] | None:
        """A node's hash and the log's (b"" for none) where the node stands, if that is in another history than the
        log's: past its end, or at an entry of which it has another hash. None where nothing says so.
        """
        # The end first: the log may go on while the hash is read.
        head = self._state.head_index(log_id)
        ours = self._state.chain_at(log_id, standing.applied)
        is_apart = standing.applied > head or (ours is not None and ours != standing.chain)
        return (standing.chain, ours or b"") if is_apart else None

    def evict(self, node: str, log_id: int | None) -> None:
        """Shut a node out, of one log or (None) of all, until it is seeded again by a person."""
        self._state.cluster.nodes[node].evict(log_id)
        if self._book.find(node, log_id, Status.EVICTED) is None:
            name = "" if log_id is None else self._state.database_name(log_id)
            index = 0 if log_id is None else self._state.head_index(log_id)
            self._book.add(ConflictSubject(node, name, log_id, index), Cause.ASKED, Status.EVICTED)
        self._logger.error("node_evicted", target=node, log=log_id)
        link = self._state.links.get(node)
        if link is not None:
            link.close()

    def readmit(self, node: str, log_id: int | None) -> list[int]:
        """End an eviction and have the node take the log's state of one log or of all; the logs it is seeded with."""
        view = self._state.cluster.nodes[node]
        logs = sorted(self._state.log.reads.heads()) if log_id is None else [log_id]
        for conflict in self._book.having(Status.EVICTED):
            if conflict.node == node and (log_id is None or conflict.log_id == log_id):
                self._book.change(conflict.number, status=Status.ENDED)
                view.databases.evicted.discard(conflict.log_id)
        if None in view.databases.evicted:
            raise SqlError("node_evicted", node=node)
        for log in logs:
            self.fence(node, log, view.applied_index(log), Cause.ASKED, (b"", b""))
        return logs

    def follows(self, node: str, log_id: int) -> None:
        """A node's history is the log's, or it has none: what stood between them is over."""
        strange = [other for other in self._book.having(Status.UNDECIDED) if other.cause is Cause.OTHER_LOG]
        for conflict in strange:
            if conflict.node == node:
                self._book.change(conflict.number, status=Status.ENDED)
        if all(other.node == node for other in strange):
            self._state.blocks.unblock(None, "log_unknown_to_node")
        self._evidence.follows(node, log_id)

    def look(self) -> None:
        """Note which nodes are healed, and what has become pointless because its database is gone."""
        for conflict in self._book.having(Status.KEPT, Status.FENCED, Status.EVICTED):
            if conflict.log_id is None or conflict.node not in self._state.cluster.nodes:
                continue
            if not self._state.log.reads.is_open(conflict.log_id):
                self._state.cluster.nodes[conflict.node].databases.evicted.discard(conflict.log_id)
                self._book.change(conflict.number, status=Status.ENDED)
            elif conflict.status is Status.KEPT and self._is_healed(conflict):
                self._book.change(conflict.number, status=Status.HEALED)
                self._logger.info("node_healed", target=conflict.node, log=conflict.log_id)
                self._rounds.hurry(conflict.log_id)

    def _is_healed(self, found: Conflict) -> bool:
        """True when the node has taken the log's state and everything after it.

        (Where its own state was shut out says nothing: that may have been another history, and longer.)
        """
        if found.log_id is None or self._state.is_shut_out(found.node, found.log_id):
            return False
        return self._state.cluster.nodes[found.node].is_level(found.log_id, self._state.head_index(found.log_id))
