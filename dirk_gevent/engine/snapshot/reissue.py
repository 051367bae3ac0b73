"""A database's file made the state of another position: another log, another index. What a restore is made of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import apsw

from dirk_gevent.engine import stored_records
from dirk_gevent.engine.errors.faults import StorageFault
from dirk_gevent.engine.functions import EntryContext
from dirk_gevent.engine.parser_compiler import ParserCompiler
from dirk_gevent.engine.snapshot.snapshot import PinnedState, SnapshotHeader
from dirk_gevent.engine.sqlite_connection import open_writer


@dataclass(frozen=True, slots=True)
class LogPosition:
    """Where a state shall stand: its log, its database's name, the index, the chain hash and the log time there."""

    log_id: int
    name: str
    index: int
    chain: bytes
    time_ms: int


def reissue(image: Path, position: LogPosition, target: Path) -> SnapshotHeader:
    """Write the database file `image`, changed to stand at `position`, as a snapshot to `target` (slow thread).

    Every table counts as changed there. Requests that ran in another database are forgotten; in the same one they
    stay known, so that none of them runs twice. Raises StorageFault.
    """
    try:
        connection = open_writer(image, EntryContext())
        try:
            with connection:
                before = stored_records.read_meta(connection)
                assert before is not None
                _move(connection, before, position)
            connection.execute("BEGIN")
            meta = stored_records.read_meta(connection)
            assert meta is not None
            schema = ParserCompiler().load_schema([], meta.schema_version)
            return PinnedState(connection, meta, schema).snapshot(target)
        finally:
            connection.close(True)
    except apsw.Error as error:
        raise StorageFault(error, "restore") from error


def _move(connection: apsw.Connection, before: stored_records.FileMeta, position: LogPosition) -> None:
    meta = stored_records.FileMeta(
        log_id=position.log_id,
        name=position.name,
        applied_index=position.index,
        chain=position.chain,
        time_ms=position.time_ms,
        heard_head=position.index,
        schema_version=position.index,
        state="live",
    )
    stored_records.write_meta(connection, meta)
    tables = [*stored_records.read_tables(connection), "*"]
    stored_records.write_tables(connection, dict.fromkeys(tables, position.index))
    if before.log_id != position.log_id:
        connection.execute("DELETE FROM dirk_requests")
