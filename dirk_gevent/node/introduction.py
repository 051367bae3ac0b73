"""How a node introduces itself to the log's host."""

from __future__ import annotations

from dirk_gevent.engine.build import build_fingerprint
from dirk_gevent.engine.engine import Engine
from dirk_gevent.replication.frame_types import Hello, Standing


def introduce(
    engine: Engine, genesis: bytes | None, process: str, port: int, epoch: tuple[bytes, bytes] | None
) -> Hello:
    """Where the node stands in each log; `genesis` is that of the log it follows, `epoch` the last it heard."""
    standings = {}
    for log_id, db in engine.logs().items():
        # One read of the position: a batch of the connection before may be ending on its thread.
        at = db.position
        standings[log_id] = Standing(at.index, at.chain, max(db.file.heard_head, at.index), db.status.told.value)
    owner = engine.directory.notes.owner()
    build = build_fingerprint()
    return Hello(engine.node, build, genesis, standings, owner=owner, process=process, port=port, epoch=epoch)
