"""The functions of the language: what each is called in SQLite, how many arguments it takes, what is odd about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dirk_parser.compile.base.sql import SAFE, UNSAFE_ANY, UNSAFE_REAL, Unsafe

#: SQLite's own limit on arguments of a function.
MANY = 127


class Sort(StrEnum):
    """How a function is used."""

    SCALAR = "scalar"
    AGGREGATE = "aggregate"
    WINDOW = "window"
    #: date and time functions: 'now' among their arguments is the statement's own time.
    MOMENT = "moment"


#: Functions of SQLite that give whole numbers, small ones, blobs, dates or words of SQLite's own.
_SOUND = frozenset((
    "count", "cume_dist", "date", "datetime", "dense_rank", "hex", "instr", "json_array_length", "json_type",
    "json_valid", "julianday", "length", "ntile", "octet_length", "percent_rank", "pi", "rank", "row_number", "sign",
    "time", "typeof", "unhex", "unicode", "unixepoch", "zeroblob",
))  # fmt: skip
#: Those that give numbers, however large.
_NUMBERS = frozenset((
    "abs", "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "avg", "ceil", "cos", "cosh", "degrees", "exp",
    "floor", "ln", "log", "log10", "log2", "pow", "radians", "round", "sin", "sinh", "sqrt", "sum", "tan", "tanh",
    "total", "trunc",
))  # fmt: skip


def _unsafe_of(sql: str) -> Unsafe:
    """The risk of what a function of SQLite gives; one that is not known may give anything."""
    if sql in _SOUND:
        return SAFE
    return UNSAFE_REAL if sql in _NUMBERS else UNSAFE_ANY


@dataclass(frozen=True, slots=True)
class Function:
    """One function: `sql` is SQLite's name; `low` and `high` bound the number of arguments.

    `keeps_boolean`: the result is boolean when every argument that may be the result (but NULL) is; `no_result` are
    the positions of those that never are. `clock`: a fixed expression that
    replaces the call (current time); `time_argument`: position of the time value of a MOMENT function. `unsafe`: that
    of the result, where it is none of the arguments (`keeps_boolean`).
    """

    sql: str
    low: int
    high: int
    sort: Sort = Sort.SCALAR
    keeps_boolean: bool = False
    no_result: frozenset[int] = frozenset()
    clock: bool = False
    time_argument: int = 0
    unsafe: Unsafe = UNSAFE_ANY


def _scalar(sql: str, low: int, high: int | None = None, keeps_boolean: bool = False) -> Function:
    return Function(sql, low, low if high is None else high, keeps_boolean=keeps_boolean, unsafe=_unsafe_of(sql))


def _choosing(sql: str, low: int, high: int, sort: Sort, chooser: int) -> Function:
    """One of its arguments is the result, but never the one at `chooser`."""
    return Function(sql, low, high, sort, keeps_boolean=True, no_result=frozenset((chooser,)))


def _aggregate(sql: str, low: int, high: int | None = None, keeps_boolean: bool = False) -> Function:
    return Function(sql, low, low if high is None else high, Sort.AGGREGATE, keeps_boolean, unsafe=_unsafe_of(sql))


def _window(sql: str, low: int, high: int | None = None, keeps_boolean: bool = False) -> Function:
    return Function(sql, low, low if high is None else high, Sort.WINDOW, keeps_boolean, unsafe=_unsafe_of(sql))


def _clock(sql: str) -> Function:
    return Function(sql, 0, 0, clock=True, unsafe=SAFE)


def _moment(sql: str, low: int, time_argument: int = 0) -> Function:
    return Function(sql, low, MANY, Sort.MOMENT, time_argument=time_argument, unsafe=_unsafe_of(sql))


_SCALARS = {
    "abs": _scalar("abs", 1),
    "round": _scalar("round", 1, 2),
    "length": _scalar("length", 1),
    "lower": _scalar("lower", 1),
    "upper": _scalar("upper", 1),
    "trim": _scalar("trim", 1, 2),
    "ltrim": _scalar("ltrim", 1, 2),
    "rtrim": _scalar("rtrim", 1, 2),
    "substr": _scalar("substr", 2, 3),
    "substring": _scalar("substr", 2, 3),
    "replace": _scalar("replace", 3),
    "instr": _scalar("instr", 2),
    "concat": _scalar("concat", 1, MANY),
    "concat_ws": _scalar("concat_ws", 2, MANY),
    "coalesce": _scalar("coalesce", 2, MANY, keeps_boolean=True),
    "ifnull": _scalar("ifnull", 2, keeps_boolean=True),
    "nullif": _scalar("nullif", 2, keeps_boolean=True),
    "iif": _choosing("iif", 2, 3, Sort.SCALAR, 0),
    "sign": _scalar("sign", 1),
    "ceil": _scalar("ceil", 1),
    "ceiling": _scalar("ceil", 1),
    "floor": _scalar("floor", 1),
    "trunc": _scalar("trunc", 1),
    "sqrt": _scalar("sqrt", 1),
    "power": _scalar("pow", 2),
    "pow": _scalar("pow", 2),
    "exp": _scalar("exp", 1),
    "ln": _scalar("ln", 1),
    "log": _scalar("log", 1, 2),
    "log10": _scalar("log10", 1),
    "log2": _scalar("log2", 1),
    "pi": _scalar("pi", 0),
    "typeof": _scalar("typeof", 1),
    "hex": _scalar("hex", 1),
    "char": _scalar("char", 1, MANY),
    "unicode": _scalar("unicode", 1),
    "format": _scalar("format", 1, MANY),
    "printf": _scalar("format", 1, MANY),
    "quote": _scalar("quote", 1),
    "if": _choosing("iif", 2, 3, Sort.SCALAR, 0),
    "likely": _scalar("likely", 1, keeps_boolean=True),
    "unlikely": _scalar("unlikely", 1, keeps_boolean=True),
    "zeroblob": _scalar("zeroblob", 1),
    "unhex": _scalar("unhex", 1, 2),
    "octet_length": _scalar("octet_length", 1),
    "json": _scalar("json", 1),
    "json_array": _scalar("json_array", 0, MANY),
    "json_array_length": _scalar("json_array_length", 1, 2),
    "json_extract": _scalar("json_extract", 2, MANY),
    "json_insert": _scalar("json_insert", 1, MANY),
    "json_object": _scalar("json_object", 0, MANY),
    "json_patch": _scalar("json_patch", 2),
    "json_pretty": _scalar("json_pretty", 1, 2),
    "json_quote": _scalar("json_quote", 1),
    "json_remove": _scalar("json_remove", 1, MANY),
    "json_replace": _scalar("json_replace", 1, MANY),
    "json_set": _scalar("json_set", 1, MANY),
    "json_type": _scalar("json_type", 1, 2),
    "json_valid": _scalar("json_valid", 1, 2),
}
_SCALARS |= {
    name: _scalar(name, 1)
    for name in (
        "acos", "acosh", "asin", "asinh", "atan", "atanh", "cos", "cosh", "degrees", "radians", "sin", "sinh", "tan",
        "tanh",
    )
} | {"atan2": _scalar("atan2", 2)}  # fmt: skip
_AGGREGATES = {
    "count": _aggregate("count", 0, 1),
    "sum": _aggregate("sum", 1),
    "total": _aggregate("total", 1),
    "avg": _aggregate("avg", 1),
    "min": _aggregate("min", 1, MANY, keeps_boolean=True),
    "max": _aggregate("max", 1, MANY, keeps_boolean=True),
    "group_concat": _aggregate("group_concat", 1, 2),
    "string_agg": _aggregate("string_agg", 2),
    "json_group_array": _aggregate("json_group_array", 1),
    "json_group_object": _aggregate("json_group_object", 2),
}
_WINDOWS = {
    "row_number": _window("row_number", 0),
    "rank": _window("rank", 0),
    "dense_rank": _window("dense_rank", 0),
    "percent_rank": _window("percent_rank", 0),
    "cume_dist": _window("cume_dist", 0),
    "ntile": _window("ntile", 1),
    "lag": _choosing("lag", 1, 3, Sort.WINDOW, 1),
    "lead": _choosing("lead", 1, 3, Sort.WINDOW, 1),
    "first_value": _window("first_value", 1, keeps_boolean=True),
    "last_value": _window("last_value", 1, keeps_boolean=True),
    "nth_value": _choosing("nth_value", 2, 2, Sort.WINDOW, 1),
}
_CLOCKS = {
    "now": _clock("dirk_now()"),
    "today": _clock("dirk_today()"),
    "current_timestamp": _clock("dirk_now()"),
    "current_date": _clock("dirk_today()"),
    "current_time": _clock("dirk_clock()"),
    "random": _clock("random()"),
}
_MOMENTS = {
    "date": _moment("date", 0),
    "time": _moment("time", 0),
    "datetime": _moment("datetime", 0),
    "julianday": _moment("julianday", 0),
    "unixepoch": _moment("unixepoch", 0),
    "strftime": _moment("strftime", 1, time_argument=1),
}
_MALAGASY = {
    "isaina": "count",
    "fitambarana": "sum",
    "salanisa": "avg",
    "ambany": "min",
    "ambony": "max",
    "halava": "length",
    "androany": "today",
    "izao": "now",
}

#: Every function by the key of its name, Malagasy names included.
FUNCTIONS: dict[str, Function] = {**_SCALARS, **_AGGREGATES, **_WINDOWS, **_CLOCKS, **_MOMENTS}
FUNCTIONS.update({alias: FUNCTIONS[standard] for alias, standard in _MALAGASY.items()})
