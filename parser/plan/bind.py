"""From one request's literals and arguments to the values that SQLite binds, and its result names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache

from dirk_parser.errors import SqlError
from dirk_parser.lexical.rules import QUOTED_NAME
from dirk_parser.normalize.normalized_statement import Args, NormalizedStatement, Value
from dirk_parser.normalize.normalizer import source_text
from dirk_parser.plan.plan import Bind, ChangePlan, Output, QueryPlan

_PARAMETERS = re.compile(rf"{QUOTED_NAME}|'[sirv]'|\?|\$[^\W\d]\w*")


@lru_cache(maxsize=512)
def in_order(count: int) -> tuple[int, ...]:
    """The binds of a plan whose parameters are the first `count` literals; one shared object for each count."""
    return tuple(range(count))


def bind(binds: tuple[Bind, ...], normalized: NormalizedStatement, args: Args) -> tuple[Value, ...]:
    """Values for `?1 ?2 …`. Raises missing_argument (07001) or argument_invalid (22023)."""
    if binds is in_order(len(normalized.literals)):
        return normalized.literals
    literals = normalized.literals
    try:
        return tuple(
            [
                literals[source] if isinstance(source, int) and source >= 0 else _argument(source, args)
                for source in binds
            ]
        )
    except SqlError as error:
        error.at(_place(normalized.template, str(error.params["name"])))
        raise


def check_surplus(template: str, args: Args) -> None:
    """Raises surplus_argument (07001) for a value that no parameter takes. It is for who takes a request in: an entry
    of a log ends as it did, whatever came with it."""
    marks = _PARAMETERS.findall(template)
    if isinstance(args, Mapping):
        names = set(marks)
        unused = next((f"${name}" for name in args if f"${name}" not in names), None)
    else:
        count = marks.count("?")
        unused = f"?{count + 1}" if len(args) > count else None
    if unused is not None:
        raise SqlError("surplus_argument", name=unused)


def _place(template: str, name: str) -> int:
    """Where a parameter stands in a template; `name` is `$name` or `?` and its number, from 1."""
    wanted = int(name[1:]) if name[0] == "?" else 0
    for mark in _PARAMETERS.finditer(template):
        wanted -= mark[0] == "?"
        if mark[0] == name or (name[0] == "?" and mark[0] == "?" and wanted == 0):
            return mark.start()
    return -1


def rows(plan: ChangePlan, normalized: NormalizedStatement, args: Args) -> Iterator[tuple[Value, ...]]:
    """The values of each row of a `per_row` plan: the row's own literals, then what the rest of the text binds."""
    literals, width = normalized.literals, normalized.row_width
    end = width * normalized.rows
    if len(plan.binds) <= width:
        used = len(plan.binds)
        for first in range(0, end, width):
            yield literals[first : first + used]
        return
    skipped = end - width
    rest = tuple(
        [
            literals[source + skipped] if isinstance(source, int) and source >= 0 else _argument(source, args)
            for source in plan.binds[width:]
        ]
    )
    for first in range(0, end, width):
        yield literals[first : first + width] + rest


def columns(plan: QueryPlan | ChangePlan, normalized: NormalizedStatement) -> tuple[Output, ...]:
    """The result's columns with the names that this request gives them (its own literals put in)."""
    outputs = plan.columns if isinstance(plan, QueryPlan) else plan.returning
    if plan.static_names:
        return outputs
    return tuple(
        [
            replace(output, name=source_text(output.name, output.first_literal, normalized), first_literal=-1)
            if output.first_literal >= 0
            else output
            for output in outputs
        ]
    )


def _argument(bind: Bind, args: Args) -> Value:
    if isinstance(bind, str):
        name, given = f"${bind}", isinstance(args, Mapping) and bind in args
    else:
        name, given = f"?{-bind}", not isinstance(args, Mapping) and -bind <= len(args)
    if not given:
        raise SqlError("missing_argument", name=name)
    return _checked(args[bind] if isinstance(args, Mapping) else args[-bind - 1], name)  # type: ignore[index, operator]


def _checked(value: Value, name: str) -> Value:
    if value is None or isinstance(value, str | float):
        return value
    if not isinstance(value, int):
        raise SqlError("argument_invalid", name=name)
    return int(value) if -(2**63) <= value < 2**63 else float(value)
