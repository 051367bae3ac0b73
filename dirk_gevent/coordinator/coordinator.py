"""The coordinator: the log's side of a cluster, built of its parts and kept running.

It owns the log, the view of the cluster, and what is known of outcomes. Proxies have one; so has a single node
whose config names no `loadBalancer`.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import gevent

from dirk_gevent.base.logger import Logger
from dirk_gevent.config.settings import Config
from dirk_gevent.coordinator.admin.operations import serve_admin
from dirk_gevent.coordinator.appends import Appends
from dirk_gevent.coordinator.cache_link import CacheLinks
from dirk_gevent.coordinator.cluster import MISSED_BEATS
from dirk_gevent.coordinator.divergence.copied_log_check import CopiedLogCheck
from dirk_gevent.coordinator.divergence.digest_rounds import DigestRounds
from dirk_gevent.coordinator.divergence.fences import Fences, restore_fences
from dirk_gevent.coordinator.divergence.log_integrity import LogIntegrity
from dirk_gevent.coordinator.divergence.resolver import DivergenceResolver
from dirk_gevent.coordinator.drains import Drains
from dirk_gevent.coordinator.entry_frames import EntryFrames
from dirk_gevent.coordinator.link_parts import LinkParts
from dirk_gevent.coordinator.node_reports import NodeReports
from dirk_gevent.coordinator.older_entries import OlderEntries
from dirk_gevent.coordinator.operation_parts import OperationParts
from dirk_gevent.coordinator.request_parts import RequestParts
from dirk_gevent.coordinator.sessions import Sessions
from dirk_gevent.coordinator.state import CoordinatorState
from dirk_gevent.coordinator.subscriptions import Subscriptions
from dirk_gevent.log.contract import Log
from dirk_gevent.log.entry import SYSTEM_LOG_ID

#: Nodes that never came are reported once, this long after the start.
_START_GRACE_SECONDS = 3.0


class Coordinator:
    """The composition root of one log's side: nobody but the processes that own a log and their requests names it.

    `clock`: seconds by which the silence of nodes is measured. `requests` is what requests work with, `operations` what
    the operations of a person do.
    """

    def __init__(
        self, config: Config, log: Log, logger: Logger, clock: Callable[[], float] = time.monotonic
    ) -> None:
        caches = CacheLinks()
        self.state = state = CoordinatorState(config, log, logger, caches, clock)
        self._started = time.monotonic()
        restore_fences(state)
        self.older = OlderEntries(state)
        self.operations = parts = _operation_parts(state, self.older)
        self.integrity = LogIntegrity(state, parts.rounds)
        self.reports = NodeReports(
            state,
            evidence=parts.evidence,
            rounds=parts.rounds,
            fences=parts.fences,
            resolver=parts.resolver,
            drains=parts.drains,
        )
        self._subscriptions = Subscriptions(
            self._link_parts(), caches, self.reports, lambda frames, fields: serve_admin(parts, frames, fields)
        )
        self.requests = RequestParts(state, parts.appends, Sessions(state), self._subscriptions.follow)
        parts.resolver.resume()
        self.integrity.look()

    def _link_parts(self) -> LinkParts:
        return LinkParts(
            state=self.state,
            evidence=self.operations.evidence,
            fences=self.operations.fences,
            integrity=self.integrity,
            older=self.older,
            rounds=self.operations.rounds,
            entry_frames=EntryFrames(),
            reports=self.reports,
        )

    def run(self) -> None:
        """Watch the nodes, make snapshots, forget what is dropped: until killed. Blocks."""
        state = self.state
        while True:
            gevent.sleep(state.beat_seconds)
            state.log_errors(self._watch_nodes)
            state.log_errors(self.older.consider, self.operations.rounds)
            state.log_errors(self.operations.rounds.consider)
            state.log_errors(self._forget_dropped)
            state.log_errors(self.operations.fences.look)
            state.log_errors(self.integrity.look)

    def stop(self) -> None:
        """End all subscriptions (the log itself is closed by whoever opened it)."""
        self._subscriptions.close()

    def _watch_nodes(self) -> None:
        cluster = self.state.cluster
        for node in cluster.silent():
            self.reports.node_lost(node, f"{MISSED_BEATS} heartbeats missed")
            link = self.state.links.get(node)
            if link is not None:
                link.close()
        if time.monotonic() - self._started > _START_GRACE_SECONDS:
            for name, view in cluster.nodes.items():
                if not view.is_connected:
                    self.reports.node_lost(name, "it has not come yet")

    def _forget_dropped(self) -> None:
        state = self.state
        for log_id, index in state.outcomes.dropped():
            views = [view for view in state.cluster.nodes.values() if view.is_connected]
            if all(view.applied_index(SYSTEM_LOG_ID) >= index for view in views):
                state.outcomes.forget(log_id)
                for link in state.links.values():
                    link.forget(log_id)
                state.cluster.forget_log(log_id)
                state.log.snapshots.forget(log_id)


def _operation_parts(state: CoordinatorState, older: OlderEntries) -> OperationParts:
    drains = Drains(state.cluster, state.config.log.directory, state.logger.exception)
    # What comparing finds ends in a fence or a dispute, and those begin rounds: one way leads back.
    rounds = DigestRounds(
        state,
        older,
        lambda *found: fences.fence(*found),
        lambda *found: resolver.contents_differ(*found),
    )
    evidence = CopiedLogCheck(state)
    fences = Fences(state, evidence, rounds)
    resolver = DivergenceResolver(state, older, fences.fence)
    return OperationParts(
        state=state,
        appends=Appends(state),
        fences=fences,
        resolver=resolver,
        evidence=evidence,
        rounds=rounds,
        drains=drains,
    )
