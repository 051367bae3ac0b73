"""Requests that made or dropped databases, as a node has them: a rebuilt log must know them, or a retry runs again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apsw

from dirk_gevent.engine import stored_records
from dirk_gevent.engine.apply.recorded_outcomes import decode_outcome
from dirk_gevent.log.embedded.journal_rows import RequestRow
from dirk_gevent.log.entry import CREATE_DATABASE, DROP_DATABASE, DatabaseChange
from dirk_parser.names import key as name_key


def known_requests(system_file: Path) -> list[RequestRow]:
    """The successful requests in the records of a node's system database, in the log's order. Raises apsw.Error.

    A node does not record which log a DROP sealed: that of the last CREATE of the name before. Where the record of
    that is gone the drop's own index stands for it, which is no log's id.
    """
    connection = apsw.Connection(str(system_file), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        rows: list[tuple[Any, ...]] = connection.execute(
            "SELECT request_id, request_hash, entry, time_ms, outcome FROM dirk_requests ORDER BY entry"
        ).fetchall()
    finally:
        connection.close(True)
    request_rows: list[RequestRow] = []
    indexes: dict[str, int] = {}
    for outcome in (decode_outcome(stored_records.RecordedRequest(*row)) for row in rows):
        if outcome.sqlstate or outcome.verb not in (CREATE_DATABASE, DROP_DATABASE):
            continue
        key, index = name_key(outcome.name), outcome.index
        if outcome.verb == CREATE_DATABASE:
            indexes[key] = index
        change = DatabaseChange(outcome.verb, outcome.name, indexes.get(key, index))
        request_rows.append(RequestRow(outcome.request_id, index, change))
    return request_rows
