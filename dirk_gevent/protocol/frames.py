"""The frames of a log subscription as bytes: u32 length, u8 kind, payload.

A subscription begins as a statement (`FOLLOW_STATEMENT`) and then turns into frames. Kind 1 is a JSON object, 2 the
same under zstd, with the raw `body` bytes behind it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import Any

import orjson
import zstandard

#: The statement that turns a connection into a log subscription, behind a metadata comment with `follow`.
FOLLOW_STATEMENT = b"DIRK_FOLLOW"
_COMPRESS_FROM_BYTES = 1024
FRAME_KINDS = (1, 2)


def frame_compressor() -> zstandard.ZstdCompressor:
    """The compressor of `frame_bytes`; one thread at a time."""
    return zstandard.ZstdCompressor(level=1)


def frame_bytes(content: Mapping[str, Any], body: bytes, compressor: zstandard.ZstdCompressor) -> bytes:
    """One frame of a subscription: `content`, with `body` as its raw ``body`` bytes; a short one is not compressed."""
    encoded = orjson.dumps(content)
    payload = b"%d\n%b%b" % (len(encoded), encoded, body)
    kind = 1
    if len(payload) >= _COMPRESS_FROM_BYTES:
        payload, kind = compressor.compress(payload), 2
    return struct.pack(">IB", len(payload) + 1, kind) + payload


def frame_content(payload: bytes) -> dict[str, Any]:
    """A frame's object from its payload, its raw bytes under ``body``. ValueError for what is no frame's."""
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
