"""The program that tries out one entry (`suspects.try_out` starts it): runs it on a database's file and undoes it.

stdin: one JSON line {"path": …, "parent": …}, then the entry's bytes. How it ends is all that it says: a child that
lives to the end of the entry, or of the attempt, proves that the entry does not kill.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

import apsw
import orjson

from dirk_gevent.config.settings import Limits
from dirk_gevent.engine import stored_records
from dirk_gevent.engine.apply.applier import Applier, Work
from dirk_gevent.engine.apply.executor import Executor
from dirk_gevent.engine.apply.room import Room
from dirk_gevent.engine.apply.step_limit import StepCounter
from dirk_gevent.engine.committed_state import CommittedState
from dirk_gevent.engine.errors.faults import StorageFault
from dirk_gevent.engine.functions import EntryContext
from dirk_gevent.engine.parser_compiler import ParserCompiler
from dirk_gevent.engine.position import Position
from dirk_gevent.engine.sqlite_connection import open_writer
from dirk_gevent.engine.wal.wal import Wal
from dirk_gevent.log.entry import Entry

_PR_SET_PDEATHSIG = 1
#: The kernel that needs memory takes this process before all others.
_FIRST_TO_GO = "1000"


def main() -> int:
    """Try the entry on stdin out; exit status 0 whatever came of it."""
    fields = orjson.loads(sys.stdin.buffer.readline())
    _tie_to(int(fields["parent"]))
    encoded = sys.stdin.buffer.read()
    # The node meets the machine's fault itself, and says so.
    with suppress(apsw.Error, StorageFault, OSError):
        _applier(Path(fields["path"])).try_out(Work(Entry.decode(encoded), encoded))
    return 0


def _tie_to(parent: int) -> None:
    """End when the node does, whoever kills it; be killed before the node when memory is short."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_GO, encoding="ascii")


def _applier(path: Path) -> Applier:
    context, compiler = EntryContext(), ParserCompiler()
    connection = open_writer(path, context)
    meta = stored_records.read_meta(connection)
    if meta is None:
        raise StorageFault(OSError(f"{path} holds nothing yet"))
    rows = [row for row in stored_records.read_catalog(connection) if row.kind != stored_records.DATABASE_KIND]
    schema = compiler.load_schema(rows, meta.schema_version)
    position = Position(meta.applied_index, meta.chain, meta.time_ms, schema)
    tables, plans = stored_records.read_tables(connection), compiler.plans()
    state = CommittedState(position, tables, meta.heard_head, plans)
    # One entry is a batch of its own, whatever the bound is.
    wal = Wal(path, meta.name, Limits().wal_bytes, lambda: None)
    executor = Executor(connection, context, compiler, plans, StepCounter(connection))
    return Applier(executor, state, Room(connection, wal))


if __name__ == "__main__":
    sys.exit(main())
