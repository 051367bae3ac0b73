"""INSERT … SELECT from another database: its rows are read once, before the append, and travel in the entry as values.

An entry is applied by every node at another moment, and two databases are at other indexes on each of them: so applying
one never reads another database. The request's hash stays that of the statement as it was sent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import orjson

from dirk_gevent import protocol
from dirk_gevent.config import Limits
from dirk_gevent.log.entry import LoggedStatement, encode_statements, hash_statements
from dirk_gevent.service import Answer
from dirk_gevent.session import Request, Session
from dirk_gevent.understand import Understanding
from parser.copies import Copy, copy_of
from parser.errors import SqlError
from parser.plan import Route, Shaped
from parser.statements import Statements

#: What a read asks for whose rows are to be written somewhere else (a field of its metadata).
LITERALS_FIELD = "literals"
#: How a page of a relation begins.
_PAGE = b'{"type":"relation",'
#: The text of literals may take so much more in an answer, where quotes are escaped.
_ESCAPED = 2

#: Answers a strong read of a session's whose database and log id are told.
Read = Callable[[Session, Request], Answer]


class ReadRefused(Exception):  # noqa: N818 (it is the outcome's name, not a fault)
    """The other database did not give the rows: `answer` is its own word, with META."""

    def __init__(self, answer: bytes, sqlstate: str) -> None:
        super().__init__(sqlstate)
        self.answer = answer
        self.sqlstate = sqlstate


class Copies:
    """Makes statements of values out of those that read another database."""

    def __init__(self, read: Read, limits: Limits) -> None:
        self._read = read
        self._limits = limits
        self._statements = Statements()
        self._understanding = Understanding()

    def statement(
        self, session: Session, request: Request, shaped: Shaped, route: Route, database: str
    ) -> tuple[LoggedStatement, str]:
        """The statement to append, for one for which `names_others` holds, and the hash of the request.

        Raises SqlError: what `copy_of` raises, copy_too_large; and ReadRefused.
        """
        sent = hash_statements(encode_statements((LoggedStatement(shaped, request.args),)))
        copy = copy_of(self._statements.parse(shaped), shaped, request.args, route, database)
        rows, width = self._rows(session, request, copy)
        text = copy.insert(rows, width)
        if len(text.encode()) > self._limits.max_statement_bytes:
            raise self._too_large(copy)
        try:
            understood = self._understanding.of(text, copy.args)
        except SqlError as error:
            raise (self._too_large(copy) if error.key == "too_complex" else error) from error
        return LoggedStatement(understood.shaped, copy.args), sent

    def _rows(self, session: Session, request: Request, copy: Copy) -> tuple[list[str], int]:
        """The rows of the query, each as the text of its literals, and how many a row has."""
        asked = replace(
            request,
            raw=copy.query.encode(),
            text=copy.query,
            has_meta=True,
            request_id=None,
            database=copy.database,
            read="strong",
            args=copy.query_args,
            metadata={LITERALS_FIELD: True, "args": copy.query_args},
            segment=None,
        )
        answer = self._whole(self._read(session, asked), copy)
        meta, _ = protocol.split_meta(answer)
        if meta is None or "sqlstate" in meta:
            raise ReadRefused(answer, str((meta or {}).get("sqlstate", "")))
        pages = [orjson.loads(line) for line in answer.split(b"\n") if line.startswith(_PAGE)]
        return [row for page in pages for (row,) in page["rows"]], int(pages[0]["columns"][0]["name"])

    def _whole(self, answer: Answer, copy: Copy) -> bytes:
        """An answer as one piece, if it is not too long for a statement anyway."""
        if isinstance(answer, bytes):
            return answer
        pieces, size_bytes = [], 0
        try:
            for piece in answer.chunks():
                size_bytes += len(piece)
                if size_bytes > _ESCAPED * self._limits.max_statement_bytes:
                    raise self._too_large(copy)
                pieces.append(piece)
        finally:
            answer.close()
        return b"".join(pieces)

    def _too_large(self, copy: Copy) -> SqlError:
        limit = self._limits.max_statement_bytes
        return SqlError("copy_too_large", database=copy.database, limit_bytes=limit)
