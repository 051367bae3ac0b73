"""How fresh a state must be to answer a request: the one rule of proxy, node, cache and each of their fast paths.

A state is the log of databases up to one index, which says what log each name stands for, and every database up to
an index of its own log. A request is answered from a state that has reached, in each log,

- what the request demands itself (`min`), whatever its level;
- what its session has seen there, unless it says `"read":"any"`;
- with `"read":"strong"`, also what the log's host knows of.

The number of a log is the index of the entry in the log of databases that made it. So whoever names a log, or has
seen it, has seen the log of databases up to there: a state in which that database is not made yet is too old.
"""

from __future__ import annotations

from dirk_gevent.log.entry import SYSTEM_LOG_ID
from dirk_gevent.server.session import Request, Session


def needed_index(session: Session, request: Request, log_id: int, known_index: int = 0) -> int:
    """The index of a log that a state must have reached to answer the request.

    `known_index` is what the log's host knows of that log: it counts for strong reads alone.
    """
    needed = 0
    if minimum := request.minimum:
        needed = max(minimum) if log_id == SYSTEM_LOG_ID else 0
        needed = max(needed, minimum.get(log_id, 0))
    read = request.read
    if read == "any":
        return needed
    if (seen := session.indexes.get(log_id, 0)) > needed:
        needed = seen
    return known_index if read == "strong" and known_index > needed else needed


def is_fresh(session: Session, request: Request, log_id: int, index: int, system_index: int) -> bool:
    """True when a state may answer the request: a log at `index`, the log of databases at `system_index`."""
    if index < needed_index(session, request, log_id):
        return False
    return system_index >= needed_index(session, request, SYSTEM_LOG_ID)
