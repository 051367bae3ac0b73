"""Values come back as they were stored: whatever the driver sends and takes, blobs among them, at every part."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dirk_gevent.driver import dbapi
from tests.cluster import HOST, Cluster, wait_for

PARTS = ("m1", "proxy", "cache")
ODD_BLOBS = [b"", b"\0", b"\xff\xfe", b"\x89PNG\xff\0", b"text", '"é🦋'.encode(), bytes(range(256)) * 40]

_TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
_PARAMETERS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    _TEXTS,
    st.sampled_from(["';", "-- x", "/*", "*/ ;", "\\", "`", '"', "END", "\nEND\n", "META {}", "\r\n", "$a", "?"]),
    st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**9), max_value=10**9),
    st.datetimes(),
    st.dates(),
    st.times(),
)


@pytest.fixture(scope="module")
def database(shared_cluster: Cluster) -> Cluster:
    """A cluster with a table of anything in the database `zavatra`."""
    shared_cluster.ask("proxy", "manamboara tahiry zavatra;")
    with connected(shared_cluster, "proxy") as connection:
        connection.cursor().execute("manamboara tabilao t (n ISA, v BLOB)")
    return shared_cluster


def connected(cluster: Cluster, part: str) -> dbapi.Connection:
    return dbapi.connect(HOST, cluster.ports[part], "zavatra", language="en")


@pytest.fixture(params=PARTS)
def connection(database: Cluster, request: pytest.FixtureRequest) -> Iterator[dbapi.Connection]:
    """A session in `zavatra` at each part."""
    part = request.param

    def connects() -> dbapi.Connection | None:
        try:
            return connected(database, part)
        except dbapi.ProgrammingError:
            return None

    with wait_for(connects, 10) as found:
        yield found


def expected(value: Any) -> Any:
    """What a parameter is in the database: the number, or the text that the driver's documentation says."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime.datetime):
        return value.isoformat(" ")
    return value.isoformat() if isinstance(value, datetime.date | datetime.time) else value


def same(stored: Any, value: Any) -> bool:
    """Equal, and of one kind; a whole float may be shown as a whole number."""
    if isinstance(value, str) or value is None or isinstance(stored, str) or stored is None:
        return type(stored) is type(value) and stored == value
    return bool(stored == value) and (type(stored) is type(value) or (isinstance(value, float) and value.is_integer()))


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dbapi.Connection]:
    """A session with a node that holds the log itself, in a database with a table of anything."""
    with Cluster(tmp_path_factory.mktemp("alone"), masters=("m1",), is_balanced=False) as cluster:
        cluster.ask("m1", "manamboara tahiry zavatra;")
        with connected(cluster, "m1") as found:
            found.cursor().execute("manamboara tabilao t (n ISA, v BLOB)")
            yield found


@given(values=st.lists(_PARAMETERS, min_size=1, max_size=8))
@settings(max_examples=25, deadline=None)
def test_a_parameter_is_stored_as_it_is_or_refused(alone: dbapi.Connection, values: list[Any]) -> None:
    """Of each kind that a program may give; a Decimal that no number is written as is refused."""
    cursor = alone.cursor()
    for value in values:
        if isinstance(value, Decimal) and Decimal(repr(float(value))) != value:
            with pytest.raises(dbapi.DataError):
                cursor.execute("alaivo ?", [value])
            continue
        (row,) = cursor.execute("alaivo ?, ?", [value, value]).fetchall()
        assert all(same(cell, expected(value)) for cell in row), (row, value)
        cursor.execute("manampia ao@ t (v) sanda (?) RETURNING v", [value])
        ((stored,),) = cursor.fetchall()
        assert same(stored, expected(value)), (stored, value)


@pytest.mark.parametrize("number", [math.nan, math.inf, 2**63])
def test_what_no_number_is_sends_nothing(connection: dbapi.Connection, number: float) -> None:
    with pytest.raises(dbapi.DataError):
        connection.cursor().execute("manampia ao@ t (v) sanda (?)", [number])
    assert connection.cursor().execute("alaivo 5").fetchall() == [(5,)]


def test_a_blob_is_its_bytes(connection: dbapi.Connection) -> None:
    """From a literal, from text that `unhex` reads, in RETURNING, in a transaction, on a hundred pages."""
    cursor = connection.cursor()
    cursor.execute("fafao ao@ t")
    for number, blob in enumerate(ODD_BLOBS):
        cursor.execute(f"manampia ao@ t sanda ({number}, x'{blob.hex()}') RETURNING v")
        assert cursor.fetchall() == [(blob,)] and cursor.description is not None
        assert cursor.description[0][1] == dbapi.BINARY
        cursor.execute("manampia ao@ t sanda (?, unhex(?))", [number, dbapi.Binary(blob).hex()])
    wanted = [(blob,) for blob in ODD_BLOBS for _ in range(2)]
    for _ in range(2):
        assert cursor.execute("alaivo v ao@ t alaharo n").fetchall() == wanted
    cursor.execute("atombohy")
    cursor.execute("manampia ao@ t sanda (99, x'00ff')")
    assert cursor.execute("alaivo v ao@ t alaharo n").fetchall() == [*wanted, (b"\0\xff",)]
    cursor.execute("avereno")
    many = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 5000) SELECT x, x'ff00' FROM c"
    assert cursor.execute(many).fetchall() == [(number, b"\xff\0") for number in range(1, 5001)]


def test_bytes_as_a_parameter_are_refused_with_a_way(connection: dbapi.Connection) -> None:
    with pytest.raises(dbapi.DataError, match="unhex"):
        connection.cursor().execute("manampia ao@ t (v) sanda (?)", [b"\xff"])


def test_a_blob_on_the_wire(shared_cluster: Cluster) -> None:
    answer = shared_cluster.ask("m1", "alaivo x'89504eff' antso b, '{\"blob\":\"AA==\"}' antso t;")
    assert '"rows":[[{"blob":"iVBO/w=="},"{\\"blob\\":\\"AA==\\"}"]]' in answer
    assert orjson.loads(answer.split("\n")[1])["rows"][0][0] == {"blob": "iVBO/w=="}
    refused = shared_cluster.ask("m1", '/*dirk {"args":[{"blob":"iVA="}]}*/ alaivo ?;')
    assert "(22023)" in refused


def test_a_fraction_of_a_second_is_kept_or_refused(connection: dbapi.Connection) -> None:
    """DATY holds whole seconds and says so; text and numbers hold what they are given."""
    cursor = connection.cursor()
    moment = datetime.datetime(2026, 11, 22, 18, 30, 0, 250000)
    for value in (moment, moment.replace(microsecond=0, tzinfo=datetime.UTC)):
        with pytest.raises(dbapi.IntegrityError) as raised:
            cursor.execute("alaivo cast(? AS DATETIME)", [value])
        assert value.isoformat(" ") in str(raised.value)
    kept = cursor.execute("alaivo cast(? AS DATETIME), ?", [moment.replace(microsecond=0), moment]).fetchall()
    assert kept == [("2026-11-22 18:30:00", "2026-11-22 18:30:00.250000")]
    cursor.execute("alaivo datetime($m), datetime($m, 'subsec'), unixepoch($m, 'subsec')", {"m": moment})
    assert cursor.fetchall() == [("2026-11-22 18:30:00", "2026-11-22 18:30:00.250", 1795372200.25)]
