"""Which log a name stands for now, and what is known of that log: asked where the log is, for a node that may lag."""

from __future__ import annotations

from dataclasses import replace

from dirk_gevent.log.entry import SYSTEM_DATABASE
from dirk_gevent.node.log_client import LogClient
from dirk_gevent.protocol import answer_bytes
from dirk_gevent.server.client_connection import ClientConnection
from dirk_gevent.server.session import Request, Session
from dirk_gevent.server.statement_cache import StatementCache
from dirk_parser.errors import SqlError

#: A read that costs nothing, for what its answer says of the state.
_NOTHING = StatementCache().parse("alaivo 1")
_NOTHING_BYTES = b"alaivo 1"


def learn(log_client: LogClient, session: Session, request: Request, name: str | None, wire: ClientConnection) -> int:
    """The log of the database that has the name now; the session has seen what is known of it then.

    Raises SqlError: unknown_database, no_readable_node when no node can say, and as `LogClient.run` does.
    """
    if log_client.own_log is not None:
        sessions = log_client.own_log.sessions
        log_id = sessions.resolve(session, name)[1]
        session.saw(log_id, sessions.known_index(log_id))
        return log_id
    metadata = {"db": name or SYSTEM_DATABASE, "read": "strong"}
    asked = replace(request, raw=_NOTHING_BYTES, has_meta=True, metadata=metadata)
    answer = log_client.run(session, asked, _NOTHING.normalized, _NOTHING.route, wire)
    meta = (answer_bytes.split_meta(answer)[0] if isinstance(answer, bytes) else None) or {}
    if meta.get("sqlstate") == "3D000":
        raise SqlError("unknown_database", name=metadata["db"])
    if "sqlstate" in meta or "log" not in meta:
        raise SqlError("no_readable_node", waited_ms=0)
    return int(meta["log"])
