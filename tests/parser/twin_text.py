"""Random statements said twice: in DirkDB's language, both vocabularies mixed, and in SQLite's SQL.

Everything here is a choice of `Choices`; the same choices give the same two texts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from dirk_parser.lexical.keywords import KEYWORDS

Item = TypeVar("Item")

#: Precedence of the language, loosest first: OR, AND, NOT, comparisons, bits, sums, products, signs, the rest.
OR, AND, NOT, COMPARISON, BITS, SUM, PRODUCT, SIGN, ATOM = range(9)
INTEGERS = (
    *(0, 1, 2, 3, 7, 10, 255, 2**31, 2**53, 2**53 + 1, 2**63 - 2, 2**63 - 1, 2**63),
    *(-1, -2, -7, -(2**53) - 1, -(2**63) + 1, -(2**63)),
)
REALS = (0.5, 1.5, 2.25, -0.75, -7.5, 1024.125, 1e300, 9.5e18)
TEXTS = (
    *("", "a", "A", "b", "ab", "aB", "Z", "é", "É", "e\u0301", "ﬁ", "ß", "日本", "😀", "~"),
    *("7", "07", "7.0", " 7", "-1", "1e3", "0.5", "9223372036854775807", "null", "marina"),
    *("100%", "a_b", "%", "O'Brien", 'say "x"', "a\nb", "back\\slash", "--", "/*", ";", "2026-11-22"),
)
DATES = ("2026-11-22", "2024-02-29", "1999-12-31 23:59:59", "2026-11-22 18:30:00")
PATTERNS = ("%", "_", "a%", "%B", "%é%", "7%", "_b", "100!%", "", "É", "%\\%")


@dataclass(frozen=True, slots=True)
class Twin:
    """One expression in both languages; the second always stands in parentheses of its own where that matters.

    `truth`: it comes out as true and false, as 1 and 0 (False), or either (None: the language doesn't say).
    """

    ours: str
    theirs: str
    level: int = ATOM
    truth: bool | None = False


@dataclass(slots=True)
class Choices:
    """Where all choices come from: `below(n)` is a number from 0 to n-1. `arguments`: values of `$names` given out."""

    below: Callable[[int], int]
    arguments: dict[str, int | float | str | None] = field(default_factory=dict)
    names_given: int = 0

    def chance(self, percent: int) -> bool:
        """True in about `percent` of 100 cases; the simplest choice is False."""
        return self.below(100) >= 100 - percent

    def pick(self, items: Sequence[Item]) -> Item:
        """One of `items`; the simplest is the first."""
        return items[self.below(len(items))]

    def several(self, low: int, high: int, make: Callable[[], Item]) -> list[Item]:
        """From `low` to `high` of what `make` makes."""
        return [make() for _ in range(low + self.below(high - low + 1))]

    def fresh(self, stem: str) -> str:
        """A name that nothing else has."""
        self.names_given += 1
        return f"{stem}{self.names_given}"

    def word(self, token: str) -> str:
        """A keyword in either vocabulary, in any case."""
        keyword = KEYWORDS[token]
        found = self.pick(keyword.standard + keyword.malagasy)
        return (found.upper(), found, found.capitalize())[self.below(3)]

    def clause(self, token: str) -> str:
        """A keyword that begins a clause, with the noise marks that it may have."""
        before = ("", "#", "# ")[self.below(3)] if self.chance(30) else ""
        return before + self.word(token) + ("@" if self.chance(20) else "")

    def words(self, *tokens: str) -> str:
        """Several keywords."""
        return " ".join(self.word(token) for token in tokens)

    def inside(self, twin: Twin, level: int) -> str:
        """Our text where operators of `level` and tighter may stand: in parentheses when it must, and now and then."""
        return f"({twin.ours})" if twin.level < level or self.chance(10) else twin.ours

    # --- literals ---

    def literal(self, value: int | float | str | bool | None) -> Twin:
        """A literal or, now and then, a parameter that holds it."""
        if value is None:
            return Twin(self.word("NULL"), "NULL", truth=None)
        if isinstance(value, bool):
            return Twin(self.word("TRUE" if value else "FALSE"), str(value).upper(), truth=True)
        theirs = their_literal(value)
        if not (isinstance(value, int) and abs(value) >= 2**63) and self.chance(10):
            name = self.fresh("p")
            self.arguments[name] = value
            return Twin(f"${name}", theirs)
        if isinstance(value, str):
            return Twin(self.quoted(value), theirs)
        return Twin(repr(value), theirs, SIGN if value < 0 else ATOM)

    def quoted(self, text: str) -> str:
        """`text` as a string of the language, in one of the ways to write it."""
        quote = self.pick("'\"")
        body = text.replace("\\", "\\\\").replace(quote, self.pick((quote + quote, "\\" + quote)))
        return quote + (body.replace("\n", "\\n") if self.chance(50) else body) + quote


def their_literal(value: int | float | str | bool | None) -> str:
    """`value` as SQLite writes it."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).upper()
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else f"({value!r})"


def joint_truth(parts: Sequence[Twin]) -> bool | None:
    """Whether a value that is one of `parts` is a boolean."""
    if all(part.truth for part in parts):
        return True
    return False if all(part.truth is False for part in parts) else None


def plain(twin: Twin) -> Twin:
    """`twin` in parentheses."""
    return replace(twin, ours=f"({twin.ours})", level=ATOM)
