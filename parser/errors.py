"""Every error of DirkDB: its key, its SQLSTATE, and the one exception that carries it.

The sentence a user reads is made at the edge, in the session's language, from the key and the
parameters (``dirk_gevent.messages``): nothing below the edge ever formats text for a person.
"""

from __future__ import annotations

#: error key -> SQLSTATE (ISO/IEC 9075-2 §24, with PostgreSQL's classes where the standard has none).
SQLSTATE: dict[str, str] = {
    "syntax": "42601",
    "unterminated": "42601",
    "metadata_invalid": "42601",
    "too_deep": "54001",
    "unknown_table": "42P01",
    "unknown_column": "42703",
    "unknown_function": "42883",
    "unknown_database": "3D000",
    "unknown_domain": "42704",
    "ambiguous_column": "42702",
    "no_database": "3D000",
    "duplicate_database": "42P04",
    "duplicate_table": "42P07",
    "duplicate_domain": "42710",
    "duplicate_column": "42701",
    "not_supported": "0A000",
    "internal": "XX000",
}


class SqlError(Exception):
    """A statement's failure: a key of `SQLSTATE`, its parameters and, for text errors, its place.

    `params` hold what the sentence names (str or int only: they travel in log records as JSON).
    A syntax error carries `line` and `column` (both from 1), `source` (that line of the statement) and
    `expected` (the words that could have stood there) in `params`.
    """

    def __init__(self, key: str, **params: str | int) -> None:
        super().__init__(key)
        self.key = key
        self.sqlstate = SQLSTATE[key]
        self.params = params

    def __str__(self) -> str:
        return f"{self.key} ({self.sqlstate}) {self.params}"
