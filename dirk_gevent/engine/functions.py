"""The `dirk_*` functions that compiled statements call, and the context they answer from.

On hot paths none of them runs: a division by zero or a refused value is a branch that calls out only when it
fails. The clock functions answer from an `EntryContext`, so that every node computes the same.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from math import inf
from typing import Any, NoReturn

import apsw

from dirk_parser.errors import SqlError
from dirk_parser.schema.domains import shown_value

_MASK = (1 << 64) - 1
#: SQLite's own date functions that `dirk_datefn` may be asked for, and where their time argument stands.
_TIME_ARGUMENT = {
    "date": 0,
    "time": 0,
    "datetime": 0,
    "julianday": 0,
    "unixepoch": 0,
    "strftime": 1,
    "timediff": 0,
}
_WALL_CLOCK_MODIFIERS = frozenset(("localtime", "utc"))
#: Modifiers that, where a time should stand, mean the time now and themselves.
_NOW_MODIFIERS = frozenset(("subsec", "subsecond"))


class EntryContext:
    """The world as a statement may know it: its time and its random numbers.

    `dirk_random` is SplitMix64 (Steele, Lea, Flood 2014) started at the entry's seed: the state grows by
    0x9E3779B97F4A7C15 for each number, which is mixed by two xor-shift-multiply rounds and read as signed.
    """

    __slots__ = ("_seed", "_state", "time_ms")

    def __init__(self) -> None:
        self.time_ms = 0
        self._seed = 0
        self._state = 0

    def begin(self, time_ms: int, seed: int) -> None:
        """Start a statement at `time_ms` (Unix, UTC) with `seed` (0 … 2⁶⁴-1)."""
        self.time_ms = time_ms
        self._seed = self._state = seed

    def begin_again(self) -> None:
        """The statement that began last starts anew: what it asks for is the same as the first time."""
        self._state = self._seed

    def random(self) -> int:
        """The next number, -2⁶³ … 2⁶³-1."""
        self._state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        mixed = self._state
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
        mixed ^= mixed >> 31
        return mixed - (1 << 64) if mixed >> 63 else mixed

    def now(self) -> str:
        """`YYYY-MM-DD HH:MM:SS`, UTC."""
        return self._formatted("%Y-%m-%d %H:%M:%S")

    def today(self) -> str:
        """`YYYY-MM-DD`, UTC."""
        return self._formatted("%Y-%m-%d")

    def clock(self) -> str:
        """`HH:MM:SS`, UTC."""
        return self._formatted("%H:%M:%S")

    def instant(self) -> str:
        """The time to the millisecond, as SQLite's date functions read it."""
        return f"{self.now()}.{self.time_ms % 1000:03d}"

    def _formatted(self, form: str) -> str:
        return datetime.fromtimestamp(self.time_ms // 1000, UTC).strftime(form)


def register(connection: apsw.Connection, context: EntryContext) -> None:
    """Make the functions known to `connection`; they answer from `context`."""

    def datefn(name: str, *args: Any) -> Any:
        return _date_function(context, name, args)

    frozen: list[tuple[str, Callable[..., Any], int]] = [
        ("dirk_now", context.now, 0),
        ("dirk_today", context.today, 0),
        ("dirk_clock", context.clock, 0),
    ]
    each_time: list[tuple[str, Callable[..., Any], int]] = [
        ("dirk_fail", _fail, 1),
        ("dirk_refuse", _refuse, 3),
        ("dirk_text", _text, 2),
        ("dirk_random", context.random, 0),
        ("dirk_datefn", datefn, -1),
        ("dirk_div", _divide, 2),
        ("dirk_idiv", _divide_whole, 2),
        ("dirk_mod", _modulo, 2),
    ]
    # Frozen ones may be computed once a statement. The others must run each time, and only where the statement
    # says so: SQLite hoists a deterministic call out of the branch that guards it, and most of these raise.
    for functions, deterministic in ((frozen, True), (each_time, False)):
        for name, function, arguments in functions:
            connection.create_scalar_function(
                name, function, arguments, deterministic=deterministic, flags=apsw.SQLITE_INNOCUOUS
            )


def _fail(key: str) -> NoReturn:
    raise SqlError(key)


def _refuse(column: str, value: Any, domain: str) -> NoReturn:
    if value in (inf, -inf):
        raise SqlError("out_of_range", column=column)
    shown = value if isinstance(value, int) else shown_value(value)
    raise SqlError("domain_violation", column=column, value=shown, domain=domain)


def _text(column: str, raw: bytes) -> str:
    """The text of these bytes, which `column` is to hold."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise SqlError("text_invalid", column=column) from None
    if "\0" in text:
        raise SqlError("text_invalid", column=column)
    return text


class _Calculator(threading.local):
    """A private in-memory SQLite a thread, for what must come out exactly as SQLite has it."""

    def __init__(self) -> None:
        self.connection = apsw.Connection(":memory:")

    def value(self, sql: str, args: tuple[Any, ...]) -> Any:
        return self.connection.execute(sql, args).fetchall()[0][0]


_calculator = _Calculator()


def _date_function(context: EntryContext, name: str, args: tuple[Any, ...]) -> Any:
    place = _TIME_ARGUMENT[name]
    values = list(args)
    if len(values) == place:
        values.append("now")
    for position in range(place, len(values)):
        text = values[position].strip().casefold() if isinstance(values[position], str) else None
        if text == "now":
            values[position] = context.instant()
        elif text in _WALL_CLOCK_MODIFIERS:
            raise SqlError("not_deterministic", name=name)
    if isinstance(values[place], str) and values[place].strip().casefold() in _NOW_MODIFIERS:
        values[place : place + 1] = [context.instant(), "subsec"]
    marks = ",".join("?" * len(values))
    return _calculator.value(f"SELECT {name}({marks})", tuple(values))


def _operands(a: Any, b: Any) -> tuple[int | float, int | float] | None:
    """Both as numbers by SQLite's rules (text by its numeric prefix), None when either is null."""
    if a is None or b is None:
        return None
    left, right = _numeric(a), _numeric(b)
    if right == 0:
        raise SqlError("division_by_zero")
    return left, right


def _numeric(value: Any) -> int | float:
    if isinstance(value, (int, float)):
        return value
    number: int | float = _calculator.value("SELECT CAST(? AS NUMERIC)", (value,))
    return number


def _divide(a: Any, b: Any) -> float | None:
    operands = _operands(a, b)
    return None if operands is None else _fitting(float(operands[0])) / operands[1]


def _divide_whole(a: Any, b: Any) -> int | float | None:
    operands = _operands(a, b)
    if operands is None:
        return None
    left, right = operands
    if isinstance(left, int) and isinstance(right, int):
        quotient = abs(left) // abs(right)
        return _fitting(quotient if (left < 0) == (right < 0) else -quotient)
    whole = left / right
    return _fitting(int(whole)) if abs(whole) < 2**63 else whole


def _modulo(a: Any, b: Any) -> int | float | None:
    operands = _operands(a, b)
    if operands is not None and -1 < operands[1] < 1:
        raise SqlError("division_by_zero")
    return None if operands is None else _calculator.value("SELECT ? % ?", (a, b))


def _fitting(value: int | float) -> int | float:
    """An integer past 64 bits becomes real, as in SQLite."""
    return float(value) if isinstance(value, int) and not -(2**63) <= value < 2**63 else value
