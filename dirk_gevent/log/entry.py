"""The records of the log: drafts, entries, their exact bytes, and the chain of hashes over those bytes.

Entries and their statements are never changed once made. They are not frozen because that triples what making one
costs, and every node makes one for every write.

An entry's bytes are one compact JSON array without a raw newline. They are made once, by the log that gives
the entry its index, and travel, are stored and are hashed as they are: nobody encodes an entry a second
time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from math import isinf
from typing import Any

import orjson

from dirk_gevent.base.printable import moment
from dirk_parser.errors import SqlError
from dirk_parser.normalize.normalized_statement import Args, NormalizedStatement, Value

#: Under which rules this program appends entries, and the only ones by which it runs them. Raised by any change, of
#: this package or of the SQLite that it is pinned to, that makes the same entry end otherwise (docs/decisions.md).
#: Those of release 2.0.0 are 0, of 2.1.0 1, of 2.2.0 2, of 2.3.0 3. With them rise the formats by which an earlier
#: release refuses what it would follow otherwise: of the journal, of a node's files and directory, of a backup.
RULES = 3
#: The first element of every entry: how the rest is to be read.
FORMAT = 2
#: The format of release 2.0.0, whose entries do not say their rules: those are rules 0.
_FORMAT_WITHOUT_RULES = 1
#: Stands before the bytes of an entry that a person had skipped (see `skipped`); it is no part of them.
SKIP_MARK = b"-"
#: Length of a chain hash and of a request hash.
HASH_BYTES = 16
#: The chain hash before a log's first entry (index 0 means none).
NO_CHAIN = bytes(HASH_BYTES)
#: The log id of the system database, which says what other databases there are.
SYSTEM_LOG_ID = 0
#: The name of the system database.
SYSTEM_DATABASE = "dirk"
#: Verbs of a `DatabaseChange`.
CREATE_DATABASE = "create_database"
DROP_DATABASE = "drop_database"

#: A request id may be dated so far from log time; records of requests are kept for more than twice as long.
REQUEST_AGE_MS = 12 * 3600 * 1000
#: A request's record is kept for so many entries of its log at least.
KEPT_ENTRIES = 1_000_000
_REQUEST_ID = re.compile(r"([0-9]{13})-[0-9A-Za-z_-]{11,64}")


class EntryDamagedError(ValueError):
    """Bytes that are no entry of a known format: a damaged file, or a log written by a later version."""


@dataclass(slots=True)
class LoggedStatement:
    """One statement of an entry: its template with literals, and the request's arguments (a tuple, or a
    mapping).

    `time_ms` and `seed` are those of the statement's first run inside a transaction, so that it sees the same
    clock and the same random numbers when it is run again at the commit; None means the entry's own.
    """

    normalized: NormalizedStatement
    args: Args = ()
    time_ms: int | None = None
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """A write that has no place in the log yet.

    `step_limit`: SQLite VM steps after which the write ends with 57014 on every node (0 = none).
    `base_index` and `tables_read` belong to a transaction: it fails with 40001 when one of the tables
    changed after that index. Without statements it burns its request id (see `Entry.is_burn`).
    `request_hash` is that of what the client sent, when the statements are others; '' where they are the same.
    """

    request_id: str
    statements: tuple[LoggedStatement, ...]
    step_limit: int = 0
    base_index: int | None = None
    tables_read: tuple[str, ...] = ()
    request_hash: str = ""


@dataclass(frozen=True, slots=True)
class DatabaseChange:
    """The change that an entry of the system log makes: a database made or dropped; such an entry has no statements.

    `verb` is `CREATE_DATABASE` or `DROP_DATABASE`, `name` the database as it was created. `log_id` is the
    database's log (on CREATE the index of this very entry). `sealed_at` (DROP only, else 0) is the last
    index of that log: no entry follows it.
    """

    verb: str
    name: str
    log_id: int
    sealed_at: int = 0


@dataclass(slots=True)
class Entry:
    """A write in its place: `index` counts from 1 in the log `log_id`, without gaps.

    `time_ms` (Unix, UTC) never decreases along a log; `seed` is 0 … 2⁶⁴-1. `request_hash` (hex) tells a
    retry of the same request from another request that took the same id. `change` is None outside the system
    log. `rules` are those it was appended under (`RULES` of the release that did it).
    """

    log_id: int
    index: int
    time_ms: int
    seed: int
    request_id: str
    request_hash: str
    statements: tuple[LoggedStatement, ...]
    step_limit: int = 0
    base_index: int | None = None
    tables_read: tuple[str, ...] = ()
    change: DatabaseChange | None = None
    rules: int = RULES

    @property
    def is_burn(self) -> bool:
        """True when it only settles how its request ended: it does nothing, and nothing runs under its id any more."""
        return not self.statements and self.change is None

    def encode(self, statements: bytes | None = None) -> bytes:
        """The entry's bytes. `statements` is `encode_statements(self.statements)` when the caller has it
        already.

        Raises SqlError `not_loggable` for values that no log can hold.
        """
        change = self.change
        body: list[Any] = [
            FORMAT if self.rules else _FORMAT_WITHOUT_RULES,
            self.log_id,
            self.index,
            self.time_ms,
            self.seed,
            self.request_id,
            self.request_hash,
            self.step_limit,
            self.base_index,
            self.tables_read,
            orjson.Fragment(encode_statements(self.statements) if statements is None else statements),
            None if change is None else (change.verb, change.name, change.log_id, change.sealed_at),
        ]
        if self.rules:
            body.append(self.rules)
        return _dumps(body)

    @staticmethod
    def decode(encoded: bytes) -> Entry:
        """The entry that `encoded` holds; raises `EntryDamagedError`."""
        try:
            fields = orjson.loads(encoded)
            version = fields[0]
            rules = fields.pop() if version == FORMAT else 0
            if version not in (FORMAT, _FORMAT_WITHOUT_RULES):
                raise EntryDamagedError(f"entry format {version!r} is not known, only up to {FORMAT} is")
            _, log_id, index, time_ms, seed, request_id, digest, steps, base, reads, statements, change = fields
            return Entry(
                log_id=log_id,
                index=index,
                time_ms=time_ms,
                seed=seed,
                request_id=request_id,
                request_hash=digest,
                statements=tuple(map(_decode_statement, statements)),
                step_limit=steps,
                base_index=base,
                tables_read=tuple(reads),
                change=None if change is None else DatabaseChange(*change),
                rules=rules,
            )
        except EntryDamagedError:
            raise
        except (ValueError, TypeError, LookupError) as error:
            raise EntryDamagedError(f"not an entry: {error}") from error


def encode_statements(statements: tuple[LoggedStatement, ...]) -> bytes:
    """The statements' part of an entry's bytes; raises SqlError `not_loggable`."""
    return _dumps([_encode_statement(statement) for statement in statements])


def request_hash(draft: Draft) -> str:
    """Hash (hex) of a draft's statements and arguments, not of its id: equal for a retry, different for
    another.
    """
    return hash_statements(encode_statements(draft.statements))


def hash_statements(statements: bytes) -> str:
    """`request_hash` from the bytes that `encode_statements` made."""
    return blake2b(statements, digest_size=HASH_BYTES).hexdigest()


#: The request hash of entries that burn their id.
BURN_HASH = hash_statements(b"[]")


def chain(previous: bytes, entry_bytes: bytes) -> bytes:
    """The chain hash at an entry: which history led here. `previous` is the hash before it (`NO_CHAIN` at
    index 1).
    """
    return blake2b(entry_bytes, digest_size=HASH_BYTES, key=previous).digest()


def request_time_ms(request_id: str) -> int:
    """The time (Unix ms) in a request id; raises SqlError `request_id_invalid` when it is not one."""
    match = _REQUEST_ID.fullmatch(request_id)
    if match is None:
        raise SqlError("request_id_invalid", request_id=request_id[:100])
    return int(match[1])


def check_request_time(request_id: str, index: int, time_ms: int, kept_entries: int = KEPT_ENTRIES) -> None:
    """Refuse a request id that an entry at `index`, at log time `time_ms`, can't vouch for.

    Of two entries with one id the second finds the record of the first, which is kept for `kept_entries` entries at
    least, and for twice `REQUEST_AGE_MS` of log time. So where no record can be gone yet, an id of any age may run;
    later only one that is younger than the youngest record that may be gone. An id dated far ahead would still look
    young when its record is gone. By index and log time alone, so alike on all nodes. Raises SqlError:
    `request_id_invalid`, `request_id_expired`, `request_id_ahead`, with both times.
    """
    dated_ms = request_time_ms(request_id)
    key = ""
    if dated_ms > time_ms + REQUEST_AGE_MS:
        key = "request_id_ahead"
    elif dated_ms < time_ms - REQUEST_AGE_MS and index > kept_entries:
        key = "request_id_expired"
    if key:
        dated, log_time = moment(dated_ms), moment(time_ms)
        raise SqlError(key, request_id=request_id, dated=dated, log_time=log_time, log_ms=time_ms)


def _dumps(value: object) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError as error:
        raise SqlError("not_loggable", reason=str(error)) from error


def _encode_statement(statement: LoggedStatement) -> tuple[Any, ...]:
    normalized, args = statement.normalized, statement.args
    literals = _dumps(normalized.literals)
    return (
        normalized.template,
        orjson.Fragment(literals),
        normalized.texts,
        normalized.rows,
        normalized.row_start,
        normalized.row_width,
        dict(args) if isinstance(args, Mapping) else args,
        statement.time_ms,
        statement.seed,
        # An infinity is written as null: where there is none, the values need no look.
        _infinities(normalized.literals) if b"null" in literals else (),
    )


def _decode_statement(fields: list[Any]) -> LoggedStatement:
    template, literals, texts, rows, row_start, row_width, args, time_ms, seed, infinities = fields
    for position, sign in infinities:
        literals[position] = sign * float("inf")
    normalized = NormalizedStatement(
        template=template,
        literals=tuple(literals),
        texts=tuple(texts),
        rows=rows,
        row_start=row_start,
        row_width=row_width,
    )
    return LoggedStatement(normalized, tuple(args) if isinstance(args, list) else args, time_ms, seed)


def _infinities(literals: tuple[Value, ...]) -> list[tuple[int, int]]:
    """Positions and signs of infinite literals (`1e999`), for which JSON has no form and orjson writes null."""
    if float not in set(map(type, literals)):
        return []
    return [
        (position, 1 if value > 0 else -1)
        for position, value in enumerate(literals)
        if isinstance(value, float) and isinf(value)
    ]
