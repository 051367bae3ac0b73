"""A log that is found damaged: who may go on, who waits, and how it heals.

What the log cannot give (an entry that is not what was appended, a snapshot that is not what was stored) it gives to
nobody, nor anything to a node that is behind it. A node that is past it lacks nothing and goes on.

Writes. An acknowledged write must survive a power cut of everything. Behind damage the log alone cannot make the state
again; log and a master whose file has a later state on its disk can. So writes are taken while a live master has one
there (or the log a whole snapshot), and refused (57P03) while none has.

Healing. A master that is past the damage gives a snapshot; when a second master has the same content, or there is none
that could say, the log begins behind it, and the damage is gone. Masters that differ are a dispute, as ever: what is
damaged is no witness in it (`replay` meets the damage, too).
"""

from __future__ import annotations

import time

from dirk_gevent.coordinator.divergence.digest_rounds import DigestRounds
from dirk_gevent.coordinator.divergence.registry import Cause, ConflictSubject, Status
from dirk_gevent.coordinator.state import CoordinatorState
from dirk_gevent.log.records import Damage, LogDamagedError
from dirk_gevent.replication.frame_types import Standing
from dirk_parser.errors import SqlError

_KEY = "log_cut_by_damage"
#: So long another master may take to come before the word of one alone is enough.
_ALONE_SECONDS = 5.0
#: From one try to make a snapshot to the next.
_RETRY_SECONDS = 10.0


class LogIntegrity:
    """The damage of one host's log. `look` is called at every beat; `now` is monotonic seconds."""

    def __init__(self, state: CoordinatorState, rounds: DigestRounds) -> None:
        self._state = state
        self._rounds = rounds
        self._since: dict[int, float] = {}
        self._next_try: dict[int, float] = {}

    def look(self) -> None:
        """Tell what is damaged, block and unblock, have a snapshot made, and let go of what is whole again."""
        for log_id in self._state.log.reads.heads():
            damage = self._state.log.reads.damage(log_id)
            if damage is not None:
                # What one log can't do now keeps no other waiting.
                self._state.log_errors(self._look_after, log_id, damage)
            elif log_id in self._since:
                self._healed(log_id)
        self._end_told_before()

    def past(self, node: str, error: LogDamagedError) -> int | None:
        """The index that a node stands at, if it has what is damaged already and was only to tell its outcome again.

        Nobody will tell it any more, so the caches forget what was before.
        """
        applied = self._state.cluster.nodes[node].applied_index(error.log_id)
        if applied < error.index:
            return None
        self._state.outcomes.replaced(error.log_id, applied)
        return applied

    def is_covered(self, error: LogDamagedError) -> bool:
        """True when the log has a snapshot behind what is damaged."""
        latest = self._state.log.snapshots.latest(error.log_id)
        return latest is not None and latest.index >= error.index

    def can_seed(self, node: str, log_id: int) -> bool:
        """True when the log has what a node begins with: a snapshot, or all entries; else the node waits."""
        if self._state.log.snapshots.latest(log_id) is None and self._state.log.reads.oldest(log_id) > 1:
            self.held(node, log_id)
            return False
        return True

    def vouch(self, node: str, log_id: int, standing: Standing) -> None:
        """A master tells where it stands: if the log's own end is in doubt, that decides it."""
        if self._state.cluster.nodes[node].is_master:
            self._state.log.reads.vouch(log_id, standing.applied, standing.chain)

    def held(self, node: str, log_id: int) -> None:
        """The log cannot give the node what it needs next: it waits."""
        databases = self._state.cluster.nodes[node].databases
        if log_id not in databases.held:
            databases.hold(log_id)
            self._state.logger.info("node_behind_damage", target=node, log=log_id)

    def _look_after(self, log_id: int, damage: Damage) -> None:
        now = time.monotonic()
        if log_id not in self._since:
            self._since[log_id] = now
        name = self._state.database_name(log_id)
        if self._state.registry.find("", log_id, Status.UNDECIDED) is None:
            self._state.registry.add(
                ConflictSubject("", name, log_id, damage.first), Cause.DAMAGED_LOG, Status.UNDECIDED
            )
        if self._is_safe(log_id, damage):
            self._state.blocks.unblock(log_id, _KEY)
        elif self._state.blocks.undecided(log_id) is None:
            self._state.blocks.block(log_id, SqlError(_KEY, name=name, index=damage.first))
        if now >= self._next_try.get(log_id, 0.0) and self._heal(log_id, damage):
            self._next_try[log_id] = now + _RETRY_SECONDS

    def _is_safe(self, log_id: int, damage: Damage) -> bool:
        """True when a write that is taken now can be made again after a power cut of everything."""
        if damage.end_in_doubt:
            return False
        cluster = self._state.cluster
        masters = cluster.live_masters(log_id)
        if not masters and not any(log_id in view.databases.held for view in cluster.nodes.values()):
            # Nobody has come: that is what whoever writes is told.
            return True
        latest = self._state.log.snapshots.latest(log_id)
        if latest is not None and latest.confirmed and latest.index >= damage.last:
            return True
        return any(cluster.nodes[name].progress.durable.get(log_id, 0) >= damage.last for name in masters)

    def _heal(self, log_id: int, damage: Damage) -> bool:
        """Move the log's beginning behind the damage, or start to; return True when anything was done."""
        latest = self._state.log.snapshots.latest(log_id)
        if latest is not None and latest.confirmed and latest.index >= damage.last:
            self._state.log.snapshots.truncate(log_id, latest.index)
            return True
        past = [
            name
            for name in self._state.cluster.live_masters(log_id)
            if self._state.cluster.nodes[name].applied_index(log_id) >= damage.last and name in self._state.links
        ]
        if not past or damage.end_in_doubt or self._state.blocks.undecided(log_id) is not None:
            return False
        held = self._state.log.snapshots.all(log_id)
        if held and not held[-1].confirmed and held[-1].index == self._state.head_index(log_id):
            # An index has one snapshot, and nobody is going to confirm this one: its round is over.
            if self._rounds.running(log_id) is None:
                self._state.log.snapshots.delete(log_id, held[-1].index)
            return False
        if len(past) > 1 or self._state.cluster.masters() == 1:
            return self._rounds.begin(log_id) is not None
        if time.monotonic() - self._since[log_id] < _ALONE_SECONDS:
            return False
        return self._rounds.begin(log_id, author=past[0]) is not None

    def _healed(self, log_id: int) -> None:
        del self._since[log_id]
        self._next_try.pop(log_id, None)
        self._state.blocks.unblock(log_id, _KEY)
        self._end(log_id, Status.HEALED)
        self._state.logger.info("log_whole", log=log_id)
        for name, link in self._state.links.items():
            self._state.cluster.nodes[name].databases.let_go(log_id)
            link.poke(log_id)

    def _end_told_before(self) -> None:
        """Damage that an earlier process found: over once the log has been read through without it, or is gone."""
        for conflict in self._state.registry.having(Status.UNDECIDED):
            log_id = conflict.log_id
            if conflict.cause is not Cause.DAMAGED_LOG or log_id is None or log_id in self._since:
                continue
            if not self._state.log.reads.is_open(log_id):
                self._end(log_id, Status.ENDED)
            elif self._state.log.reads.is_scrubbed(log_id):
                self._end(log_id, Status.HEALED)

    def _end(self, log_id: int, status: Status) -> None:
        conflict = self._state.registry.find("", log_id, Status.UNDECIDED)
        if conflict is not None:
            self._state.registry.change(conflict.number, status=status)
