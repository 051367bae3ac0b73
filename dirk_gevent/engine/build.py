"""What SQLite this is: two nodes whose builds differ may compute differently, so they do not follow one log."""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b

import apsw
import orjson

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
#: Raised with any change of this package that makes the same entry end otherwise.
SEMANTICS = 6


@lru_cache(maxsize=1)
def build_fingerprint() -> str:
    """SQLite's version with a hash of its source id, compile options, limits and this engine's semantics."""
    with apsw.Connection(":memory:") as memory:
        limits = [memory.limit(limit) for limit in _LIMITS]
    memory.close()
    options = sorted(option for option in apsw.compile_options if not option.startswith("COMPILER="))
    facts = orjson.dumps((SEMANTICS, apsw.sqlite3_sourceid(), options, limits))
    return f"{apsw.sqlite_lib_version()}-{blake2b(facts, digest_size=8).hexdigest()}"
