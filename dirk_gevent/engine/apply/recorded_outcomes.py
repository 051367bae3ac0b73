"""Outcomes made, recorded with their request, and given again."""

from __future__ import annotations

from dataclasses import replace

import orjson

from dirk_gevent.engine.apply.executor import Result
from dirk_gevent.engine.results import Outcome, Relation, columns_json, outcome_digest
from dirk_gevent.engine.stored_records import RecordedRequest
from dirk_gevent.log.entry import Entry
from dirk_parser.errors import SqlError
from dirk_parser.plan.plan import Output


def succeeded(entry: Entry, result: Result) -> Outcome:
    """The outcome of an entry that did what it was asked."""
    return Outcome(
        index=entry.index,
        sqlstate="",
        key="",
        params={},
        rows=result.rows,
        tables=result.tables,
        verb=result.verb,
        name=result.name,
        request_id=entry.request_id,
        digest=outcome_digest(entry.index, "", result.rows, result.returning),
        returning=result.returning,
    )


def failed(entry: Entry, error: SqlError) -> Outcome:
    """The outcome of an entry that changed nothing."""
    return Outcome(
        index=entry.index,
        sqlstate=error.sqlstate,
        key=error.key,
        # In a transaction's entry the place would be in another text than the one that is answered.
        params=error.recorded() if len(entry.statements) == 1 else error.params,
        rows=0,
        tables=(),
        verb="",
        name="",
        request_id=entry.request_id,
        digest=outcome_digest(entry.index, error.sqlstate, 0, None),
    )


def repeated(entry: Entry, first: Outcome) -> Outcome:
    """The first run's outcome at a later place in the log: nothing ran, nothing changed now."""
    digest = outcome_digest(entry.index, first.sqlstate, first.rows, first.returning)
    return replace(first, index=entry.index, tables=(), digest=digest, repeats=first.index)


def encode_outcome(outcome: Outcome) -> bytes:
    """The outcome as it is recorded."""
    returning = outcome.returning
    return orjson.dumps(
        (
            outcome.sqlstate,
            outcome.key,
            outcome.params,
            outcome.rows,
            outcome.tables,
            outcome.verb,
            outcome.name,
            None if returning is None else _encoded_relation(returning),
        )
    )


def decode_outcome(record: RecordedRequest) -> Outcome:
    """A recorded outcome, as of its first run."""
    sqlstate, key, params, rows, tables, verb, name, returned = orjson.loads(record.outcome)
    returning = None if returned is None else _decoded_relation(returned, record.index)
    return Outcome(
        index=record.index,
        sqlstate=sqlstate,
        key=key,
        params=params,
        rows=rows,
        tables=tuple(tables),
        verb=verb,
        name=name,
        request_id=record.request_id,
        digest=outcome_digest(record.index, sqlstate, rows, returning),
        returning=returning,
    )


def _encoded_relation(relation: Relation) -> tuple[object, ...]:
    columns = [(column.name, column.origin, column.is_boolean) for column in relation.columns]
    return relation.name, columns, relation.rows, relation.tables


def _decoded_relation(fields: list[object], index: int) -> Relation:
    name, raw_columns, rows, tables = fields
    assert isinstance(name, str) and isinstance(raw_columns, list)
    assert isinstance(rows, list) and isinstance(tables, list)
    columns = tuple(Output(*column) for column in raw_columns)
    values = [tuple(row) for row in rows]
    return Relation(
        name=name,
        columns=columns,
        rows=values,
        index=index,
        tables=tuple(tables),
        repeatable=False,
        columns_json=columns_json(columns),
    )
