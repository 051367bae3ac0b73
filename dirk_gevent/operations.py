"""What a person asks of a running cluster through dirk-admin: the host's side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dirk_gevent.protocol import FrameSocket

if TYPE_CHECKING:
    from dirk_gevent.host import LogHost


def serve_admin(host: LogHost, frames: FrameSocket, fields: Mapping[str, Any]) -> None:
    """Do what a program of a person asks for, and say how it ended."""
    frames.send({"t": "end", "status": 1, "text": str(fields.get("do"))})
