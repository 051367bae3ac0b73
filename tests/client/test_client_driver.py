"""The PEP 249 driver over real sockets."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from dirk_gevent.client import driver
from tests.client.fake_server import Asked, FakeServer, message, ordinary, relation

Serve = Callable[..., FakeServer]


def connect(server: FakeServer, **options: Any) -> driver.Connection:
    return driver.connect("127.0.0.1", server.port, **options)


def test_module_says_what_pep_249_asks() -> None:
    assert (driver.apilevel, driver.threadsafety, driver.paramstyle) == ("2.0", 1, "qmark")
    assert issubclass(driver.IntegrityError, driver.DatabaseError)
    assert issubclass(driver.InterfaceError, driver.Error)


def test_parameters_travel_beside_the_statement(serve: Serve) -> None:
    server = serve()
    with connect(server, database="test`db") as connection, connection.cursor() as cursor:
        parameters = ("x'; -- */ y", 1, 2.5, None, True, Decimal("3"), datetime.date(2026, 11, 22))
        cursor.execute("alaivo ?, ?, ?, ?, ?, ?, ?;", parameters)
        cursor.execute("alaivo $a", {"a": datetime.datetime(2026, 11, 22, 18, 30)})
    use, positional, named = server.asked
    assert use.statement == "ampiasao `test``db`"
    assert positional.statement == "alaivo ?, ?, ?, ?, ?, ?, ?"
    assert (positional.metadata or {})["args"] == ["x'; -- */ y", 1, 2.5, None, True, 3, "2026-11-22"]
    assert (named.metadata or {})["args"] == {"a": "2026-11-22 18:30:00"}


@pytest.mark.parametrize("value", [2**63, float("nan"), float("inf"), "a\0b", "\ud800", b"bytes", object()])
def test_values_that_do_not_fit_are_refused_before_anything_is_sent(serve: Serve, value: Any) -> None:
    server = serve()
    with connect(server) as connection, pytest.raises(driver.DataError):
        connection.cursor().execute("alaivo ?", [value])
    assert server.asked == []


def test_fetching(serve: Serve) -> None:
    server = serve(lambda _: relation(["n", "t"], [[n, None if n < 5 else "x"] for n in range(500)]))
    with connect(server) as connection:
        cursor = connection.cursor().execute("alaivo n, t ao@ t")
        assert [column[:2] for column in cursor.description or ()] == [("n", "number"), ("t", "text")]
        assert driver.NUMBER == "number" and driver.STRING == "text" and driver.STRING != "number"
        assert cursor.rowcount == -1
        assert cursor.fetchone() == (0, None)
        assert cursor.fetchmany(2) == [(1, None), (2, None)]
        assert len(cursor.fetchmany(300)) == 300
        assert len(cursor.fetchall()) == 197
        assert cursor.rowcount == 500
        assert cursor.fetchone() is None
        assert len(list(connection.cursor().execute("alaivo n, t ao@ t"))) == 500


def test_two_cursors_do_not_mix_their_rows(serve: Serve) -> None:
    server = serve(lambda asked: relation(["n"], [[int(asked.statement[-1])]] * 500))
    with connect(server) as connection:
        one, two = connection.cursor(), connection.cursor()
        one.execute("alaivo 1")
        two.execute("alaivo 2")
        assert set(one) == {(1,)} and one.rowcount == 500
        assert set(two.fetchall()) == {(2,)}


def test_rows_not_fetched_do_not_disturb_the_next_statement(serve: Serve) -> None:
    server = serve(lambda _: relation(["n"], [[1]] * 500))
    with connect(server) as connection:
        cursor = connection.cursor()
        cursor.execute("alaivo n ao@ t").fetchone()
        assert len(cursor.execute("alaivo n ao@ t").fetchall()) == 500


def test_changes_have_a_count_and_no_rows(serve: Serve) -> None:
    with connect(serve()) as connection:
        cursor = connection.cursor().execute("manampia ao@ t sanda (1), (2)")
        assert (cursor.rowcount, cursor.description) == (2, None)
        with pytest.raises(driver.InterfaceError):
            cursor.fetchone()
        assert cursor.executemany("manampia ao@ t sanda (?)", [(1,), (2,), (3,)]).rowcount == 6


@pytest.mark.parametrize(
    ("sqlstate", "expected"),
    [
        ("42601", driver.ProgrammingError),
        ("3D000", driver.ProgrammingError),
        ("23514", driver.IntegrityError),
        ("22012", driver.DataError),
        ("40001", driver.OperationalError),
        ("57P03", driver.OperationalError),
        ("0A000", driver.NotSupportedError),
        ("XX000", driver.InternalError),
        ("99999", driver.DatabaseError),
    ],
)
def test_errors_are_told_apart_by_sqlstate(serve: Serve, sqlstate: str, expected: type[driver.Error]) -> None:
    with connect(serve(lambda _: message(f"Hadisoana : diso ({sqlstate})"))) as connection:
        with pytest.raises(driver.Error) as raised:
            connection.cursor().execute("alaivo 1")
        assert type(raised.value) is expected
        assert raised.value.sqlstate == sqlstate


def test_error_has_its_place(serve: Serve) -> None:
    with connect(serve()) as connection:
        with pytest.raises(driver.ProgrammingError) as raised:
            connection.cursor().execute("diso\ndiso")
        assert (raised.value.line, raised.value.column) == (2, 1)


def test_transactions_begin_with_the_first_statement(serve: Serve) -> None:
    def answer(asked: Asked) -> bytes:
        texts = {"atombohy": "Nanomboka ny asa", "tehirizo": "Voatahiry ny asa", "avereno": "Naverina ny asa"}
        return message(texts[asked.statement]) if asked.statement in texts else relation(["n"], [])

    server = serve(answer)
    with connect(server, autocommit=False) as connection:
        connection.commit()
        connection.cursor().execute("alaivo 1")
        connection.cursor().execute("alaivo 2")
        assert connection.in_transaction
        connection.rollback()
        connection.cursor().execute("alaivo 3")
    assert server.statements() == [
        "atombohy", "alaivo 1", "alaivo 2", "avereno", "atombohy", "alaivo 3", "tehirizo",
    ]  # fmt: skip


def test_closed_things_say_so(serve: Serve) -> None:
    connection = connect(serve())
    cursor = connection.cursor()
    cursor.close()
    with pytest.raises(driver.InterfaceError):
        cursor.execute("alaivo 1")
    connection.close()
    connection.close()
    with pytest.raises(driver.InterfaceError):
        connection.cursor()


def test_no_server_is_an_operational_error(serve: Serve) -> None:
    server = serve()
    server.stop()
    with pytest.raises(driver.OperationalError) as raised:
        connect(server)
    assert raised.value.sqlstate == "08001"


def test_slow_server_is_given_up(serve: Serve) -> None:
    import threading

    leave = threading.Event()

    def slow(asked: Asked) -> bytes:
        leave.wait(10)
        return ordinary(asked)

    with connect(serve(slow), timeout_seconds=0.2) as connection:
        with pytest.raises(driver.OperationalError) as raised:
            connection.cursor().execute("alaivo 1")
        assert raised.value.sqlstate == "57014"
        leave.set()
