"""Pieces of SQLite text: quoting, and an expression's text with what the compiler must know about it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from dirk_parser.errors import SqlError
from dirk_parser.lexical.repetition import repeated
from dirk_parser.normalize.literal_text import WHOLE_MAX, WHOLE_MIN
from dirk_parser.normalize.normalized_statement import Value

#: SQLite refuses expression trees deeper than 1,000; what we add around a node stays under the rest.
MAX_DEPTH = 900


#: What a value may be that no row may hold: text that is no UTF-8 or has a NUL in it, a number that is infinite. Bits,
#: since every expression of every new statement has them. Literals, arguments and the columns of tables are neither.
Unsafe: TypeAlias = int
SAFE: Final = 0
UNSAFE_TEXT: Final = 1
UNSAFE_REAL: Final = 2
UNSAFE_ANY: Final = UNSAFE_TEXT | UNSAFE_REAL


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression in SQLite's SQL, safe to stand anywhere (an operator brings its own parentheses).

    `is_boolean`: 1 and 0 mean true and false. `repeatable`: evaluating it twice in one row gives the same value
    cheaply enough (no subquery, no random), so the text may be written twice. `aggregate`: it holds an aggregate
    of the query it stands in, `windowed` a window function. `origin`: the table or view of a plain column, `column` the
    name of that column.
    `is_moment`: a date or null, never a word such as 'now'. `unsafe`: what it must be looked at for before it is
    stored.
    """

    sql: str
    is_boolean: bool = False
    repeatable: bool = True
    aggregate: bool = False
    windowed: bool = False
    depth: int = 1
    origin: str = ""
    is_moment: bool = False
    unsafe: Unsafe = UNSAFE_ANY
    column: str = ""


def combine(
    sql: str, *parts: Expression, is_boolean: bool = False, extra_depth: int = 1, unsafe: Unsafe = UNSAFE_ANY
) -> Expression:
    """The expression `sql` made of `parts`: depth and flags follow from them. 54001 when too deep for SQLite."""
    depth = extra_depth + max((part.depth for part in parts), default=0)
    if depth > MAX_DEPTH:
        raise SqlError("too_complex")
    return Expression(
        sql=sql,
        is_boolean=is_boolean,
        repeatable=all(part.repeatable for part in parts),
        aggregate=any(part.aggregate for part in parts),
        windowed=any(part.windowed for part in parts),
        depth=depth,
        unsafe=SAFE if is_boolean else unsafe,
    )


#: What SQLite takes for the number of a column, alone in ORDER BY or GROUP BY: signs, parentheses, a collation and
#: `likely` change nothing of that.
_ORDINAL = re.compile(
    repeated(r"[\s(+-] | likely\( | unlikely\(") + "[0-9]++" + repeated(r"[\s)] | COLLATE\s\w++"), re.VERBOSE
)


def by_value(text: str) -> str:
    """`text`, an expression, as a term of ORDER BY or GROUP BY: a constant stays one."""
    return "NULL" if _ORDINAL.fullmatch(text) else text


#: A text, alone or below one collation: what SQLite takes for the name of a column in the terms of an index.
_TEXT_ALONE = re.compile(r"(\(?)('" + repeated("[^']++|''") + r"')( COLLATE \w++\))?")


def index_term(text: str) -> str:
    """`text`, an expression, as a term of an index: a text stays one, and keeps its collation."""
    match = _TEXT_ALONE.fullmatch(text)
    if match is None:
        return text
    begins, quoted, ends = match.groups(default="")
    return f"{begins}({quoted} || ''){ends}"


def joint_unsafe(parts: Iterable[Expression]) -> Unsafe:
    """The risk of a value that one of `parts` gives."""
    joint = SAFE
    for part in parts:
        joint |= part.unsafe
    return joint


def name(text: str) -> str:
    """`text` as a quoted SQLite identifier."""
    return '"' + text.replace('"', '""') + '"'


def names(texts: tuple[str, ...] | list[str]) -> str:
    """Quoted identifiers, comma-separated."""
    return ", ".join(name(text) for text in texts)


def view_heads(given: Sequence[str]) -> list[str]:
    """The columns of a view, called `given`, as SQLite has them: true and false it takes for no names, and calls them
    otherwise by itself."""
    taken = {head_name.lower() for head_name in given}
    heads = []
    for number, head_name in enumerate(given, 1):
        head = head_name
        if head_name.lower() in ("true", "false"):
            head = f"column{number}"
            while head in taken:
                head += "_"
        heads.append(head)
    return heads


def literal(value: Value) -> str:
    """`value` written as an SQLite literal (views, CHECKs and DEFAULTs take no parameters)."""
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, float):
        return _real(value)
    if not WHOLE_MIN <= value <= WHOLE_MAX:
        return _real(float(value))
    return str(int(value)) if value >= 0 else f"({int(value)})"


def _real(value: float) -> str:
    if value in (float("inf"), float("-inf")):
        return "9e999" if value > 0 else "(-9e999)"
    return repr(value) if value >= 0 else f"({value!r})"
