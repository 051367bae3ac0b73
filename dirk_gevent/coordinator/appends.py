"""Writes on their way into the log, until it is known how they ended."""

from __future__ import annotations

from gevent.event import Event

from dirk_gevent.coordinator import routing
from dirk_gevent.coordinator.outcomes import LogOutcomes
from dirk_gevent.coordinator.state import CoordinatorState
from dirk_gevent.engine.results import Outcome
from dirk_gevent.log.entry import SYSTEM_LOG_ID, Draft
from dirk_gevent.log.records import DatabaseChanged
from dirk_gevent.server.admission import AdmissionSlotsByLog
from dirk_parser.errors import SqlError

#: How often a write looks whether the preferred master can still be waited for.
_PREFERENCE_CHECK_SECONDS = 0.05


class Appends:
    """Everything between a parsed write and its outcome."""

    def __init__(self, state: CoordinatorState) -> None:
        self._state = state
        limits = state.config.limits
        #: Requests that wait for an outcome, in each log (see `Session.place_lent`).
        self.waiting = AdmissionSlotsByLog(limits.max_running, limits.queue_ms)

    def write(self, log_id: int, database: str, target: str, draft: Draft) -> Outcome:
        """Append a write and wait for its outcome. Blocks.

        Raises SqlError: no_live_master and the blocks of `WriteBlocks` before the append, whatever `Log.append` raises,
        outcome_unknown (08007) when no master told how it ended, nor got on with it (see `Efforts.patience`).
        """
        self._check_writable(log_id)
        if not self._state.outcomes.is_known(log_id):
            raise SqlError("unknown_database", name=f"#{log_id}")
        outcomes = self._state.outcomes.of(log_id)
        outcomes.arriving += 1
        try:
            index = self._state.log.appends.append(log_id, draft).entry.index
            event = outcomes.watch(index)
        finally:
            outcomes.arriving -= 1
        outcome = self._await_outcome(outcomes, index, f"{database}.{target}", event)
        if outcome is None:
            raise SqlError("outcome_unknown", request_id=draft.request_id)
        if outcome.request_id != draft.request_id:
            # Whoever told it means another entry: what is known of this one is nothing.
            self._state.logger.error("outcome_of_another", log=log_id, index=index, request=outcome.request_id)
            raise SqlError("outcome_unknown", request_id=draft.request_id)
        return outcome

    def create_database(self, name: str, request_id: str, optional: bool) -> DatabaseChanged:
        """Make a database; returns when a master has it, else raises as `write`: it is durable all the same."""
        self._check_writable(SYSTEM_LOG_ID)
        changed = self._state.log.appends.create_database(name, request_id, optional)
        if changed.change is not None:
            self._state.outcomes.begin(changed.change.log_id)
        self._await_applied(SYSTEM_LOG_ID, changed.index, request_id)
        return changed

    def drop_database(self, name: str, request_id: str, optional: bool) -> DatabaseChanged:
        """Seal and drop a database; returns as `create_database` does."""
        self._check_writable(SYSTEM_LOG_ID)
        changed = self._state.log.appends.drop_database(name, request_id, optional)
        if changed.change is not None:
            self._state.outcomes.drop(changed.change.log_id, changed.index)
        self._await_applied(SYSTEM_LOG_ID, changed.index, request_id)
        return changed

    def _check_writable(self, log_id: int) -> None:
        self._state.blocks.check(log_id)
        if not self._state.cluster.live_masters(log_id):
            raise SqlError("no_live_master")

    def _await_outcome(self, outcomes: LogOutcomes, index: int, partition: str, event: Event) -> Outcome | None:
        log_id = outcomes.log_id
        cluster = self._state.cluster
        preferred = routing.preferred_master(cluster, self._state.config.routing.writes, log_id, partition, index)
        left_seconds = self._state.cluster.efforts.patience(log_id, self._state.config.limits)
        try:
            while (left := left_seconds()) > 0:
                first = outcomes.first(index)
                if first is not None and (
                    preferred is None
                    or outcomes.known_by(index, preferred)
                    or not cluster.is_current(preferred, log_id, index)
                ):
                    return first
                event.wait(min(left, _PREFERENCE_CHECK_SECONDS) if first else left)
                event.clear()
            return outcomes.first(index)
        finally:
            outcomes.unwatch(index)

    def _await_applied(self, log_id: int, index: int, request_id: str) -> None:
        """Wait until a master has applied an entry. Raises SqlError outcome_unknown as `write`."""
        left_seconds = self._state.cluster.efforts.patience(log_id, self._state.config.limits)
        cluster = self._state.cluster
        while not any(cluster.nodes[name].applied_index(log_id) >= index for name in cluster.live_masters(log_id)):
            left = left_seconds()
            if left <= 0:
                raise SqlError("outcome_unknown", request_id=request_id)
            self._state.system_applied.wait(min(left, self._state.beat_seconds))
            self._state.system_applied.clear()
        self._state.outcomes.of(log_id).known.told(index)
