"""A long answer on its way from a backend to a client."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from dirk_gevent.log.entry import SYSTEM_LOG_ID
from dirk_gevent.messages.error_text import render
from dirk_gevent.protocol import answer_bytes
from dirk_gevent.protocol.meta import encode
from dirk_gevent.server import replies
from dirk_gevent.server.session import Request, Session, spoken
from dirk_gevent.server.upstream_pool import StreamedReply
from dirk_parser.errors import SqlError


class RelayedAnswer:
    """A long answer on its way from a backend to the client, whose session learns its index.

    `at_end` is called once, when nothing more of it comes. `pass_on` is told the log and the index before the end goes
    out; it may wait, or raise SqlError to withhold it. `name` is the process's, for META.
    """

    def __init__(
        self,
        remote: StreamedReply,
        name: str,
        session: Session,
        request: Request,
        at_end: Callable[[], None] | None = None,
        pass_on: Callable[[Session, Request, int, int], None] | None = None,
    ) -> None:
        self._remote = remote
        self._name = name
        self._session = session
        self._request = request
        self._at_end = at_end
        self._pass_on = pass_on

    def chunks(self) -> Iterator[bytes]:
        """The answer as it comes; one that is cut ends with an error, which voids its pages."""
        try:
            yield from self._remote.pieces()
        except OSError:
            yield self._failed(SqlError("backend_lost", host=self._remote.host, port=self._remote.port))
            return
        end = self._remote.end()
        meta, stripped = answer_bytes.split_meta(end)
        try:
            if meta is not None and "index" in meta:
                self._learn(int(meta["log"]), int(meta["index"]))
        except SqlError as error:
            yield self._failed(error)
            return
        yield end if self._request.has_meta else stripped

    def _failed(self, error: SqlError) -> bytes:
        meta = b""
        if self._request.has_meta:
            is_own = self._request.database in (None, self._session.database)
            log_id = self._session.log_id if is_own else SYSTEM_LOG_ID
            meta = encode(replies.error_meta(self._session, self._request, self._name, error, log_id))
        return answer_bytes.message(render(error, spoken(self._session, self._request)), meta)

    def _learn(self, log_id: int, index: int) -> None:
        if self._pass_on is not None:
            self._pass_on(self._session, self._request, log_id, index)
        else:
            self._session.saw(log_id, index)

    def stalled(self) -> None:
        """The node feels the same back-pressure, and spools."""

    def close(self) -> None:
        """The client is gone, or all is sent."""
        self._remote.close()
        at_end, self._at_end = self._at_end, None
        if at_end is not None:
            at_end()
