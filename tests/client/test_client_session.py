"""The session over real sockets: what is remembered, what is sent again, and what never is."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping

import pytest

from dirk_gevent.base.backoff import Backoff
from dirk_gevent.driver import dialer
from dirk_gevent.driver.answers import NotDirkError
from dirk_gevent.driver.dialer import Patience
from dirk_gevent.driver.requests import LostError, Request, UnreachableError
from dirk_gevent.driver.session import Session
from dirk_gevent.driver.tcp_connection import Address
from tests.client.fake_server import DROP, Asked, FakeServer, message, ordinary, relation

Serve = Callable[..., FakeServer]
Notify = Callable[[str, Mapping[str, str]], None]
WRITE = "manampia ao@ t sanda (1)"
UNKNOWN = "Hadisoana : tsy fantatra ny valiny (08007)"
UNAVAILABLE = "Hadisoana : tsy misy master (57P03)"


_opened: list[Session] = []


@pytest.fixture(autouse=True)
def close_sessions() -> Iterator[None]:
    yield
    while _opened:
        _opened.pop().close()


def session_with(
    server: FakeServer, again_seconds: float = 5.0, notify: Notify = lambda *_: None, language: str | None = None
) -> Session:
    session = Session(Address("127.0.0.1", server.port), language, Patience(0.0, again_seconds), notify)
    _opened.append(session)
    session.connect()
    return session


def dropping(at: int, before: Callable[[Asked], bytes] = ordinary) -> Callable[[Asked], bytes]:
    """Answers as `before`, but the `at`-th statement (from 1) loses its connection instead."""
    count = 0

    def answer(asked: Asked) -> bytes:
        nonlocal count
        count += 1
        return DROP if count == at else before(asked)

    return answer


def test_every_statement_carries_id_database_language_and_index(serve: Serve) -> None:
    server = serve()
    session = session_with(server)
    for statement in ("ampiasao testdb", "safidio ny fiteny fr", "alaivo 1"):
        assert not session.run(statement).end.is_error
    first, _, last = (asked.metadata or {} for asked in server.asked)
    assert set(first) == {"id"}
    assert (last["db"], last["lang"], last["min"]) == ("testdb", "fr", {"7": 41})
    milliseconds, _, bits = last["id"].partition("-")
    assert milliseconds.isdecimal() and len(bits) >= 16
    assert len({(asked.metadata or {})["id"] for asked in server.asked}) == 3


def test_own_sentences_are_in_the_language_asked_for_else_in_the_server_s(serve: Serve) -> None:
    def french(asked: Asked) -> bytes:
        return message("Hadisoana : tsia (42601)", {"node": "m1", "lang": (asked.metadata or {}).get("lang", "fr")})

    server = serve(french)
    session = session_with(server)
    assert session.spoken is None
    session.run("?").end  # noqa: B018
    assert session.spoken == "fr" and "lang" not in (server.asked[-1].metadata or {})
    session = session_with(server, language="en")
    session.run("?").end  # noqa: B018
    assert session.spoken == "en"


def test_pages_stream_and_the_end_follows(serve: Serve) -> None:
    server = serve(lambda _: relation(["n"], [[n] for n in range(1000)]))
    answer = session_with(server).run("alaivo n ao@ t")
    assert [row[0] for page in answer for row in page.rows] == list(range(1000))
    assert answer.end.message == "OK"


def test_server_restart_is_noticed_before_the_next_statement(serve: Serve) -> None:
    notices: list[str] = []
    server = serve()
    session = session_with(server, notify=lambda key, _: notices.append(key))
    session.run("ampiasao testdb").end  # noqa: B018
    server.stop()
    server.start()
    assert not session.run(WRITE).end.is_error
    assert server.asked[-1].metadata["db"] == "testdb"  # type: ignore[index]
    assert server.statements().count(WRITE) == 1
    assert notices == ["client_connected"]


def test_away_for_a_while_says_so_once_and_waits(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    notices, pauses = list[str](), list[float]()
    server = serve()
    session = session_with(server, again_seconds=60.0, notify=lambda key, _: notices.append(key))
    session.run("alaivo 1").end  # noqa: B018
    server.stop()

    class Waits(Backoff):
        def next_seconds(self) -> float:
            pauses.append(super().next_seconds())
            if len(pauses) == 3:
                server.start()
            return 0.01

    monkeypatch.setattr(dialer, "Backoff", Waits)
    assert not session.run("alaivo 2").end.is_error
    assert notices == ["client_reconnecting", "client_connected"]
    assert len(pauses) == 3


def test_lost_write_is_sent_again_with_its_id(serve: Serve) -> None:
    server = serve(dropping(2))
    session = session_with(server)
    session.run("alaivo 1").end  # noqa: B018
    assert not session.run(WRITE).end.is_error
    writes = [asked for asked in server.asked if asked.statement == WRITE]
    assert len(writes) == 2
    assert writes[0].metadata == writes[1].metadata
    assert writes[0].connection != writes[1].connection


def test_first_write_lost_asks_whether_ids_are_known(serve: Serve) -> None:
    server = serve(dropping(1))
    assert not session_with(server).run(WRITE).end.is_error
    assert server.statements() == [WRITE, "alaivo 1 antso x", WRITE]


def old_server(asked: Asked) -> bytes:
    return ordinary(Asked(asked.statement, None, asked.connection))


def test_server_without_meta_works_and_gets_no_write_twice(serve: Serve) -> None:
    server = serve(dropping(3, old_server))
    session = session_with(server)
    session.run("ampiasao testdb").end  # noqa: B018
    assert len([row for page in session.run("alaivo * ao@ t") for row in page.rows]) == 3
    with pytest.raises(LostError) as lost:
        session.run(WRITE)
    assert (lost.value.key, lost.value.sqlstate) == ("client_outcome_unknown", "08007")
    assert server.statements().count(WRITE) == 1
    assert not session.run("alaivo 2").end.is_error
    assert server.statements()[-2:] == ["ampiasao `testdb`", "alaivo 2"]


def test_read_is_sent_again_to_an_old_server(serve: Serve) -> None:
    server = serve(dropping(1, old_server))
    assert not session_with(server).run("alaivo 1").end.is_error
    assert server.statements() == ["alaivo 1", "alaivo 1"]


def test_unknown_outcome_is_asked_again_with_the_same_id(serve: Serve) -> None:
    answers = iter([message(UNKNOWN, {"sqlstate": "08007"}), message(UNAVAILABLE, {"sqlstate": "57P03"})])
    server = serve(lambda asked: next(answers, None) or ordinary(asked))
    assert not session_with(server).run(WRITE).end.is_error
    assert len({(asked.metadata or {})["id"] for asked in server.asked}) == 1
    assert len(server.asked) == 3


def test_unknown_outcome_that_stays_is_told_with_the_id(serve: Serve) -> None:
    server = serve(lambda _: message(UNKNOWN, {"sqlstate": "08007"}))
    with pytest.raises(LostError) as lost:
        session_with(server).run(WRITE)
    assert lost.value.sqlstate == "08007"
    assert lost.value.params["id"] == (server.asked[0].metadata or {})["id"]


def test_unavailable_after_a_loss_settles_nothing(serve: Serve) -> None:
    def answer(asked: Asked) -> bytes:
        if asked.statement != WRITE:
            return ordinary(asked)
        return DROP if asked.connection == 1 else message(UNAVAILABLE, {"sqlstate": "57P03"})

    with pytest.raises(LostError) as lost:
        session_with(serve(answer)).run(WRITE)
    assert lost.value.sqlstate == "08007"


def test_unavailable_from_the_start_is_told_as_it_is(serve: Serve) -> None:
    server = serve(lambda _: message(UNAVAILABLE, {"sqlstate": "57P03"}))
    assert session_with(server).run(WRITE).end.sqlstate == "57P03"
    assert len(server.asked) == 1


def in_transaction(asked: Asked) -> bytes:
    if asked.statement == "atombohy":
        return message("Nanomboka ny asa", {"tx": True})
    return DROP


@pytest.mark.parametrize(
    ("statement", "key"),
    [
        ("alaivo 1", "client_transaction_lost"),
        (WRITE, "client_transaction_lost"),
        ("tehirizo", "client_outcome_unknown"),
    ],
)
def test_nothing_of_a_transaction_is_sent_again(serve: Serve, statement: str, key: str) -> None:
    server = serve(in_transaction)
    session = session_with(server)
    session.run("atombohy").end  # noqa: B018
    assert session.is_in_transaction
    with pytest.raises(LostError) as lost:
        session.run(statement)
    assert lost.value.key == key
    assert not session.is_in_transaction
    assert server.statements() == ["atombohy", statement]


def test_transaction_lost_while_idle_runs_nothing(serve: Serve) -> None:
    server = serve(lambda _: message("Nanomboka ny asa", {"tx": True}))
    session = session_with(server)
    session.run("atombohy").end  # noqa: B018
    server.stop()
    server.start()
    with pytest.raises(LostError, match="client_transaction_lost"):
        session.run(WRITE)
    assert WRITE not in server.statements()


def test_cut_after_the_first_page_makes_the_rows_void(serve: Serve) -> None:
    whole = relation(["n"], [[n] for n in range(600)])
    server = serve(lambda _: DROP + whole[: len(whole) * 2 // 3])
    answer = session_with(server).run("alaivo n ao@ t")
    with pytest.raises(LostError, match="client_lost_midway"):
        list(answer)


def test_server_that_never_comes_back(serve: Serve) -> None:
    server = serve()
    session = session_with(server, again_seconds=0.3)
    session.run("alaivo 1").end  # noqa: B018
    server.stop()
    with pytest.raises(UnreachableError):
        session.run("alaivo 1")


@pytest.fixture
def interruptible() -> Iterator[None]:
    """SIGINT interrupts here, also where a shell has what it runs in the background ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_cancel_closes_the_connection_and_names_a_write(serve: Serve) -> None:
    entered, leave = threading.Event(), threading.Event()

    def slow(asked: Asked) -> bytes:
        if "slow" in asked.statement:
            entered.set()
            leave.wait(10)
        return ordinary(asked)

    server = serve(slow)
    session = session_with(server)

    def interrupt() -> None:
        entered.wait(10)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    for statement, is_write in (("alaivo slow", False), ("fafao ao@ slow", True)):
        entered.clear()
        threading.Thread(target=interrupt).start()
        with pytest.raises(KeyboardInterrupt):
            session.run(statement)
        cancelled = session.cancel()
        assert cancelled is not None
        assert cancelled.is_outcome_unknown is is_write
    assert session.cancel() is None
    leave.set()
    assert not session.run("alaivo 1").end.is_error
    assert server.asked[-1].connection == 3


@pytest.mark.parametrize(
    ("statement", "is_repeatable"),
    [
        ("WITH RECURSIVE c(x) AS (SELECT 1) SELECT x FROM c", True),
        ("miaraka c (x) antso (alaivo 1) alaivo x ao@ c", True),
        ("WITH c(x) AS (SELECT 1) INSERT INTO t SELECT x FROM c", False),
        ("miaraka c (x) antso (alaivo 1) manampia ao@ t alaivo x ao@ c", False),
    ],
)
def test_with_is_repeatable_when_it_changes_nothing(statement: str, is_repeatable: bool) -> None:
    assert Request("1-a", statement, None).is_repeatable is is_repeatable


def test_something_else_that_listens_is_told_apart() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        session = Session(Address("127.0.0.1", listener.getsockname()[1]))
        _opened.append(session)
        session.connect()
        peer, _ = listener.accept()

        def answer() -> None:
            peer.recv(65536)
            peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        answering = threading.Thread(target=answer)
        answering.start()
        with pytest.raises(NotDirkError):
            session.run("alaivo 1")
        answering.join()
        peer.close()


def test_dropped_database_is_forgotten(serve: Serve) -> None:
    def answer(asked: Asked) -> bytes:
        return message("Ny tahiry : testdb dia voarava") if "ravao" in asked.statement else ordinary(asked)

    session = session_with(serve(answer))
    session.run("ampiasao testdb").end  # noqa: B018
    assert session.database == "testdb"
    session.run("ravao ny tahiry testdb").end  # noqa: B018
    assert session.database is None


def test_indexes_of_many_databases_stay_few(serve: Serve) -> None:
    numbers = iter(range(1000))
    server = serve(lambda _: message("OK", {"log": next(numbers), "index": 1}))
    session = session_with(server)
    for _ in range(60):
        session.run("alaivo 1").end  # noqa: B018
    indexes = (server.asked[-1].metadata or {})["min"]
    assert len(indexes) == 16 and "0" in indexes and "58" in indexes


def test_a_commit_says_which_database_it_is_about(serve: Serve) -> None:
    """Its log, as BEGIN's answer told it. Lost, or of unknown outcome, it is said again so, to learn how it ended."""
    lost = iter([DROP, message(UNKNOWN, {"sqlstate": "08007", "log": 7, "index": 3, "tx": False})])

    def answer(asked: Asked) -> bytes:
        if asked.statement == "tehirizo" and (unknown := next(lost, None)) is not None:
            return unknown
        return message("OK", {"log": 7, "index": 3, "tx": asked.statement == "atombohy"})

    server = serve(answer)
    session = session_with(server)
    assert not session.run("atombohy").end.is_error
    assert not session.run("tehirizo").end.is_error and not session.is_in_transaction
    assert not session.run("tehirizo").end.is_error
    said = [asked.metadata for asked in server.asked if asked.statement == "tehirizo" and asked.metadata]
    assert [one.get("log") for one in said] == [7, 7, 7, None]
    assert len({one["id"] for one in said[:3]}) == 1
