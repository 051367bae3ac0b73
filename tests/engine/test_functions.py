"""The functions that compiled statements call."""

from __future__ import annotations

import apsw
import pytest

from dirk_gevent.engine.functions import EntryContext, register
from dirk_parser.errors import SqlError


@pytest.fixture
def sqlite() -> apsw.Connection:
    """A connection whose time is 2026-11-22 18:30:05.250 UTC."""
    connection, context = apsw.Connection(":memory:"), EntryContext()
    register(connection, context)
    context.begin(1795372205250, 42)
    return connection


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("dirk_now()", "2026-11-22 18:30:05"),
        ("dirk_today()", "2026-11-22"),
        ("dirk_clock()", "18:30:05"),
        ("dirk_datefn('date', 'now', '+1 day')", "2026-11-23"),
        ("dirk_datefn('strftime', '%H:%M', ' NOW ')", "18:30"),
        ("dirk_datefn('datetime')", "2026-11-22 18:30:05"),
        ("dirk_datefn('datetime', 'subsec', '+1 day')", "2026-11-23 18:30:05.250"),
        ("dirk_datefn('strftime', '%H:%M', 'SubSecond')", "18:30"),
        ("dirk_datefn('time', '10:00:00', 'subsec')", "10:00:00.000"),
        ("dirk_datefn('date', '2026-01-31')", "2026-01-31"),
        ("dirk_datefn('date', 'nonsense')", None),
        ("dirk_datefn('date', null)", None),
        ("dirk_div(7, 2)", 3.5),
        ("dirk_div(7, null)", None),
        ("dirk_div('8x', 2)", 4.0),
        ("dirk_idiv(7, 2)", 3),
        ("dirk_idiv(-7, 2)", -3),
        ("dirk_idiv(7.9, 2)", 3),
        ("dirk_mod(-7, 2)", -1),
        ("dirk_mod(7.5, 2)", 1.0),
        ("dirk_idiv(-9223372036854775807 - 1, -1)", 9223372036854775808.0),
        ("case when 1 then 5 else dirk_fail('division_by_zero') end", 5),
    ],
)
def test_values(sqlite: apsw.Connection, expression: str, value: object) -> None:
    assert sqlite.execute(f"select {expression}").fetchall() == [(value,)]


@pytest.mark.parametrize(
    ("expression", "key"),
    [
        ("dirk_fail('out_of_range')", "out_of_range"),
        ("dirk_div(1, 0)", "division_by_zero"),
        ("dirk_idiv(1, 0.0)", "division_by_zero"),
        ("dirk_mod(1, '0')", "division_by_zero"),
        ("dirk_datefn('date', 'now', 'localtime')", "not_deterministic"),
    ],
)
def test_failures(sqlite: apsw.Connection, expression: str, key: str) -> None:
    with pytest.raises(SqlError) as failure:
        sqlite.execute(f"select {expression}").fetchall()
    assert failure.value.key == key


def test_random_numbers_are_splitmix64(sqlite: apsw.Connection) -> None:
    """The reference sequence for seed 1234567 begins so."""
    context = EntryContext()
    context.begin(0, 1234567)
    unsigned = [context.random() % 2**64 for _ in range(3)]
    assert unsigned == [6457827717110365317, 3203168211198807973, 9817491932198370423]
