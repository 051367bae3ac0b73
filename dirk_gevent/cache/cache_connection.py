"""One client's connection: the fast path for answers already held, the long way round for everything else.

The fast path works on the exact bytes received. When nothing of an earlier statement is pending, a segment that
was answered from the store once is a key of `InvalidationState.hot`; then a dictionary look-up and four comparisons
decide, and prebuilt bytes go out. Nothing is parsed, and no clock but one `clock_gettime` is asked: a clock kept
by a timer would save 0.1 µs and could be far behind after the process was stopped, just when the lease matters.
"""

from __future__ import annotations

from typing import Any, NoReturn

from dirk_gevent.cache.flights import Flight, Flights
from dirk_gevent.cache.forward import UNSTORED_LIMIT_BYTES, Forwarded, Forwarder, TransactionLostError, UpstreamAnswer
from dirk_gevent.cache.options import CacheOptions
from dirk_gevent.cache.store import HotAnswer, InvalidationState, Key, Store, StoredAnswer, answer_with_meta, now
from dirk_gevent.cache.upstream import Upstream
from dirk_gevent.cache.verdicts import Verdict, canonical_args, changes_nothing, is_read, may_be_commit
from dirk_gevent.log.clock import HeardTime
from dirk_gevent.log.entry import SYSTEM_LOG_ID, new_request_id
from dirk_gevent.messages.error_text import render
from dirk_gevent.protocol import answer_bytes
from dirk_gevent.protocol.metadata import with_metadata
from dirk_gevent.protocol.splitter import StatementSplitter, StatementTooLongError
from dirk_gevent.server import replies
from dirk_gevent.server.admission import RequestBytes
from dirk_gevent.server.client_connection import ClientConnection
from dirk_gevent.server.freshness import needed_index
from dirk_gevent.server.rest_of_statement import receive_rest
from dirk_gevent.server.session import Request, Session, parse_request, spoken, without_what_is_wrong
from parser.errors import SqlError

#: Pipelined requests answered in a row before the other connections get their turn.
TURN_REQUESTS = 8
#: Longer statements are not worth a place in the store.
KEY_LIMIT_BYTES = 64 * 1024
#: Logs whose index a session remembers before it forgets those of databases that are gone.
REMEMBERED_LOGS = 64
_RECEIVE_BYTES = 16 * 1024
_LARGE_RECEIVE_BYTES = 1024 * 1024
#: Who answers, in META, when it is the cache alone.
_NAME = "cache"
_ERROR_START = b"RESULT_MESSAGE\nHadisoana : "


class SessionEndedError(Exception):
    """The connection can't go on: its last answer is out."""


class CacheConnection:
    """A session between one client and its own upstream connection.

    Invariant: the session's index of a log never goes down, and no answer from the store is older than it.
    `is_idle` is true while the connection waits for a request, so that a drain may end it.
    """

    def __init__(
        self,
        client: ClientConnection,
        options: CacheOptions,
        store: Store,
        flights: Flights,
        request_bytes: RequestBytes,
        log_time: HeardTime,
    ) -> None:
        self._log_time = log_time
        self.is_idle = False
        self._request_bytes = request_bytes
        self._held_bytes = 0
        self._client = client
        self._options = options
        self._store = store
        self._flights = flights
        self._upstream = Upstream(
            options.upstream_host, options.upstream_port, client.is_gone, store.upstream_heard.is_silent
        )
        self._forwarder = Forwarder(self._upstream, store, client)
        self._session = Session(options.language)
        self._log_ids: dict[str, int] = {}
        # Nothing is served before the first answer from upstream: it says how far a new session must see.
        self._is_introduced = False
        self._in_transaction = False
        self._horizon = InvalidationState(-1)
        self._hot: dict[bytes, HotAnswer] = {}

    def close(self) -> None:
        """Let go of the upstream connection and of what is still held."""
        self._request_bytes.change(self._held_bytes, 0)
        self._forwarder.release()
        self._upstream.close()

    def run(self) -> None:
        """Answer requests until the client ends. OSError when it vanishes, SessionEndedError after a last word."""
        receive = self._client.receive
        splitter = StatementSplitter(self._options.max_statement_bytes)
        pending_bytes = 0
        while True:
            self.is_idle = True
            data = self._receive_rest(splitter) if pending_bytes else receive(_RECEIVE_BYTES)
            self.is_idle = False
            if not data:
                return
            if not pending_bytes and (hot := self._hot.get(data)) is not None and self._serve(hot):
                continue
            self._take(splitter, data, pending_bytes)
            pending_bytes = splitter.pending_bytes

    def _receive_rest(self, splitter: StatementSplitter) -> bytes:
        """More of a statement; one that never ends is answered, and ends the session."""
        try:
            return receive_rest(self._client, splitter, _LARGE_RECEIVE_BYTES, self._options.idle_statement_seconds)
        except SqlError as error:
            self._end(error, error)

    def _serve(self, hot: HotAnswer) -> bool:
        """Send `hot` if the lease, its age and the session's index allow it."""
        store = self._store
        horizon = self._horizon
        indexes = self._session.indexes
        moment = now()
        if moment >= store.lease_until or moment >= hot.expires:
            return False
        index = hot.index
        own = indexes.get(horizon.log_id, -1)
        need = own if own > hot.least else hot.least
        if need > horizon.head and need > index:
            return False
        if index > own:
            indexes[horizon.log_id] = index
        if moment > hot.young_until:
            store.refresh(hot, moment)
        store.hits += 1
        self._client.send(hot.payload)
        return True

    def _take(self, splitter: StatementSplitter, data: bytes, pending_bytes: int) -> None:
        """Split a segment into statements and answer each; after a few the other connections get their turn."""
        try:
            statements = splitter.feed(data)
        except StatementTooLongError as error:
            self._end(SqlError("statement_too_long", limit_bytes=self._options.max_statement_bytes), error)
        if pending_bytes or splitter.pending_bytes:
            self._hold(splitter.pending_bytes + sum(map(len, statements)))
        is_whole = len(statements) == 1 and not pending_bytes and not splitter.pending_bytes
        for position, statement in enumerate(statements, 1):
            self._one(statement, data if is_whole and len(data) <= KEY_LIMIT_BYTES else b"")
            if position % TURN_REQUESTS == 0:
                self._client.yield_to_others()
        if self._held_bytes:
            self._hold(splitter.pending_bytes)

    def _hold(self, now_bytes: int) -> None:
        try:
            self._held_bytes = self._request_bytes.change(self._held_bytes, now_bytes)
        except SqlError as error:
            # What is dropped now is room for others, while the client reads why.
            self._held_bytes = self._request_bytes.change(self._held_bytes, 0)
            self._end(error, error)

    def _one(self, statement: bytes, segment: bytes) -> None:
        request = None
        try:
            request = parse_request(statement)
            if request.is_empty:
                self._client.send(answer_bytes.message("OK", self._meta(request)))
            else:
                self._answer(request, segment)
        except SqlError as error:
            self._client.send(self._error(request or without_what_is_wrong(statement), error))
        except TransactionLostError as lost:
            self._end(lost.answer, lost, request)
        finally:
            self._forwarder.release()

    def _answer(self, request: Request, segment: bytes) -> None:
        verdict = self._judge(request)
        if verdict.key is None:
            self._forward(request, verdict, None)
            return
        entry = self._store.find(verdict.key, verdict.need) or self._joined(verdict)
        if entry is not None:
            self._send_entry(request, entry, segment)
            return
        flight = None
        if is_read(request.raw):
            flight = self._flights.take_off(verdict.key, verdict.need)
        try:
            stored = self._forward(request, verdict, flight)
        finally:
            if flight is not None:
                self._flights.land(verdict.key, flight, None)
        if stored is not None:
            self._remember(request, stored, segment)

    def _joined(self, verdict: Verdict) -> StoredAnswer | None:
        """The answer of a flight under way for the same key, when it will be new enough and is one to share."""
        assert verdict.key is not None
        done = self._store.horizon(verdict.key.log_id).head
        flight = self._flights.joinable(verdict.key, verdict.need, done)
        entry = flight.wait() if flight is not None else None
        return entry if entry is not None and entry.index >= verdict.need else None

    def _judge(self, request: Request) -> Verdict:
        """Whether, and under which key, the store may answer."""
        session = self._session
        log_id: int | None = session.log_id
        if request.database is not None and request.database != session.database:
            log_id = self._log_ids.get(request.database)
        bypass = ""
        if request.read == "strong":
            bypass = "strong"
        elif self._in_transaction:
            bypass = "transaction"
        elif not self._is_introduced or log_id is None:
            bypass = "new_session"
        elif len(request.raw) > KEY_LIMIT_BYTES:
            bypass = "size"
        if bypass or log_id is None:
            return Verdict(None, 0, bypass)
        if request.read != "any" and log_id not in session.indexes:
            return Verdict(None, 0, "new_session")
        if needed_index(session, request, SYSTEM_LOG_ID) > self._named_index(log_id):
            return Verdict(None, 0, "databases")
        need = needed_index(session, request, log_id)
        language = spoken(session, request)
        return Verdict(Key(log_id, language, request.raw, canonical_args(request)), need)

    def _named_index(self, log_id: int) -> int:
        """Up to which index of the log of databases it is known here that a name stands for this log: up to the entry
        that made it, and on up to the last header, since with its drop all that is held of it would have gone.
        """
        return max(log_id, self._store.horizon(SYSTEM_LOG_ID).head)

    def _send_entry(self, request: Request, entry: StoredAnswer, segment: bytes) -> None:
        self._store.hits += 1
        if entry.key.log_id in self._session.indexes:
            self._session.saw(entry.key.log_id, entry.index)
        self._remember(request, entry, segment)
        self._look_up_hot()
        self._client.send(entry.payload(request.has_meta))

    def _remember(self, request: Request, entry: StoredAnswer, segment: bytes) -> None:
        """Let the fast path know `segment`, unless it holds what is different each time or asks for a level."""
        key = entry.key
        is_plain = request.request_id is None and request.trace is None and request.read == "session"
        is_own_log = key.log_id == self._session.log_id and key.language == self._session.language
        if segment and is_plain and is_own_log and request.minimum.keys() <= {key.log_id}:
            least = request.minimum.get(key.log_id, -1)
            self._store.remember_segment(entry, segment, request.has_meta, least)

    def _forward(self, request: Request, verdict: Verdict, flight: Flight | None) -> StoredAnswer | None:
        """Ask upstream and pass the answer on; the entry when it was stored."""
        self._store.misses += 1

        def streaming() -> None:
            if flight is not None and verdict.key is not None:
                self._flights.land(verdict.key, flight, None)

        def failed(error: SqlError) -> bytes:
            return self._error(request, error)

        answer = self._forwarder.ask(self._forwarded(request, verdict), request.has_meta, failed, streaming)
        self._absorb(request, answer.meta)
        if answer.is_cut and self._in_transaction:
            raise SessionEndedError
        if answer.is_streamed:
            return None
        why, entry = self._store_answer(verdict, answer)
        if flight is not None and verdict.key is not None:
            self._flights.land(verdict.key, flight, entry)
        body = answer.body
        if request.has_meta:
            body = answer_with_meta(body, {**answer.meta, "cache": why})
        self._client.send(body)
        return entry

    def _forwarded(self, request: Request, verdict: Verdict) -> Forwarded:
        """The request with what the session knows added to its metadata."""
        session = self._session
        request_id = request.request_id or new_request_id(self._log_time.now_ms())
        minimum = dict(request.minimum)
        # Only the logs that the request can be about: a session may have seen thousands of databases.
        for log_id in (SYSTEM_LOG_ID, session.log_id, self._log_ids.get(request.database or "", SYSTEM_LOG_ID)):
            if index := needed_index(session, request, log_id):
                minimum[log_id] = index
        added: dict[str, Any] = {"min": {str(log_id): index for log_id, index in minimum.items()}}
        if self._is_introduced:
            added["lang"] = spoken(session, request)
        if (database := request.database or session.database) is not None:
            added["db"] = database
        if not is_read(request.raw):
            added["id"] = request_id
        # A statement may end in a line comment: the line feed keeps the closing `;` out of it.
        asked = {**request.metadata, **added}
        # An answer in that form would be kept for those that ask for the other one.
        asked.pop("literals", None)
        wire = with_metadata(asked, request.raw)
        limit = self._store.answer_limit_bytes if verdict.key is not None else UNSTORED_LIMIT_BYTES
        is_harmless, is_commit = changes_nothing(request.raw), may_be_commit(request.raw)
        return Forwarded(
            request=wire,
            retry_id=request_id,
            is_harmless=is_harmless,
            in_transaction=self._in_transaction,
            is_commit=is_commit,
            limit_bytes=limit,
        )

    def _store_answer(self, verdict: Verdict, answer: UpstreamAnswer) -> tuple[str, StoredAnswer | None]:
        """Store the answer when it may be; META's `cache` says why not."""
        meta = answer.meta
        if verdict.key is None:
            return verdict.bypass, None
        if meta.get("sqlstate") or answer.body.startswith(_ERROR_START):
            return "error", None
        if meta.get("kind") != "read":
            return str(meta.get("kind", "unknown")), None
        if meta.get("tx"):
            return "transaction", None
        tables, index = meta.get("tables"), meta.get("index")
        if not meta.get("repeatable") or not isinstance(tables, list) or not isinstance(index, int):
            return "not_repeatable", None
        key = verdict.key
        if meta.get("log") != key.log_id or meta.get("lang", key.language) != key.language:
            return "miss", None
        return "miss", self._store.put(key, answer.body, meta, tables)

    def _absorb(self, request: Request, meta: dict[str, Any]) -> None:
        """Take over what an answer says of the session."""
        session = self._session
        log_id, index = meta.get("log"), meta.get("index")
        self._in_transaction = bool(meta.get("tx", self._in_transaction))
        # Where a session begins is not told by what "any" gave: that may be old.
        is_any = request.read == "any" and log_id not in session.indexes and meta.get("kind") == "read"
        if isinstance(log_id, int) and isinstance(index, int) and not is_any:
            session.saw(log_id, index)
        self._learn_database(meta)
        is_session = meta.get("kind") == "session"
        if isinstance(meta.get("lang"), str) and (request.language is None or is_session):
            session.language = meta["lang"]
        if isinstance(log_id, int):
            self._is_introduced = True
        self._look_up_hot()

    def _learn_database(self, meta: dict[str, Any]) -> None:
        """Which database is chosen, and which log a database has, for requests that name one.

        Only what was about a database says so: to anything else a fresh upstream connection answers that none
        is chosen. All is forgotten when databases may have changed.
        """
        kind, database, log_id = meta.get("kind"), meta.get("db"), meta.get("log")
        if kind == "write" and not meta.get("tables"):
            self._forget_databases()
            if meta.get("dropped") == self._session.log_id:
                self._session.database, self._session.log_id = None, SYSTEM_LOG_ID
        elif kind in ("read", "session") and isinstance(database, str) and isinstance(log_id, int):
            self._log_ids[database] = log_id
            if kind == "session" or database == self._session.database:
                self._session.use(database, log_id)

    def _forget_databases(self) -> None:
        """A database was made or dropped by this session."""
        self._log_ids.clear()
        indexes = self._session.indexes
        if len(indexes) > REMEMBERED_LOGS:
            for log_id in [one for one in indexes if one != SYSTEM_LOG_ID and not self._store.follows(one)]:
                del indexes[log_id]

    def _look_up_hot(self) -> None:
        """Have the fast path know what it may serve, and at which log's horizon."""
        self._horizon = self._store.horizon(self._session.log_id)
        self._hot = self._horizon.hot_answers(self._session.language) if self._may_hit() else {}

    def _may_hit(self) -> bool:
        if not self._is_introduced or self._in_transaction:
            return False
        indexes, log_id = self._session.indexes, self._session.log_id
        return log_id in indexes and indexes.get(SYSTEM_LOG_ID, 0) <= self._named_index(log_id)

    def _error(self, request: Request | None, error: SqlError) -> bytes:
        meta = b""
        if request is not None and request.has_meta:
            session = self._session
            is_own = request.database in (None, session.database)
            log_id = session.log_id if is_own else self._log_ids.get(request.database or "", SYSTEM_LOG_ID)
            told = replies.error_meta(session, request, _NAME, error, log_id)
            meta = answer_bytes.json_bytes({**told, "tx": self._in_transaction, "cache": "error"})
        return answer_bytes.message(render(error, spoken(self._session, request)), meta)

    def _meta(self, request: Request) -> bytes:
        """META of an answer that is about the session alone."""
        meta = replies.meta_of(self._session, request, _NAME, "session", cache="session")
        return answer_bytes.json_bytes({**meta, "tx": self._in_transaction}) if meta is not None else b""

    def _end(self, error: SqlError, cause: Exception, request: Request | None = None) -> NoReturn:
        """Send a last answer and end the session, so that no reset overtakes the answer."""
        self._client.send(self._error(request, error))
        self._client.drain_then_close()
        raise SessionEndedError from cause
