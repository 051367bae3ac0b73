"""Reasons that keep a database from taking writes until it is settled: an old log, a foreign one, masters that
disagree.

Two masters that end the same entry differently, or hold different content at one index: a majority of the masters
fences the rest. Without a majority no write is taken until a scratch replay (the log's snapshot and entries, in a
directory of its own) has decided; where it cannot, a person does (`dirk-admin settle`).
"""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

import gevent

from dirk_gevent.coordinator.admin.replay import LogSource, Scratch
from dirk_gevent.coordinator.divergence.digest_rounds import Fence
from dirk_gevent.coordinator.divergence.registry import Cause, ConflictSubject, Status
from dirk_gevent.coordinator.older_entries import OlderEntries
from dirk_gevent.coordinator.outcomes import Disagreement
from dirk_gevent.coordinator.state import CoordinatorState
from dirk_gevent.engine.errors.faults import StorageFault
from dirk_gevent.log.records import EntriesGoneError
from dirk_gevent.loop.threads import NativeThreads
from dirk_parser.errors import SqlError

#: A replay that the machine failed (a full disk) is tried again after so long.
_RETRY_SECONDS = 2.0
#: Those that are about the masters, until the replay has decided and until a person has.
_DISPUTED = ("masters_disagree", "dispute_undecided")
#: What a replay can't get over, however often it is tried.
_NO_WITNESS = ("log_entry_damaged", "snapshot_damaged")


class DivergenceResolver:
    """The blocks of one host's log, and how they end. Those that wait for a decision outlive the process."""

    def __init__(self, state: CoordinatorState, older: OlderEntries, fence: Fence) -> None:
        self._state = state
        self._book = state.registry
        self._older = older
        self._fence = fence
        self._settling: set[int] = set()
        self._threads = NativeThreads(1)

    def resume(self) -> None:
        """Take up the disputes that were undecided when the process before this one ended."""
        waiting: dict[int, list[tuple[str, bytes, int, Cause]]] = {}
        for conflict in self._book.having(Status.UNDECIDED):
            if conflict.log_id is not None and conflict.cause in (Cause.OUTCOME, Cause.CONTENT):
                facts = conflict.node, bytes.fromhex(conflict.digest), conflict.index, conflict.cause
                waiting.setdefault(conflict.log_id, []).append(facts)
        for log_id, disagreement in waiting.items():
            if self._state.log.reads.is_open(log_id):
                index, cause = disagreement[0][2:]
                self._dispute(Disagreement(log_id, index, {node: digest for node, digest, *_ in disagreement}), cause)

    def outcomes_differ(self, found: Disagreement) -> None:
        """Two masters ended one entry differently: fence the minority, or find out which one is right."""
        self._differ(found, Cause.OUTCOME)

    def contents_differ(self, log_id: int, index: int, digests: dict[str, bytes]) -> None:
        """Two masters hold different content at one index."""
        self._differ(Disagreement(log_id, index, dict(digests)), Cause.CONTENT)

    def settled_by(self, log_id: int, kept: str) -> None:
        """A person decided for the node `kept`, whose state is the log's snapshot now (see `Operations`)."""
        for conflict in self._book.having(Status.UNDECIDED):
            if conflict.log_id == log_id and conflict.node == kept:
                self._book.change(conflict.number, status=Status.ENDED)
        self._state.blocks.unblock(log_id, *_DISPUTED)
        self._state.outcomes.of(log_id).settle()

    def _differ(self, found: Disagreement, cause: Cause) -> None:
        if found.log_id in self._settling:
            return
        winner, count = Counter(found.digests.values()).most_common(1)[0]
        if count * 2 > self._state.cluster.masters(found.log_id):
            self._decide(found, winner, cause)
        else:
            self._dispute(found, cause)

    def _dispute(self, found: Disagreement, cause: Cause) -> None:
        """Nobody has a majority: no write is taken, and no waiting writer answered, until it is known who is right."""
        log_id = found.log_id
        self._settling.add(log_id)
        self._state.blocks.block(log_id, SqlError("masters_disagree", index=found.index))
        self._state.outcomes.of(log_id).dispute(found.index if cause is Cause.OUTCOME else found.index + 1)
        nodes = ",".join(sorted(found.digests))
        self._state.logger.info("masters_disagree", log=log_id, index=found.index, cause=cause, nodes=nodes)
        gevent.spawn(self._state.log_errors, self._settle, found, cause)

    def _settle(self, found: Disagreement, cause: Cause) -> None:
        name = self._state.database_name(found.log_id)
        try:
            for node, digest in found.digests.items():
                if self._book.find(node, found.log_id, Status.UNDECIDED) is None:
                    self._book.add(
                        ConflictSubject(node, name, found.log_id, found.index), cause, Status.UNDECIDED, (digest, b"")
                    )
            winner = self._winner(found)
            if not self._is_disputed(found.log_id):
                # A person has decided meanwhile.
                return
            if winner is None:
                self._state.blocks.block(found.log_id, SqlError("dispute_undecided", index=found.index, name=name))
                self._state.blocks.unblock(found.log_id, "masters_disagree")
                return
            self._decide(found, winner, cause)
            self._state.blocks.unblock(found.log_id, "masters_disagree")
        finally:
            self._settling.discard(found.log_id)

    def _winner(self, found: Disagreement) -> bytes | None:
        """The digest that a replay of the log gives too; None when it gives none of them, or cannot be made."""
        begin = LogSource(self._state.log, found.log_id).snapshot(found.index)
        if self._older.lie_between(found.log_id, begin[0] if begin else 0, found.index):
            # The masters applied those by the rules of their time: what they lead to now judges nobody.
            self._state.logger.info("replay_not_possible", log=found.log_id, index=found.index, reason="older entries")
            return None
        try:
            right = self._replayed_at_last(found)
        except (EntriesGoneError, SqlError) as error:
            # What is gone or damaged is no witness.
            self._state.logger.info("replay_not_possible", log=found.log_id, index=found.index, reason=str(error))
            return None
        except Exception as error:
            self._state.logger.exception("replay_failed", error)
            return None
        winner = next((digest for digest in found.digests.values() if digest in right), None)
        if winner is None:
            self._state.logger.info("replay_agrees_with_nobody", log=found.log_id, index=found.index)
        return winner

    def _is_disputed(self, log_id: int) -> bool:
        """True when the replay of a log is still waited for."""
        return self._state.blocks.has(log_id, "masters_disagree")

    def _replayed_at_last(self, found: Disagreement) -> set[bytes]:
        """The result of the replay, tried again for as long as the machine fails it; nothing once a person decided."""
        is_told = False
        while self._is_disputed(found.log_id):
            try:
                return self._replayed(found)
            except (StorageFault, OSError, SqlError) as fault:
                if isinstance(fault, SqlError) and fault.key in _NO_WITNESS:
                    raise
                if not is_told:
                    self._state.logger.info("replay_waits", log=found.log_id, index=found.index, reason=str(fault))
                is_told = True
                gevent.sleep(_RETRY_SECONDS)
        return set()

    def _replayed(self, found: Disagreement) -> set[bytes]:
        config = self._state.config
        with tempfile.TemporaryDirectory(prefix="replay-", dir=config.log.directory) as directory:
            scratch = Scratch(Path(directory), found.log_id, config.limits, self._threads)
            try:
                scratch.run(LogSource(self._state.log, found.log_id), found.index)
                return {scratch.outcome_digest, scratch.content_digest()}
            finally:
                scratch.close()

    def _decide(self, found: Disagreement, winner: bytes, cause: Cause) -> None:
        for node, digest in found.digests.items():
            if digest != winner:
                self._fence(node, found.log_id, found.index, cause, (digest, winner))
            elif (conflict := self._book.find(node, found.log_id, Status.UNDECIDED)) is not None:
                self._book.remove(conflict.number)
        self._state.outcomes.of(found.log_id).settle()
