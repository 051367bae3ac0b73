"""Upkeep of a node's files beside the log: checkpoints, the end of idle reads, a look at who else writes to them."""

from __future__ import annotations

import gevent

from dirk_gevent.engine.database import Database
from dirk_gevent.engine.errors.faults import StorageFault
from dirk_gevent.node.apply_context import ApplyContext
from dirk_gevent.node.apply_queues import ApplyQueues

_CHECKPOINT_SECONDS = 5.0
_REST_SECONDS = 1.0


class NodeUpkeep:
    """The upkeep of all databases of a node, in a few greenlets."""

    def __init__(self, context: ApplyContext, queues: ApplyQueues) -> None:
        self._context = context
        self._queues = queues

    def start(self) -> list[gevent.Greenlet[..., None]]:
        """The greenlets, for the caller to end."""
        works = (self._checkpoint_all, self._end_idle_reads, self._report_damage)
        return [gevent.spawn(self._context.log_errors, work) for work in works]

    def _end_idle_reads(self) -> None:
        while True:
            gevent.sleep(_REST_SECONDS)
            self._context.log_errors(self._context.engine.end_idle_reads)

    def _checkpoint_all(self) -> None:
        """Checkpoint what has changed, busy or idle, so that the log learns what a power cut can't take back."""
        engine, files, link = self._context.engine, self._context.files, self._context.link
        for database in engine.logs().values():
            files.note(database)  # Another program may write to one before the first checkpoint.
        while True:
            gevent.sleep(_CHECKPOINT_SECONDS)
            for log_id, database in engine.logs().items():
                if not database.file.is_loaded:
                    self._queues.open(log_id).retry()
                    continue
                if files.is_touched(database):
                    link.send({"t": "touched", "log": log_id})
                if database.upkeep.wants_checkpoint and log_id in engine.logs():
                    self._context.log_errors(self._checkpoint, database)
                    files.note(database)
            files.keep_only(engine.logs())

    def _checkpoint(self, database: Database) -> None:
        try:
            self._context.slow.call(database.upkeep.checkpoint)
        except StorageFault as fault:
            if fault.is_damage:
                self._context.report_damage(database, str(fault))
            else:
                self._context.logger.error("checkpoint_failed", log=database.log_id, reason=str(fault))

    def _report_damage(self) -> None:
        """Reads find damage, too."""
        while True:
            database, fault = self._context.progress.damage.get()
            self._context.report_damage(database, str(fault))
