"""States that were put aside because another counts, written as statements that a person can read and run."""

from __future__ import annotations

from pathlib import Path

import apsw
import gevent

from dirk_gevent.engine.dump.dump import applied_in, dump_file
from dirk_gevent.log.entry import SYSTEM_LOG_ID
from dirk_gevent.node.apply_context import ApplyContext
from dirk_gevent.node.catch_up import CatchUp
from dirk_parser.errors import SqlError


class KeptStates:
    """Puts aside what a list of databases that was replaced named, and writes down each state that was put aside."""

    def __init__(self, context: ApplyContext, catch_up: CatchUp) -> None:
        self._context = context
        self._catch_up = catch_up

    def dump_later(self, log_id: int, name: str, kept: Path) -> None:
        """Write the file `kept` of a database as statements, too, beside it, and tell the host; in its own greenlet."""
        gevent.spawn(self._dump, log_id, name, kept)

    def _dump(self, log_id: int, name: str, kept: Path) -> None:
        context = self._context
        target, node = kept.with_suffix(".sql"), context.engine.node
        again = "the databases that it names" if log_id == SYSTEM_LOG_ID else "it again under another name"
        try:
            if not target.exists():
                index = context.slow.call(applied_in, kept)
                remarks = (
                    f"Database {name} as node {node} had it at index {index} of its log, when it was shut out.",
                    f"dirk-client -f {target.name} makes {again}.",
                )
                context.slow.call(dump_file, kept, target, f"{name}_{node}_{index}", remarks)
            context.link.send({"t": "dumped", "log": log_id, "kept": str(kept), "sql": str(target)})
        except (apsw.Error, OSError, ValueError, SqlError) as error:
            # A file that was put aside because it is damaged may have no rows to give.
            context.logger.error("dump_failed", log=log_id, kept=str(kept), reason=str(error))
        except Exception as error:
            context.logger.exception("dump_failed", error, log=log_id, kept=str(kept))

    def settle_catalog(self, log_id: int) -> None:
        """Before a read is answered: once the system database is whole, put aside what only a former one listed.

        Another log than the system log changes nothing of that.
        """
        context, engine = self._context, self._context.engine
        if log_id != SYSTEM_LOG_ID:
            return
        if engine.enacted_index < engine.system.applied_index:
            # The machine failed between what the log says and what it means here.
            context.appliers.call(engine.reload_databases)
        if not engine.former.is_settled and context.progress.is_list_whole:
            context.appliers.call(engine.settle)
        unlisted = engine.former.unlisted
        while unlisted:
            database = unlisted.pop()
            # Should it be listed after all, its log is to be sent anew: what came of it has gone with its state.
            self._catch_up.left_out.add(database.log_id)
            context.progress.require_all(database.log_id)
            self.dump_later(database.log_id, database.name, database.kept)
