"""Grammar of function calls and windows."""

from __future__ import annotations

from dataclasses import replace

from dirk_parser.ast.expression import Bound, Call, Frame, Name, NamedWindow, Window
from dirk_parser.grammar.base import P, append, growing, passing
from dirk_parser.lexical.keywords import FUNCTIONS


def p_call(p: P) -> None:
    """call : name LPAREN RPAREN
            | name LPAREN exprs RPAREN
            | name LPAREN ALL exprs RPAREN"""
    p[0] = Call(_standard(p[1]), p[len(p) - 2] if len(p) > 4 else (), place=p.lexpos(1))


def p_call_star(p: P) -> None:
    """call : name LPAREN STAR RPAREN"""
    p[0] = Call(_standard(p[1]), star=True, place=p.lexpos(1))


def p_call_distinct(p: P) -> None:
    """call : name LPAREN DISTINCT exprs RPAREN"""
    p[0] = Call(_standard(p[1]), p[4], distinct=True, place=p.lexpos(1))


def p_call_ordered(p: P) -> None:
    """call : name LPAREN exprs order_by RPAREN
            | name LPAREN DISTINCT exprs order_by RPAREN"""
    last = len(p) - 1
    p[0] = Call(_standard(p[1]), p[last - 2], last == 6, order_by=p[last - 1], place=p.lexpos(1))


def p_call_moment(p: P) -> None:
    """call : CURRENT_DATE
            | CURRENT_TIME
            | CURRENT_TIMESTAMP"""
    p[0] = Call(Name(p[1].lower(), p.lexpos(1)), place=p.lexpos(1))


def _standard(name: Name) -> Name:
    lowered = name.text.lower()
    return Name(FUNCTIONS.get(lowered, lowered), name.place)


@passing
def p_function(p: P) -> None:
    """function : filtered
                | filtered OVER name
                | filtered OVER LPAREN window RPAREN"""
    window = {2: None, 4: p[len(p) - 1], 6: p[len(p) - 2]}[len(p)]
    p[0] = replace(p[1], over=window) if window is not None else p[1]


@passing
def p_filtered(p: P) -> None:
    """filtered : call
                | call FILTER LPAREN WHERE expr RPAREN"""
    p[0] = p[1] if len(p) == 2 else replace(p[1], filter=p[5])


@growing
def p_windows(p: P) -> None:
    """windows : named_window
               | windows COMMA named_window"""
    append(p)


def p_named_window(p: P) -> None:
    """named_window : name AS LPAREN window RPAREN"""
    p[0] = NamedWindow(p[1], p[4])


def p_window(p: P) -> None:
    """window : partition_opt order_by_opt frame_opt"""
    p[0] = Window(p[1], p[2], p[3])


def p_window_based(p: P) -> None:
    """window : ID order_by_opt frame_opt"""
    p[0] = Window((), p[2], p[3], Name(p[1], p.lexpos(1)))


def p_partition_opt(p: P) -> None:
    """partition_opt :
                     | PARTITION BY exprs"""
    p[0] = p[3] if len(p) > 1 else ()


def p_frame_opt(p: P) -> None:
    """frame_opt :
                 | frame_unit frame_bound exclude_opt
                 | frame_unit BETWEEN frame_bound AND frame_bound exclude_opt"""
    if len(p) == 1:
        p[0] = None
    elif len(p) == 4:
        p[0] = Frame(p[1], p[2], None, p[3])
    else:
        p[0] = Frame(p[1], p[3], p[5], p[6])


def p_frame_unit(p: P) -> None:
    """frame_unit : ROWS
                  | RANGE
                  | GROUPS"""
    p[0] = p[1].lower()


def p_frame_bound(p: P) -> None:
    """frame_bound : UNBOUNDED PRECEDING
                   | UNBOUNDED FOLLOWING
                   | CURRENT ROW"""
    p[0] = Bound(f"{p[1]} {p[2]}".lower())


def p_frame_bound_value(p: P) -> None:
    """frame_bound : frame_value PRECEDING
                   | frame_value FOLLOWING"""
    p[0] = Bound(p[2].lower(), p[1])


@passing
def p_frame_value(p: P) -> None:
    """frame_value : number
                   | parameter
                   | LPAREN expr RPAREN"""
    p[0] = p[1] if len(p) == 2 else p[2]


def p_exclude_opt(p: P) -> None:
    """exclude_opt :
                   | EXCLUDE NO OTHERS
                   | EXCLUDE CURRENT ROW
                   | EXCLUDE GROUP
                   | EXCLUDE TIES"""
    words = [symbol.value for symbol in p.slice[2:]]
    p[0] = " ".join("group" if word.lower() == "vondrona" else word.lower() for word in words)
