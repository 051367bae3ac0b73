"""Rows of an INSERT that go into SQLite several at a time.

Running a prepared statement once for each row costs more than the rows themselves: one statement with a hundred rows
in it takes a third of the time. What it does is the same, row by row in the same order; only an error does not tell
which row it was.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from dirk_parser.normalize.normalized_statement import NormalizedStatement, Value
from dirk_parser.plan.plan import ChangePlan

#: Rows of one statement, values that they bind, characters that they take (SQLite's texts are kept up to 16 KiB).
_MOST_ROWS = 100
_MOST_VALUES = 2_000
_MOST_CHARACTERS = 12_000
#: With fewer rows a statement of its own is not worth being prepared.
_FEWEST_ROWS = 10
#: A number of a parameter; strings and quoted names are passed over.
_PARAMETER = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\?([0-9]+)")


@dataclass(frozen=True, slots=True)
class Blocks:
    """`sql` inserts a block of rows at a time, `values` holds what each block binds. `rest` are the rows that fill no
    block; the plan's own SQL takes them one by one, after the blocks."""

    sql: str
    values: list[tuple[Value, ...]]
    rest: list[tuple[Value, ...]]


def blocks(plan: ChangePlan, normalized: NormalizedStatement) -> Blocks | None:
    """The rows of `normalized` in blocks; None where they can't go together, or are too few."""
    if plan.row_at < 0:
        return None
    width = normalized.row_width
    size = _block_rows(len(plan.sql) - plan.row_at, width)
    if size < _FEWEST_ROWS or normalized.rows < size:
        return None
    literals, step = normalized.literals, size * width
    whole = normalized.rows // size * step
    return Blocks(
        _repeated(plan.sql, plan.row_at, size, width),
        [literals[first : first + step] for first in range(0, whole, step)],
        [literals[first : first + width] for first in range(whole, normalized.rows * width, width)],
    )


def _block_rows(row_characters: int, width: int) -> int:
    """How many rows one statement takes. By the plan alone, so that all statements of a plan share one text."""
    return min(_MOST_ROWS, _MOST_VALUES // width, _MOST_CHARACTERS // (row_characters + 4 * width))


@lru_cache(maxsize=256)
def _repeated(sql: str, row_at: int, rows: int, width: int) -> str:
    """`sql`, which ends with one row at `row_at`, with `rows` of them and their parameters numbered on."""
    row = sql[row_at:]

    def shifted(by: int) -> str:
        return _PARAMETER.sub(lambda found: f"?{int(found[1]) + by}" if found[1] else found[0], row)

    return sql[:row_at] + ", ".join(shifted(number * width) for number in range(rows))
