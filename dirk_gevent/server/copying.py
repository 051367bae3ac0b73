"""INSERT … SELECT from another database: its rows are read once, before the append, and travel in the entry as values.

An entry is applied by every node at another moment, and two databases are at other indexes on each of them: so applying
one never reads another database. The request's hash stays that of the statement as it was sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import orjson

from dirk_gevent.config.settings import Limits
from dirk_gevent.log.entry import LoggedStatement, encode_statements, hash_statements
from dirk_gevent.loop.threads import NativeThreads
from dirk_gevent.protocol import answer_bytes
from dirk_gevent.server.admission import AdmissionSlots
from dirk_gevent.server.service import Answer
from dirk_gevent.server.session import Request, Session
from dirk_gevent.server.statement_cache import StatementCache
from dirk_parser.errors import SqlError
from dirk_parser.grammar.route import Route
from dirk_parser.grammar.statements import Statements
from dirk_parser.normalize.normalized_statement import NormalizedStatement
from dirk_parser.plan.copies import Copy, copy_of

#: What a read asks for whose rows are to be written somewhere else (a field of its metadata): the most bytes of their
#: literals.
LITERALS_FIELD = "literals"
#: Rows are held so often at most while a statement is made of them: in pages, as text, as values.
_TIMES_HELD = 4
#: Up to here the rows of a copy count as nothing.
SMALL_BYTES = 64 * 1024
#: How a page of a relation begins.
_PAGE = b'{"type":"relation",'
#: What the end of an answer begins with, behind its pages: none of them holds a line feed.
_RESULT = b"\n" + answer_bytes.RESULT_LINE

#: Answers a strong read of a session's whose database and log id are told.
Read = Callable[[Session, Request], Answer]


@contextmanager
def nowhere() -> Iterator[None]:
    """Errors raised in the body are about a text that nobody has sent, so they tell no place in one."""
    try:
        yield
    except SqlError as error:
        error.nowhere()
        raise


class ReadRefused(Exception):  # noqa: N818 (it is the outcome's name, not a fault)
    """The other database did not give the rows: `answer` is its own word, with META and without pages."""

    def __init__(self, answer: bytes, sqlstate: str) -> None:
        super().__init__(sqlstate)
        self.answer = answer
        self.sqlstate = sqlstate


@dataclass(frozen=True, slots=True)
class Made:
    """A statement of values, the hash of the request that it was made for, and the bytes of its text."""

    statement: LoggedStatement
    request_hash: str
    size_bytes: int


class Copies:
    """Makes statements of values out of those that read another database."""

    def __init__(self, read: Read, limits: Limits) -> None:
        self._read = read
        self._limits = limits
        self._statements = Statements()
        self._cache = StatementCache()
        self._threads = NativeThreads(1)
        most = limits.request_bytes // (_TIMES_HELD * limits.max_statement_bytes)
        #: Those under way whose rows are in memory, or may be.
        self.slots = AdmissionSlots(max(1, most), limits.queue_ms)

    def statement(
        self, session: Session, request: Request, normalized: NormalizedStatement, route: Route, database: str
    ) -> Made:
        """The statement to append, for one for which `names_others` holds.

        Raises SqlError: what `copy_of` raises, copy_too_large, copy_too_complex; and ReadRefused.
        """
        sent = hash_statements(encode_statements((LoggedStatement(normalized, request.args),)))
        copy = copy_of(self._statements.parse(normalized), normalized, request.args, route, database)
        with nowhere():
            answer = self._rows(session, request, copy)
        text, size_bytes = self._threads.call(_insert_of, copy, answer)
        if size_bytes > self._limits.max_statement_bytes:
            raise self._too_large(copy)
        try:
            parsed = self._cache.parse(text, copy.args)
        except SqlError as error:
            if error.key != "too_complex":
                raise
            # Rows of plain values count as one, however many they are; a blob makes its row no plain one.
            raise SqlError("copy_too_complex", database=copy.database, limit=error.params["limit"]) from error
        return Made(LoggedStatement(parsed.normalized, copy.args), sent, size_bytes)

    def _rows(self, session: Session, request: Request, copy: Copy) -> bytes:
        """The answer to the query, each row as the text of its literals under how many a row has.

        Whoever reads them counts their bytes: no part holds more of them than a statement may have.
        """
        asked = replace(
            request,
            raw=copy.query.encode(),
            text=copy.query,
            has_meta=True,
            request_id=None,
            database=copy.database,
            read="strong",
            args=copy.query_args,
            metadata={LITERALS_FIELD: self._limits.max_statement_bytes, "args": copy.query_args},
            segment=None,
        )
        answer = _whole(self._read(session, asked))
        meta, _ = answer_bytes.split_meta(answer)
        if meta is None or "sqlstate" in meta:
            raise ReadRefused(answer[answer.find(_RESULT) + 1 :], str((meta or {}).get("sqlstate", "")))
        return answer

    def _too_large(self, copy: Copy) -> SqlError:
        limit = self._limits.max_statement_bytes
        return SqlError("copy_too_large", database=copy.database, limit_bytes=limit)


def _whole(answer: Answer) -> bytes:
    """An answer as one piece."""
    if isinstance(answer, bytes):
        return answer
    try:
        return b"".join(answer.chunks())
    finally:
        answer.close()


def _insert_of(copy: Copy, answer: bytes) -> tuple[str, int]:
    """The INSERT of the rows of an answer in literals, and its bytes."""
    pages = [orjson.loads(line) for line in answer.split(b"\n") if line.startswith(_PAGE)]
    rows = [row for page in pages for (row,) in page["rows"]]
    text = copy.insert(rows, int(pages[0]["columns"][0]["name"]))
    return text, len(text.encode())
