"""Grammar of ALTER TABLE."""

from __future__ import annotations

from dirk_parser.ast.expression import Constant, Name
from dirk_parser.ast.statement import (
    AddColumn,
    AddConstraint,
    AlterColumn,
    AlterTable,
    ColumnDef,
    Default,
    DropColumn,
    DropConstraint,
    NotNull,
    RenameColumn,
    RenameTable,
    RestartNumbers,
)
from dirk_parser.grammar.base import P


def p_alter(p: P) -> None:
    """definition : ALTER TABLE object_name alteration"""
    p[0] = AlterTable(p[3], p[4], p.lexpos(1))


def p_add_column(p: P) -> None:
    """alteration : ADD COLUMN column_def
                  | ADD unmarked_column"""
    p[0] = AddColumn(p[len(p) - 1])


def p_unmarked_column(p: P) -> None:
    """unmarked_column : ID domain_opt column_constraints"""
    p[0] = ColumnDef(Name(p[1], p.lexpos(1)), p[2], p[3], p.lexpos(1))


def p_drop_column(p: P) -> None:
    """alteration : DROP COLUMN name
                  | DROP ID"""
    name = p[len(p) - 1]
    p[0] = DropColumn(name if isinstance(name, Name) else Name(name, p.lexpos(2)))


def p_rename_table(p: P) -> None:
    """alteration : RENAME TO name
                  | RENAME ANARANA name"""
    p[0] = RenameTable(p[3])


def p_rename_column(p: P) -> None:
    """alteration : RENAME name TO name
                  | RENAME COLUMN name TO name
                  | RENAME ANARANA name TO name"""
    p[0] = RenameColumn(p[len(p) - 3], p[len(p) - 1])


def p_alter_not_null(p: P) -> None:
    """alteration : ALTER COLUMN name SET NOT NULL
                  | ALTER COLUMN name DROP NOT NULL"""
    p[0] = AlterColumn(p[3], NotNull(), p.slice[4].type == "DROP")


def p_alter_default(p: P) -> None:
    """alteration : ALTER COLUMN name SET default default_value
                  | ALTER COLUMN name DROP default"""
    value = Constant(None) if len(p) == 6 else p[6]
    p[0] = AlterColumn(p[3], Default(value), len(p) == 6)


def p_add_constraint(p: P) -> None:
    """alteration : ADD named_constraint"""
    p[0] = AddConstraint(p[2])


def p_drop_constraint(p: P) -> None:
    """alteration : DROP CONSTRAINT name"""
    p[0] = DropConstraint(p[3])


def p_restart_numbers(p: P) -> None:
    """alteration : AUTOINCREMENT EQ number"""
    p[0] = RestartNumbers(p[3])
