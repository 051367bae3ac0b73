"""A database's committed state, and all that is derived from it: it is replaced, and forgotten, as one."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from dirk_gevent.engine.compiler import CompiledSchema, PlanSource
from dirk_gevent.engine.position import Position
from dirk_gevent.engine.read.short_reads import HubReader, ReadProfile, ReadProfiles


@dataclass(frozen=True, slots=True)
class HotRead:
    """A plan that a profile alone leads to, as long as the schema is `schema`."""

    schema: CompiledSchema
    profile: ReadProfile


class CommittedState:
    """The state of a database that readers see: the last committed `Position`, and when each table last changed.

    An entry moves the state on; a fence, a restore or a drop begins another one, with a file of its own. Plans,
    profiles that overran, hot reads and the hub's connection with its prepared statements are of one state, so none of
    them outlives it: an index says nothing about which state it is of.

    `lock` is held from just before a COMMIT until the new position is published.
    """

    def __init__(self, position: Position, tables: dict[str, int], heard_head: int, plans: PlanSource) -> None:
        self.position = position
        self.tables = tables
        self.heard_head = heard_head
        self.plans = plans
        self.profiles = ReadProfiles()
        self.hot: dict[str, HotRead] = {}
        #: The hub's connection to this state's file; opened under the database's file lock.
        self.reader: HubReader | None = None
        self.lock = threading.Lock()
