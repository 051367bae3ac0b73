"""Grammar of FROM: tables, subqueries, functions that give tables, and joins."""

from __future__ import annotations

from dataclasses import replace

from dirk_parser.ast.query import Derived, Join, Query, Select, Star, TableCall, TableRef
from dirk_parser.grammar.base import P, append, growing, passing


@growing
def p_sources(p: P) -> None:
    """sources : source
               | sources COMMA source"""
    append(p)


@passing
def p_source(p: P) -> None:
    """source : plain_source
    plain_source : plain_table
    table : plain_table"""
    p[0] = p[1]


def p_source_query(p: P) -> None:
    """source : subquery
    table : subquery"""
    p[0] = Derived(p[1], None, p.lexpos(1))


@passing
def p_plain_table(p: P) -> None:
    """plain_table : table_name
                   | LPAREN plain_source RPAREN"""
    p[0] = p[1] if len(p) == 2 else p[2]


def p_plain_table_list(p: P) -> None:
    """plain_table : LPAREN several_sources RPAREN"""
    p[0] = p[2]


def p_several_sources(p: P) -> None:
    """several_sources : source COMMA source
                       | several_sources COMMA source"""
    p[0] = Join(p[1], p[3], "cross", place=p.lexpos(2))


def p_plain_table_alias(p: P) -> None:
    """plain_table : LPAREN plain_source RPAREN alias
                   | LPAREN several_sources RPAREN alias"""
    source = p[2]
    if isinstance(source, Join):
        everything = Select((Star(None, p.lexpos(1)),), (source,), place=p.lexpos(1))
        p[0] = Derived(Query(everything, place=p.lexpos(1)), p[4], p.lexpos(1))
    else:
        p[0] = replace(source, alias=p[4])


def p_plain_table_query(p: P) -> None:
    """plain_table : subquery alias"""
    p[0] = Derived(p[1], p[2], p.lexpos(1))


def p_table_name(p: P) -> None:
    """table_name : object_name index_hint
                  | object_name alias index_hint"""
    p[0] = TableRef(p[1], p[2] if len(p) > 3 else None, p.lexpos(1))


def p_plain_table_call(p: P) -> None:
    """plain_table : name LPAREN exprs RPAREN
                   | name LPAREN exprs RPAREN alias"""
    p[0] = TableCall(p[1], p[3], p[5] if len(p) > 5 else None, p.lexpos(1))


def p_alias(p: P) -> None:
    """alias : name
             | AS name"""
    p[0] = p[len(p) - 1]


def p_join(p: P) -> None:
    """plain_source : source join table"""
    kind, natural = p[2]
    p[0] = Join(p[1], p[3], kind, natural, place=p.lexpos(2))


def p_join_on(p: P) -> None:
    """plain_source : source join table ON expr"""
    kind, natural = p[2]
    p[0] = Join(p[1], p[3], kind, natural, p[5], place=p.lexpos(2))


def p_join_using(p: P) -> None:
    """plain_source : source join table USING LPAREN names RPAREN"""
    kind, natural = p[2]
    p[0] = Join(p[1], p[3], kind, natural, using=p[6], place=p.lexpos(2))


def p_join_words(p: P) -> None:
    """join : JOIN
            | side JOIN
            | NATURAL JOIN
            | NATURAL side JOIN
            | JOIN COLON
            | JOIN COLON side
            | JOIN COLON natural
            | JOIN COLON natural side"""
    words = [symbol.value for symbol in p.slice[1:] if symbol.type == "side"]
    natural = any(symbol.type in ("NATURAL", "natural") for symbol in p.slice[1:])
    p[0] = (words[0] if words else "inner", natural)


def p_side(p: P) -> None:
    """side : INNER
            | LEFT
            | RIGHT
            | FULL
            | CROSS
            | LEFT OUTER
            | RIGHT OUTER
            | FULL OUTER
            | SIDE_INNER
            | SIDE_LEFT
            | SIDE_RIGHT
            | SIDE_FULL"""
    p[0] = p.slice[1].type.removeprefix("SIDE_").lower()


def p_natural(p: P) -> None:
    """natural : NATURAL
               | SIDE_NATURAL"""
