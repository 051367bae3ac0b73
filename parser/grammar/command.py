"""Grammar of what is neither a query, a change nor a definition, and of the whole statement."""

from __future__ import annotations

from dirk_parser.ast.statement import Begin, Commit, Describe, Explain, Rollback, SetLanguage, Show, Translate, Use
from dirk_parser.grammar.base import P, passing
from dirk_parser.lexical.keywords import MALAGASY_ONLY


@passing
def p_statement(p: P) -> None:
    """statement : command
                 | command SEMICOLON"""
    p[0] = p[1]


@passing
def p_command(p: P) -> None:
    """command : query
               | change
               | definition"""
    p[0] = p[1]


def p_show_columns(p: P) -> None:
    """command : SHOW COLUMN FROM object_name
               | SHOW COLUMN IN object_name"""
    p[0] = Show("columns", p[4], place=p.lexpos(1))


def p_show_create(p: P) -> None:
    """command : SHOW CREATE object object_name"""
    p[0] = Show(f"create {p[3]}", p[4], p[1].lower() in MALAGASY_ONLY, p.lexpos(1))


def p_describe(p: P) -> None:
    """command : DESCRIBE object_name"""
    p[0] = Describe(p[2], p.lexpos(1))


def p_explain(p: P) -> None:
    """command : EXPLAIN command
               | EXPLAIN QUERY PLAN command"""
    p[0] = Explain(p[len(p) - 1], p.lexpos(1))


def p_translate(p: P) -> None:
    """command : TRANSLATE command
               | TRANSLATE TO name command"""
    p[0] = Translate(p[len(p) - 1], p[3].text.lower() if len(p) > 3 else "sql", p.lexpos(3 if len(p) > 3 else 1))


def p_use(p: P) -> None:
    """command : USE name"""
    p[0] = Use(p[2], p.lexpos(1))


def p_set_language(p: P) -> None:
    """command : SET LANGUAGE name
               | SAFIDIO LANGUAGE name"""
    p[0] = SetLanguage(p[3], p.lexpos(1))


def p_begin(p: P) -> None:
    """command : BEGIN transaction_opt
               | BEGIN DEFERRED transaction_opt
               | BEGIN IMMEDIATE transaction_opt
               | BEGIN EXCLUSIVE transaction_opt"""
    p[0] = Begin(p.lexpos(1))


def p_commit(p: P) -> None:
    """command : COMMIT transaction_opt
               | END transaction_opt"""
    p[0] = Commit(p.lexpos(1))


def p_rollback(p: P) -> None:
    """command : ROLLBACK transaction_opt"""
    p[0] = Rollback(p.lexpos(1))


def p_transaction_opt(p: P) -> None:
    """transaction_opt :
                       | TRANSACTION"""
