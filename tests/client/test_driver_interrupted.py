"""An answer belongs to its request or the connection ends, at whatever instruction an exception leaves the driver."""

from __future__ import annotations

import gc
import random
import signal
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from dirk_gevent.driver import dbapi
from tests.client.fake_server import DROP, Asked, FakeServer, message, ordinary, relation, wait_for
from tests.client.interruptions import Interruption, interrupted_at
from tests.client.program import Program, rows_of
from tests.seeds import chosen_seed

Serve = Callable[..., FakeServer]
pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"
)


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """What an interruption left to the garbage collector (a socket that was just made) is gone after the test."""
    yield
    gc.collect()


#: What may stand before a statement.
COMMENT = "/* ; */ -- alaivo\n"


class Shop:
    """What a server does with the few statements of these tests: transactions die with their connections."""

    def __init__(self) -> None:
        self.kept: set[int] = set()
        self._open: dict[int, list[int]] = {}

    def __call__(self, asked: Asked) -> bytes:
        word, _, rest = asked.statement.removeprefix(COMMENT).partition(" ")
        open_ = self._open.get(asked.connection)
        text = ""
        if word == "atombohy":
            self._open[asked.connection], text = [], "Nanomboka ny asa"
        elif word in ("tehirizo", "avereno"):
            if open_ is None:
                return self._message(asked, "Hadisoana : tsy misy asa (25P01)")
            if word == "tehirizo":
                self.kept.update(open_)
            del self._open[asked.connection]
            text = "Voatahiry ny asa" if word == "tehirizo" else "Naverina ny asa"
        elif word == "manampia":
            number = int(rest.rpartition(" ")[2].strip("()"))
            if open_ is None:
                self.kept.add(number)
            else:
                open_.append(number)
            text = "Tafinditra ny fiovana ny tabilao (1)"
        else:
            number = int(rest)
            rows = [[number, row] for row in range(rows_of(number))]
            return relation(["n", "row"], rows, self._meta(asked))
        return self._message(asked, text)

    def _message(self, asked: Asked, text: str) -> bytes:
        return message(text, self._meta(asked))

    def _meta(self, asked: Asked) -> dict[str, Any]:
        return {"node": "m1", "log": 7, "index": 1, "tx": asked.connection in self._open}


def run(serve: Serve, seed: int, *, autocommit: bool, steps: int = 60) -> int:
    """A random program; how often it was interrupted."""
    shop = Shop()
    connection = dbapi.connect("127.0.0.1", serve(shop).port, autocommit=autocommit)
    program = Program(connection, random.Random(seed), "alaivo {}".format)
    for _ in range(steps):
        program.step()
    with suppress(dbapi.OperationalError):
        program.commit()
    connection.close()
    assert program.must <= shop.kept <= program.must | program.may, f"seed {seed}"
    return program.interruptions


@pytest.mark.parametrize("autocommit", [False, True])
def test_every_answer_is_that_of_its_request_and_what_is_committed_is_kept(serve: Serve, autocommit: bool) -> None:
    seed = chosen_seed()
    assert sum(run(serve, seed + number, autocommit=autocommit, steps=40) for number in range(3)) > 0


@pytest.mark.slow
@pytest.mark.parametrize("autocommit", [False, True])
def test_the_same_for_longer(serve: Serve, autocommit: bool) -> None:
    seed = chosen_seed()
    for number in range(20):
        run(serve, seed + number, autocommit=autocommit, steps=100)


def slow_reads(asked: Asked, leave: threading.Event, shop: Shop) -> bytes:
    if asked.statement == "alaivo 1000":
        leave.wait(20)
    return shop(asked)


class Waiting:
    """A server whose answer to one read waits until the test has given up."""

    def __init__(self, serve: Serve) -> None:
        self.leave, self.shop = threading.Event(), Shop()
        self.server = serve(lambda asked: slow_reads(asked, self.leave, self.shop))

    def give_up(self, connection: dbapi.Connection) -> None:
        """Run that read and leave it by an exception while its answer is waited for."""
        asked = len(self.server.asked)
        main = threading.main_thread().ident
        assert main is not None

        def ring() -> None:
            wait_for(lambda: len(self.server.asked) > asked and self.server.asked[-1].statement == "alaivo 1000")
            signal.pthread_kill(main, signal.SIGUSR1)

        before = signal.signal(signal.SIGUSR1, _raise)
        ringing = threading.Thread(target=ring)
        ringing.start()
        try:
            with pytest.raises(Interruption):
                connection.cursor().execute("alaivo 1000")
        finally:
            ringing.join()
            signal.signal(signal.SIGUSR1, before)
            self.leave.set()


def _raise(*_: object) -> None:
    raise Interruption


def test_the_next_statement_gets_its_own_answer(serve: Serve) -> None:
    waiting = Waiting(serve)
    with dbapi.connect("127.0.0.1", waiting.server.port) as connection:
        waiting.give_up(connection)
        for number in (77, 79):
            assert connection.cursor().execute(f"alaivo {number}").fetchall() == [(number, 0)]


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_a_transaction_that_lost_its_connection_says_so_until_it_is_ended(serve: Serve, end: str) -> None:
    waiting = Waiting(serve)
    with dbapi.connect("127.0.0.1", waiting.server.port, autocommit=False) as connection:
        connection.cursor().execute("manampia ao@ t sanda (1)")
        waiting.give_up(connection)
        for _ in range(2):
            with pytest.raises(dbapi.OperationalError) as raised:
                connection.cursor().execute("manampia ao@ t sanda (2)")
            assert raised.value.sqlstate == "08006"
        if end == "commit":
            with pytest.raises(dbapi.OperationalError):
                connection.commit()
        else:
            connection.rollback()
        connection.cursor().execute("manampia ao@ t sanda (3)")
        connection.commit()
    assert waiting.shop.kept == {3}


def test_commit_right_after_an_interruption_does_not_pass_for_done(serve: Serve) -> None:
    waiting = Waiting(serve)
    with dbapi.connect("127.0.0.1", waiting.server.port, autocommit=False) as connection:
        connection.cursor().execute("manampia ao@ t sanda (1)")
        waiting.give_up(connection)
        with pytest.raises(dbapi.OperationalError):
            connection.commit()
    assert waiting.shop.kept == set()


@pytest.mark.parametrize("said", ["", "tehirizo", f"{COMMENT}tehirizo"])
def test_a_commit_that_was_left_is_not_known(serve: Serve, said: str) -> None:
    """Neither the next statement nor a rollback passes over it in silence, whether commit() or a cursor `said` it."""
    answers: dict[str, int] = defaultdict(int)
    waiting = Waiting(serve)

    def left_in_commit(connection: dbapi.Connection) -> None:
        connection.cursor().execute("manampia ao@ t sanda (1)")
        instruction = 1
        while True:
            try:
                with interrupted_at(instruction):
                    connection.cursor().execute(said) if said else connection.commit()
            except Interruption:
                if connection._session._connection is not None and connection._session._connection.owes_answer:
                    return
            else:
                connection.cursor().execute("manampia ao@ t sanda (1)")
            instruction += 40

    for name in ("rollback", "execute", "commit"):
        with dbapi.connect("127.0.0.1", waiting.server.port, autocommit=False) as connection:
            left_in_commit(connection)
            with pytest.raises(dbapi.OperationalError) as raised:
                if name == "execute":
                    connection.cursor().execute("alaivo 1")
                else:
                    getattr(connection, name)()
            answers[raised.value.sqlstate] += 1
            with suppress(dbapi.OperationalError):
                connection.rollback()
            assert connection.cursor().execute("alaivo 5").fetchall() == [(5, 0)]
    assert answers == {"08007": 3}


@pytest.mark.parametrize("said", ["tehirizo", f"{COMMENT}tehirizo"])
def test_a_commit_that_was_cut_off_is_not_called_lost(serve: Serve, said: str) -> None:
    """The server has it, and dies before it answers: told once that it is not known, and never that it was lost."""
    shop, is_cut = Shop(), True

    def answer(asked: Asked) -> bytes:
        given = shop(asked)
        return DROP if is_cut and "tehirizo" in asked.statement else given

    with dbapi.connect("127.0.0.1", serve(answer).port, autocommit=False) as connection:
        connection.cursor().execute("manampia ao@ t sanda (1)")
        with pytest.raises(dbapi.OperationalError) as raised:
            connection.cursor().execute(said)
        assert raised.value.sqlstate == "08007"
        is_cut = False
        connection.rollback()
        connection.cursor().execute("manampia ao@ t sanda (2)")
        connection.commit()
    assert shop.kept == {1, 2}


def test_slow_server_is_given_up(serve: Serve) -> None:
    leave = threading.Event()

    def slow(asked: Asked) -> bytes:
        leave.wait(10)
        return ordinary(asked)

    with dbapi.connect("127.0.0.1", serve(slow).port, timeout_seconds=0.2) as connection:
        with pytest.raises(dbapi.OperationalError) as raised:
            connection.cursor().execute("alaivo 1")
        assert raised.value.sqlstate == "57014"
        leave.set()
