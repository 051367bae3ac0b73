"""The ids under which requests may be sent again."""

from __future__ import annotations

import os

_RANDOM_BYTES = 10


def new_request_id(now_ms: int) -> str:
    """A fresh request id: the time (Unix ms, by the log's clock where that is known) and 80 random bits as hex."""
    return f"{max(0, now_ms):013d}-{os.urandom(_RANDOM_BYTES).hex()}"
