"""The cache: answers repeated reads near the client, and drops what the log's headers say has changed.

`store` knows when an answer is right, `follow` hears the headers, `connection` serves one client, `forward` and
`upstream` ask the proxy, `flights` lets sessions share one question, `service` is the process.
"""

from dirk_gevent.cache.service import run

__all__ = ["run"]
