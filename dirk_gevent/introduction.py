"""How a node introduces itself to the log's host."""

from __future__ import annotations

from dirk_gevent.engine.build import build_fingerprint
from dirk_gevent.engine.engine import Engine
from dirk_gevent.replication import Hello, Standing


def introduce(
    engine: Engine, genesis: bytes | None, process: str, port: int, epoch: tuple[bytes, bytes] | None
) -> Hello:
    """Where the node stands in each log; `genesis` is that of the log it follows, `epoch` the last it heard."""
    standings = {
        log_id: Standing(db.applied_index, db.chain, db.heard_head, db.state.value)
        for log_id, db in engine.logs().items()
    }
    owner = engine.directory.owner()
    return Hello(engine.node, build_fingerprint(), genesis, standings, owner, process, port, epoch)
