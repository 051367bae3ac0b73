"""PEP 249's type objects and constructors, and Python values as the JSON that `args` carries."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from dirk_gevent.driver.answers import Cell
from dirk_gevent.driver.requests import Args

#: What a parameter may be.
Parameter = None | bool | int | float | str | Decimal | datetime.date | datetime.time
#: A statement's parameters: a sequence for ``?``, a mapping for ``$name``.
Parameters = Sequence[Parameter] | Mapping[str, Parameter]

_SMALLEST, _LARGEST = -(2**63), 2**63 - 1
#: Decimals of more digits before the point are no whole numbers of 64 bits.
_WHOLE_DIGITS = 19


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
BINARY = TypeObject("blob")
#: DirkDB shows no row ids; dates are ISO 8601 text.
DATETIME = TypeObject()
ROWID = TypeObject()

Date = datetime.date
Time = datetime.time
Timestamp = datetime.datetime
Binary = bytes


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
    if isinstance(cell, bytes):
        return "blob"
    return "text" if isinstance(cell, str) else "number"


def encoded(parameters: Parameters) -> Args:
    """`parameters` as JSON values, each the very value that was given.

    Raises ValueError or TypeError for what can't be kept so.
    """
    if isinstance(parameters, Mapping):
        return {_name(name): _encoded(value) for name, value in parameters.items()}
    if isinstance(parameters, str | bytes | bytearray | set | frozenset):
        raise TypeError(f"parameters must be a sequence or a mapping, not a {type(parameters).__name__}")
    if not isinstance(parameters, Iterable):
        raise TypeError(f"parameters must be a sequence or a mapping, not a {type(parameters).__name__}")
    return [_encoded(value) for value in parameters]


def _name(name: object) -> str:
    if isinstance(name, str):
        return _text(name)
    raise TypeError(f"the name of a parameter must be a str, not a {type(name).__name__}")


def _encoded(value: object) -> Cell:
    """A value as it is. What a subclass makes of itself elsewhere (`__str__` of an Enum) is no part of it."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int):
        return _whole(int.__index__(value))
    if isinstance(value, float):
        return _finite(float.__float__(value))
    if isinstance(value, Decimal):
        return _decimal(value)
    if isinstance(value, datetime.date | datetime.time):
        return _moment(value)
    if isinstance(value, bytes | bytearray | memoryview):
        raise TypeError("bytes cannot be a parameter: pass value.hex() and write unhex(?) in the statement")
    raise TypeError(f"a {type(value).__name__} cannot be a parameter")


def _whole(value: int) -> int:
    if not _SMALLEST <= value <= _LARGEST:
        raise ValueError("a whole number of more than 64 bits cannot be a parameter")
    return value


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError(f"{value} is not a number of SQL")
    return value


def _decimal(value: Decimal) -> int | float:
    """The whole number, or the float that is written with these digits: what the same digits in a statement mean."""
    if not value.is_finite():
        raise ValueError(f"{value} is not a number of SQL")
    if value.adjusted() < _WHOLE_DIGITS and value == value.to_integral_value():
        return _whole(int(value))
    nearest = float(value)
    if Decimal(repr(nearest)) != value:
        raise ValueError(
            f"{value} has more digits than a number of DirkDB: pass round(value, N) with as many decimals as the "
            "column has, or str(value) where the column holds text"
        )
    return nearest


def _moment(value: datetime.date | datetime.time) -> str:
    """ISO 8601 with all that the value has: fractions of a second and the offset, too."""
    if getattr(value, "nanosecond", 0):
        raise ValueError("a moment with nanoseconds cannot be a parameter: pass it as text")
    if isinstance(value, datetime.datetime):
        return datetime.datetime.isoformat(value, " ")
    if isinstance(value, datetime.time):
        return datetime.time.isoformat(value)
    return datetime.date.isoformat(value)


def _text(value: str) -> str:
    text = str.__str__(value)
    if "\0" in text:
        raise ValueError("text cannot hold a NUL character")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"the text of a parameter {half_character(error)}") from error
    return text


def half_character(error: UnicodeEncodeError) -> str:
    """The fault of a text that cannot be encoded, without its subject."""
    return f"holds half a character (one surrogate alone, U+{ord(error.object[error.start]):04X}) at {error.start + 1}"
