"""The verdict on a request before it is answered: where it may be looked up, what its first bytes say."""

from __future__ import annotations

import re
from dataclasses import dataclass

import orjson

from dirk_gevent.cache.store import Key
from dirk_gevent.server.session import Request

# Guesses, whose being wrong costs time or says less than could be said.
_READ = re.compile(rb"(?:alaivo|select|asehoy|show|lazao|describe|hazavao|explain|adikao|translate)\b", re.IGNORECASE)
_OF_SESSION = re.compile(rb"(?:atombohy|begin|ampiasao|use|safidio|set)\b", re.IGNORECASE)
_COMMIT = re.compile(rb"(?:tehirizo|commit|end)\b|[/\-]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Where a request may be looked up, or (`bypass`, for META's `cache`) why it may not."""

    key: Key | None
    need: int
    bypass: str = ""


def is_read(statement: bytes) -> bool:
    """True when it is a read that may be shared; such a one surely changes nothing."""
    return _READ.match(statement) is not None


def changes_nothing(statement: bytes) -> bool:
    """True when it surely changes nothing beyond its session: when it is cut off there is nothing that may be done."""
    return is_read(statement) or _OF_SESSION.match(statement) is not None


def may_be_commit(statement: bytes) -> bool:
    """True when it may end a transaction for good."""
    return _COMMIT.match(statement) is not None


def canonical_args(request: Request) -> bytes:
    """The request's arguments as bytes that are equal when they are."""
    return orjson.dumps(request.args, option=orjson.OPT_SORT_KEYS) if request.args else b""
