"""Answers made here as bytes: relations in pages, success messages, and the META that goes with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dirk_gevent.engine.results import Relation, columns_json, pages_of
from dirk_gevent.messages.success_text import success
from dirk_gevent.protocol import answer_bytes
from dirk_gevent.server.session import Request, Session, spoken
from dirk_parser.errors import SqlError
from dirk_parser.plan.plan import Output


def relation(answer: Relation, page_rows: int, meta: Mapping[str, Any] | None) -> bytes:
    """A whole relation held in memory, in pages of `page_rows`, fewer of large rows."""
    name = answer_bytes.json_bytes(answer.name)
    encoded_meta = answer_bytes.json_bytes(meta) if meta is not None else b""
    pages = pages_of(answer.rows, page_rows)
    encoded = [
        answer_bytes.encoded_page(name, answer.columns_json, page.rows_json, number, len(pages))
        for number, page in enumerate(pages, 1)
    ]
    return b"".join([*encoded, answer_bytes.relation_end(encoded_meta)])


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


def done(verb: str, name: str, rows: int, meta: Mapping[str, Any] | None) -> bytes:
    """The success message of a statement that answers with no relation."""
    return answer_bytes.message(success(verb, name, rows), answer_bytes.json_bytes(meta) if meta is not None else b"")


def meta_of(session: Session, request: Request, node: str, kind: str, **facts: Any) -> dict[str, Any] | None:
    """The META fields every answer has, and `facts`; None when the request did not ask for it."""
    if not request.has_meta:
        return None
    log_id = facts.pop("log", session.log_id)
    return {
        "node": node,
        "db": facts.pop("db", session.database),
        "log": log_id,
        "index": session.indexes.get(log_id, 0),
        "kind": kind,
        "lang": spoken(session, request),
        **in_transaction(session),
        **facts,
    }


def in_transaction(session: Session) -> dict[str, bool]:
    """The META field of whatever is answered inside a transaction."""
    return {"tx": True} if session.transaction is not None else {}


def error_meta(
    session: Session, request: Request, node: str, error: SqlError, log_id: int, index: int | None = None
) -> dict[str, Any]:
    """META of an error's answer. `log_id` is that of the database the request was about, 0 when there is none;
    `index` that of the state that answered, when it is another than the session has seen."""
    meta: dict[str, Any] = {
        "node": node,
        "db": request.database or session.database,
        "log": log_id,
        "index": session.indexes.get(log_id, 0) if index is None else index,
        "kind": "error",
        "lang": spoken(session, request),
        "tx": session.transaction is not None,
        "sqlstate": error.sqlstate,
    }
    if "log_ms" in error.params:
        # A client whose clock is not the log's dates its next request by this.
        meta["clock"] = error.params["log_ms"]
    # Only a place has a line: the `column` of a violation is a name.
    position = ("line", "column") if "line" in error.params else ()
    return meta | {name: error.params[name] for name in position}
