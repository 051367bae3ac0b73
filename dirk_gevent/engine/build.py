"""The build that computes here: two nodes whose builds differ may end an entry differently, so they do not follow one
log.

The host of a log appends entries under its `RULES`, and a node runs entries by its own: that the two are equal is
checked once, in the handshake, through this fingerprint. What an earlier release appended is not in it: see
`dirk_gevent.coordinator.older_entries`.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b

import apsw
import orjson

from dirk_gevent.log.entry import RULES

_LIMITS = (
    apsw.SQLITE_LIMIT_LENGTH,
    apsw.SQLITE_LIMIT_SQL_LENGTH,
    apsw.SQLITE_LIMIT_COLUMN,
    apsw.SQLITE_LIMIT_EXPR_DEPTH,
    apsw.SQLITE_LIMIT_COMPOUND_SELECT,
    apsw.SQLITE_LIMIT_VDBE_OP,
    apsw.SQLITE_LIMIT_FUNCTION_ARG,
    apsw.SQLITE_LIMIT_LIKE_PATTERN_LENGTH,
    apsw.SQLITE_LIMIT_VARIABLE_NUMBER,
    apsw.SQLITE_LIMIT_TRIGGER_DEPTH,
)


@lru_cache(maxsize=1)
def build_fingerprint() -> str:
    """The rules' number, SQLite's version, and a hash of its source id, compile options and limits."""
    with apsw.Connection(":memory:") as memory:
        limits = [memory.limit(limit) for limit in _LIMITS]
    memory.close()
    options = sorted(option for option in apsw.compile_options if not option.startswith("COMPILER="))
    facts = orjson.dumps((RULES, apsw.sqlite3_sourceid(), options, limits))
    return f"rules {RULES}, SQLite {apsw.sqlite_lib_version()}, {blake2b(facts, digest_size=8).hexdigest()}"
