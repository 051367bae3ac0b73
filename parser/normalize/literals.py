"""A request's literals as the compiler sees them: what it looks at becomes part of the plan's key."""

from __future__ import annotations

from dataclasses import dataclass

from dirk_parser.normalize.normalized_statement import NormalizedStatement, Value

#: Words that a date function reads as something else than a date.
_MOMENT_WORDS = frozenset(("now", "subsec", "subsecond", "localtime", "utc"))
#: The first whole number that 64 bits do not hold: real by itself, but with a minus before it the smallest whole one.
_PAST_WHOLE = "9223372036854775808"


@dataclass(frozen=True, slots=True, order=True)
class PlanGuard:
    """One thing besides the template that a plan depends on: a literal's value, its text as written, the word that it
    is to a date function, whether there are more rows than one (`how`). `position` counts the literals of the
    template."""

    position: int
    how: str


def guard_value(normalized: NormalizedStatement, guard: PlanGuard) -> object:
    """The value of `guard` in a request: requests that agree on all guards of a plan share it."""
    if guard.how == "rows":
        return normalized.rows > 1
    if guard.how == "text" and normalized.texts:
        return normalized.texts[_index(normalized, guard.position)]
    if guard.how == "edge":
        return (
            bool(normalized.texts) and normalized.texts[_index(normalized, guard.position)].lstrip("0") == _PAST_WHOLE
        )
    value = normalized.literals[_index(normalized, guard.position)]
    return moment_word(value) if guard.how == "word" else (type(value), value)


def _index(normalized: NormalizedStatement, position: int) -> int:
    """Where a literal of the template is in `normalized.literals`, which hold all rows of a VALUES list."""
    past_rows = position >= normalized.row_start + normalized.row_width
    return position + normalized.row_width * (normalized.rows - 1) if past_rows else position


def moment_word(value: Value) -> str:
    """The special word that `value` is to a date function; '' for any other value."""
    word = value.strip().lower() if isinstance(value, str) else ""
    return word if word in _MOMENT_WORDS else ""


class Literals:
    """Reads a request's literals for the compiler and remembers which ones it asked about."""

    def __init__(self, normalized: NormalizedStatement) -> None:
        self.normalized = normalized
        self.guards: set[PlanGuard] = set()

    def value(self, position: int) -> Value:
        """The literal's value, compiled into the plan."""
        self.guards.add(PlanGuard(position, "value"))
        return self.normalized.literals[_index(self.normalized, position)]

    def guard_texts(self, positions: range) -> None:
        """Makes the plan depend on how these literals are written (they name a column that others refer to)."""
        self.guards.update(PlanGuard(position, "text") for position in positions)

    def word(self, position: int) -> str:
        """'now', 'localtime' and the like when the literal is that to a date function, else ''."""
        self.guards.add(PlanGuard(position, "word"))
        return moment_word(self.normalized.literals[_index(self.normalized, position)])

    def is_past_whole(self, position: int) -> bool:
        """True when the literal is 2⁶³, written as a whole number."""
        guard = PlanGuard(position, "edge")
        self.guards.add(guard)
        return bool(guard_value(self.normalized, guard))

    def has_rows(self) -> bool:
        """True when one row of the template stands for several of the request."""
        guard = PlanGuard(-1, "rows")
        self.guards.add(guard)
        return bool(guard_value(self.normalized, guard))

    def count(self) -> int:
        """How many literals the template has."""
        return len(self.normalized.literals) - self.normalized.row_width * (self.normalized.rows - 1)
