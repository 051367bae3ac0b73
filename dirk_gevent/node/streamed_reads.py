"""A long read on its way from a reader thread to the client, page by page."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import gevent

from dirk_gevent.engine.database import Database
from dirk_gevent.engine.errors.faults import StorageFault
from dirk_gevent.engine.read.long_reads import RelationStream
from dirk_gevent.engine.read.short_reads import HUB_PAGES
from dirk_gevent.engine.results import EncodedPage
from dirk_gevent.loop.threads import NativeThreads, ThreadCall
from dirk_gevent.messages.error_text import render
from dirk_gevent.node.progress import Progress
from dirk_gevent.protocol import answer_bytes
from dirk_gevent.protocol.meta import encode, encode_read
from dirk_gevent.server import replies
from dirk_gevent.server.admission import AdmissionSlots
from dirk_gevent.server.client_connection import ClientConnection
from dirk_gevent.server.session import Request, Session, spoken
from dirk_parser.errors import SqlError

#: Pages fetched from the reader thread at once after the first time.
_PAGES_A_TIME = 4
#: How often a running query is checked for a client that has gone.
_WATCH_SECONDS = 0.5

_Result = TypeVar("_Result")


class LongReads:
    """Native threads for long reads. The `places` of those that hold a connection and a read transaction are the whole
    node's: they are as many as it has files for.
    """

    def __init__(self, threads: int, slots: AdmissionSlots, progress: Progress) -> None:
        self.progress = progress
        self.threads = NativeThreads(threads)
        self.slots = slots


@dataclass(frozen=True, slots=True)
class StreamedRead:
    """A request for a long read of a database of `node`. `wire` is the client's, None for one that is not watched.

    `began`: when it was asked (`time.perf_counter`), for the META's `ms`; without it there is none.
    """

    node: str
    session: Session
    request: Request
    database: Database
    wire: ClientConnection | None
    began: float | None = None


class NodeStream:
    """The answer to one long read. The first pages are fetched at once, so errors of planning come as errors do.

    A result that ends within those pages is numbered `k/total`; a longer one `k/0`, its last page `k/k`. It has a place
    among the long reads while a query runs for it; a client that only has to read what is there takes none.
    """

    def __init__(self, stream: RelationStream, reads: LongReads, asked: StreamedRead) -> None:
        self._stream = stream
        self._reads = reads
        self._asked = asked
        self._spooling: ThreadCall[None] | None = None
        self._closed = False
        reads.slots.take()
        self._has_place = True
        try:
            self._first = self._fetch(HUB_PAGES)
            # Its state may have been put aside before the thread came to it.
            reads.progress.check_counts(asked.database.log_id)
        except BaseException:
            self.close()
            raise
        self._is_whole = stream.finished
        asked.session.saw(asked.database.log_id, stream.head.index)

    def chunks(self) -> Iterator[bytes]:
        """The pages, a few at a time, and the end."""
        name = answer_bytes.json_bytes(self._stream.head.name)
        columns = self._stream.head.columns_json
        number = rows = 0
        pages = self._first
        try:
            while True:
                encoded = []
                for page in pages:
                    number += 1
                    rows += page.rows
                    is_last = self._stream.finished and page is pages[-1]
                    total = len(pages) if self._is_whole else number if is_last else 0
                    encoded.append(answer_bytes.encoded_page(name, columns, page.rows_json, number, total))
                yield b"".join(encoded)
                if self._is_over():
                    break
                pages = self._fetch(_PAGES_A_TIME)
        except SqlError as error:
            text = render(error, spoken(self._asked.session, self._asked.request))
            yield answer_bytes.message(text, self._error_meta(error))
            return
        yield answer_bytes.relation_end(self._meta(rows))

    def stalled(self) -> None:
        """The reader is slow: drain the rest into a file so that the read transaction ends."""
        if self._spooling is None and not self._stream.finished and not self._closed:
            self._spooling = self._reads.threads.start(self._stream.spool)
            gevent.spawn(self._leave_after, self._spooling)

    def close(self) -> None:
        """End the query and free what it holds."""
        if not self._closed:
            self._closed = True
            self._stream.cancel()
            if self._spooling is not None:
                self._spooling.wait(_WATCH_SECONDS * 10)
            self._reads.threads.begin(self._stream.close)
            self._leave()

    def _leave(self) -> None:
        """No query runs for it any more. Safe to call twice."""
        if self._has_place:
            self._has_place = False
            self._reads.slots.give_back()

    def _leave_after(self, call: ThreadCall[None]) -> None:
        while not call.wait(_WATCH_SECONDS):
            pass
        self._leave()

    @property
    def is_closed(self) -> bool:
        """True once all is sent, or given up."""
        return self._closed

    def _is_over(self) -> bool:
        """True when no page is left. Raises SqlError when draining into the file failed: then more would have come."""
        if self._spooling is not None:
            self._awaited(self._spooling)
        return self._stream.finished

    def _fetch(self, pages: int) -> list[EncodedPage]:
        """The next pages. When the client goes away meanwhile the query is cancelled; raises SqlError."""
        fetched = self._awaited(self._reads.threads.start(self._stream.fetch, pages))
        if self._stream.finished:
            self._leave()
        return fetched

    def _awaited(self, call: ThreadCall[_Result]) -> _Result:
        while not call.wait(_WATCH_SECONDS):
            if self._asked.wire is not None and self._asked.wire.is_gone():
                self._stream.cancel()
        try:
            return call.result()
        except StorageFault as fault:
            raise self._reads.progress.failed(self._asked.database, fault) from fault

    def _error_meta(self, error: SqlError) -> bytes:
        if not self._asked.request.has_meta:
            return b""
        asked, log_id, index = self._asked, self._asked.database.log_id, self._stream.head.index
        return encode(replies.error_meta(asked.session, asked.request, asked.node, error, log_id=log_id, index=index))

    def _meta(self, rows: int) -> bytes:
        if not self._asked.request.has_meta:
            return b""
        asked, head, log_id = self._asked, self._stream.head, self._asked.database.log_id
        return encode_read(
            node=asked.node,
            db=asked.database.name if log_id else None,
            log_id=log_id,
            index=head.index,
            language=spoken(asked.session, asked.request),
            in_transaction=replies.in_transaction(asked.session),
            tables=head.tables,
            rows=rows,
            ms=None if asked.began is None else round((time.perf_counter() - asked.began) * 1000, 3),
            repeatable=head.repeatable,
        )
