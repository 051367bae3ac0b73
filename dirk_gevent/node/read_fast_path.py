"""Reads known by heart: from the bytes of a segment to the bytes of its answer in one step.

Programs say the same short reads again and again. Once the long way has answered one, its bytes lead straight to a
plan with its values, and to what stands before and after the rows. No answer is kept: the rows are read from the state
that is there now, under the checks of any other read (the session's index, the schema, the budget of steps). Whatever
is not as it was then goes the long way again.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from dirk_gevent.engine.compiler import CompiledSchema
from dirk_gevent.engine.database import Database
from dirk_gevent.engine.engine import Engine
from dirk_gevent.engine.errors.faults import StorageFault
from dirk_gevent.engine.read.reads import PreparedRead
from dirk_gevent.engine.read.short_reads import ReadProfile
from dirk_gevent.engine.results import PAGE_BYTES
from dirk_gevent.protocol import answer_bytes
from dirk_gevent.protocol.meta import read_template
from dirk_gevent.protocol.metadata import METADATA_OPEN
from dirk_gevent.server.freshness import is_fresh
from dirk_gevent.server.session import Request, Session
from dirk_parser.errors import SqlError
from dirk_parser.normalize.normalized_statement import NormalizedStatement

#: Longer segments are rarely repeated to the letter.
_SEGMENT_BYTES = 512
_MOST_READS = 8192
_MOST_COMMENTS = 256
_MOST_FORMS = 1024
#: Metadata that says where and how fresh; what else there may be belongs to one request alone.
_LASTING_FIELDS = frozenset(("db", "min", "lang", "read", "waitMs"))
_NO_READS: dict[bytes, _Read] = {}
#: What a read without metadata demands.
_PLAIN = Request(b"", "")


@dataclass(frozen=True, slots=True)
class _ReplyTemplate:
    """An answer of one page but for its rows, and its META but for four numbers and words (a `%` template)."""

    before: bytes
    after: bytes
    meta: bytes


@dataclass(frozen=True, slots=True)
class _Read:
    """The meaning of a statement's bytes in one database."""

    prepared: PreparedRead
    form: _ReplyTemplate
    end: bytes


@dataclass(frozen=True, slots=True)
class _Comment:
    """The meaning of a metadata comment: the log of the database it names, what it demands, the answer's language."""

    log_id: int
    asked: Request
    language: bytes


class ReadFastPath:
    """The reads of one node that are known by heart, the comments before them, and how their answers look."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reads: dict[int, dict[bytes, _Read]] = {}
        #: The schema under which those of a log are known: under another one none of them is answered again.
        self._schemas: dict[int, CompiledSchema] = {}
        self._count = 0
        self._comments: dict[bytes, _Comment] = {}
        self._forms: dict[ReadProfile, _ReplyTemplate] = {}

    def answer(self, session: Session, segment: bytes) -> bytes | None:
        """The answer to a segment that is one read known here; None: it has to go the long way."""
        try:
            if segment.startswith(METADATA_OPEN):
                return self._behind_comment(session, segment)
            log_id = session.log_id
            read = self._reads.get(log_id, _NO_READS).get(segment)
            if read is None:
                return None
            answer = self._rows(session, read, log_id, _PLAIN)
            if answer is None:
                self._forget(log_id, segment)
                return None
            return read.form.before + answer[1] + read.end
        except (SqlError, StorageFault):
            # The long way meets the same and says it in the session's language.
            return None

    def _behind_comment(self, session: Session, segment: bytes) -> bytes | None:
        began = time.perf_counter()
        at = segment.find(b"*/") + 2
        comment = self._comments.get(segment[:at])
        if comment is None:
            return None
        read = self._reads.get(comment.log_id, _NO_READS).get(segment[at:])
        if read is None:
            return None
        answer = self._rows(session, read, comment.log_id, comment.asked)
        if answer is None:
            self._forget(comment.log_id, segment[at:])
            return None
        form = read.form
        index, rows, count = answer
        milliseconds = (time.perf_counter() - began) * 1000
        meta = form.meta % (index, count, milliseconds, comment.language)
        return form.before + rows + form.after + answer_bytes.relation_end(meta)

    def _rows(self, session: Session, read: _Read, log_id: int, asked: Request) -> tuple[int, bytes, int] | None:
        """The state's index, the rows as JSON, and how many; the session has seen that index then."""
        database = self._engine.of_log(log_id)
        rows_found = database.reads.run_prepared(read.prepared) if database is not None else None
        if rows_found is None:
            return None
        index, rows = rows_found
        if not is_fresh(session, asked, log_id, index, self._engine.enacted_index):
            return None
        encoded = answer_bytes.json_bytes(rows)
        if len(encoded) > PAGE_BYTES:
            return None
        session.saw(log_id, index)
        return index, encoded, len(rows)

    def _forget(self, log_id: int, statement: bytes) -> None:
        """It was not as it was: the long way finds out whether it is to be known again."""
        del self._reads[log_id][statement]
        self._count -= 1

    def _forget_dropped(self) -> None:
        """Let go of what is known of databases that are gone, before another one is known."""
        for log_id in [log for log in self._reads if self._engine.of_log(log) is None]:
            self._count -= len(self._reads.pop(log_id))
            del self._schemas[log_id]

    def _reads_under(self, schema: CompiledSchema, log_id: int) -> dict[bytes, _Read]:
        """The reads known in a database; those known under another schema, and kept that alive, go."""
        if self._schemas.get(log_id) is not schema:
            self._count -= len(self._reads.pop(log_id, ()))
            self._forget_dropped()
            self._reads[log_id], self._schemas[log_id] = {}, schema
        return self._reads[log_id]

    def remember(self, request: Request, database: Database, normalized: NormalizedStatement) -> None:
        """`request` was just answered from `database` by one page: know it the next time, if it may come again."""
        segment = request.segment
        if segment is None or len(segment) > _SEGMENT_BYTES or request.args or request.read == "strong":
            return
        prepared = database.reads.prepare(normalized)
        if prepared is None:
            return
        if request.has_meta:
            at = segment.find(b"*/") + 2
            if not self._remember_comment(request, database, segment[:at]):
                return
            segment = segment[at:]
        if self._count >= _MOST_READS:
            self._reads.clear()
            self._schemas.clear()
            self._count = 0
        form = self._forms.get(prepared.profile) or self._form(prepared, database)
        reads = self._reads_under(prepared.schema, database.log_id)
        self._count += segment not in reads
        reads[segment] = _Read(prepared, form, form.after + answer_bytes.relation_end())

    def _remember_comment(self, request: Request, database: Database, comment: bytes) -> bool:
        minimum = request.minimum
        if len(minimum) != 1 or database.log_id not in minimum or request.database != database.name:
            return False
        if request.language is None or not request.metadata.keys() <= _LASTING_FIELDS:
            return False
        if len(self._comments) >= _MOST_COMMENTS:
            self._comments.clear()
        asked = Request(b"", "", minimum=minimum, read=request.read)
        self._comments[comment] = _Comment(database.log_id, asked, request.language.encode())
        return True

    def _form(self, prepared: PreparedRead, database: Database) -> _ReplyTemplate:
        plan = prepared.plan
        before, after = answer_bytes.around_rows(answer_bytes.json_bytes(plan.relation), prepared.profile.columns_json)
        meta = read_template(self._engine.node, database.name, database.log_id, plan.tables)
        if len(self._forms) >= _MOST_FORMS:
            self._forms.clear()
        form = self._forms[prepared.profile] = _ReplyTemplate(before, after, meta)
        return form
