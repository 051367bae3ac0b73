"""An insert of 1,000 rows taken apart: what each step costs from its bytes to its rows in one node's file.

The steps are called one after another in this process, as proxy and node call them; nothing waits for another process.
What runs on a native thread there runs here without the hand-over, which the sum therefore lacks (some 0.1 ms each).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from benchmarks.bench import Bench, say
from benchmarks.figures import Figure, Target, median
from benchmarks.programs import ProgramError
from dirk_gevent.base.request_ids import new_request_id
from dirk_gevent.config.settings import Limits
from dirk_gevent.engine.apply.applier import Work
from dirk_gevent.engine.database import Database
from dirk_gevent.engine.engine import Engine
from dirk_gevent.log.embedded.journal import Journal
from dirk_gevent.log.embedded.journal_rows import EntryRow, JournalCommit
from dirk_gevent.log.entry import (
    CREATE_DATABASE,
    SYSTEM_LOG_ID,
    DatabaseChange,
    Entry,
    LoggedStatement,
    chain,
    encode_statements,
    hash_statements,
)
from dirk_gevent.protocol.frames import frame_bytes, frame_compressor, join_entries
from dirk_gevent.protocol.splitter import StatementSplitter
from dirk_gevent.server.session import parse_request
from dirk_parser.grammar.statements import Statements
from dirk_parser.normalize.normalized_statement import NormalizedStatement
from dirk_parser.normalize.normalizer import split

_ROWS = 1_000
_RUNS = 20
_LIMIT_MS = 15.0
_LOG_ID = 1
_SINGLE_ENTRIES = 64

_Result = TypeVar("_Result")


def measure(bench: Bench) -> Iterator[Figure]:
    """Milliseconds of each step and of all, and how much smaller the entries travel."""
    say("stages: an insert of 1,000 rows")
    insert = _Insert(bench.directory / "stages")
    try:
        for first in range(0, _RUNS * _ROWS, _ROWS):
            insert.run(first)
    finally:
        insert.close()
    total_ms = 0.0
    for name, times_ms in insert.times_ms.items():
        total_ms += median(times_ms)
        yield Figure("stages", f"1,000-row insert: {name}", median(times_ms), "ms")
    yield Figure(
        "stages",
        "1,000-row insert: bytes to applied",
        total_ms,
        "ms",
        ratio=total_ms / _LIMIT_MS,
        against=f"{_LIMIT_MS:g} ms",
        target=Target(1.0, True),
    )
    yield _compression("an entry of 1,000 rows", [insert.last])
    yield _compression(f"{_SINGLE_ENTRIES} entries of a row", [_single(number) for number in range(_SINGLE_ENTRIES)])


class _Insert:
    """One node's engine and a journal in `directory`; `times_ms` of each step, `last` the last entry's bytes."""

    def __init__(self, directory: Path) -> None:
        self.times_ms: dict[str, list[float]] = {}
        self.last = b""
        self._statements = Statements()
        (directory / "log").mkdir(parents=True)
        self._journal = Journal(directory / "log")
        self._journal.open()
        self._engine = Engine(directory / "node", "m1", Limits())
        self._engine.open()
        change = DatabaseChange(CREATE_DATABASE, "stages", _LOG_ID)
        now_ms = _now_ms()
        made = Entry(SYSTEM_LOG_ID, 1, now_ms, 0, new_request_id(now_ms), "", (), change=change)
        self._engine.apply_system([Work(made, made.encode())])
        self._database: Database = self._engine.get("stages")
        self._index = 0
        self._compressor = frame_compressor()
        self._apply(_entry(1, split("manamboara tabilao t (id ISA, v LAHATSORATRA(1, 40))")))

    def run(self, first: int) -> None:
        """One insert of rows from `first` on."""
        rows = ", ".join(f"({n}, 'value {n}')" for n in range(first, first + _ROWS))
        raw = f"manampia ao@ t (id, v) sanda {rows};".encode()
        (statement,) = self._timed("cut the bytes", lambda: StatementSplitter().feed(raw))
        request = self._timed("read the request", lambda: parse_request(statement))
        normalized = self._timed("split off the rows", lambda: split(request.text))
        self._timed("route", lambda: self._statements.route(normalized))
        encoded = self._timed("encode and hash", lambda: _entry(self._index + 1, normalized))
        self._timed("chain and journal, fsynced", lambda: self._commit(encoded))
        self._timed("compress for a node", lambda: frame_bytes({}, encoded, self._compressor))
        self._timed("decode and apply, committed", lambda: self._apply(encoded))
        self.last = encoded

    def close(self) -> None:
        """End both."""
        self._journal.close()
        self._engine.close()

    def _commit(self, encoded: bytes) -> None:
        index = self._index + 1
        row = EntryRow(_LOG_ID, index, 0, len(encoded), chain(self._database.position.chain, encoded), encoded)
        self._journal.commit(JournalCommit(entries=[row]))

    def _apply(self, encoded: bytes) -> None:
        (outcome,) = self._database.apply([Work(Entry.decode(encoded), encoded)])
        if outcome.sqlstate:
            raise ProgramError(f"the insert failed: {outcome.key}")
        self._index += 1

    def _timed(self, name: str, step: Callable[[], _Result]) -> _Result:
        began = time.perf_counter()
        result = step()
        self.times_ms.setdefault(name, []).append((time.perf_counter() - began) * 1000)
        return result


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _entry(index: int, normalized: NormalizedStatement) -> bytes:
    now_ms = _now_ms()
    logged = (LoggedStatement(normalized),)
    statements = encode_statements(logged)
    digest = hash_statements(statements)
    return Entry(_LOG_ID, index, now_ms, 0, new_request_id(now_ms), digest, logged).encode(statements)


def _single(number: int) -> bytes:
    return _entry(number, split(f"manampia ao@ t (id, v) sanda ({number}, 'value {number}')"))


def _compression(name: str, entries: list[bytes]) -> Figure:
    body = join_entries(entries)
    sent = frame_bytes({}, body, frame_compressor())
    return Figure("stages", f"{name}: sent to a node", len(sent), "bytes", ratio=len(body) / len(sent), against="raw")
