"""A backup on its way out: what the log holds of each database, as of one instant, while writes go on.

For each database the newest trusted snapshot and the entries after it, up to its head at that instant. Nothing is
asked of the nodes, nothing is held in memory, and the log forgets nothing meanwhile.
"""

from __future__ import annotations

import time

import gevent

from dirk_gevent.coordinator.admin.replay import LogSource
from dirk_gevent.coordinator.operation_parts import OperationParts
from dirk_gevent.log.entry import SYSTEM_DATABASE, SYSTEM_LOG_ID
from dirk_gevent.log.records import DatabaseInfo, Head, chain_through
from dirk_gevent.loop.frame_socket import FrameSocket
from dirk_gevent.loop.throttle import Throttle
from dirk_gevent.messages.error_text import sentence
from dirk_gevent.protocol.frames import join_entries

#: Pieces between which other work passes.
_PIECE_BYTES = 256 * 1024


def stream(parts: OperationParts, frames: FrameSocket, name: object) -> tuple[int, str]:
    """Send all databases, or the one called `name`: exit status and last sentence. Raises OSError, EntriesGoneError.

    Frames: `points` (each database with its log, index, chain and time), then for each `snapshot` pieces and
    `entries` (body: encoded entries, a line each), `lacking` for each database of which the log is known to hold less
    than was written, then `whole`.
    """
    with parts.rounds.held():
        infos = [parts.state.find(str(name))] if name is not None else list(parts.state.log.reads.databases())
        points = [(info, parts.state.log.reads.head(info.log_id)) for info in infos]
        described = [
            {"name": info.name, "log": info.log_id, "index": head.index, "chain": head.chain.hex(), "ms": head.time_ms}
            for info, head in points
        ]
        taken_ms = time.time_ns() // 1_000_000
        frames.send({"t": "points", "ms": taken_ms, "genesis": parts.state.log.genesis.hex(), "databases": described})
        for info, head in points:
            _database(parts, frames, info, head)
    # The system database says which databases there are: what it lacks, a backup of all of them lacks.
    listing = [] if name is not None else [DatabaseInfo(SYSTEM_DATABASE, SYSTEM_LOG_ID, 0)]
    for info in [*listing, *infos]:
        if (error := parts.state.blocks.lacking(info.log_id)) is not None:
            frames.send({"t": "lacking", "text": f"{info.name}: {sentence(error.key, 'en', error.params)}"})
    frames.send({"t": "whole"})
    return 0, f"{len(points)} databases are in the backup."


def _database(parts: OperationParts, frames: FrameSocket, info: DatabaseInfo, head: Head) -> None:
    source = LogSource(parts.state.log, info.log_id, _PIECE_BYTES)
    after = 0
    snapshot = source.snapshot(head.index)
    if snapshot is not None:
        after, pieces = snapshot
        pace = Throttle(gevent.sleep)
        for piece in pieces:
            frames.send({"t": "snapshot", "log": info.log_id, "index": after}, piece)
            pace.worked(len(piece))
    reached = parts.state.log.reads.chain_at(info.log_id, after) or b""
    for entries in source.entries(after, head.index):
        reached = chain_through(reached, entries)
        header = {"t": "entries", "log": info.log_id, "first": after + 1, "count": len(entries), "after": reached.hex()}
        frames.send(header, join_entries(entries))
        after += len(entries)
