"""The log's host: appends writes, sends them to the nodes, and tells how they ended.

It owns the log, the view of the cluster, and what is known of outcomes. Proxies have one; so has a single node
whose config names no `loadBalancer`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import gevent
from gevent import socket
from gevent.event import Event

from dirk_gevent import replication, routing
from dirk_gevent.admission import PlacesByLog
from dirk_gevent.cluster import MISSED_BEATS, Cluster, ServerRow
from dirk_gevent.config import Config
from dirk_gevent.conflicts import Cause, ConflictBook
from dirk_gevent.disputes import Disputes
from dirk_gevent.drains import Drains
from dirk_gevent.engine.results import Outcome
from dirk_gevent.entry_frames import EntryFrames
from dirk_gevent.evidence import LogEvidence
from dirk_gevent.fences import Fences
from dirk_gevent.host_link import NodeLink
from dirk_gevent.integrity import LogIntegrity
from dirk_gevent.known import Known
from dirk_gevent.log.contract import DatabaseChanged, DatabaseInfo, Log
from dirk_gevent.log.entry import SYSTEM_DATABASE, SYSTEM_LOG_ID, Draft
from dirk_gevent.logs import Logger
from dirk_gevent.older_entries import OlderEntries
from dirk_gevent.outcomes import Kept, LogOutcomes
from dirk_gevent.replication import Hello
from dirk_gevent.sessions import Sessions
from dirk_gevent.snapshots import SnapshotKeeper
from dirk_gevent.subscriptions import Subscriptions
from parser.errors import SqlError
from parser.names import nearest

#: Nodes that never came are reported once, this long after the start.
_START_GRACE_SECONDS = 3.0
_PREFERENCE_CHECK_SECONDS = 0.05


class LogHost:
    """Everything between a parsed write and its outcome, and everything the followers of the log need.

    `clock`: seconds by which the silence of nodes is measured.
    """

    def __init__(
        self, config: Config, log: Log, logger: Logger, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.log = log
        self.config = config
        self.cluster = Cluster(config, clock)
        self.beat_seconds = config.replication.interval_seconds
        self.book = ConflictBook(config.log.directory, logger.exception)
        self.disputes = Disputes(self, self.book)
        self.older = OlderEntries(self)
        self.snapshots = SnapshotKeeper(self)
        self.subscriptions = Subscriptions(self, logger)
        self.drains = Drains(self.cluster, config.log.directory, logger.exception)
        self.fences = Fences(self, self.book, logger)
        #: What all nodes are sent goes through here.
        self.entry_frames = EntryFrames()
        #: Where those who ask stand in the logs.
        self.sessions = Sessions(self)
        self._logger = logger
        #: Requests that wait for an outcome, in each log (see `Session.place_lent`).
        self.waiting = PlacesByLog(config.limits.max_running, config.limits.queue_ms)
        self._outcomes: dict[int, LogOutcomes] = {}
        self._kept = Kept()
        self._first_heads = {log_id: head.index for log_id, head in log.heads().items()}
        self._reported_down: set[str] = set()
        self._dropped: dict[int, int] = {}
        self._applied = Event()
        self._started = time.monotonic()
        self.on_node_port: Callable[[str, int], None] = lambda *_: None
        #: Set when the process is about to end: nodes that go away then are no news.
        self.is_stopping = False
        self.evidence = LogEvidence(self)
        self.integrity = LogIntegrity(self)
        self.disputes.resume()
        self.integrity.look()

    # -- writes -----------------------------------------------------------------------------------------------

    def write(self, log_id: int, database: str, target: str, draft: Draft) -> Outcome:
        """Append a write and wait for its outcome. Blocks.

        Raises SqlError: no_live_master and the blocks of `Disputes` before the append, whatever `Log.append` raises,
        outcome_unknown (08007) when no master told how it ended, nor got on with it (see `Efforts.patience`).
        """
        self._check_writable(log_id)
        if not self.is_known(log_id):
            raise SqlError("unknown_database", name=f"#{log_id}")
        outcomes = self.outcomes_of(log_id)
        outcomes.arriving += 1
        try:
            index = self.log.append(log_id, draft).entry.index
            event = outcomes.watch(index)
        finally:
            outcomes.arriving -= 1
        outcome = self._await_outcome(outcomes, index, f"{database}.{target}", event)
        if outcome is None:
            raise SqlError("outcome_unknown", request_id=draft.request_id)
        if outcome.request_id != draft.request_id:
            # Whoever told it means another entry: what is known of this one is nothing.
            self._logger.error("outcome_of_another", log=log_id, index=index, request=outcome.request_id)
            raise SqlError("outcome_unknown", request_id=draft.request_id)
        return outcome

    def create_database(self, name: str, request_id: str, optional: bool) -> DatabaseChanged:
        """Make a database; returns when a master has it, else raises as `write`: it is durable all the same."""
        self._check_writable(SYSTEM_LOG_ID)
        changed = self.log.create_database(name, request_id, optional)
        if changed.change is not None and changed.change.log_id not in self._outcomes:
            self.outcomes_of(changed.change.log_id)
            for cache in self.subscriptions.caches:
                cache.opened(changed.change.log_id, 0)
        self._await_applied(SYSTEM_LOG_ID, changed.index, request_id)
        return changed

    def drop_database(self, name: str, request_id: str, optional: bool) -> DatabaseChanged:
        """Seal and drop a database; returns as `create_database` does."""
        self._check_writable(SYSTEM_LOG_ID)
        changed = self.log.drop_database(name, request_id, optional)
        if changed.change is not None:
            self._dropped[changed.change.log_id] = changed.index
            for cache in self.subscriptions.caches:
                cache.dropped(changed.change.log_id)
        self._await_applied(SYSTEM_LOG_ID, changed.index, request_id)
        return changed

    def find(self, name: str, place: int = -1) -> DatabaseInfo:
        """The database called `name` (any case); SqlError unknown_database with the nearest name, at `place`."""
        info = self.log.find(name)
        if info is None:
            # A log that waits for a person's decision knows fewer databases than the nodes: that is the news.
            self.disputes.check(SYSTEM_LOG_ID)
            if self.head_index(SYSTEM_LOG_ID) == 0 and not self.cluster.live_masters(SYSTEM_LOG_ID):
                # A log that is new: whether it is the nodes', or theirs is away, none of them has said yet.
                raise SqlError("no_live_master")
            known = [database.name for database in self.log.databases()]
            raise SqlError("unknown_database", name=name, nearest=nearest(name, known), place=place)
        return info

    def _check_writable(self, log_id: int) -> None:
        self.disputes.check(log_id)
        if not self.cluster.live_masters(log_id):
            raise SqlError("no_live_master")

    def _await_outcome(self, outcomes: LogOutcomes, index: int, partition: str, event: Event) -> Outcome | None:
        log_id = outcomes.log_id
        preferred = routing.preferred_master(self.cluster, self.config.routing.writes, log_id, partition, index)
        left_seconds = self.cluster.efforts.patience(log_id, self.config.limits)
        try:
            while (left := left_seconds()) > 0:
                first = outcomes.first(index)
                if first is not None and (
                    preferred is None
                    or outcomes.known_by(index, preferred)
                    or not self.cluster.is_current(preferred, log_id, index)
                ):
                    return first
                event.wait(min(left, _PREFERENCE_CHECK_SECONDS) if first else left)
                event.clear()
            return outcomes.first(index)
        finally:
            outcomes.unwatch(index)

    def _await_applied(self, log_id: int, index: int, request_id: str) -> None:
        """Wait until a master has applied an entry. Raises SqlError outcome_unknown as `write`."""
        left_seconds = self.cluster.efforts.patience(log_id, self.config.limits)
        while not any(
            self.cluster.nodes[name].applied.get(log_id, 0) >= index for name in self.cluster.live_masters(log_id)
        ):
            left = left_seconds()
            if left <= 0:
                raise SqlError("outcome_unknown", request_id=request_id)
            self._applied.wait(min(left, self.beat_seconds))
            self._applied.clear()
        self.outcomes_of(log_id).known.told(index)

    # -- what followers tell ----------------------------------------------------------------------------------

    def outcomes_came(self, node: str, log_id: int, outcomes: Sequence[Outcome]) -> None:
        """A node told how entries ended. Replicas have no vote: theirs only show how far they are."""
        if not self.cluster.nodes[node].is_master or not self.is_known(log_id):
            return
        known = self.outcomes_of(log_id)
        for outcome in outcomes:
            disagreement = known.report(node, outcome)
            if disagreement is not None:
                self.disputes.outcomes_differ(disagreement)
                if self.fences.is_fenced(node, log_id):
                    break
        self.subscriptions.headers(known.release())

    def applied(self, node: str, log_id: int, index: int) -> None:
        """A node has applied a log up to `index`. What comes late, of a database that is gone, is not kept."""
        if not self.is_known(log_id):
            return
        self.cluster.applied(node, log_id, index, self.head_index(log_id))
        if log_id == SYSTEM_LOG_ID:
            self._applied.set()

    def node_beat(self, node: str, frame: Mapping[str, Any]) -> None:
        """A node's heartbeat."""
        view = self.cluster.nodes[node]
        self.cluster.beat(node)
        self.log.clock.heard(node, int(frame["clock"]))
        durable = replication.indexes_in(frame["durable"])
        view.durable.update({one: at for one, at in durable.items() if self.is_known(one)})
        self.cluster.reported(node, frame["states"])
        self.cluster.worked(node, replication.efforts_in(frame))
        self.snapshots.answering.told(node, replication.indexes_in(frame.get("answers") or {}))
        if node in self._reported_down:
            self._reported_down.discard(node)
            self._logger.info("replication_up", target=node)

    def head_index(self, log_id: int) -> int:
        """The head of a log; 0 for one that is gone."""
        with suppress(SqlError):
            return self.log.head(log_id).index
        return 0

    def is_known(self, log_id: int) -> bool:
        """Whether a log is open, or was dropped so lately that nodes still work on it."""
        return self.log.is_open(log_id) or log_id in self._dropped

    # -- subscriptions ----------------------------------------------------------------------------------------

    def follow(self, sock: socket.socket, fields: object) -> None:
        """Serve a subscription on `sock` until it ends; `fields` are the metadata's `follow`."""
        self.subscriptions.follow(sock, fields)

    def links(self) -> Mapping[str, NodeLink]:
        """The nodes that follow now, by id."""
        return self.subscriptions.links

    def released(self) -> dict[int, int]:
        """Up to which index of each log headers have gone out."""
        return {log_id: self.outcomes_of(log_id).released for log_id in self.log.heads()}

    def node_came(self, hello: Hello) -> None:
        """A node follows now."""
        self.cluster.nodes[hello.node].applied.clear()
        self.drains.came(hello)
        self.on_node_port(hello.node, hello.port)
        self.snapshots.hurry()
        self.evidence.heard_of(hello)

    def node_lost(self, node: str, reason: str) -> None:
        """A node does not follow any more."""
        self.cluster.lost(node)
        self.log.clock.lost(node)
        if node not in self._reported_down and not self.is_stopping:
            self._reported_down.add(node)
            text = f"Erreur réplication sur {node}"
            self._logger.error("replication_down", target=node, text=text, reason=reason)

    def fence(
        self,
        node: str,
        log_id: int,
        index: int,
        cause: Cause = Cause.OUTCOME,
        digests: tuple[bytes, bytes] = (b"", b""),
    ) -> None:
        """Shut out a node's state of one log: kept aside there, then seeded again. See `Fences.fence`."""
        self.fences.fence(node, log_id, index, cause, digests)

    def damaged(self, node: str, log_id: int, index: int) -> None:
        """A node can't read its file of a log any more: it keeps it aside and starts from the log's state."""
        if self.log.is_open(log_id):
            self.fence(node, log_id, index, Cause.DAMAGED)

    def replaced(self, log_id: int, index: int) -> None:
        """A log's state was replaced as a whole at `index`: no outcome leads there, and caches forget what was."""
        known = self.outcomes_of(log_id)
        known.released = index
        known.known.told(index)
        self.subscriptions.forget_cached(log_id, index)

    def distrust(self, node: str, log_id: int) -> None:
        """Count nothing that a node has said of a log, and have caches forget what it may have answered."""
        if log_id == SYSTEM_LOG_ID or not self.log.is_open(log_id):
            return
        known = self.outcomes_of(log_id)
        known.distrust(node)
        self.subscriptions.forget_cached(log_id, known.released)

    def untold_index(self, node: str, log_id: int, applied: int) -> int:
        """The index up to which outcomes are known; `applied` when the node's word on later ones is not needed."""
        if not self.cluster.nodes[node].is_master or log_id in self._dropped:
            return applied
        return min(applied, self.outcomes_of(log_id).released)

    # -- housekeeping -----------------------------------------------------------------------------------------

    def run(self) -> None:
        """Watch the nodes, make snapshots, forget what is dropped: until killed. Blocks."""
        while True:
            gevent.sleep(self.beat_seconds)
            self.guarded(self._watch_nodes)
            self.guarded(self.older.consider)
            self.guarded(self.snapshots.consider)
            self.guarded(self._forget_dropped)
            self.guarded(self.fences.look)
            self.guarded(self.integrity.look)

    def _watch_nodes(self) -> None:
        for node in self.cluster.silent():
            self.node_lost(node, f"{MISSED_BEATS} heartbeats missed")
            link = self.links().get(node)
            if link is not None:
                link.close()
        if time.monotonic() - self._started > _START_GRACE_SECONDS:
            for name, view in self.cluster.nodes.items():
                if not view.is_connected:
                    self.node_lost(name, "it has not come yet")

    def _forget_dropped(self) -> None:
        for log_id, index in list(self._dropped.items()):
            views = [view for view in self.cluster.nodes.values() if view.is_connected]
            if all(view.applied.get(SYSTEM_LOG_ID, 0) >= index for view in views):
                del self._dropped[log_id]
                if (known := self._outcomes.pop(log_id, None)) is not None:
                    known.forget()
                self._first_heads.pop(log_id, None)
                for link in self.links().values():
                    link.forget(log_id)
                self.cluster.forget_log(log_id)
                self.log.forget(log_id)

    def stop(self) -> None:
        """End all subscriptions (the log itself is closed by whoever opened it)."""
        self.subscriptions.close()

    def server_rows(self) -> list[ServerRow]:
        """The lines of SHOW SERVERS."""
        databases = [(SYSTEM_LOG_ID, SYSTEM_DATABASE), *((d.log_id, d.name) for d in self.log.databases())]
        heads = {log_id: head.index for log_id, head in self.log.heads().items()}
        blocked = {log_id for log_id, _ in databases if self.disputes.undecided(log_id) is not None}
        return self.cluster.rows(databases, heads, blocked)

    def database_name(self, log_id: int) -> str:
        """The name of a log's database; its number for one that is gone."""
        if log_id == SYSTEM_LOG_ID:
            return SYSTEM_DATABASE
        return next((one.name for one in self.log.databases() if one.log_id == log_id), f"#{log_id}")

    def outcomes_of(self, log_id: int) -> LogOutcomes:
        """What is known of the outcomes of one log."""
        known = self._outcomes.get(log_id)
        if known is None:
            known = self._outcomes[log_id] = LogOutcomes(
                log_id, self._first_heads.get(log_id, 0), self.cluster.masters(log_id), self._kept
            )
        return known

    def known(self, log_id: int) -> Known | None:
        """Up to where it is known how the entries of a log ended; None for a log that is gone."""
        found = self._outcomes.get(log_id)
        if found is None and self.is_known(log_id):
            found = self.outcomes_of(log_id)
        return found.known if found is not None else None

    def guarded(self, work: Callable[..., None], *arguments: Any) -> None:
        """The top of a helper greenlet."""
        try:
            work(*arguments)
        except SqlError as error:
            # The log's disk is full, or its journal is being opened again: it is tried again.
            self._logger.error("host_waits", reason=str(error))
        except Exception as error:
            self._logger.exception("host_failed", error)

    def log_event(self, event: str, **facts: object) -> None:
        """One fact of the host's."""
        self._logger.info(event, **facts)

    def log_failure(self, event: str, error: BaseException) -> None:
        """An error nobody expected."""
        self._logger.exception(event, error)
