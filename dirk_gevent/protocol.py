"""Statements and answers as bytes: the only file that knows the frames.

One protocol on every hop (client, cache, proxy, node): a statement ended by ``;``, an answer ended by a
line that is exactly ``END``. The log subscription begins as a statement and then turns into length-prefixed
frames (`FrameSocket`). Nothing here knows what a statement means.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, suppress
from typing import Any

import orjson
import zstandard
from gevent import socket
from gevent.lock import RLock

from parser.lexical.repetition import repeated

#: The statement that turns a connection into a log subscription, behind a metadata comment with `follow`.
FOLLOW_STATEMENT = b"DIRK_FOLLOW"
END = b"\nEND\n"
#: How a metadata comment begins.
METADATA_OPEN = b"/*dirk "
#: The line before an answer's message.
RESULT_LINE = b"RESULT_MESSAGE\n"
_BEGINNINGS = (RESULT_LINE, b"RELATION_JSON_PAGE ", b"RELATION_JSON_END\n")
_META_LINE = b"\nMETA "

_SPECIAL = re.compile(rb"['\"`]|--|//|/\*")
_NEXT = re.compile(rb"[;'\"`]|#-|--|//|/\*")
# What needs no second look, in one go: plain bytes, whole strings and names, signs that open no comment. It never ends
# behind a sign at the very end, which may be the first half of an opener.
_STRINGS = "'" + repeated(r"[^'\\]++|\\.") + "'|\"" + repeated(r'[^"\\]++|\\.') + '"'
_PLAIN = re.compile(
    repeated(rf"""[^;'"`\-/#]++|{_STRINGS}|`[^`]*+`|-(?=[^-])|/(?=[^/*])|\#(?=[^-])""").encode(), re.DOTALL
)
#: What may end, quote or comment; a minus does so only with another.
_ALL_BUT_SIGNS = bytes(set(range(256)) - set(b";'\"`\\/"))
_CLOSE = {39: re.compile(rb"[\\']"), 34: re.compile(rb'[\\"]'), 96: re.compile(rb"`")}
# Atomic: a comment ends at its first `*/`, also when what follows it is not blank but ends in another `*/`.
_BLANK = re.compile((repeated(r"\s+|--[^\n]*(?:\n|\Z)|//[^\n]*(?:\n|\Z)|/\*.*?\*/") + r"\Z").encode(), re.DOTALL)
_PAGE = (
    b"RELATION_JSON_PAGE %d/%d\n"
    b'{"type":"relation","name":%b,"page":%d,"totalPages":%d,"columns":%b,"rows":%b}\n'
)
_AFTER_ROWS = len(b"}\n")
_LINE, _BLOCK = 10, 42
_COMPRESS_FROM_BYTES = 1024
_FRAME_KINDS = (1, 2)
#: So much without a ``;`` is looked at when one comes, and then once; more at once would hold the hub.
_LOOKED_AT_LATER_BYTES = 128 * 1024


class StatementTooLongError(Exception):
    """A statement grew past `limits.maxStatementBytes`: answer it, then close (the rest can't be framed)."""


class MetadataError(Exception):
    """A ``/*dirk …*/`` comment whose content is not a JSON object: 42601, nothing run."""


class StatementSplitter:
    """Cuts a byte stream into statements at each ``;`` that stands outside strings, back-quotes and comments.

    `feed` is linear in the bytes it is given whatever the segments are: the scan resumes where it stopped.
    Statements come without their ``;`` and without surrounding white space; those of white space alone are dropped,
    since they get no answer (those of comments alone get one). Bytes are not decoded: every delimiter is ASCII.
    """

    __slots__ = ("_buffer", "_max_bytes", "_mode", "_scan", "_start")

    def __init__(self, max_bytes: int = 16 * 1024 * 1024) -> None:
        self._buffer = bytearray()
        self._scan = 0
        self._start = 0
        self._mode = 0
        self._max_bytes = max_bytes

    @property
    def pending_bytes(self) -> int:
        """How many bytes of an unfinished statement are held."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """The statements that `data` completes, in order.

        Raises StatementTooLongError after which the splitter is of no more use.
        """
        if not self._buffer:
            # One plain statement a segment, with or without metadata, is what nearly all segments are.
            start = data.find(b"*/") + 2 if data.startswith(METADATA_OPEN) else 0
            if data.find(b";", start) == len(data) - 1 and not _SPECIAL.search(data, start) and start != 1:
                statement = data[:-1].strip()
                if len(statement) > self._max_bytes:
                    raise StatementTooLongError
                return [statement] if statement else []
        self._buffer += data
        if b";" not in data and len(self._buffer) <= _LOOKED_AT_LATER_BYTES:
            statements = []
        elif not self._scan and not self._mode and _is_one_plain(self._buffer):
            statements = [bytes(self._buffer[: self._buffer.rindex(b";")]).strip()]
            self._start = len(self._buffer)
        else:
            statements = self._cut()
        if self._start:
            del self._buffer[: self._start]
            self._scan = max(0, self._scan - self._start)
            self._start = 0
        if not self._mode and self._buffer.isspace():
            self._buffer.clear()
            self._scan = 0
        if len(self._buffer) > self._max_bytes or (statements and len(statements[0]) > self._max_bytes):
            raise StatementTooLongError
        return statements

    def missing(self) -> str:
        """What the statement lacks that is held in part: the sign that closes a string, name or comment, ``;``, or the
        line feed behind a comment that a ``;`` stands in. Empty when none has begun: white space, comments.
        """
        self._cut()
        if self._mode not in (0, _LINE):
            return "*/" if self._mode == _BLOCK else chr(self._mode)
        held = bytes(self._buffer).strip() if len(self._buffer) <= _LOOKED_AT_LATER_BYTES else b"a"
        if held.endswith(b";"):
            return "\n"
        return "" if is_blank(held) else ";"

    def _cut(self) -> list[bytes]:
        statements: list[bytes] = []
        buffer = self._buffer
        while True:
            if self._mode and not self._leave_mode(buffer):
                return statements
            plain = _PLAIN.match(buffer, self._scan)
            found = _NEXT.search(buffer, plain.end() if plain else self._scan)
            if found is None:
                # The last byte may be the first half of a two-byte opener.
                self._scan = max(self._scan, len(buffer) - buffer.endswith((b"-", b"/", b"#")))
                return statements
            self._scan = found.end()
            token = found.group()
            if token == b";":
                statement = bytes(buffer[self._start : found.start()]).strip()
                if len(statement) > self._max_bytes:
                    raise StatementTooLongError
                if statement:
                    statements.append(statement)
                self._start = self._scan
            elif token != b"#-":
                self._mode = {b"--": _LINE, b"//": _LINE, b"/*": _BLOCK}.get(token, token[0])

    def _leave_mode(self, buffer: bytearray) -> bool:
        """Move the scan past the open string or comment; False when its end has not come yet."""
        if self._mode in (_LINE, _BLOCK):
            closer = b"\n" if self._mode == _LINE else b"*/"
            at = buffer.find(closer, self._scan)
            if at < 0:
                self._scan = max(self._scan, len(buffer) - (len(closer) - 1))
                return False
            self._scan = at + len(closer)
            self._mode = 0
            return True
        closing = _CLOSE[self._mode]
        while found := closing.search(buffer, self._scan):
            if found.group() != b"\\":
                self._scan = found.end()
                self._mode = 0
                return True
            if found.end() == len(buffer):
                self._scan = found.start()
                return False
            self._scan = found.end() + 1
        self._scan = len(buffer)
        return False


def _is_one_plain(data: bytearray) -> bool:
    """Whether a few searches in C tell that `data` is one statement: behind its metadata no comment and no quote but
    `'`, all of them closed before its only `;`, which ends it."""
    start = data.find(b"*/") + 2 if data.startswith(METADATA_OPEN) else 0
    end = data.rfind(b";")
    if start == 1 or data[end + 1 :].strip() or data.find(b"--", start) >= 0 or not data[start:end].strip():
        return False
    signs = data[start:].translate(None, _ALL_BUT_SIGNS)
    return len(signs) % 2 == 1 and signs == b"'" * (len(signs) - 1) + b";"


def is_blank(statement: bytes) -> bool:
    """Whether a statement is nothing but white space and comments."""
    return statement[:1] in b"-/" and _BLANK.match(statement) is not None


def split_metadata(statement: bytes) -> tuple[dict[str, Any] | None, bytes]:
    """A statement's metadata (None without the comment) and the statement after it.

    Raises MetadataError when the comment does not hold a JSON object.
    """
    if not statement.startswith(METADATA_OPEN):
        return None, statement
    end = statement.find(b"*/")
    try:
        metadata = orjson.loads(statement[len(METADATA_OPEN) : end])
    except orjson.JSONDecodeError as error:
        raise MetadataError(str(error)) from error
    if not isinstance(metadata, dict):
        raise MetadataError("not an object")
    return metadata, statement[end + 2 :].lstrip()


def with_metadata(metadata: Mapping[str, Any], statement: bytes) -> bytes:
    """`statement` behind its metadata comment and closed by ``;``: ready to be sent."""
    encoded = orjson.dumps(metadata).replace(b"*/", b"*\\/")
    return b"/*dirk " + encoded + b"*/" + statement + b"\n;"


def encoded_page(name: bytes, columns: bytes, rows: bytes, number: int, total: int) -> bytes:
    """One page of a relation: the page line and its JSON line.

    `name`, `columns` and `rows` are JSON already (the first two are the same for every page of a plan); `total` is 0
    for a stream whose end is not known yet.
    """
    return _PAGE % (number, total, name, number, total, columns, rows)


def around_rows(name: bytes, columns: bytes) -> tuple[bytes, bytes]:
    """What stands before and after the JSON array of rows in a page that is a whole relation; then comes its end."""
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
    """What closes a relation after its last page."""
    return b"RELATION_JSON_END\nRESULT_MESSAGE\nOK" + meta_line(meta) + END


def json_bytes(value: Any) -> bytes:
    """`value` as JSON, for META and column lists."""
    return orjson.dumps(value)


def is_complete(answer: bytes) -> bool:
    """Whether `answer` ends as an answer ends (``END`` stands alone on a line nowhere else)."""
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


def frame_compressor() -> zstandard.ZstdCompressor:
    """What `frame_bytes` compresses with; one thread at a time."""
    return zstandard.ZstdCompressor(level=1)


def frame_bytes(content: Mapping[str, Any], body: bytes, compressor: zstandard.ZstdCompressor) -> bytes:
    """One frame of a subscription: `content`, with `body` as its raw ``body`` bytes; a short one is not compressed."""
    encoded = orjson.dumps(content)
    payload = b"%d\n%b%b" % (len(encoded), encoded, body)
    kind = 1
    if len(payload) >= _COMPRESS_FROM_BYTES:
        payload, kind = compressor.compress(payload), 2
    return struct.pack(">IB", len(payload) + 1, kind) + payload


def may_begin_answer(data: bytes) -> bool:
    """Whether `data`, which may be cut anywhere, can begin an answer: what listens may be another program."""
    return data.startswith(_BEGINNINGS) or any(one.startswith(data) for one in _BEGINNINGS)


class FrameSocket:
    """The framed half of a log subscription: u32 length, u8 kind, payload.

    Kind 1 is a JSON object, 2 the same under zstd, with the raw `body` bytes behind it when the object says
    how many (``"_json"`` = length of the JSON part). `send` may be called from any greenlet. Corrupt or
    oversized frames raise ValueError, a cut connection OSError; a clean end is None.
    """

    MAX_FRAME_BYTES = 256 * 1024 * 1024

    def __init__(self, sock: socket.socket, received: bytes = b"") -> None:
        self._sock = sock
        self._lock = RLock()
        self._buffer = bytearray(received)
        self._compressor = frame_compressor()
        self._decompressor = zstandard.ZstdDecompressor()
        #: Whether this side has closed it.
        self.is_closed = False

    def send(self, content: Mapping[str, Any], body: bytes = b"") -> None:
        """Send one object, with `body` as its raw ``body`` bytes."""
        self.send_frame(frame_bytes(content, body, self._compressor))

    def turn(self) -> AbstractContextManager[object]:
        """While the body runs nobody else sends: what it finds to say is as true as what was sent before it."""
        return self._lock

    def send_frame(self, frame: bytes) -> None:
        """Send what `frame_bytes` made."""
        with self._lock:
            self._sock.sendall(frame)

    def receive(self) -> dict[str, Any] | None:
        """The next object (its bytes, if any, under ``body``); None when the other side ended."""
        header = self._exactly(5, end_is_clean=True)
        if header is None:
            return None
        length, kind = struct.unpack(">IB", header)
        if not 1 <= length <= self.MAX_FRAME_BYTES:
            raise ValueError(f"frame of {length} bytes")
        if kind not in _FRAME_KINDS:
            # Told from its beginning: from another program the rest may never come.
            raise ValueError(f"frame of kind {kind}")
        payload = self._exactly(length - 1)
        if payload is None:
            raise ConnectionResetError("connection ended inside a frame")
        if kind == 2:
            try:
                payload = self._decompressor.decompress(payload, max_output_size=self.MAX_FRAME_BYTES)
            except zstandard.ZstdError as error:
                raise ValueError(f"corrupt frame: {error}") from error
        return _frame_content(payload)

    def close(self) -> None:
        """Close the connection; a greenlet blocked in `receive` gets None or OSError."""
        self.is_closed = True
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()

    def _exactly(self, count: int, *, end_is_clean: bool = False) -> bytes | None:
        buffer = self._buffer
        while len(buffer) < count:
            data = self._sock.recv(262144)
            if not data:
                if end_is_clean and not buffer:
                    return None
                raise ConnectionResetError("connection ended inside a frame")
            buffer += data
        taken = bytes(buffer[:count])
        del buffer[:count]
        return taken


def _frame_content(payload: bytes) -> dict[str, Any]:
    size, _, rest = payload.partition(b"\n")
    if not size.isdigit():
        raise ValueError("frame without a length")
    content = orjson.loads(rest[: int(size)])
    if not isinstance(content, dict):
        raise ValueError("frame is not an object")
    if len(rest) > int(size):
        content["body"] = rest[int(size) :]
    return content


def join_entries(entries: Iterable[bytes]) -> bytes:
    """Encoded entries (none holds a raw line feed) as one body."""
    return b"\n".join(entries)


def split_entries(body: bytes) -> list[bytes]:
    """The inverse of `join_entries`."""
    return body.split(b"\n") if body else []
