"""Rounds: all live nodes are asked for their content's digest at one index, and one of them for a snapshot too.

A snapshot is made when the log has grown; a second master's equal digest confirms it, and only then are the entries
behind it dropped. Rounds without a snapshot compare the masters, so that a file edited behind DirkDB's back is found
though no statement touches what was edited; `compare` says when. The index of a round is the log's head: the question
stands in the stream of entries, so every node answers for exactly that state, however much is written behind it.

A round ends when all who can answer have: whoever is lost, shut out, stalled or seeded meanwhile, or hangs in its
answer, is not awaited (`rounds`), and what a comparison was to find out is then still to be found out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

import gevent

from dirk_gevent.config.settings import LogSettings
from dirk_gevent.coordinator.divergence.answer_progress import Answering
from dirk_gevent.coordinator.divergence.comparisons import Comparisons
from dirk_gevent.coordinator.divergence.digest_round import DigestRound, Question
from dirk_gevent.coordinator.divergence.registry import Cause
from dirk_gevent.coordinator.node_view import NodeState
from dirk_gevent.coordinator.older_entries import OlderEntries
from dirk_gevent.coordinator.state import CoordinatorState
from dirk_gevent.log.entry import SYSTEM_LOG_ID
from dirk_gevent.log.records import Size, SnapshotInfo
from dirk_gevent.replication.precedence import Precedence
from dirk_parser.errors import SqlError

#: A round that has not ended by then is given up, though all who are awaited get on, and may begin again. Of large
#: databases snapshots are made at a pace: these are some 20 GiB.
_ROUND_SECONDS = 600.0
#: Rounds at one time: each holds a read transaction and a native thread on every node.
_MOST_ROUNDS = 4
#: A database whose snapshot could not be made or kept (a full disk) is left alone for so long.
_AFTER_FAILURE_SECONDS = 10.0
#: One whose state was overtaken by what is written begins again soon.
_AFTER_OVERTAKEN_SECONDS = 1.0
#: A node further from the head than this takes no part in comparisons: its digest would be waited for too long.
_NEAR_ENTRIES = 10_000
_LOOK_SECONDS = 0.1


#: Shut out a node's state: node, log id, index, cause, the node's digest and the right one.
Fence = Callable[[str, int, int, Cause, tuple[bytes, bytes]], None]
#: Masters hold different content: log id, index, digests by node.
ContentsDiffer = Callable[[int, int, dict[str, bytes]], None]


class DigestRounds:
    """The rounds of one coordinator, at most one a log.

    `fence` and `contents_differ` are told what comparing has found.
    """

    def __init__(
        self, state: CoordinatorState, older: OlderEntries, fence: Fence, contents_differ: ContentsDiffer
    ) -> None:
        self._state = state
        self._older = older
        self._fence = fence
        self._contents_differ = contents_differ
        self._rounds: dict[int, DigestRound] = {}
        self._ending: set[int] = set()
        #: When (monotonic s) a snapshot may be tried again, by log id.
        self._not_before: dict[int, float] = {}
        self.answering = Answering(state.cluster)
        self._holders = 0
        self._has_strays = True
        self._comparisons = Comparisons(state.config.replication.compare_seconds)
        self._precedence = Precedence()

    def consider(self) -> None:
        """Begin the rounds that are due, and end those that have waited too long."""
        settings = self._state.config.log
        now = time.monotonic()
        heads = self._state.log.reads.heads()
        if self._has_strays:
            self._delete_strays(heads)
        for dropped in self._rounds.keys() - heads.keys():
            self._rounds.pop(dropped).ended.set()
        for log_id, head in heads.items():
            size = self._state.log.reads.size(log_id)
            if (current := self._rounds.get(log_id)) is not None:
                self._look_after(log_id, current, size)
            elif log_id != SYSTEM_LOG_ID and _is_large(size, settings) and self._is_worthwhile(log_id, size):
                self.begin(log_id)
            elif not self._older.is_waiting(log_id):
                self._compare_if_due(log_id, head.index, now)
        self._comparisons.keep_only(heads.keys())
        self._precedence.keep_only(heads.keys())

    def _delete_strays(self, logs: Collection[int]) -> None:
        """Delete the snapshots of rounds that ended with the process before this one: nobody will confirm them."""
        for log_id in logs:
            for held in self._state.log.snapshots.all(log_id):
                if not held.confirmed and log_id not in self._rounds:
                    self._state.log.snapshots.delete(log_id, held.index)
        self._has_strays = False

    def _compare_if_due(self, log_id: int, head: int, now: float) -> None:
        able = self._able(log_id, head - _NEAR_ENTRIES)
        if self._comparisons.is_due(log_id, head, now, able) and len(self._rounds) < _MOST_ROUNDS:
            self.begin(log_id, uploads=False, among=able)

    def hurry(self, log_id: int | None = None) -> None:
        """A file may have been edited: compare one database, or everything, soon."""
        self._comparisons.hurry(log_id)

    def _look_after(self, log_id: int, current: DigestRound, size: Size) -> None:
        now = time.monotonic()
        for node in current.awaited:
            self._look_after_question(log_id, current, node, now)
            if self._rounds.get(log_id) is not current:
                return
        is_over = size.bytes > self._state.config.log.retain_bytes
        if current.stored is not None and (is_over or current.is_decisive):
            self._confirm(log_id, current, current.stored.digest)
        else:
            self._try_to_end(log_id, current)
        if self._rounds.get(log_id) is not current or self._holders:
            return
        if now - current.started > _ROUND_SECONDS:
            self._give_up(log_id, current)
        elif not current.awaited:
            # All have said what they were asked for, and nobody can confirm the snapshot.
            self._failed(log_id, current)

    def _look_after_question(self, log_id: int, current: DigestRound, node: str, now: float) -> None:
        """Ask a node again whose connection is another one now; await it no more when it can't answer."""
        question = current.asked.get(node)
        if question is None:
            return
        link, state = self._state.links.get(node), self._state.cluster.nodes[node].state(log_id)
        if link is question.link and state is NodeState.LIVE:
            question.lost_at = None
            # What the author has sent to its end is for the host to store.
            if node in current.digests or not self.answering.stands_still(
                question, node, log_id, current.index, now
            ):
                return
            self._state.logger.info("round_left", node=node, log=log_id, index=current.index, reason="no progress")
            self._withdraw(log_id, current, node)
            return
        if state is NodeState.LIVE and link is not None and link.is_open:
            if link.mark(log_id, current.index, node == current.author, current.way(node)):
                current.asked[node] = Question(link)
                return
        elif state in (NodeState.LIVE, NodeState.DOWN) and not question.is_lost_for_good(now):
            return
        self._withdraw(log_id, current, node)

    def _is_worthwhile(self, log_id: int, size: Size) -> bool:
        """True when a snapshot begun now can be confirmed: by a second master, or for want of room without one."""
        if len(self._rounds) >= _MOST_ROUNDS or time.monotonic() < self._not_before.get(log_id, 0.0):
            return False
        needed = min(2, self._state.cluster.masters(log_id))
        is_over = size.bytes > self._state.config.log.retain_bytes
        nodes = self._state.cluster.nodes
        return is_over or sum(nodes[name].is_master for name in self._able(log_id)) >= needed

    def _able(self, log_id: int, least: int = 0) -> list[str]:
        """The nodes that can be asked about a log: live with it, following it over their connection, past the index
        `least`, hanging in no answer about it."""
        cluster, now = self._state.cluster, time.monotonic()
        return [
            name
            for name, link in self._state.links.items()
            if cluster.nodes[name].state(log_id) is NodeState.LIVE
            and link.carries(log_id)
            and cluster.nodes[name].applied_index(log_id) >= least
            and not self._older.is_behind(name, log_id)
            and not self.answering.hangs(name, log_id, link, now)
        ]

    def begin(
        self, log_id: int, uploads: bool = True, author: str | None = None, among: Collection[str] | None = None
    ) -> int | None:
        """Ask for digests at the log's head, and for a snapshot if `uploads`; the index, None when nobody can answer.

        An `author` that is named decides: its state is taken for the right one. Only nodes of `among` are asked.
        """
        links, cluster = self._state.links, self._state.cluster
        able = [name for name in self._able(log_id) if among is None or name in among]
        masters = [name for name in able if cluster.nodes[name].is_master]
        is_held = uploads and self._holders > 0
        if not masters or is_held or log_id in self._rounds or (author is not None and author not in masters):
            return None
        index = self._state.head_index(log_id)
        furthest = max(masters, key=lambda name: cluster.nodes[name].applied_index(log_id))
        first = self._precedence.first(log_id, masters if uploads else able)
        chosen = (author or first or furthest) if uploads else None
        first = chosen if first and chosen else first
        current = DigestRound(index, chosen, time.monotonic(), author is not None, first)
        for name in able:
            if links[name].mark(log_id, index, name == chosen, current.way(name)):
                current.asked[name] = Question(links[name])
        if not (current.asked.keys() & set(masters)) or (chosen is not None and chosen not in current.asked):
            return None
        self._rounds[log_id] = current
        if chosen is not None:
            self._state.logger.info("snapshot_begun", log=log_id, index=index, author=chosen)
        return index

    @contextmanager
    def held(self) -> Iterator[None]:
        """While the body runs the log forgets nothing: no snapshot is begun, and one on its way is confirmed later."""
        self._holders += 1
        try:
            while self._ending:
                gevent.sleep(_LOOK_SECONDS)
            yield
        finally:
            self._holders -= 1

    def running(self, log_id: int) -> DigestRound | None:
        """The round of a log that is on its way."""
        return self._rounds.get(log_id)

    def digest(self, node: str, log_id: int, index: int, digest: bytes, worked_seconds: float | None = None) -> None:
        """A node's content digest at `index`, and how long the node worked on it."""
        if self._state.is_shut_out(node, log_id) or not self._state.log.reads.is_open(log_id):
            return
        self._state.cluster.nodes[node].progress.digests[log_id] = index, digest
        current = self._rounds.get(log_id)
        if current is not None and current.index == index:
            current.digests[node] = digest
            elapsed = time.monotonic() - current.started
            worked = elapsed if worked_seconds is None else min(worked_seconds, elapsed)
            current.worked_seconds = max(current.worked_seconds, worked)
            self._try_to_end(log_id, current)

    def failed(self, node: str, log_id: int, index: int, is_overtaken: bool = False) -> None:
        """A node can't give what it was asked for at `index`: without it the round may be over.

        `is_overtaken`: too much was written meanwhile, and the round is to begin again.
        """
        if is_overtaken:
            self._precedence.overtaken(log_id, index, node)
        current = self._rounds.get(log_id)
        if current is not None and current.index == index:
            self._withdraw(log_id, current, node)

    def shut_out(self, node: str, log_id: int) -> None:
        """Nothing that a node says of a log counts any more: no round awaits its word."""
        current = self._rounds.get(log_id)
        if current is None:
            return
        current.digests.pop(node, None)
        if node == current.author:
            self._failed(log_id, current)
        else:
            self._withdraw(log_id, current, node)

    def _withdraw(self, log_id: int, current: DigestRound, node: str) -> None:
        """Await a node no more. A snapshot that nobody can make, or confirm, any more is given up."""
        if not current.withdraw(node):
            return
        nodes = self._state.cluster.nodes
        others = [name for name in current.asked if name != current.author and nodes[name].is_master]
        is_alone = current.author is not None and not others and not current.is_decisive
        is_unmade = node == current.author and current.stored is None
        if is_unmade or (is_alone and self._state.cluster.masters(log_id) > 1):
            self._failed(log_id, current)
        else:
            self._try_to_end(log_id, current)

    def _failed(self, log_id: int, current: DigestRound) -> None:
        """A round that ends without what it was for; the next is not at once."""
        is_overtaken = self._precedence.was_overtaken(log_id, current.index)
        pause_seconds = _AFTER_OVERTAKEN_SECONDS if is_overtaken else _AFTER_FAILURE_SECONDS
        self._not_before[log_id] = time.monotonic() + pause_seconds
        self._give_up(log_id, current)

    def store(self, node: str, info: SnapshotInfo, chunks: Iterator[bytes]) -> None:
        """Take the snapshot that `node` uploads. Blocks until it is durable."""
        current = self._rounds.get(info.log_id)
        if current is None or current.index != info.index:
            # Its round has been given up: nobody would confirm it.
            return
        try:
            stored = self._state.log.snapshots.store(info, chunks)
        except (SqlError, ConnectionError) as error:
            self._state.logger.info("snapshot_refused", node=node, log=info.log_id, index=info.index, reason=str(error))
            if not current.ended.is_set():
                self._failed(info.log_id, current)
            return
        if current.ended.is_set():
            # It was given up while this was written.
            self._state.log.snapshots.delete(info.log_id, info.index)
            return
        current.stored = stored
        self._try_to_end(info.log_id, current)

    def _try_to_end(self, log_id: int, current: DigestRound) -> None:
        if current.author is None:
            if not current.awaited:
                self._compared(log_id, current)
            return
        if current.stored is None:
            return
        others = [
            digest
            for node, digest in current.digests.items()
            if node != current.author and self._state.cluster.nodes[node].is_master
        ]
        if current.is_decisive:
            self._confirm(log_id, current, current.stored.digest)
        elif others:
            self._confirm(log_id, current, others[0])
        elif self._state.cluster.masters(log_id) == 1:
            self._confirm(log_id, current, current.stored.digest)

    def _compared(self, log_id: int, current: DigestRound) -> None:
        """Nobody is awaited any more: compare the masters among themselves, the replicas against them."""
        now, worked = time.monotonic(), current.worked_seconds
        if current.withdrawn:
            self._comparisons.failed(log_id, current.index, worked, now)
        else:
            self._comparisons.ended(log_id, current.index, worked, now, current.digests)
            self._precedence.ended(log_id)
        self._over(log_id, current)
        masters = self._of_masters(current)
        digests = set(masters.values())
        if len(digests) > 1:
            self._contents_differ(log_id, current.index, masters)
        elif digests:
            (right,) = digests
            for node, digest in current.digests.items():
                if digest != right:
                    found_wrong = node, log_id, current.index, Cause.CONTENT, (digest, right)
                    gevent.spawn(self._state.log_errors, self._fence, *found_wrong)

    def _of_masters(self, current: DigestRound) -> dict[str, bytes]:
        nodes = self._state.cluster.nodes
        return {node: digest for node, digest in current.digests.items() if nodes[node].is_master}

    def _over(self, log_id: int, current: DigestRound) -> None:
        if self._rounds.get(log_id) is current:
            del self._rounds[log_id]
        current.ended.set()

    def _confirm(self, log_id: int, current: DigestRound, digest: bytes) -> None:
        if self._holders:
            # Somebody reads what would be forgotten: the next look after that confirms it.
            return
        # A greenlet of its own: forgetting many entries takes many commits, and what called here reads a node's link.
        self._rounds.pop(log_id, None)
        self._ending.add(log_id)
        gevent.spawn(self._state.log_errors, self._end, log_id, current, digest)

    def _end(self, log_id: int, current: DigestRound, digest: bytes) -> None:
        try:
            if self._state.log.snapshots.confirm(log_id, current.index, digest):
                self._state.logger.info("snapshot_confirmed", log=log_id, index=current.index)
                self._precedence.ended(log_id)
                self._truncate(log_id, current.index)
                return
            self._state.log.snapshots.delete(log_id, current.index)
            if current.stored is not None and current.author is not None:
                # The author's own digest may still be on its way; what it stored says the same.
                current.digests[current.author] = current.stored.digest
            self._contents_differ(log_id, current.index, self._of_masters(current))
        except SqlError as error:
            # The journal could not be written, or is being opened again: the next round does it.
            self._not_before[log_id] = time.monotonic() + _AFTER_FAILURE_SECONDS
            self._state.logger.info("snapshot_given_up", log=log_id, index=current.index, reason=str(error))
        finally:
            self._ending.discard(log_id)
            current.ended.set()

    def _give_up(self, log_id: int, current: DigestRound) -> None:
        self._over(log_id, current)
        if current.author is None:
            self._comparisons.failed(log_id, current.index, current.worked_seconds, time.monotonic())
        self._state.logger.info("snapshot_given_up" if current.author else "comparison_given_up", log=log_id,
                             index=current.index, awaited=",".join(current.awaited))  # fmt: skip
        if current.stored is not None:
            self._state.log.snapshots.delete(log_id, current.index)

    def _truncate(self, log_id: int, index: int) -> None:
        """Drop entries that every node has in its file for good; all behind the snapshot past `retainBytes`."""
        nodes = [view for view in self._state.cluster.nodes.values() if not view.is_evicted(log_id)]
        needed = min((view.durable_index(log_id) for view in nodes), default=index)
        is_over = self._state.log.reads.size(log_id).bytes > self._state.config.log.retain_bytes
        oldest = self._state.log.snapshots.truncate(log_id, index if is_over else min(index, needed))
        self._state.logger.info("log_truncated", log=log_id, oldest=oldest)


def _is_large(size: Size, settings: LogSettings) -> bool:
    """True when what came since the last snapshot asks for another."""
    return (
        size.entries_since_snapshot >= settings.snapshot_entries
        or size.bytes_since_snapshot >= settings.snapshot_bytes
    )
