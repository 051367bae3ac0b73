"""A statement with its literals split off, and the values that literals and arguments have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

#: What a column holds, a literal means and a parameter binds. Booleans are 1 and 0.
Value = None | int | float | str
#: `args` of a request: a list for `?`, a mapping for `$name`.
Args = Sequence[Value] | Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class NormalizedStatement:
    """A statement with its literals split off: equal templates share one parse and one plan.

    `literals` holds the values in order. When the tail of a VALUES list repeats one row template, `template`
    keeps one row only, `rows` counts them, and `literals` holds all rows' values one after another
    (`row_start` = index of the first row's first literal, `row_width` = literals a row; rows = 1 otherwise).
    `texts` are the literals as they were written (result names come from them).
    """

    template: str
    literals: tuple[Value, ...]
    texts: tuple[str, ...] = ()
    rows: int = 1
    row_start: int = 0
    row_width: int = 0
