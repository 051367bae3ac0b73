"""Grammar of INSERT, UPDATE and DELETE."""

from __future__ import annotations

from dataclasses import replace

from dirk_parser.ast.query import Query
from dirk_parser.ast.statement import Assignment, Delete, Insert, Update, Upsert
from dirk_parser.grammar.base import P, append, append_any, growing, passing


@passing
def p_change(p: P) -> None:
    """change : insert
              | update
              | delete
              | with insert
              | with update
              | with delete"""
    p[0] = p[1] if len(p) == 2 else replace(p[2], with_=p[1], place=p.lexpos(1))


def p_insert(p: P) -> None:
    """insert : inserting into object_name insert_alias insert_source upserts returning_opt
              | inserting into object_name insert_alias LPAREN RPAREN insert_source upserts returning_opt"""
    source, upserts, returning = p[len(p) - 3], p[len(p) - 2], p[len(p) - 1]
    p[0] = Insert(
        p[3], (), source, alias=p[4], conflict=p[1], upserts=upserts, returning=returning, place=p.lexpos(1)
    )


def p_insert_columns(p: P) -> None:
    """insert : inserting into object_name insert_alias LPAREN names RPAREN insert_source upserts returning_opt"""
    p[0] = Insert(
        p[3], p[6], p[8], alias=p[4], conflict=p[1], upserts=p[9], returning=p[10], place=p.lexpos(1)
    )


def p_inserting(p: P) -> None:
    """inserting : INSERT
                 | INSERT OR resolution
                 | REPLACE"""
    p[0] = p[3] if len(p) > 2 else ("replace" if p.slice[1].type == "REPLACE" else "")


def p_resolution(p: P) -> None:
    """resolution : REPLACE
                  | IGNORE
                  | ABORT
                  | FAIL
                  | ROLLBACK"""
    p[0] = p.slice[1].type.lower()


def p_into(p: P) -> None:
    """into : INTO
            | FROM"""


def p_insert_alias(p: P) -> None:
    """insert_alias :
                    | AS name"""
    p[0] = p[2] if len(p) > 1 else None


def p_insert_source(p: P) -> None:
    """insert_source : query
                     | DEFAULT VALUES
                     | VALUES FOTOTRA"""
    p[0] = p[1] if isinstance(p[1], Query) else None


@growing
def p_upserts(p: P) -> None:
    """upserts :
               | upserts upsert"""
    append_any(p)


def p_upsert(p: P) -> None:
    """upsert : ON_CONFLICT upsert_target DO NOTHING
              | ON_CONFLICT upsert_target DO UPDATE SET assignments where_opt"""
    target, target_where = p[2]
    p[0] = Upsert(target, target_where, p[6], p[7]) if len(p) > 5 else Upsert(target, target_where)


def p_upsert_target(p: P) -> None:
    """upsert_target :
                     | LPAREN order_terms RPAREN where_opt"""
    p[0] = (p[2], p[4]) if len(p) > 1 else ((), None)


def p_update(p: P) -> None:
    """update : updating table_name SET assignments from_opt where_opt returning_opt order_by_opt limit_opt"""
    p[0] = Update(
        p[2], p[4], p[5], p[6],
        conflict=p[1], returning=p[7], order_by=p[8], limit=p[9], place=p.lexpos(1),
    )  # fmt: skip


def p_updating(p: P) -> None:
    """updating : UPDATE
                | UPDATE OR resolution"""
    p[0] = p[3] if len(p) > 2 else ""


@growing
def p_assignments(p: P) -> None:
    """assignments : assignment
                   | assignments COMMA assignment"""
    append(p)


def p_assignment(p: P) -> None:
    """assignment : name EQ expr
                  | LPAREN names RPAREN EQ expr"""
    p[0] = Assignment((p[1],), p[3]) if len(p) == 4 else Assignment(p[2], p[5])


def p_delete(p: P) -> None:
    """delete : DELETE FROM delete_table where_opt returning_opt order_by_opt limit_opt"""
    p[0] = Delete(p[3], p[4], p[5], p[6], p[7], place=p.lexpos(1))


@passing
def p_delete_table(p: P) -> None:
    """delete_table : table_name"""
    p[0] = p[1]


def p_returning_opt(p: P) -> None:
    """returning_opt :
                     | RETURNING items"""
    p[0] = p[2] if len(p) > 1 else ()
