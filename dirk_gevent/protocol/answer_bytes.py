"""Answers as bytes: the pages of a relation, the message at the end, the META line, and where an answer ends.

The same on every hop (client, cache, proxy, node): an answer ends with a line that is exactly ``END``.
"""

from __future__ import annotations

from typing import Any

import orjson

END = b"\nEND\n"
#: The line before an answer's message.
RESULT_LINE = b"RESULT_MESSAGE\n"
_BEGINNINGS = (RESULT_LINE, b"RELATION_JSON_PAGE ", b"RELATION_JSON_END\n")
_META_LINE = b"\nMETA "
_PAGE = (
    b"RELATION_JSON_PAGE %d/%d\n"
    b'{"type":"relation","name":%b,"page":%d,"totalPages":%d,"columns":%b,"rows":%b}\n'
)
_AFTER_ROWS = len(b"}\n")


def encoded_page(name: bytes, columns: bytes, rows: bytes, number: int, total: int) -> bytes:
    """One page of a relation: the page line and its JSON line.

    `name`, `columns` and `rows` are JSON already (the first two are the same for every page of a plan); `total` is 0
    for a stream whose end is not known yet.
    """
    return _PAGE % (number, total, name, number, total, columns, rows)


def around_rows(name: bytes, columns: bytes) -> tuple[bytes, bytes]:
    """The bytes before and after the JSON array of rows in a page that is a whole relation; then comes its end."""
    whole = _PAGE % (1, 1, name, 1, 1, columns, b"")
    return whole[:-_AFTER_ROWS], whole[-_AFTER_ROWS:]


def message(text: str, meta: bytes = b"") -> bytes:
    """An answer that is not a relation. `meta` is a JSON object for those that asked, else empty."""
    lines = text.split("\n")
    if "END" in lines:
        lines = [" END" if line == "END" else line for line in lines]
    body = "\n".join(lines).encode("utf-8", "replace")
    return b"RESULT_MESSAGE\n" + body + meta_line(meta) + END


def meta_line(meta: bytes) -> bytes:
    """The META line with the line feed before it, or nothing."""
    return _META_LINE + meta if meta else b""


def relation_end(meta: bytes = b"") -> bytes:
    """The bytes that close a relation after its last page."""
    return b"RELATION_JSON_END\nRESULT_MESSAGE\nOK" + meta_line(meta) + END


def json_bytes(value: Any) -> bytes:
    """`value` as JSON, for META and column lists."""
    return orjson.dumps(value)


def is_complete(answer: bytes) -> bool:
    """True when `answer` ends as an answer ends (``END`` stands alone on a line nowhere else)."""
    return answer.endswith(END)


def split_meta(answer: bytes) -> tuple[dict[str, Any] | None, bytes]:
    """A complete answer's META, and the answer as it reads without it."""
    at = answer.rfind(_META_LINE)
    if at < 0:
        return None, answer
    try:
        meta = orjson.loads(answer[at + len(_META_LINE) : -len(END)])
    except orjson.JSONDecodeError:
        return None, answer
    return (meta, answer[:at] + END) if isinstance(meta, dict) else (None, answer)


def may_begin_answer(data: bytes) -> bool:
    """True when `data`, which may be cut anywhere, can begin an answer: what listens may be another program."""
    return data.startswith(_BEGINNINGS) or any(beginning.startswith(data) for beginning in _BEGINNINGS)
