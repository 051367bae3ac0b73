"""The state that the coordinator's parts share: data, and questions about it. It calls none of the parts."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from gevent.event import Event

from dirk_gevent.base.logger import Logger
from dirk_gevent.config.settings import Config
from dirk_gevent.coordinator.cluster import Cluster
from dirk_gevent.coordinator.divergence.registry import DivergenceRegistry
from dirk_gevent.coordinator.links import FollowingNode
from dirk_gevent.coordinator.outcomes_by_log import CacheFeed, OutcomesByLog
from dirk_gevent.coordinator.write_blocks import WriteBlocks
from dirk_gevent.log.contract import Log
from dirk_gevent.log.entry import SYSTEM_DATABASE, SYSTEM_LOG_ID
from dirk_gevent.log.records import DatabaseInfo
from dirk_parser.errors import SqlError
from dirk_parser.names import nearest


class CoordinatorState:
    """The log, the view of the cluster, and what is known of both.

    `clock`: monotonic seconds by which the silence of nodes is measured. `caches` hear of outcomes. `links` are the
    nodes that follow now, by id; `system_applied` is set whenever a node has applied more of the system log.
    """

    def __init__(
        self,
        config: Config,
        log: Log,
        logger: Logger,
        caches: CacheFeed,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.config = config
        self.log = log
        self.logger = logger
        self.cluster = Cluster(config, clock)
        self.beat_seconds = config.replication.interval_seconds
        self.registry = DivergenceRegistry(config.log.directory, logger.exception)
        self.blocks = WriteBlocks()
        first_heads = {log_id: head.index for log_id, head in log.reads.heads().items()}
        self.outcomes = OutcomesByLog(first_heads, self.cluster.masters, log.reads.is_open, caches)
        self.links: dict[str, FollowingNode] = {}
        self.system_applied = Event()

    def head_index(self, log_id: int) -> int:
        """The head of a log; 0 for one that is gone."""
        with suppress(SqlError):
            return self.log.reads.head(log_id).index
        return 0

    def chain_at(self, log_id: int, index: int) -> bytes | None:
        """As `Log.chain_at`; None, too, while it cannot be read: one log's trouble is no other's."""
        with suppress(SqlError):
            return self.log.reads.chain_at(log_id, index)
        return None

    def is_shut_out(self, node: str, log_id: int) -> bool:
        """True when what the node says of this log is still of the state that was shut out, or it has no say at all."""
        view = self.cluster.nodes[node]
        return log_id in view.databases.fenced or view.is_evicted(log_id)

    def database_name(self, log_id: int) -> str:
        """The name of a log's database; its number for one that is gone."""
        if log_id == SYSTEM_LOG_ID:
            return SYSTEM_DATABASE
        return next(
            (database.name for database in self.log.reads.databases() if database.log_id == log_id), f"#{log_id}"
        )

    def find(self, name: str, place: int = -1) -> DatabaseInfo:
        """The database called `name` (any case); SqlError unknown_database with the nearest name, at `place`."""
        info = self.log.reads.find(name)
        if info is None:
            # A log that waits for a person's decision knows fewer databases than the nodes: that is the news.
            self.blocks.check(SYSTEM_LOG_ID)
            if self.head_index(SYSTEM_LOG_ID) == 0 and not self.cluster.live_masters(SYSTEM_LOG_ID):
                # A log that is new: whether it is the nodes', or theirs is away, none of them has said yet.
                raise SqlError("no_live_master")
            names = [database.name for database in self.log.reads.databases()]
            raise SqlError("unknown_database", name=name, nearest=nearest(name, names), place=place)
        return info

    def log_errors(self, work: Callable[..., None], *arguments: Any) -> None:
        """Run `work` as the top of a greenlet, or as one step of several: what it raises is logged, not raised."""
        try:
            work(*arguments)
        except SqlError as error:
            # The log's disk is full, or its journal is being opened again: it is tried again.
            self.logger.error("host_waits", reason=str(error))
        except Exception as error:
            self.logger.exception("host_failed", error)
