"""Copies from another database hold rows in memory: only so many at one time as fit into what requests may take."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from gevent.event import Event

from dirk_gevent.config.settings import Limits
from dirk_gevent.coordinator.requests.writes import Writes
from dirk_gevent.protocol import answer_bytes
from dirk_gevent.server.service import Answer
from dirk_gevent.server.session import Request, Session, parse_request
from dirk_parser.errors import SqlError
from dirk_parser.grammar.statements import Statements
from dirk_parser.normalize.normalizer import split

_TEXT = "manampia ao@ t alaivo * ao@ hafa.t"
_REFUSED = answer_bytes.message("Hadisoana : (42P01)", b'{"sqlstate":"42P01"}')


@pytest.mark.parametrize("most", [1, 2])
def test_copies_past_what_fits_wait_and_are_turned_away(most: int) -> None:
    """53300, and nothing was read for them; the next one has its turn when another has ended."""
    reading: list[Request] = []
    may_end = Event()

    def read(session: Session, request: Request) -> Answer:
        reading.append(request)
        may_end.wait(10)
        return _REFUSED

    sessions = SimpleNamespace(resolve=lambda *_: ("ity", 1))
    state = SimpleNamespace(log=SimpleNamespace(time_ms=lambda: 0))
    parts: Any = SimpleNamespace(state=state, sessions=sessions)
    limits = Limits(max_statement_bytes=16_384, request_bytes=most * 65_536, queue_ms=1)
    writes = Writes(parts, limits, "proxy", read)
    normalized = split(_TEXT)

    def run() -> bytes:
        return writes.run(Session("en"), parse_request(_TEXT.encode()), normalized, Statements().route(normalized))

    first = [gevent.spawn(run) for _ in range(most)]
    with gevent.Timeout(10):
        while len(reading) < most:
            gevent.sleep(0.001)
        with pytest.raises(SqlError, match="too_many_requests"):
            run()
        assert len(reading) == most
        may_end.set()
        assert {one.get() for one in first} == {answer_bytes.split_meta(_REFUSED)[1]}
        assert run() == answer_bytes.split_meta(_REFUSED)[1]
