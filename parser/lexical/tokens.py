"""Tokens, and the names in a statement that say which database they are in."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Token:
    """One token. `lexpos` and `endlexpos` are places in the template.

    `value`: a word or name as written (back quotes taken off), a literal's index, a parameter's `$name` or its
    position among the `?`.
    """

    type: str
    value: str | int
    lexpos: int
    endlexpos: int


@dataclass(frozen=True, slots=True)
class InDatabase:
    """`database.name` in a statement, for a table, a view, an index or a domain; `place` is where the template says
    it."""

    database: str
    name: str
    place: int = field(default=-1, compare=False)
