"""One client's connection: the fast path for answers already held, the long way round for everything else."""

from __future__ import annotations

from dataclasses import replace
from typing import NoReturn

from dirk_gevent.base.request_ids import new_request_id
from dirk_gevent.cache.fast_path import FastPath
from dirk_gevent.cache.flights import Flight, Flights
from dirk_gevent.cache.forward import UNSTORED_LIMIT_BYTES, Forwarded, Forwarder, TransactionLostError, UpstreamAnswer
from dirk_gevent.cache.options import CacheOptions
from dirk_gevent.cache.session_state import KEY_LIMIT_BYTES, SessionState
from dirk_gevent.cache.store import Store, StoredAnswer, answer_with_meta
from dirk_gevent.cache.upstream import Upstream
from dirk_gevent.cache.verdicts import Verdict, changes_nothing, is_read, may_be_commit
from dirk_gevent.log.clock import HeardTime
from dirk_gevent.messages.error_text import render
from dirk_gevent.protocol import answer_bytes
from dirk_gevent.protocol.meta import MetaFacts, encode, with_cache
from dirk_gevent.protocol.metadata import with_metadata
from dirk_gevent.protocol.splitter import StatementSplitter, StatementTooLongError
from dirk_gevent.server import replies
from dirk_gevent.server.admission import RequestBytes
from dirk_gevent.server.client_connection import ClientConnection
from dirk_gevent.server.rest_of_statement import receive_rest
from dirk_gevent.server.session import Request, parse_request, spoken, without_what_is_wrong
from dirk_parser.errors import SqlError

#: Pipelined requests answered in a row before the other connections get their turn.
TURN_REQUESTS = 8
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
        self.is_idle = False
        self._client = client
        self._options = options
        self._store = store
        self._flights = flights
        self._log_time = log_time
        self._request_bytes = request_bytes
        self._held_bytes = 0
        is_silent = store.upstream_heard.is_silent
        upstream = Upstream(options.upstream_host, options.upstream_port, client.is_gone, is_silent)
        self._forwarder = Forwarder(upstream, store, client)
        self._state = SessionState(store, options.language)
        self._fast = FastPath(store, self._state)

    def close(self) -> None:
        """Let go of the upstream connection and of what is still held."""
        self._request_bytes.change(self._held_bytes, 0)
        self._forwarder.close()

    def run(self) -> None:
        """Answer requests until the client ends. OSError when it vanishes, SessionEndedError after a last word."""
        receive, send, fast = self._client.receive, self._client.send, self._fast
        splitter = StatementSplitter(self._options.max_statement_bytes)
        pending_bytes = 0
        while True:
            self.is_idle = True
            data = self._receive_rest(splitter) if pending_bytes else receive(_RECEIVE_BYTES)
            self.is_idle = False
            if not data:
                return
            hot = None if pending_bytes else fast.answers.get(data)
            if hot is not None and (payload := fast.payload(hot)) is not None:
                send(payload)
                continue
            self._take(splitter, data, pending_bytes)
            pending_bytes = splitter.pending_bytes

    def _receive_rest(self, splitter: StatementSplitter) -> bytes:
        """More of a statement; one that never ends is answered, and ends the session."""
        try:
            return receive_rest(self._client, splitter, _LARGE_RECEIVE_BYTES, self._options.idle_statement_seconds)
        except SqlError as error:
            self._end(error, error)

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
        verdict = self._state.judge(request)
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
            self._fast.remember(request, stored, segment)

    def _joined(self, verdict: Verdict) -> StoredAnswer | None:
        """The answer of a flight under way for the same key, when it will be new enough and is one to share."""
        assert verdict.key is not None
        done = self._store.horizon(verdict.key.log_id).head
        flight = self._flights.joinable(verdict.key, verdict.need, done)
        entry = flight.wait() if flight is not None else None
        return entry if entry is not None and entry.index >= verdict.need else None

    def _send_entry(self, request: Request, entry: StoredAnswer, segment: bytes) -> None:
        self._store.hits += 1
        session = self._state.session
        if entry.key.log_id in session.indexes:
            session.saw(entry.key.log_id, entry.index)
        self._fast.remember(request, entry, segment)
        self._fast.look_up()
        self._client.send(entry.payload(request.has_meta))

    def _forward(self, request: Request, verdict: Verdict, flight: Flight | None) -> StoredAnswer | None:
        """Ask upstream and pass the answer on; the entry when it was stored."""
        self._store.misses += 1

        def streaming() -> None:
            if flight is not None and verdict.key is not None:
                self._flights.land(verdict.key, flight, None)

        def failed(error: SqlError) -> bytes:
            return self._error(request, error)

        answer = self._forwarder.ask(self._forwarded(request, verdict), request.has_meta, failed, streaming)
        self._state.absorb(request, answer.meta)
        self._fast.look_up()
        if answer.is_cut and self._state.in_transaction:
            raise SessionEndedError
        if answer.is_streamed:
            return None
        why, entry = self._store_answer(verdict, answer)
        if flight is not None and verdict.key is not None:
            self._flights.land(verdict.key, flight, entry)
        body = answer.body
        if request.has_meta:
            body = answer_with_meta(body, with_cache(answer.meta, why))
        self._client.send(body)
        return entry

    def _forwarded(self, request: Request, verdict: Verdict) -> Forwarded:
        """The request with what the session knows added to its metadata."""
        request_id = request.request_id or new_request_id(self._log_time.now_ms())
        added = self._state.metadata_for(request)
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
            in_transaction=self._state.in_transaction,
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

    def _error(self, request: Request | None, error: SqlError) -> bytes:
        meta = b""
        if request is not None and request.has_meta:
            log_id = self._state.log_id_of(request)
            told_meta = replies.error_meta(self._state.session, request, _NAME, error, log_id)
            meta = encode(replace(told_meta, in_transaction=self._state.in_transaction, cache="error"))
        return answer_bytes.message(render(error, spoken(self._state.session, request)), meta)

    def _meta(self, request: Request) -> bytes:
        """META of an answer that is about the session alone."""
        facts: MetaFacts = {"in_transaction": self._state.in_transaction, "cache": "session"}
        return replies.meta_of(self._state.session, request, _NAME, "session", facts)

    def _end(self, error: SqlError, cause: Exception, request: Request | None = None) -> NoReturn:
        """Send a last answer and end the session, so that no reset overtakes the answer."""
        self._client.send(self._error(request, error))
        self._client.drain_then_close()
        raise SessionEndedError from cause
