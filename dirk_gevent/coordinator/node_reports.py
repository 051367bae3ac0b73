"""Reports of nodes about themselves, and their consequences."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dirk_gevent.coordinator.divergence.copied_log_check import CopiedLogCheck
from dirk_gevent.coordinator.divergence.digest_rounds import DigestRounds
from dirk_gevent.coordinator.divergence.fences import Fences
from dirk_gevent.coordinator.divergence.registry import Cause
from dirk_gevent.coordinator.divergence.resolver import DivergenceResolver
from dirk_gevent.coordinator.drains import Drains
from dirk_gevent.coordinator.state import CoordinatorState
from dirk_gevent.engine.results import Outcome
from dirk_gevent.log.entry import SYSTEM_LOG_ID
from dirk_gevent.replication import frame_types
from dirk_gevent.replication.frame_types import Hello


class NodeReports:
    """The reports of all nodes. `on_node_port` is told where a node that comes says it listens.

    Once `is_stopping` is set nodes that go away are no news.
    """

    def __init__(
        self,
        state: CoordinatorState,
        *,
        evidence: CopiedLogCheck,
        rounds: DigestRounds,
        fences: Fences,
        resolver: DivergenceResolver,
        drains: Drains,
    ) -> None:
        self._state = state
        self._evidence = evidence
        self._rounds = rounds
        self._fences = fences
        self._resolver = resolver
        self._drains = drains
        self._reported_down: set[str] = set()
        self.on_node_port: Callable[[str, int], None] = lambda *_: None
        self.is_stopping = False

    def outcomes_came(self, node: str, log_id: int, outcomes: Sequence[Outcome]) -> None:
        """A node told how entries ended. Replicas have no vote: theirs only show how far they are."""
        if not self._state.cluster.nodes[node].is_master or not self._state.outcomes.is_known(log_id):
            return
        log_outcomes = self._state.outcomes.of(log_id)
        for outcome in outcomes:
            disagreement = log_outcomes.report(node, outcome)
            if disagreement is not None:
                self._resolver.outcomes_differ(disagreement)
                if self._state.is_shut_out(node, log_id):
                    break
        self._state.outcomes.release(log_id)

    def applied(self, node: str, log_id: int, index: int) -> None:
        """A node has applied a log up to `index`. What comes late, of a database that is gone, is not kept."""
        if not self._state.outcomes.is_known(log_id):
            return
        self._state.cluster.applied(node, log_id, index, self._state.head_index(log_id))
        if log_id == SYSTEM_LOG_ID:
            self._state.system_applied.set()

    def node_beat(self, node: str, frame: Mapping[str, Any]) -> None:
        """A node's heartbeat."""
        view = self._state.cluster.nodes[node]
        self._state.cluster.beat(node)
        self._state.log.clock.heard(node, int(frame["clock"]))
        durable = frame_types.indexes_in(frame["durable"])
        view.progress.durable.update({log: at for log, at in durable.items() if self._state.outcomes.is_known(log)})
        view.databases.report(frame["states"])
        self._state.cluster.worked(node, frame_types.efforts_in(frame))
        self._rounds.answering.told(node, frame_types.indexes_in(frame.get("answers") or {}))
        if node in self._reported_down:
            self._reported_down.discard(node)
            self._state.logger.info("replication_up", target=node)

    def node_came(self, hello: Hello) -> None:
        """A node follows now."""
        self._state.cluster.nodes[hello.node].progress.applied.clear()
        self._drains.came(hello)
        self.on_node_port(hello.node, hello.port)
        self._rounds.hurry()
        self._evidence.heard_of(hello)

    def node_lost(self, node: str, reason: str) -> None:
        """A node does not follow any more."""
        self._state.cluster.lost(node)
        self._state.log.clock.lost(node)
        if node not in self._reported_down and not self.is_stopping:
            self._reported_down.add(node)
            text = f"Erreur réplication sur {node}"
            self._state.logger.error("replication_down", target=node, text=text, reason=reason)

    def damaged(self, node: str, log_id: int, index: int) -> None:
        """A node can't read its file of a log any more: it keeps it aside and starts from the log's state."""
        if self._state.log.reads.is_open(log_id):
            self._fences.fence(node, log_id, index, Cause.DAMAGED)

    def unreported_index(self, node: str, log_id: int, applied: int) -> int:
        """The index up to which outcomes are known; `applied` when the node's word on later ones is not needed."""
        return self._state.outcomes.unreported_index(log_id, applied, self._state.cluster.nodes[node].is_master)
