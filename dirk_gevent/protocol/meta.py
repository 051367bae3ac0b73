"""META, what an answer says of itself: one record, one order of fields, one encoder (docs/protocol.md, "Metadata")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypedDict

import orjson

READ: Final = "read"
#: What the holes of a template hold while it is encoded: no index, count or time is negative, no language so short.
_HOLES = ((b'"index":-1', b'"index":%d'), (b'"rows":-1', b'"rows":%d'), (b'"ms":-1.0', b'"ms":%.3f'))
_LANGUAGE_HOLE = (b'"lang":"-"', b'"lang":"%b"')


@dataclass(slots=True, kw_only=True)
class Meta:
    """Facts of an answer on this side of the wire; a field that is None is left out, but for `db`.

    `log_id` and `index` say which state answered. `rows` were answered or changed; `ms` are milliseconds on the node.
    `in_transaction` is the session's state after the answer. `clock_ms` is the log's time (Unix ms). `dropped_log_id`
    is the log of a database that was dropped. `line` and `column` (from 1) are an error's place in its statement.
    `commit` is a transaction's work, which DirkDB's own parts hand on (with `has_commit` also where there is none).
    Nothing changes one once it is made; it is not frozen, since that would make it three times as slow to make.
    """

    node: str
    db: str | None
    log_id: int
    index: int
    kind: str
    language: str
    in_transaction: bool | None = None
    tables: Sequence[str] | None = None
    rows: int | None = None
    ms: float | None = None
    repeatable: bool | None = None
    dropped_log_id: int | None = None
    has_commit: bool = False
    commit: Mapping[str, Any] | None = None
    sqlstate: str | None = None
    clock_ms: int | None = None
    line: int | None = None
    column: int | None = None
    cache: str | None = None


class MetaFacts(TypedDict, total=False):
    """The fields of `Meta` that whoever answers may give; who asked and of which kind the answer is says the rest."""

    db: str | None
    log_id: int
    language: str
    in_transaction: bool | None
    tables: Sequence[str]
    rows: int
    repeatable: bool
    dropped_log_id: int
    has_commit: bool
    commit: Mapping[str, Any] | None
    clock_ms: int
    cache: str


def encode(meta: Meta) -> bytes:
    """The JSON object of the META line. A read says first what it read, every other kind how the session is."""
    if meta.kind == READ:
        return encode_read(
            node=meta.node,
            db=meta.db,
            log_id=meta.log_id,
            index=meta.index,
            tables=meta.tables,
            rows=meta.rows,
            ms=meta.ms,
            repeatable=meta.repeatable,
            language=meta.language,
            in_transaction=meta.in_transaction,
        )
    kept_null = ("db", "commit") if meta.has_commit else ("db",)
    fields = {name: value for name, value in _named(meta).items() if value is not None or name in kept_null}
    return orjson.dumps(fields)


def _named(meta: Meta) -> dict[str, Any]:
    """The fields by the names that they have on the wire, in their order there; None for one that is not said."""
    return {
        "node": meta.node,
        "db": meta.db,
        "log": meta.log_id,
        "index": meta.index,
        "kind": meta.kind,
        "lang": meta.language,
        "tx": meta.in_transaction,
        "tables": meta.tables,
        "rows": meta.rows,
        "ms": meta.ms,
        "repeatable": meta.repeatable,
        "commit": meta.commit,
        "dropped": meta.dropped_log_id,
        "sqlstate": meta.sqlstate,
        "clock": meta.clock_ms,
        "line": meta.line,
        "column": meta.column,
        "cache": meta.cache,
    }


def encode_read(
    *,
    node: str,
    db: str | None,
    log_id: int,
    index: int,
    tables: Sequence[str] | None,
    rows: int | None,
    ms: float | None,
    repeatable: bool | None,
    language: str,
    in_transaction: bool | None = None,
) -> bytes:
    """`encode` of a read's `Meta`, of which a node makes so many that it makes no record of them."""
    fields = {
        "node": node,
        "db": db,
        "log": log_id,
        "index": index,
        "kind": READ,
        "tables": tables,
        "rows": rows,
        "ms": ms,
        "repeatable": repeatable,
        "lang": language,
    }
    if tables is None or rows is None or ms is None or repeatable is None:
        fields = {name: value for name, value in fields.items() if value is not None or name == "db"}
    if in_transaction is not None:
        fields["tx"] = in_transaction
    return orjson.dumps(fields)


def read_template(node: str, db: str, log_id: int, tables: Sequence[str]) -> bytes:
    """The META of a repeatable read as a `%` template of index, rows, ms and language, in that order."""
    filled = encode_read(
        node=node, db=db, log_id=log_id, index=-1, tables=tables, rows=-1, ms=-1.0, repeatable=True, language="-"
    )
    template = filled.replace(b"%", b"%%")
    for said, hole in (*_HOLES, _LANGUAGE_HOLE):
        head, there, tail = template.rpartition(said)
        assert there, said
        template = head + hole + tail
    return template


def with_cache(fields: Mapping[str, Any], cache: str) -> bytes:
    """The META that came from upstream, with what the cache has to say: a field that it does not know goes on too."""
    return orjson.dumps({**fields, "cache": cache})
