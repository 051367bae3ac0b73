"""A request's literals as the compiler sees them: what it looks at becomes part of the plan's key."""

from __future__ import annotations

from dataclasses import dataclass

from dirk_parser.normalize.template import Shaped, Value

#: Words that a date function reads as something else than a date.
_MOMENT_WORDS = frozenset(("now", "subsec", "subsecond", "localtime", "utc"))
#: The first whole number that 64 bits do not hold: real by itself, but with a minus before it the smallest whole one.
_PAST_WHOLE = "9223372036854775808"


@dataclass(frozen=True, slots=True, order=True)
class Look:
    """One thing that a plan depends on besides the shape: a literal's value, its text as written, the word that it is
    to a date function, whether there are more rows than one (`how`). `position` counts the literals of the shape."""

    position: int
    how: str


def observe(shaped: Shaped, look: Look) -> object:
    """What `look` sees in a request: requests that agree on all looks of a plan share it."""
    if look.how == "rows":
        return shaped.rows > 1
    if look.how == "text" and shaped.texts:
        return shaped.texts[_index(shaped, look.position)]
    if look.how == "edge":
        return bool(shaped.texts) and shaped.texts[_index(shaped, look.position)].lstrip("0") == _PAST_WHOLE
    value = shaped.literals[_index(shaped, look.position)]
    return moment_word(value) if look.how == "word" else (type(value), value)


def _index(shaped: Shaped, position: int) -> int:
    """Where a literal of the shape is in `shaped.literals`, which hold all rows of a VALUES list."""
    past_rows = position >= shaped.row_start + shaped.row_width
    return position + shaped.row_width * (shaped.rows - 1) if past_rows else position


def moment_word(value: Value) -> str:
    """The special word that `value` is to a date function; '' for any other value."""
    word = value.strip().lower() if isinstance(value, str) else ""
    return word if word in _MOMENT_WORDS else ""


class Literals:
    """Reads a request's literals for the compiler and remembers which ones it asked about."""

    def __init__(self, shaped: Shaped) -> None:
        self.shaped = shaped
        self.looks: set[Look] = set()

    def value(self, position: int) -> Value:
        """The literal's value, compiled into the plan."""
        self.looks.add(Look(position, "value"))
        return self.shaped.literals[_index(self.shaped, position)]

    def look_at_texts(self, positions: range) -> None:
        """Makes the plan depend on how these literals are written (they name a column that others refer to)."""
        self.looks.update(Look(position, "text") for position in positions)

    def word(self, position: int) -> str:
        """'now', 'localtime' and the like when the literal is that to a date function, else ''."""
        self.looks.add(Look(position, "word"))
        return moment_word(self.shaped.literals[_index(self.shaped, position)])

    def is_past_whole(self, position: int) -> bool:
        """Whether the literal is 2⁶³, written as a whole number."""
        look = Look(position, "edge")
        self.looks.add(look)
        return bool(observe(self.shaped, look))

    def has_rows(self) -> bool:
        """Whether one row of the shape stands for several of the request."""
        look = Look(-1, "rows")
        self.looks.add(look)
        return bool(observe(self.shaped, look))

    def count(self) -> int:
        """How many literals the shape has."""
        return len(self.shaped.literals) - self.shaped.row_width * (self.shaped.rows - 1)
