"""A client whose clock is not the log's: a statement begins anew under another id only when it can't run twice."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dirk_gevent.driver.answers import End, Meta, Page
from dirk_gevent.driver.requests import LostError, Request
from dirk_gevent.driver.session import Session
from dirk_gevent.driver.tcp_connection import Address

DAY_MS = 24 * 3600 * 1000


def log_ms() -> int:
    return time.time_ns() // 1_000_000 + 2 * DAY_MS


def misdated() -> End:
    return End("Hadisoana : (22023)", Meta(sqlstate="22023", clock_ms=log_ms()))


Script = list[Callable[[], End]]


def lost() -> End:
    raise ConnectionResetError


def played(script: Script) -> tuple[Session, list[Request]]:
    """A session whose attempts end as the script says, and the requests it sends."""
    session = Session(Address("127.0.0.1", 1))
    sent: list[Request] = []

    def attempt(request: Request, in_doubt: bool) -> tuple[Page | End, Iterator[Any]]:
        sent.append(request)
        return script.pop(0)(), iter(())

    session._attempt = attempt  # type: ignore[method-assign]
    return session, sent


def test_a_refused_id_is_replaced_by_one_of_the_log_s_time() -> None:
    session, sent = played([misdated, lambda: End("OK", Meta())])
    assert session.run("manampia ao@ t sanda (1)").end.message == "OK"
    assert abs(int(sent[1].request_id[:13]) - log_ms()) < DAY_MS < int(sent[1].request_id[:13]) - int(
        sent[0].request_id[:13]
    )
    session, sent = played([lambda: End("OK", Meta(clock_ms=log_ms())), lambda: End("OK", Meta())])
    for _ in range(2):
        _ = session.run("atombohy").end
    assert abs(int(sent[1].request_id[:13]) - log_ms()) < DAY_MS


def test_it_is_replaced_once() -> None:
    session, sent = played([misdated, misdated])
    assert session.run("manampia ao@ t sanda (1)").end.sqlstate == "22023"
    assert len(sent) == 2


def test_a_write_that_may_have_run_is_never_begun_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its answer was lost; by the time it is sent again the log may have forgotten that it ran."""
    monkeypatch.setattr(time, "sleep", lambda _: None)
    session, sent = played([lost, misdated])
    with pytest.raises(LostError) as error:
        _ = session.run("manampia ao@ t sanda (1)").end
    assert error.value.sqlstate == "08007"
    assert len({request.request_id for request in sent}) == 1
