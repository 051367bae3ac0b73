"""How long a request waits for a state: `limits.waitMs`, or less when whoever asks can ask elsewhere."""

from __future__ import annotations

from dirk_gevent.config.settings import Limits
from dirk_gevent.server.session import Request
from dirk_parser.errors import SqlError


def wait_ms(limits: Limits, request: Request) -> int:
    """The milliseconds of the request's `waitMs`, at most the limit; SqlError argument_invalid for what is none."""
    asked = request.metadata.get("waitMs")
    if asked is None:
        return limits.wait_ms
    if type(asked) is not int or asked < 0:
        raise SqlError("argument_invalid", field="waitMs")
    return min(asked, limits.wait_ms)
