"""A token, as the lexer makes it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Token:
    """One token. `lexpos` and `endlexpos` are places in the shape.

    `value`: a word or name as written (back quotes taken off), a literal's index, a parameter's `$name` or its
    position among the `?`.
    """

    type: str
    value: str | int
    lexpos: int
    endlexpos: int
