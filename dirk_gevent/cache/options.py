"""The options that a cache is started with."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CacheOptions:
    """The settings of one cache process. `entries` bounds the answers held, `max_bytes` their memory, `request_bytes`
    what large requests that are not answered yet take together. A statement of which nothing more comes for
    `idle_statement_seconds` is given up.

    `language` is what errors are told in until a session has its own. A `port` of 0 takes a free one.
    """

    upstream_host: str
    upstream_port: int
    host: str = "127.0.0.1"
    port: int = 3951
    ttl_seconds: float = 3.0
    entries: int = 200
    max_bytes: int = 64 * 1024 * 1024
    max_connections: int = 2_000
    max_statement_bytes: int = 16 * 1024 * 1024
    request_bytes: int = 512 * 1024 * 1024
    idle_statement_seconds: float = 30.0
    language: str = "mg"
