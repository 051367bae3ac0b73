"""The lines of SHOW SERVERS."""

from __future__ import annotations

import time
from dataclasses import dataclass

from dirk_gevent.coordinator.efforts import Efforts
from dirk_gevent.coordinator.node_view import NodeState, NodeView
from dirk_gevent.coordinator.state import CoordinatorState
from dirk_gevent.log.entry import SYSTEM_DATABASE, SYSTEM_LOG_ID

#: So much of a content digest is shown: enough to compare by eye and by program.
SHOWN_DIGEST_BYTES = 16


@dataclass(frozen=True, slots=True)
class ServerRow:
    """One line of SHOW SERVERS: a node and one database on it. `digest` is of its content at `digest_index`.

    `work_index` is the entry that it is at (0: a statement of a transaction), `work_seconds` for how long now,
    `work_steps` the SQLite steps that took; None for nothing.
    """

    node: str
    role: str
    state: str
    database: str
    applied_index: int
    lag_entries: int
    last_heartbeat: str | None
    digest_index: int | None
    digest: str | None
    work_index: int | None = None
    work_seconds: float | None = None
    work_steps: int | None = None


def server_rows(state: CoordinatorState) -> list[ServerRow]:
    """A line for each node and database. A log that takes no write until it is known which state counts is blocked."""
    databases = [(SYSTEM_LOG_ID, SYSTEM_DATABASE), *((d.log_id, d.name) for d in state.log.reads.databases())]
    heads = {log_id: head.index for log_id, head in state.log.reads.heads().items()}
    blocked = {log_id for log_id, _ in databases if state.blocks.undecided(log_id) is not None}
    shown = [_Database(log_id, name, heads.get(log_id, 0), log_id in blocked) for log_id, name in databases]
    return [_row(view, log, state.cluster.efforts) for view in state.cluster.nodes.values() for log in shown]


@dataclass(frozen=True, slots=True)
class _Database:
    """A database as the log knows it."""

    log_id: int
    name: str
    head: int
    is_blocked: bool


def _row(view: NodeView, database: _Database, efforts: Efforts) -> ServerRow:
    node, log_id = view.instance.id, database.log_id
    applied = view.applied_index(log_id)
    beat = view.last_beat_unix
    digest_index, digest = view.progress.digests.get(log_id, (None, None))
    effort = efforts.of(node, log_id)
    if effort is not None and 0 < effort.index <= applied:
        # It has acknowledged that since its last heartbeat.
        effort = None
    return ServerRow(
        node=node,
        role=view.instance.role,
        state=_shown_state(view, database),
        database=database.name,
        applied_index=applied,
        lag_entries=max(0, database.head - applied),
        last_heartbeat=time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(beat)) if beat else None,
        digest_index=digest_index,
        digest=digest[:SHOWN_DIGEST_BYTES].hex() if digest is not None else None,
        work_index=effort.index if effort is not None else None,
        work_seconds=effort.ms / 1000 if effort is not None else None,
        work_steps=effort.steps if effort is not None else None,
    )


def _shown_state(view: NodeView, database: _Database) -> NodeState:
    node_state = view.state(database.log_id)
    if view.is_drained and node_state is NodeState.LIVE:
        node_state = NodeState.DRAINED
    if not view.is_reachable and node_state is NodeState.LIVE:
        node_state = NodeState.UNREACHABLE
    if database.is_blocked and node_state in (NodeState.LIVE, NodeState.DRAINED):
        node_state = NodeState.BLOCKED
    return node_state
