"""A request on its way upstream, and its answer on its way back: retries, size bounds, streaming.

An answer is held until it is complete as long as that is cheap, so that a cut before its end can be healed by
asking again. One that grows past the bound is passed on segment by segment, and read no faster than the client
takes it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gevent

from dirk_gevent.base.backoff import Backoff
from dirk_gevent.cache.store import Store, answer_with_meta, now
from dirk_gevent.cache.upstream import (
    RETRY_LEAST_SECONDS,
    RETRY_MOST_SECONDS,
    RETRY_SECONDS,
    Upstream,
    UpstreamDownError,
    UpstreamLostError,
)
from dirk_gevent.protocol import answer_bytes
from dirk_gevent.protocol.answer_relay import AnswerRelay
from dirk_gevent.protocol.meta import with_cache
from dirk_gevent.server.client_connection import ClientConnection
from dirk_gevent.server.upstream_pool import leaves_open
from dirk_parser.errors import SqlError

#: What is held of an answer that can't be stored, so that a cut in it can still be healed.
UNSTORED_LIMIT_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Forwarded:
    """A request ready to be sent. `retry_id`: the id under which a cut one may be sent again.

    What surely changes nothing (`is_harmless`) needs none. `in_transaction`: a cut ends the transaction, so
    nothing is sent again; only of its COMMIT (`is_commit`) is it then not known what became of it.
    """

    request: bytes
    retry_id: str
    is_harmless: bool
    in_transaction: bool
    is_commit: bool
    limit_bytes: int


@dataclass(frozen=True, slots=True)
class UpstreamAnswer:
    """A complete answer without its META, or (`is_streamed`) only the META of one that the client already has.

    `is_cut`: the upstream was lost while it was streamed; the client has been told.
    """

    body: bytes
    meta: dict[str, Any]
    is_streamed: bool = False
    is_cut: bool = False


class TransactionLostError(Exception):
    """The connection that held the session's transaction is gone, and the session with it."""

    def __init__(self, answer: SqlError) -> None:
        super().__init__()
        self.answer = answer


class Forwarder:
    """Sends one session's requests upstream. `client` gets what is streamed, with META when it asked."""

    def __init__(self, upstream: Upstream, store: Store, client: ClientConnection) -> None:
        self._upstream = upstream
        self._store = store
        self._client = client
        self._held_bytes = 0

    def ask(
        self, forwarded: Forwarded, with_meta: bool, failed: Callable[[SqlError], bytes], streaming: Callable[[], None]
    ) -> UpstreamAnswer:
        """The answer, asked for again on fresh connections while that is safe, its client there, and its time not up.

        `streaming` is called before the first byte of an answer too large to hold goes to the client; `failed` makes
        the answer that ends one which is cut. Raises SqlError (proxy_unreachable, outcome_unknown),
        TransactionLostError; OSError when the client is gone.
        """
        deadline = now() + RETRY_SECONDS
        backoff = Backoff(RETRY_LEAST_SECONDS, RETRY_MOST_SECONDS)
        was_sent = was_lost = False
        while True:
            if forwarded.in_transaction and not self._upstream.is_open():
                raise TransactionLostError(self._lost())
            try:
                self._upstream.send(forwarded.request)
                was_sent = True
                answer = self._receive(forwarded, with_meta, failed, streaming)
                if not was_lost or forwarded.is_harmless or answer.is_streamed or not leaves_open(answer.meta):
                    return answer
            except UpstreamDownError as error:
                if not was_sent or forwarded.is_harmless:
                    raise self._unreachable() from error
            except UpstreamLostError as error:
                was_sent = was_lost = True
                if forwarded.in_transaction:
                    lost = self._unknown(forwarded) if forwarded.is_commit else self._lost()
                    raise TransactionLostError(lost) from error
            if now() >= deadline or self._is_left(forwarded):
                raise self._unreachable() if forwarded.is_harmless else self._unknown(forwarded)
            gevent.sleep(backoff.next_seconds())

    def _is_left(self, forwarded: Forwarded) -> bool:
        """True when its client may have left it: who has asked again elsewhere, and been answered, wants no write done
        after that.
        """
        return not forwarded.is_harmless and self._client.has_ended()

    def _receive(
        self, forwarded: Forwarded, with_meta: bool, failed: Callable[[SqlError], bytes], streaming: Callable[[], None]
    ) -> UpstreamAnswer:
        self.release()
        held = bytearray()
        while not held.endswith(answer_bytes.END):
            if len(held) > forwarded.limit_bytes or not self._store.may_collect():
                streaming()
                return self._stream(bytes(held), with_meta, failed)
            data = self._upstream.receive()
            if not held and not answer_bytes.may_begin_answer(data):
                self._upstream.close(abort=True)
                raise UpstreamLostError("what listens there does not answer as DirkDB")
            self._hold(len(data))
            held += data
        meta, body = answer_bytes.split_meta(bytes(held))
        return UpstreamAnswer(body, meta or {})

    def _stream(self, held: bytes, with_meta: bool, failed: Callable[[SqlError], bytes]) -> UpstreamAnswer:
        """Pass an answer on as it comes. A cut can't be healed any more: it ends the answer with an error."""
        relay = AnswerRelay()
        passed = relay.feed(held)
        del held
        last = b"\n"
        try:
            while True:
                if passed:
                    self._client.send(passed)
                    self.release()
                    last = passed[-1:]
                if relay.done:
                    break
                passed = relay.feed(self._upstream.receive())
        except UpstreamLostError:
            error = self._lost()
            line_end = b"" if last == b"\n" else b"\n"
            self._client.send(line_end + failed(error))
            return UpstreamAnswer(b"", {"sqlstate": error.sqlstate}, is_streamed=True, is_cut=True)
        except OSError:
            # The client is gone in the middle: what is left of the answer belongs to nobody.
            self._upstream.close(abort=True)
            raise
        fields, tail = answer_bytes.split_meta(relay.tail)
        meta = fields or {}
        self._client.send(answer_with_meta(tail, with_cache(meta, "size")) if with_meta else tail)
        return UpstreamAnswer(b"", meta, is_streamed=True)

    def release(self) -> None:
        """The answer that was held is out (or given up): its bytes no longer count."""
        self._store.collecting_bytes -= self._held_bytes
        self._held_bytes = 0

    def close(self) -> None:
        """The session is over: let go of the upstream connection and of what is held."""
        self.release()
        self._upstream.close()

    def _hold(self, count: int) -> None:
        self._held_bytes += count
        self._store.collecting_bytes += count

    def _unreachable(self) -> SqlError:
        return SqlError("proxy_unreachable", host=self._upstream.host, port=self._upstream.port)

    def _lost(self) -> SqlError:
        return SqlError("backend_lost", host=self._upstream.host, port=self._upstream.port)

    def _unknown(self, forwarded: Forwarded) -> SqlError:
        return SqlError("outcome_unknown", request_id=forwarded.retry_id)
