"""The metadata comment before a statement: what a client says of its request, as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

#: How a metadata comment begins.
METADATA_OPEN = b"/*dirk "


class MetadataError(Exception):
    """A ``/*dirk …*/`` comment whose content is not a JSON object: 42601, nothing run."""


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
