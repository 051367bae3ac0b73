"""A node's messages over one connection to the log's host, and never over the next.

An answer belongs to its question, and a question to the connection that it came over: behind the next one there may be
another log, or the same that has shut out this node's state meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Sender:
    """Sends over one connection, as long as `is_current` says that it stands; then it sends nothing."""

    def __init__(self, send: Callable[..., None], is_current: Callable[[], bool]) -> None:
        self._send = send
        self._is_current = is_current

    @property
    def is_open(self) -> bool:
        """True when the connection stands."""
        return self._is_current()

    def __call__(self, content: dict[str, Any], body: bytes = b"") -> None:
        """Send one frame, or nothing."""
        if self.is_open:
            self._send(content, body)
