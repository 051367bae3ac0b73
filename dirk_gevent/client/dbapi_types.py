"""PEP 249's type objects and constructors, and Python values as the JSON that `args` carries."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping, Sequence
from decimal import Decimal

from dirk_gevent.client.answers import Cell
from dirk_gevent.client.requests import Args

#: What a parameter may be.
Parameter = None | bool | int | float | str | Decimal | datetime.date | datetime.time
#: A statement's parameters: a sequence for ``?``, a mapping for ``$name``.
Parameters = Sequence[Parameter] | Mapping[str, Parameter]

_SMALLEST, _LARGEST = -(2**63), 2**63 - 1


class TypeObject:
    """Equal to the type codes of a kind of column (PEP 249)."""

    def __init__(self, *codes: str) -> None:
        self._codes = frozenset(codes)

    def __eq__(self, other: object) -> bool:
        return other in self._codes if isinstance(other, str) else self is other

    def __hash__(self) -> int:
        return hash(self._codes)


STRING = TypeObject("text")
NUMBER = TypeObject("number", "boolean")
#: DirkDB has no binary values and shows no row ids; dates are ISO 8601 text.
BINARY = TypeObject()
DATETIME = TypeObject()
ROWID = TypeObject()

Date = datetime.date
Time = datetime.time
Timestamp = datetime.datetime


def date_from_ticks(ticks: float) -> datetime.date:
    """The date, here, of `ticks` seconds since the epoch."""
    return datetime.date.fromtimestamp(ticks)


def time_from_ticks(ticks: float) -> datetime.time:
    """The time of day, here, of `ticks` seconds since the epoch."""
    return datetime.datetime.fromtimestamp(ticks).time()


def timestamp_from_ticks(ticks: float) -> datetime.datetime:
    """The date and time, here, of `ticks` seconds since the epoch."""
    return datetime.datetime.fromtimestamp(ticks)


def type_code(cell: Cell) -> str | None:
    """The type code of a column as its first value tells it: a column holds values of several kinds."""
    if cell is None:
        return None
    if isinstance(cell, bool):
        return "boolean"
    return "text" if isinstance(cell, str) else "number"


def encoded(parameters: Parameters) -> Args:
    """`parameters` as JSON values. Raises ValueError or TypeError for what DirkDB cannot hold."""
    if isinstance(parameters, Mapping):
        return {name: _encoded(value) for name, value in parameters.items()}
    if isinstance(parameters, str | bytes):
        raise TypeError("parameters must be a sequence or a mapping, not a string")
    return [_encoded(value) for value in parameters]


def _encoded(value: object) -> Cell:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Decimal):
        value = int(value) if value.is_finite() and value == value.to_integral_value() else float(value)
    if isinstance(value, int):
        if not _SMALLEST <= value <= _LARGEST:
            raise ValueError(f"{value} does not fit in 64 bits")
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} is not a number of SQL")
        return value
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, datetime.datetime):
        return value.isoformat(" ", "seconds")
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    raise TypeError(f"a {type(value).__name__} cannot be a parameter")


def _text(value: str) -> str:
    if "\0" in value:
        raise ValueError("text cannot hold a NUL character")
    if not value.isascii():
        value.encode()  # raises UnicodeEncodeError, a ValueError, for lone surrogates
    return str(value)
