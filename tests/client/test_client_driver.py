"""The PEP 249 driver over real sockets."""

from __future__ import annotations

import datetime
import enum
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dirk_gevent.driver import dbapi
from dirk_gevent.driver.one_statement import NotOneError, the_statement
from dirk_gevent.driver.tcp_connection import encode
from dirk_gevent.protocol.metadata import split_metadata
from dirk_gevent.protocol.splitter import StatementSplitter, is_blank
from tests.client.fake_server import Asked, FakeServer, message, relation

Serve = Callable[..., FakeServer]


def connect(server: FakeServer, **options: Any) -> dbapi.Connection:
    return dbapi.connect("127.0.0.1", server.port, **options)


def test_module_says_what_pep_249_asks() -> None:
    assert (dbapi.apilevel, dbapi.threadsafety, dbapi.paramstyle) == ("2.0", 1, "qmark")
    assert issubclass(dbapi.IntegrityError, dbapi.DatabaseError)
    assert issubclass(dbapi.InterfaceError, dbapi.Error)


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


class Colour(str, enum.Enum):  # noqa: UP042 (a StrEnum is its text, this one is not)
    RED = "mena"


class Level(enum.IntEnum):
    HIGH = 3


class Loud(str):
    def __str__(self) -> str:
        return "LOUD"


class Metres(float):
    def __repr__(self) -> str:
        return "metres"


class Plain(enum.Enum):
    ONE = 1


class Nanoseconds(datetime.datetime):
    nanosecond = 7


_EAST = datetime.timezone(datetime.timedelta(hours=3))


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (Colour.RED, "mena"),
        (Loud("x"), "x"),
        (Level.HIGH, 3),
        (Metres(2.5), 2.5),
        (2**63 - 1, 2**63 - 1),
        (-(2**63), -(2**63)),
        (Decimal("0.1"), 0.1),
        (Decimal("-12.50"), -12.5),
        (Decimal("9223372036854775807"), 2**63 - 1),
        (datetime.datetime(2026, 11, 22, 18, 30, 0, 120), "2026-11-22 18:30:00.000120"),
        (datetime.datetime(2026, 11, 22, 18, 30, tzinfo=_EAST), "2026-11-22 18:30:00+03:00"),
        (datetime.time(18, 30, 0, 5), "18:30:00.000005"),
        ("' ; -- /* */ \\ \" ` é 🦜", "' ; -- /* */ \\ \" ` é 🦜"),
    ],
)
def test_parameters_are_sent_as_they_are(serve: Serve, value: Any, sent: Any) -> None:
    server = serve()
    with connect(server) as connection:
        connection.cursor().execute("alaivo ?", [value])
        connection.cursor().execute("alaivo $x", {"x": value})
    got = [(asked.metadata or {})["args"] for asked in server.asked]
    assert got == [[sent], {"x": sent}]
    assert type(got[0][0]) is type(sent)


@pytest.mark.parametrize(
    "value",
    [
        2**63, -(2**63) - 1, pytest.param(10**5000, id="huge"), float("nan"), float("inf"), "a\0b", "\ud800",
        b"bytes", bytearray(b"x"), object(),
        Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"), Decimal("1e999999"), Decimal("0.1234567890123456789"),
        Decimal(2**63), Decimal("1e-400"), Plain.ONE, 1j, [1], {"a": 1}, Nanoseconds(2026, 1, 1),
    ],
)  # fmt: skip
def test_values_that_do_not_fit_are_refused_before_anything_is_sent(serve: Serve, value: Any) -> None:
    server = serve()
    with connect(server) as connection, pytest.raises(dbapi.DataError):
        connection.cursor().execute("alaivo ?", [value])
    assert server.asked == []


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        (5, "parameters must be a sequence or a mapping, not a int"),
        (["a\ud800"], "the text of a parameter holds half a character (one surrogate alone, U+D800) at 2"),
        ([Decimal("0.1234567890123456789")], "pass round(value, N) with as many decimals as the column has"),
    ],
)
def test_a_refused_parameter_is_told_in_a_sentence_of_ours(serve: Serve, parameters: Any, words: str) -> None:
    with connect(serve()) as connection, pytest.raises(dbapi.DataError) as refused:
        connection.cursor().execute("alaivo ?", parameters)
    assert words in str(refused.value) and "codec" not in str(refused.value)


def test_half_a_character_in_a_statement_is_told_in_a_sentence_of_ours(serve: Serve) -> None:
    with connect(serve()) as connection, pytest.raises(dbapi.DataError, match="the statement holds half a character"):
        connection.cursor().execute("alaivo '\udfff'")


def test_a_language_that_is_none_is_refused_before_anything_is_sent(serve: Serve) -> None:
    server = serve()
    with pytest.raises(dbapi.ProgrammingError, match="language 'de' is not one of mg, fr, en"):
        dbapi.connect(port=server.port, language="de")
    assert server.asked == []


@pytest.mark.parametrize("parameters", ["text", b"text", {1, 2}, {1: 2}, {"\ud800": 1}, 7])
def test_what_is_no_set_of_parameters_is_refused(serve: Serve, parameters: Any) -> None:
    server = serve()
    with connect(server) as connection, pytest.raises(dbapi.DataError):
        connection.cursor().execute("alaivo ?", parameters)
    assert server.asked == []


@pytest.mark.parametrize("text", ["", ";", " \n;; ", "-- fanamarihana", "/* x; */", "-- x;\n/* ' */;"])
def test_a_text_without_a_statement_does_nothing(serve: Serve, text: str) -> None:
    server = serve()
    with connect(server, autocommit=False) as connection:
        cursor = connection.cursor().execute(text)
        assert (cursor.description, cursor.rowcount, cursor.message) == (None, -1, "")
        assert server.asked == []
        connection.autocommit = True
        assert connection.cursor().execute("alaivo 5").fetchall() != []


@pytest.mark.parametrize(
    "text",
    [
        "alaivo 1; alaivo 2", "alaivo 1;;alaivo 2;", "alaivo 'a", 'alaivo "a', "alaivo `a;", "alaivo 1 /* x",
        "alaivo 'a\\'", 5, b"x",
    ],
)  # fmt: skip
def test_what_is_not_one_statement_is_refused_before_anything_is_sent(serve: Serve, text: Any) -> None:
    server = serve()
    with connect(server, autocommit=False) as connection:
        with pytest.raises(dbapi.ProgrammingError) as raised:
            connection.cursor().execute(text)
        assert raised.value.sqlstate == "42601"
        assert server.asked == []


_PIECES = st.lists(
    st.sampled_from([";", "'", '"', "`", "\\", "-", "--", "#-", "//", "/*", "*/", "\n", " ", "a", "é"]), max_size=16
)


@given(_PIECES)
@settings(max_examples=400, deadline=None)
def test_the_server_finds_the_one_statement_that_the_driver_sends(pieces: list[str]) -> None:
    """Whatever the text is: it is one statement for the server too, and a second one begins where it ends."""
    try:
        statement = the_statement("".join(pieces))
    except NotOneError:
        return
    if not statement:
        return
    splitter = StatementSplitter()
    first = splitter.feed(encode(statement, {"id": "x"}))
    assert len(first) == 1 and split_metadata(first[0]) == ({"id": "x"}, statement.strip().encode())
    assert splitter.feed(b"alaivo 2;") == [b"alaivo 2"]


@given(_PIECES)
@settings(max_examples=400, deadline=None)
def test_one_statement_is_told_as_the_server_tells_it(pieces: list[str]) -> None:
    text = "".join(pieces)
    splitter = StatementSplitter()
    # A line feed ends a comment that would hide the sign.
    found = [one for one in splitter.feed(text.encode() + b"\n;") if not is_blank(one)]
    try:
        statement = the_statement(text)
    except NotOneError as error:
        assert len(found) > 1 if error.key == "client_several" else splitter.pending_bytes
    else:
        assert [one.decode() for one in found] == ([statement.strip()] if statement else [])


def test_fetching(serve: Serve) -> None:
    server = serve(lambda _: relation(["n", "t"], [[n, None if n < 5 else "x"] for n in range(500)]))
    with connect(server) as connection:
        cursor = connection.cursor().execute("alaivo n, t ao@ t")
        assert [column[:2] for column in cursor.description or ()] == [("n", "number"), ("t", "text")]
        assert dbapi.NUMBER == "number" and dbapi.STRING == "text" and dbapi.STRING != "number"
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
        with pytest.raises(dbapi.InterfaceError):
            cursor.fetchone()
        assert cursor.executemany("manampia ao@ t sanda (?)", [(1,), (2,), (3,)]).rowcount == 6


@pytest.mark.parametrize(
    ("sqlstate", "expected"),
    [
        ("42601", dbapi.ProgrammingError),
        ("3D000", dbapi.ProgrammingError),
        ("23514", dbapi.IntegrityError),
        ("22012", dbapi.DataError),
        ("40001", dbapi.OperationalError),
        ("57P03", dbapi.OperationalError),
        ("0A000", dbapi.NotSupportedError),
        ("XX000", dbapi.InternalError),
        ("99999", dbapi.DatabaseError),
    ],
)
def test_errors_are_told_apart_by_sqlstate(serve: Serve, sqlstate: str, expected: type[dbapi.Error]) -> None:
    with connect(serve(lambda _: message(f"Hadisoana : diso ({sqlstate})"))) as connection:
        with pytest.raises(dbapi.Error) as raised:
            connection.cursor().execute("alaivo 1")
        assert type(raised.value) is expected
        assert raised.value.sqlstate == sqlstate


def test_error_has_its_place(serve: Serve) -> None:
    with connect(serve()) as connection:
        with pytest.raises(dbapi.ProgrammingError) as raised:
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


def test_autocommit_does_not_change_inside_a_transaction(serve: Serve) -> None:
    def answer(asked: Asked) -> bytes:
        texts = {"atombohy": "Nanomboka ny asa", "tehirizo": "Voatahiry ny asa"}
        return message(texts[asked.statement]) if asked.statement in texts else relation(["n"], [])

    server = serve(answer)
    with connect(server, autocommit=False) as connection:
        connection.cursor().execute("alaivo 1")
        with pytest.raises(dbapi.ProgrammingError) as raised:
            connection.autocommit = True
        assert raised.value.sqlstate == "25001"
        assert connection.in_transaction and not connection.autocommit
        connection.commit()
        connection.autocommit = True
        connection.cursor().execute("alaivo 2")
    assert server.statements() == ["atombohy", "alaivo 1", "tehirizo", "alaivo 2"]


def test_an_error_at_the_end_belongs_to_its_own_cursor(serve: Serve) -> None:
    """Another cursor's statement is run, and the rows before the error are void."""

    def answer(asked: Asked) -> bytes:
        whole = relation(["n"], [[1]] * 500)
        if asked.statement == "alaivo 1":
            return whole[: whole.index(b"RELATION_JSON_PAGE 2/3")] + message("Hadisoana : elaela loatra (57014)")
        return whole

    with connect(serve(answer)) as connection:
        one, two = connection.cursor(), connection.cursor()
        one.execute("alaivo 1")
        assert one.fetchone() == (1,)
        assert len(two.execute("alaivo 2").fetchall()) == 500
        for _ in range(2):
            with pytest.raises(dbapi.OperationalError) as raised:
                one.fetchone()
            assert raised.value.sqlstate == "57014"


def test_after_close_everything_is_an_interface_error(serve: Serve) -> None:
    connection = connect(serve(lambda _: relation(["n"], [[1]] * 500)))
    cursor = connection.cursor().execute("alaivo 1")
    connection.close()

    def set_autocommit() -> None:
        connection.autocommit = False

    calls: list[Callable[[], Any]] = [
        cursor.fetchone, cursor.fetchmany, cursor.fetchall, lambda: list(cursor), lambda: cursor.execute("alaivo 2"),
        lambda: cursor.execute(""), lambda: cursor.executemany("alaivo ?", [(1,)]),
        lambda: cursor.executemany("alaivo ?", []), connection.commit,
        connection.rollback, connection.cursor, connection.__enter__, set_autocommit,
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(dbapi.InterfaceError):
            call()
    cursor.close()


@pytest.mark.parametrize(("host", "port"), [("a" * 70, 1), ("127.0.0.1", 70000), ("\ud800", 1)])
def test_an_address_that_is_none_is_an_operational_error(host: str, port: int) -> None:
    with pytest.raises(dbapi.OperationalError):
        dbapi.connect(host, port)


def test_closed_things_say_so(serve: Serve) -> None:
    connection = connect(serve())
    cursor = connection.cursor()
    cursor.close()
    with pytest.raises(dbapi.InterfaceError):
        cursor.execute("alaivo 1")
    connection.close()
    connection.close()
    with pytest.raises(dbapi.InterfaceError):
        connection.cursor()


def test_no_server_is_an_operational_error(serve: Serve) -> None:
    server = serve()
    server.stop()
    with pytest.raises(dbapi.OperationalError) as raised:
        connect(server)
    assert raised.value.sqlstate == "08001"
