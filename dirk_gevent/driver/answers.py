"""An answer of the server as values: pages of rows, then how the statement ended.

The reading half of the protocol for a client. Pages are read one at a time, so that a result of any size
passes through without being held.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

#: How an error's message begins, in every language.
ERROR_PREFIX = "Hadisoana : "

_PAGE_LINE = b"RELATION_JSON_PAGE "
_RELATION_END = b"RELATION_JSON_END\n"
_RESULT_LINE = b"RESULT_MESSAGE\n"
_END_LINE = b"END\n"
_META_PREFIX = "META "
# What a page with a blob holds, and none without: quotes in a text have a backslash before them.
_BLOB = b'{"blob":'
#: No line that says what follows it is as long: another program may never end its own.
_MOST_HEAD_BYTES = 1024
_SQLSTATE = re.compile(r"\(([0-9A-Z]{5})\)\s*\Z")

#: What a cell holds: JSON's own kinds, and a blob.
Cell = None | bool | int | float | str | bytes


class NotDirkError(Exception):
    """Bytes that are no answer of DirkDB came over the connection; `line` is the line that is not."""

    def __init__(self, line: str) -> None:
        super().__init__(line)
        self.line = line


@dataclass(frozen=True, slots=True)
class AnswerColumn:
    """A result column: its name and the nearest table or view named in FROM."""

    name: str
    origin: str


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows of a relation. `number` counts from 1; `total` is 0 while the number of pages is not known."""

    number: int
    total: int
    relation: str
    columns: tuple[AnswerColumn, ...]
    rows: list[list[Cell]]


@dataclass(frozen=True, slots=True)
class Meta:
    """Facts of an answer for those that ask, on the client's side of the wire (`protocol.meta.Meta` is on the
    server's); None for one that it does not say.

    `log_id` and `index` are the session's database's log and the index its state had; `line` and `column`
    (from 1) are the place of an error in the statement; `is_in_transaction` is the session's state after it;
    `clock_ms` is the log's time (Unix ms), told where this machine's clock may be another.
    """

    node: str | None = None
    log_id: str | None = None
    index: int | None = None
    language: str | None = None
    is_in_transaction: bool | None = None
    rows: int | None = None
    sqlstate: str | None = None
    line: int | None = None
    column: int | None = None
    clock_ms: int | None = None


@dataclass(frozen=True, slots=True)
class End:
    """How a statement ended: its message (lines joined by line feeds) and META, None when there was none."""

    message: str
    meta: Meta | None = None

    @property
    def is_error(self) -> bool:
        """True when the statement failed."""
        return self.message.startswith(ERROR_PREFIX)

    @property
    def sqlstate(self) -> str:
        """The SQLSTATE of an error (from META, else from the message); empty on success."""
        if not self.is_error:
            return ""
        if self.meta is not None and self.meta.sqlstate:
            return self.meta.sqlstate
        match = _SQLSTATE.search(self.message)
        return match.group(1) if match else "XX000"

    @property
    def line(self) -> int | None:
        """The error's line in its statement, from 1."""
        return self.meta.line if self.meta is not None else None


def read_answer(stream: BinaryIO, asks_meta: bool) -> Iterator[Page | End]:
    """The parts of the next answer: pages, then exactly one End.

    `asks_meta`: whether the request carried metadata (without it a message line is never META).
    Raises ConnectionError when the connection ends inside the answer, NotDirkError for other bytes.
    """
    while True:
        line = _line(stream, _MOST_HEAD_BYTES)
        if line.startswith(_PAGE_LINE):
            yield _page(_line(stream))
        elif line == _RESULT_LINE:
            yield _end(stream, asks_meta)
            return
        elif line != _RELATION_END:
            raise NotDirkError(line.decode("utf-8", "replace").rstrip("\n")[:80])


def may_begin_answer(data: bytes) -> bool:
    """True when `data`, which may be cut anywhere, can be the beginning of an answer."""
    return any(data.startswith(line[: len(data)]) for line in (_PAGE_LINE, _RESULT_LINE, _RELATION_END))


def _line(stream: BinaryIO, most_bytes: int = -1) -> bytes:
    """The next line; of one that is longer than `most_bytes` the beginning, which is no line of an answer."""
    line = stream.readline(most_bytes)
    if not line.endswith(b"\n"):
        if len(line) == most_bytes:
            return line
        raise ConnectionResetError("the connection ended inside an answer")
    return line


def _page(line: bytes) -> Page:
    import orjson

    try:
        page = orjson.loads(line)
        columns = tuple(AnswerColumn(column["name"], column.get("origin", "")) for column in page["columns"])
        rows = page["rows"]
        if _BLOB in line:
            rows = [[_cell(value) for value in row] for row in rows]
        return Page(page["page"], page["totalPages"], page["name"], columns, rows)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise NotDirkError(line[:80].decode("utf-8", "replace").rstrip("\n")) from error


def _cell(value: Any) -> Cell:
    """A value of a row; raises ValueError for an object that is no blob."""
    if isinstance(value, dict):
        return b64decode(value["blob"], validate=True)
    cell: Cell = value
    return cell


def _end(stream: BinaryIO, asks_meta: bool) -> End:
    lines: list[str] = []
    while (line := _line(stream)) != _END_LINE:
        lines.append(line[:-1].decode("utf-8", "replace"))
    meta = _meta(lines[-1]) if asks_meta and lines else None
    if meta is not None:
        lines.pop()
    return End("\n".join(lines), meta)


def _meta(line: str) -> Meta | None:
    if not line.startswith(_META_PREFIX):
        return None
    import orjson

    try:
        fields = orjson.loads(line[len(_META_PREFIX) :])
    except ValueError:
        return None
    return _meta_of(fields) if isinstance(fields, dict) else None


def _meta_of(fields: Mapping[str, Any]) -> Meta:
    def whole(name: str) -> int | None:
        value = fields.get(name)
        return value if isinstance(value, int) else None

    def text(name: str) -> str | None:
        value = fields.get(name)
        return str(value) if isinstance(value, str | int) else None

    in_transaction = fields.get("tx")
    return Meta(
        node=text("node"),
        log_id=text("log"),
        index=whole("index"),
        language=text("lang"),
        is_in_transaction=in_transaction if isinstance(in_transaction, bool) else None,
        rows=whole("rows"),
        sqlstate=text("sqlstate"),
        line=whole("line"),
        column=whole("column"),
        clock_ms=whole("clock"),
    )
