"""Answers made here as bytes: relations in pages, success messages, and the META that goes with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dirk_gevent.engine.results import Relation, columns_json, pages_of
from dirk_gevent.messages.success_text import success
from dirk_gevent.protocol import answer_bytes
from dirk_gevent.protocol.meta import Meta, MetaFacts, encode
from dirk_gevent.server.session import Request, Session, spoken
from dirk_parser.errors import SqlError
from dirk_parser.plan.plan import Output


def relation(answer: Relation, page_rows: int, meta: bytes) -> bytes:
    """A whole relation held in memory, in pages of `page_rows`, fewer of large rows."""
    name = answer_bytes.json_bytes(answer.name)
    pages = pages_of(answer.rows, page_rows)
    parts = [
        answer_bytes.encoded_page(name, answer.columns_json, page.rows_json, number, len(pages))
        for number, page in enumerate(pages, 1)
    ]
    return b"".join([*parts, answer_bytes.relation_end(meta)])


def listing(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Relation:
    """A relation `fanasehoana` that no table stands behind: SHOW DATABASES, SHOW SERVERS."""
    outputs = tuple(Output(column, "fanasehoana") for column in columns)
    encoded = columns_json(outputs)
    return Relation(
        name="fanasehoana",
        columns=outputs,
        rows=[tuple(row) for row in rows],
        index=0,
        tables=(),
        repeatable=False,
        columns_json=encoded,
    )


def done(verb: str, name: str, rows: int, meta: bytes) -> bytes:
    """The success message of a statement that answers with no relation."""
    return answer_bytes.message(success(verb, name, rows), meta)


def meta_of(session: Session, request: Request, node: str, kind: str, facts: MetaFacts | None = None) -> bytes:
    """META with what the session says where `facts` do not; empty when the request did not ask for it."""
    if not request.has_meta:
        return b""
    fields: MetaFacts = {
        "db": session.database,
        "log_id": session.log_id,
        "language": spoken(session, request),
        "in_transaction": in_transaction(session),
        **(facts or {}),
    }
    return encode(Meta(node=node, index=session.indexes.get(fields["log_id"], 0), kind=kind, **fields))


def in_transaction(session: Session) -> bool | None:
    """True in META of whatever is answered inside a transaction; outside one nothing is said."""
    return True if session.transaction is not None else None


def error_meta(
    session: Session, request: Request, node: str, error: SqlError, log_id: int, index: int | None = None
) -> Meta:
    """META of an error's answer. `log_id` is that of the database the request was about, 0 when there is none;
    `index` that of the state that answered, when it is another than the session has seen."""
    # Only a place has a line: the `column` of a violation is a name.
    has_line = "line" in error.params
    return Meta(
        node=node,
        db=request.database or session.database,
        log_id=log_id,
        index=session.indexes.get(log_id, 0) if index is None else index,
        kind="error",
        language=spoken(session, request),
        in_transaction=session.transaction is not None,
        sqlstate=error.sqlstate,
        # A client whose clock is not the log's dates its next request by this.
        clock_ms=_whole(error, "log_ms"),
        line=_whole(error, "line") if has_line else None,
        column=_whole(error, "column") if has_line else None,
    )


def _whole(error: SqlError, name: str) -> int | None:
    value = error.params.get(name)
    return value if isinstance(value, int) else None
