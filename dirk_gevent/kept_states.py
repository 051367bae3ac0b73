"""A state that was put aside because another counts, written as statements that a person can read and run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import apsw
import gevent

from dirk_gevent.engine.dump import applied_in, dump_file
from dirk_gevent.log.entry import SYSTEM_LOG_ID
from parser.errors import SqlError

if TYPE_CHECKING:
    from dirk_gevent.follower import Follower


def dump_kept(follower: Follower, log_id: int, name: str, kept: Path) -> None:
    """Write the file `kept` of a database as statements, too, beside it, and tell the host. The top of a greenlet."""
    target, node = kept.with_suffix(".sql"), follower.engine.node
    again = "the databases that it names" if log_id == SYSTEM_LOG_ID else "it again under another name"
    try:
        if not target.exists():
            index = follower.slow.call(applied_in, kept)
            remarks = (
                f"Database {name} as node {node} had it at index {index} of its log, when it was shut out.",
                f"dirk-client -f {target.name} makes {again}.",
            )
            follower.slow.call(dump_file, kept, target, f"{name}_{node}_{index}", remarks)
        follower.send({"t": "dumped", "log": log_id, "kept": str(kept), "sql": str(target)})
    except (apsw.Error, OSError, ValueError, SqlError) as error:
        # A file that was put aside because it is damaged may have no rows to give.
        follower.logger.error("dump_failed", log=log_id, kept=str(kept), reason=str(error))
    except Exception as error:
        follower.logger.exception("dump_failed", error, log=log_id, kept=str(kept))


def settle_later(follower: Follower) -> None:
    """The log has told where it is: who died before all of a former list was put aside does that now, if the list is
    whole; else what comes of it leads to that.
    """
    if follower.engine.is_list_anew:
        follower.open_lane(SYSTEM_LOG_ID).retry()


def settle_catalog(follower: Follower, log_id: int) -> None:
    """Before a read is answered: once the system database is whole, what only a former one listed is set aside."""
    engine = follower.engine
    if log_id != SYSTEM_LOG_ID:
        return
    if engine.enacted_index < engine.system.applied_index:
        # The machine failed between what the log says and what it means here.
        follower.appliers.call(engine.reload_databases)
    if not engine.is_settled and follower.progress.is_list_whole:
        follower.appliers.call(engine.settle)
    unlisted = engine.unlisted
    while unlisted:
        one = unlisted.pop()
        # Should it be listed after all, its log is to be sent anew: what came of it has gone with its state.
        follower.skipped.add(one.log_id)
        follower.progress.owe(one.log_id)
        gevent.spawn(dump_kept, follower, one.log_id, one.name, one.kept)
