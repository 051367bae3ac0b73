"""Entries that an earlier release appended: no node applies them but one master, so that none ends them otherwise.

A release changes how some statements end, and keeps no code for how they ended before. So an entry of earlier rules
is never sent to a node that has not applied it, but for one case:

- masters that are past the last such entry go on, and make a snapshot, which every node behind is seeded from;
- where none is past it, the log waits until every master that is not evicted is connected, takes the one that is
  furthest (how it ended what it has applied counts), and lets it alone apply the rest by the rules of now. Then it
  is past them, and the others are seeded from its snapshot.

Replicas are never asked. Where masters disagree about their states a person decides first (`DivergenceResolver`).
"""

from __future__ import annotations

import time

from dirk_gevent.coordinator.divergence.digest_round import Rounds
from dirk_gevent.coordinator.state import CoordinatorState
from dirk_parser.errors import SqlError

_KEY = "older_entries"
#: A snapshot that could not be made is tried again after so long.
_RETRY_SECONDS = 2.0


class OlderEntries:
    """The logs of one host that hold entries of earlier rules past their newest confirmed snapshot."""

    def __init__(self, state: CoordinatorState) -> None:
        self._state = state
        #: The last entry of earlier rules of each log that has any: fixed when the log is opened, none comes after it.
        reads = state.log.reads
        self._upto = {log_id: upto for log_id in reads.heads() if (upto := reads.older_upto(log_id))}
        self._uncovered = set(self._upto)
        #: Who alone may apply what no master has applied.
        self._chosen: dict[int, str] = {}
        self._waits_for: dict[int, tuple[str, ...]] = {}
        self._not_before: dict[int, float] = {}

    def may_send(self, node: str, log_id: int, after: int) -> bool:
        """True when the entries after `after` may go to a node that stands there."""
        return after >= self._upto.get(log_id, 0) or self._chosen.get(log_id) == node

    def is_seeded(self, node: str, log_id: int, after: int) -> bool:
        """True when a node that stands at `after` is to take the log's snapshot, which spares it such entries."""
        return not self.may_send(node, log_id, after) and log_id not in self._uncovered

    def is_waiting(self, log_id: int) -> bool:
        """True when nodes of a log may be behind such entries, so that they cannot be compared."""
        return log_id in self._uncovered

    def is_behind(self, node: str, log_id: int) -> bool:
        """True when a node that is here stands before such entries and gets none: it waits for the snapshot."""
        if log_id not in self._upto:
            return False
        at = self._state.links[node].stands_at(log_id)
        return at is not None and not self.may_send(node, log_id, at)

    def lie_between(self, log_id: int, after: int, upto: int) -> bool:
        """True when a replay from `after` to `upto` would run such entries, by other rules than those they ended by."""
        return after < min(upto, self._upto.get(log_id, 0))

    def consider(self, rounds: Rounds) -> None:
        """Order a snapshot past such entries, or choose a master that applies them, where it is possible now."""
        for log_id in sorted(self._uncovered):
            if not self._state.log.reads.is_open(log_id):
                self._over(log_id)
            elif self._has_snapshot(log_id):
                self._over(log_id)
                for link in self._state.links.values():
                    link.poke(log_id)
            elif self._is_undisputed(log_id):
                self._advance(rounds, log_id)

    def _over(self, log_id: int) -> None:
        self._uncovered.discard(log_id)
        self._chosen.pop(log_id, None)
        self._unblock(log_id)

    def _has_snapshot(self, log_id: int) -> bool:
        held = self._state.log.snapshots.all(log_id)
        return any(snapshot.confirmed and snapshot.index >= self._upto[log_id] for snapshot in held)

    def _is_undisputed(self, log_id: int) -> bool:
        return self._state.blocks.undecided(log_id, _KEY) is None

    def _advance(self, rounds: Rounds, log_id: int) -> None:
        cluster, upto = self._state.cluster, self._upto[log_id]
        past = [name for name in cluster.live_masters(log_id) if cluster.nodes[name].applied_index(log_id) >= upto]
        if past:
            self._chosen.pop(log_id, None)
            self._unblock(log_id)
            self._make_snapshot(rounds, log_id, past)
        elif self._chosen.get(log_id) not in self._state.links:
            self._chosen.pop(log_id, None)
            self._choose(log_id)

    def _make_snapshot(self, rounds: Rounds, log_id: int, past: list[str]) -> None:
        """Begin a round with a snapshot by a master that is past. Its word alone counts where nobody else is past and
        a node waits for it; else a second master confirms it, now or when it is back."""
        is_alone = len(past) == 1 and self._state.cluster.masters() > 1
        if is_alone and not any(self.is_behind(name, log_id) for name in self._state.links):
            return
        if rounds.running(log_id) is not None or time.monotonic() < self._not_before.get(log_id, 0.0):
            return
        self._not_before[log_id] = time.monotonic() + _RETRY_SECONDS
        for held in self._state.log.snapshots.all(log_id):
            # One index has one snapshot: what nobody confirmed would stand in the way of this one.
            if not held.confirmed:
                self._state.log.snapshots.delete(log_id, held.index)
        rounds.begin(log_id, author=past[0] if is_alone else None)

    def _choose(self, log_id: int) -> None:
        """Let the furthest master apply what none has applied, once all have told how far they are."""
        applied: dict[str, int] = {}
        missing = []
        for name, view in self._state.cluster.nodes.items():
            if not view.is_master or view.is_evicted(log_id):
                continue
            link = self._state.links.get(name)
            at = link.stands_at(log_id) if link is not None else None
            if at is None:
                missing.append(name)
            else:
                applied[name] = at
        if missing or not applied:
            self._block(log_id, tuple(missing))
            return
        chosen = max(applied, key=lambda name: applied[name])
        self._chosen[log_id] = chosen
        self._unblock(log_id)
        index, upto = applied[chosen], self._upto[log_id]
        self._state.logger.info("older_entries_applied", log=log_id, node=chosen, index=index, upto=upto)
        self._state.links[chosen].poke(log_id)

    def _block(self, log_id: int, missing: tuple[str, ...]) -> None:
        if self._waits_for.get(log_id) != missing:
            self._waits_for[log_id] = missing
            names, upto = ", ".join(missing), self._upto[log_id]
            self._state.blocks.block(log_id, SqlError(_KEY, index=upto, missing=names))
            self._state.logger.info("older_entries_wait", log=log_id, upto=upto, missing=names)

    def _unblock(self, log_id: int) -> None:
        if self._waits_for.pop(log_id, None) is not None:
            self._state.blocks.unblock(log_id, _KEY)
