"""`+` and `-` between selects, as the first DirkDB wrote UNION and EXCEPT (`^`, which is nothing else, is INTERSECT).

What they are can't be told from one token ahead, so it is settled before the grammar: a sign before SELECT or VALUES
stands between selects, for no expression begins so. Before a parenthesis it does where no expression can have ended:
behind a FROM, behind the rows of VALUES, or behind a query in parentheses of which nothing is an operand. Parentheses
hold a query only if they begin with one: `AS ((a) + (b))` computes a column.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dirk_parser.lexical.tokens import Token

_SIGNS: Final = {"PLUS": "UNION", "MINUS": "EXCEPT"}
_OPERATORS: Final = frozenset(("UNION", "EXCEPT", "INTERSECT"))
_BEGINNINGS: Final = frozenset(("SELECT", "VALUES"))
_QUERIES: Final = _BEGINNINGS | {"WITH"}
#: Words after which tables follow, and nothing that is computed.
_TABLES: Final = frozenset(("FROM", "JOIN", "INTO", "USING"))
#: Words that say what follows, up to the next of them, of the same query.
_CLAUSES: Final = _TABLES | _BEGINNINGS | frozenset(
    ("WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "OFFSET", "ON", "WINDOW", "SET", "RETURNING", "CHECK", "DEFAULT")
)  # fmt: skip


@dataclass(slots=True)
class _Level:
    """The tokens between one pair of parentheses: whether a query may, and the clause that it has come to."""

    holds_query: bool
    clause: str = ""

    @property
    def may_open_query(self) -> bool:
        """True when a parenthesis that opens here holds a query or tables, and no expression."""
        return self.clause in _TABLES or (self.holds_query and not self.clause)


def settle(tokens: Sequence[Token]) -> None:
    """Makes UNION and EXCEPT of the signs among `tokens` that are set operators."""
    levels = [_Level(True)]
    before = ""
    for token, after, inside in zip(
        tokens, [*(following.type for following in tokens[1:]), ""], _insides(tokens), strict=True
    ):
        level, kind = levels[-1], token.type
        if kind in _SIGNS and _is_operator(level, before, after):
            kind = token.type = _SIGNS[kind]
        if kind == "LPAREN":
            levels.append(_Level((level.may_open_query or before == "EXISTS") and inside in _QUERIES))
        elif kind == "RPAREN" and len(levels) > 1:
            levels.pop()
        elif kind in _OPERATORS:
            level.clause = ""
        elif kind in _CLAUSES:
            level.clause = kind
        before = kind


def _insides(tokens: Sequence[Token]) -> Sequence[str]:
    """For each token what it is, or, of parentheses that open, what the innermost begins with."""
    insides, inside = [], ""
    for token in reversed(tokens):
        inside = inside if token.type == "LPAREN" else token.type
        insides.append(inside)
    return insides[::-1]


def _is_operator(level: _Level, before: str, after: str) -> bool:
    if after in _BEGINNINGS:
        return True
    if after != "LPAREN":
        return False
    return level.clause in _TABLES or (before == "RPAREN" and (level.may_open_query or level.clause == "VALUES"))
