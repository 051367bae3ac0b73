"""True when the log is the one that was written last, or a copy from before: who can say so, and what waits until then.

The journal knows the inode that it lies in. One that was put back from a copy lies in another, and may lack entries
that only some node has seen: it takes no write until every master has told how far it is, in a hello or by its files
where they are on this machine. A node that knows more blocks the log for a person (`DivergenceResolver`); a person
may also decide that nobody else will come (`dirk-admin settle --accept-log`).

A copy may lie in the same inode, too, and go on from there before a node that knows more comes back. Such a node has
heard of an epoch (`dirk_gevent.log.epochs`) that the log does not know, or of entries in an epoch behind the log's own
end of it. It is not shut out for what it has, and nothing is appended, before a person decides; nor is it told this
log's epoch, in the place of which it would forget the one that speaks for it. What was found is in the conflict book,
behind the genesis of the log that it speaks against (`Conflict.right`), and holds across restarts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gevent.lock import BoundedSemaphore

from dirk_gevent.base import logger
from dirk_gevent.coordinator.admin.inspect_nodes import node_files
from dirk_gevent.coordinator.divergence.registry import Cause, Conflict, ConflictSubject, Status
from dirk_gevent.coordinator.state import CoordinatorState
from dirk_gevent.log.entry import SYSTEM_LOG_ID
from dirk_gevent.replication.frame_types import Hello, Welcome
from dirk_gevent.replication.genesis import heard_epoch
from dirk_parser.errors import SqlError

_KEY = "log_copied"
_OLDER, _WENT_BACK = "log_older_than_node", "log_went_back"


class CopiedLogCheck:
    """The question whether one host's log is whole. `is_open` until it has been answered."""

    def __init__(self, state: CoordinatorState) -> None:
        self._state = state
        self._logger = logger.logger("log")
        self._is_copy = self._state.log.is_copy and self._state.head_index(SYSTEM_LOG_ID) > 0
        self._accepting = BoundedSemaphore(1)
        self._resume()
        for instance in self._state.config.instances:
            heard = heard_epoch(instance.data_directory)
            if heard is not None:
                self._heard_epoch(instance.id, heard)
        nodes = state.cluster.nodes
        self._missing = {name for name, view in nodes.items() if view.is_master and not view.databases.evicted}
        if not self._is_copy:
            self._state.log.trust()
            self._end()
            return
        if self._state.registry.find("", None, Status.UNDECIDED) is None:
            head = self._state.head_index(SYSTEM_LOG_ID)
            self._state.registry.add(ConflictSubject("", "", None, head), Cause.COPIED_LOG, Status.UNDECIDED)
        self._block()
        for instance in self._state.config.instances:
            files = node_files(instance.id, instance.data_directory)
            if files.genesis == self._state.log.genesis and not files.problems:
                heads = {log_id: max(meta.applied_index, meta.heard_head) for log_id, meta in files.databases.items()}
                self._heard(instance.id, heads, heard_epoch(instance.data_directory))

    @property
    def is_open(self) -> bool:
        """True when writes wait for an answer that `accept` can be."""
        return self._is_copy or bool(self._doubts())

    def undecidable(self) -> Conflict | None:
        """A node that knows more than the log, and does not say in which epoch: the log can't be told to do without."""
        return next((conflict for conflict in self._older() if not conflict.digest), None)

    def came(self, hello: Hello) -> None:
        """A node comes. If it has heard of an epoch that this log does not know, nothing is appended any more; one that
        has not ends what was believed of it before.
        """
        if hello.epoch is not None or not any(standing.applied for standing in hello.standings.values()):
            self._heard_epoch(hello.node, hello.epoch)

    def _heard_epoch(self, node: str, heard: tuple[bytes, bytes] | None) -> None:
        conflicts = [conflict for conflict in self._gone_back() if conflict.node == node]
        if heard is None or heard[0] != self._state.log.genesis or self._state.log.epochs.knows(heard[1]):
            for conflict in conflicts:
                self._state.registry.change(conflict.number, status=Status.ENDED)
            if conflicts and not self._gone_back():
                self._state.blocks.unblock(None, _WENT_BACK)
            return
        if not conflicts:
            subject = ConflictSubject(node, "", None, self._state.head_index(SYSTEM_LOG_ID))
            self._add(subject, Cause.WENT_BACK, heard[1])
            self._logger.error("log_went_back", target=node, epoch=heard[1].hex())
        self._block_gone_back()

    def _add(self, subject: ConflictSubject, cause: Cause, epoch: bytes) -> None:
        self._state.registry.add(subject, cause, Status.UNDECIDED, (epoch, self._state.log.genesis))

    def _resume(self) -> None:
        """Take up what earlier processes found of this very log; what they found of another is over."""
        genesis = self._state.log.genesis.hex()
        for conflict in self._state.registry.having(Status.UNDECIDED):
            if conflict.cause not in (Cause.WENT_BACK, Cause.OLDER_LOG) or not conflict.right:
                continue
            log_id = conflict.log_id
            if conflict.right != genesis or (log_id is not None and not self._state.log.reads.is_open(log_id)):
                self._state.registry.change(conflict.number, status=Status.ENDED)
            elif log_id is not None:
                head = self._state.head_index(log_id)
                key = _OLDER if head < conflict.index else _WENT_BACK
                self._state.blocks.block(log_id, SqlError(key, node=conflict.node, head=head, heard=conflict.index))
        if self._gone_back():
            self._block_gone_back()

    def is_believed(self, node: str) -> bool:
        """True when a node has heard of a later epoch, so that its history is not to be shut out for the log's."""
        return any(conflict.node == node for conflict in self._gone_back())

    def lacks(self, hello: Hello, log_id: int, head: int) -> tuple[int, int] | None:
        """The last index that a log had when the node left it, and what the node has heard of, if that is more.

        A node that has applied more of this very log than the log had then has only not written down a later epoch.
        """
        standing, end, log = hello.standings[log_id], None, self._state.log
        if hello.epoch is None or hello.epoch[0] == log.genesis:
            end = log.epochs.end(hello.epoch[1] if hello.epoch else None, log_id)
        reached = max(standing.heard, standing.applied)
        if end is not None and reached > end and head >= standing.applied > end:
            end = None if self._state.chain_at(log_id, standing.applied) == standing.chain else end
        held = head if end is None else min(end, head)
        return (held, reached) if reached > held else None

    def speaks_against(self, hello: Hello) -> bool:
        """True when a node that comes may know more than this log, so that it must not forget in which epoch."""
        if self.is_believed(hello.node) or self.is_given_up(hello):
            return True
        heads, is_fenced = self._state.log.reads.heads(), self._state.is_shut_out
        counting = [
            log for log in hello.standings if log in heads and not is_fenced(hello.node, log)
        ]
        return any(self.lacks(hello, log_id, heads[log_id].index) for log_id in counting)

    def follows(self, node: str, log_id: int) -> None:
        """Note that a node's part of a log is the log's, or empty: what it has said against it is over."""
        for conflict in self._older(log_id):
            if conflict.node == node:
                self._state.registry.change(conflict.number, status=Status.ENDED)
        if not self._older(log_id):
            for key in (_OLDER, _WENT_BACK):
                self._state.blocks.unblock(log_id, key)

    def is_given_up(self, hello: Hello) -> bool:
        """True when what a node heard of was of a log that a person gave up: a rebuild's, or one that went back."""
        is_of_another = any(predecessor.genesis == hello.genesis for predecessor in self._state.log.predecessors)
        return is_of_another or self._is_decided(hello.epoch)

    def _is_decided(self, epoch: tuple[bytes, bytes] | None) -> bool:
        """True when a person decided that what nodes heard in an epoch of this log counts for nothing beyond it."""
        log = self._state.log
        return epoch is not None and epoch[0] == log.genesis and log.epochs.is_disowned(epoch[1])

    def welcome(self, hello: Hello, heads: Mapping[int, int], epoch: bytes) -> Welcome:
        """The answer to a node that comes, which is told `epoch`."""
        log, forgets = self._state.log, self.is_given_up(hello)
        return Welcome(log.genesis, log.predecessors, heads, self._state.beat_seconds, epoch=epoch, forgets=forgets)

    def is_older(self, node: str, log_id: int, lacks: tuple[int, int], epoch: tuple[bytes, bytes] | None) -> None:
        """A node has heard of more of a log than that held when it left (see `lacks`): no append until a person
        decides. `epoch` is the last that the node heard of.
        """
        held, heard = lacks
        if self._is_decided(epoch):
            # Since the node came: it comes again, and its history is another one, like any.
            if (link := self._state.links.get(node)) is not None:
                link.close()
            return
        self._logger.error(_OLDER, target=node, log=log_id, head=held, heard=heard)
        key = _WENT_BACK if held < self._state.head_index(log_id) else _OLDER
        self._state.blocks.block(log_id, SqlError(key, node=node, head=held, heard=heard))
        if self._state.registry.find(node, log_id, Status.UNDECIDED) is None:
            self._add(
                ConflictSubject(node, self._state.database_name(log_id), log_id, heard),
                Cause.OLDER_LOG,
                self._past(epoch),
            )

    def _past(self, epoch: tuple[bytes, bytes] | None) -> bytes:
        """An epoch of this log that is over, or that it does not know; b"" for any other."""
        log = self._state.log
        return epoch[1] if epoch is not None and epoch[0] == log.genesis and not log.epochs.is_own(epoch[1]) else b""

    def heard_of(self, hello: Hello) -> None:
        """A node told how far it is."""
        if self._is_copy:
            heads = {log_id: max(standing.applied, standing.heard) for log_id, standing in hello.standings.items()}
            self._heard(hello.node, heads, hello.epoch)

    def accept(self) -> None:
        """The log counts from now on: every master has been heard, or a person decided. *Blocks.*

        SqlError when the disk fails: the next node that comes, or the person, tries again.
        """
        # What comes while this waits for the disk was not decided: it blocks the log behind this.
        doubts = self._doubts()
        with self._accepting:
            if not self._is_copy and not doubts:
                return
            self._state.log.trust()
            for doubt in doubts:
                self._state.log.epochs.disown(bytes.fromhex(doubt.digest))
            # A node says what it knows log by log: the rest of what it has from an epoch is decided with the first.
            is_decided = self._state.log.epochs.is_disowned
            doubts = [doubt for doubt in self._doubts() if doubt in doubts or is_decided(bytes.fromhex(doubt.digest))]
        self._is_copy = False
        self._end()
        for doubt in doubts:
            self._state.registry.change(doubt.number, status=Status.ENDED)
        self._unblock(doubts)
        for node in {doubt.node for doubt in doubts} & self._state.links.keys():
            # When it comes back its history is another one, like any.
            self._state.links[node].close()
        self._state.logger.info("log_accepted")

    def _unblock(self, doubts: Iterable[Conflict]) -> None:
        """Let writes go on where nothing but these spoke against the log."""
        self._state.blocks.unblock(None, _KEY)
        if not self._gone_back():
            self._state.blocks.unblock(None, _WENT_BACK)
        for log_id in {doubt.log_id for doubt in doubts if doubt.log_id is not None}:
            if not self._older(log_id):
                self._state.blocks.unblock(log_id, _OLDER)
                self._state.blocks.unblock(log_id, _WENT_BACK)

    def _doubts(self) -> list[Conflict]:
        """Evidence against the log that `accept` can settle: nodes with later epochs, or with more of one."""
        return [*self._gone_back(), *(conflict for conflict in self._older() if conflict.digest)]

    def _older(self, log_id: int | None = None) -> list[Conflict]:
        """The nodes that know more of one log, or of any, than it holds, as the book has them."""
        conflicts = [
            conflict for conflict in self._state.registry.having(Status.UNDECIDED) if conflict.cause is Cause.OLDER_LOG
        ]
        return [conflict for conflict in conflicts if log_id in (None, conflict.log_id)]

    def _gone_back(self) -> list[Conflict]:
        """The nodes that have heard of later epochs than the log knows, as the book has them."""
        return [
            conflict for conflict in self._state.registry.having(Status.UNDECIDED) if conflict.cause is Cause.WENT_BACK
        ]

    def _block_gone_back(self) -> None:
        nodes = ", ".join(sorted({conflict.node for conflict in self._gone_back()}))
        self._state.blocks.block(None, SqlError(_WENT_BACK, node=nodes))

    def _end(self) -> None:
        conflict = self._state.registry.find("", None, Status.UNDECIDED)
        if conflict is not None:
            self._state.registry.change(conflict.number, status=Status.ENDED)

    def _heard(self, node: str, heads: Mapping[int, int], epoch: tuple[bytes, bytes] | None) -> None:
        for log_id, heard in ({} if self._is_decided(epoch) else heads).items():
            head, is_open = self._state.head_index(log_id), self._state.log.reads.is_open
            if heard > head and (log_id > self._state.head_index(SYSTEM_LOG_ID) or is_open(log_id)):
                self.is_older(node, log_id, (head, heard), epoch)
                return
        self._missing.discard(node)
        if self._missing:
            self._block()
        elif not self._doubts():
            self.accept()

    def _block(self) -> None:
        if self._gone_back():
            return
        missing = ", ".join(sorted(self._missing))
        self._state.blocks.block(None, SqlError(_KEY, missing=missing))
