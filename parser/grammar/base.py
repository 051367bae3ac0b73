"""The tools of all grammar files: the type of a production, and small makers of nodes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol, TypeAlias, TypeVar

from dirk_parser.ast.expression import Name
from dirk_parser.lexical.lexer import Lexer
from dirk_parser.lexical.tokens import InDatabase

#: What SQLite calls the database in use, and the one of its temporary tables, which are tables like any here.
_OWN_SCHEMAS = frozenset(("main", "temp"))


class Production(Protocol):
    """PLY's view of one reduction: values by position, 0 is the result."""

    lexer: Lexer
    slice: list[Any]

    def __getitem__(self, position: int) -> Any: ...
    def __setitem__(self, position: int, value: Any) -> None: ...
    def __len__(self) -> int: ...
    def lexpos(self, position: int) -> int:
        """Where a symbol begins in the template."""
        ...

    def lexspan(self, position: int) -> tuple[int, int]:
        """Where a symbol begins and ends in the template."""
        ...


P: TypeAlias = Production


_Rule = TypeVar("_Rule", bound=Callable[["P"], None])


def passing(rule: _Rule) -> _Rule:
    """Marks a rule whose productions of one symbol only hand its value on: it need not be called for those."""
    rule.passes = True  # type: ignore[attr-defined]
    return rule


def passes(rule: object) -> bool:
    """True when `rule` is marked so."""
    return bool(getattr(rule, "passes", False))


def growing(rule: _Rule) -> _Rule:
    """Marks a rule that makes a list, extended in place by each of its productions: a statement may be one long list.

    To every other rule the machine gives it as a tuple.
    """
    rule.grows = True  # type: ignore[attr-defined]
    return rule


def grows(rule: object) -> bool:
    """True when `rule` is marked so."""
    return bool(getattr(rule, "grows", False))


def p_name(p: P) -> None:
    """name : ID
            | name_word"""
    p[0] = Name(p[1], p.lexpos(1))


@passing
def p_object_name(p: P) -> None:
    """object_name : name
                   | name DOT name"""
    p[0] = p[1] if len(p) == 2 else in_database(p, p[1], p[3])


def in_database(p: P, database: Name, name: Name) -> Name:
    """`main.t` is t, and so is `sekoly.t` in the database sekoly: which that is, only the session knows, so the lexer
    keeps what was named (`dirk_parser.grammar.route.check_databases`)."""
    if database.text.lower() not in _OWN_SCHEMAS:
        p.lexer.databases.append(InDatabase(database.text, name.text, database.place))
        return replace(name, database=database.text)
    return name


@growing
def p_names(p: P) -> None:
    """names : name
             | names COMMA name"""
    append(p)


def p_names_opt(p: P) -> None:
    """names_opt :
                 | LPAREN names RPAREN"""
    p[0] = p[2] if len(p) > 1 else ()


def p_index_hint(p: P) -> None:
    """index_hint :
                  | NOT_INDEXED
                  | INDEXED_BY name"""


def append_any(p: P) -> None:
    """Action of `list : | list element`."""
    p[0] = p[1] if len(p) > 1 else []
    if len(p) > 1:
        p[0].append(p[2])


def append(p: P) -> None:
    """Action of `list : element | list COMMA element`."""
    if len(p) == 2:
        p[0] = [p[1]]
    else:
        p[1].append(p[len(p) - 1])
        p[0] = p[1]
