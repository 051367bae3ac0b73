"""Repeating a group in a regular expression without keeping a way back into it.

A possessive group says so, but CPython before 3.11.5 matches it wrongly: when the group fails half-way, the text it had
taken stays taken (https://github.com/python/cpython/issues/106052). An atomic group is right there. A greedy repetition
inside one keeps some 115 bytes for each repetition until the group ends, which is a gigabyte for 16 MiB of `''`; so
`repeated` ends an inner atomic group every `_STEP` repetitions.
"""

from __future__ import annotations

from typing import Final

_STEP: Final = 256


def repeated(body: str) -> str:
    """Zero or more times `body`, as many as match, never fewer on the way back.

    `body` must take at least one character whenever it matches.
    """
    return rf"(?>(?:(?>(?:{body}){{1,{_STEP}}}))*)"


def optional(body: str) -> str:
    """`body` once when it matches, and then never none on the way back."""
    return f"(?>(?:{body})?)"
