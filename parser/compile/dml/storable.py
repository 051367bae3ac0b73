"""Values that may be stored: text that is UTF-8 without a NUL, and numbers that are finite.

SQLite makes other text of blobs (`x'ff' || ''`) and of lone surrogates (`char(55296)`), and infinities of numbers that
grow too large; a row that holds one could not be read any more. So what a statement computes is looked at where it is
stored, in SQLite's own code as long as the text is ASCII.
"""

from __future__ import annotations

from dirk_parser.compile.base import sql
from dirk_parser.compile.base.sql import UNSAFE_REAL, UNSAFE_TEXT, Unsafe
from dirk_parser.schema import domains
from dirk_parser.schema.schema import Column

#: Something else than U+0001 … U+007F: of any byte past 0x7F, GLOB makes a character past U+007F.
_NOT_ASCII = "'*[^\x01-\x7f]*'"
#: GLOB is slow for each character; longer text is quicker looked at outside of SQLite.
_LONG_BYTES = 1_000


def unsafe(column: Column, value: Unsafe) -> Unsafe:
    """The unsafe part of a value that remains where `column` keeps it: most domains accept no infinity anyway."""
    return value if domains.admits_infinity(column.atoms) else value & ~UNSAFE_REAL


def kept(column: Column, value: str, left: Unsafe, otherwise: str) -> str:
    """`otherwise` for a `value` that may be stored in `column`; text_invalid (22021) or out_of_range (22003) else.

    `left` is what it is looked at for. `value` is written several times.
    """
    name = sql.literal(column.name)
    text = ""
    if left & UNSAFE_TEXT:
        text += f" WHEN {_unsure(value)} THEN dirk_text({name}, CAST({value} AS BLOB))"
    if left & UNSAFE_REAL:
        text += f" WHEN typeof({value}) = 'real' AND NOT {domains.finite(value)} THEN dirk_refuse({name}, {value}, '')"
    return f"CASE{text} ELSE {otherwise} END"


def check(column: Column, value: Unsafe, truth: str) -> str:
    """The condition that a column with a default or a value of its own must meet; '' where nothing can be wrong.
    `truth`: what is true in SQLite's SQL there."""
    left = unsafe(column, value)
    return f"{kept(column, sql.name(column.name), left, truth)} IS NOT NULL" if left else ""


def _unsure(value: str) -> str:
    """The condition that `value` is text that SQLite can't tell to be sound. A NUL ends it for `length` and GLOB."""
    tests = f"octet_length({value}) > {_LONG_BYTES} OR length({value}) <> octet_length({value})"
    return f"typeof({value}) = 'text' AND ({tests} OR {value} GLOB {_NOT_ASCII})"
