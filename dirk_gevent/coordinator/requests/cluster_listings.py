"""The rows of what SHOW lists and the log's side knows: one entry a listing of `dirk_parser.lexical.listings`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dirk_gevent.coordinator.divergence.registry import Conflict
from dirk_gevent.coordinator.request_parts import RequestParts
from dirk_gevent.coordinator.server_rows import SHOWN_DIGEST_BYTES, ServerRow, server_rows
from dirk_parser.normalize.normalized_statement import Value

Cells = tuple[Value, ...]

SERVER_COLUMNS = (
    "fanasehoana", "role", "state", "database", "applied_index", "lag_entries", "last_heartbeat",
    "digest_index", "digest", "work_index", "work_seconds", "work_steps",
)  # fmt: skip
CONFLICT_COLUMNS = (
    "fanasehoana", "node", "database", "index", "cause", "state", "digest", "right_digest", "kept", "kept_sql",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Lister:
    """The columns of a listing, and how its rows are made (on the hub)."""

    columns: tuple[str, ...]
    rows: Callable[[RequestParts], Sequence[Cells]]


def server_cells(row: ServerRow) -> Cells:
    """One line of SHOW SERVERS, in the order of `SERVER_COLUMNS`."""
    facts = (row.node, row.role, row.state, row.database, row.applied_index, row.lag_entries, row.last_heartbeat)
    return (*facts, row.digest_index, row.digest, row.work_index, row.work_seconds, row.work_steps)


def conflict_cells(found: Conflict) -> Cells:
    """One line of SHOW CONFLICTS, in the order of `CONFLICT_COLUMNS`: what is not known is null."""
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(found.when_ms // 1000))
    shown = [digest[: 2 * SHOWN_DIGEST_BYTES] or None for digest in (found.digest, found.right)]
    facts = (when, found.node or None, found.database or None, found.index or None, found.cause, found.status)
    return (*facts, *shown, found.kept or None, found.kept_sql or None)


def _databases(parts: RequestParts) -> Sequence[Cells]:
    return [(info.name,) for info in parts.state.log.reads.databases()]


def _servers(parts: RequestParts) -> Sequence[Cells]:
    return [server_cells(row) for row in server_rows(parts.state)]


def _conflicts(parts: RequestParts) -> Sequence[Cells]:
    return [conflict_cells(conflict) for conflict in reversed(parts.state.registry.all())]


LISTERS = {
    "databases": Lister(("fanasehoana",), _databases),
    "servers": Lister(SERVER_COLUMNS, _servers),
    "conflicts": Lister(CONFLICT_COLUMNS, _conflicts),
}
