"""Grammar of CREATE, DROP and ALTER, and of domains and constraints."""

from __future__ import annotations

from dataclasses import replace

from dirk_parser.ast.expression import Atom, Constant, DomainUnion, Name, Unary
from dirk_parser.ast.statement import (
    Check,
    Collation,
    ColumnDef,
    CreateDatabase,
    CreateDomain,
    CreateIndex,
    CreateTable,
    CreateView,
    Default,
    Drop,
    ForeignKey,
    Generated,
    NotNull,
    PrimaryKey,
    Unique,
    Upkeep,
)
from dirk_parser.grammar.base import P, append, append_any, growing, passing


def p_if_not_exists(p: P) -> None:
    """if_not_exists :
                     | if NOT EXISTS
    if_exists :
              | if EXISTS"""
    p[0] = len(p) > 1


def p_if(p: P) -> None:
    """if : RAHA
          | IF"""


def p_create_database(p: P) -> None:
    """definition : CREATE DATABASE if_not_exists name"""
    p[0] = CreateDatabase(p[4], p[3], p.lexpos(1))


def p_create_domain(p: P) -> None:
    """definition : CREATE DOMAIN if_not_exists name LPAREN domain RPAREN
                  | CREATE DOMAIN if_not_exists name AS domain"""
    p[0] = CreateDomain(p[4], p[6], p[3], p.lexpos(1))


def p_create_view(p: P) -> None:
    """definition : CREATE view if_not_exists object_name names_opt AS query
                  | CREATE view if_not_exists object_name names_opt AT query"""
    p[0] = CreateView(p[4], p[7], p[5], p[3], p.lexpos(1))


def p_create_index(p: P) -> None:
    """definition : CREATE unique_opt INDEX if_not_exists object_name on object_name index_terms where_opt"""
    p[0] = CreateIndex(p[5], p[7], p[8], unique=p[2], where=p[9], optional=p[4], place=p.lexpos(1))


def p_index_terms(p: P) -> None:
    """index_terms : LPAREN order_terms RPAREN"""
    p[0] = p[2]


def p_on(p: P) -> None:
    """on : ON
          | AT"""


def p_unique_opt(p: P) -> None:
    """unique_opt :
                  | UNIQUE"""
    p[0] = len(p) > 1


def p_temporary(p: P) -> None:
    """table_word : TABLE
                  | TEMPORARY TABLE
    view : VIEW
         | TEMPORARY VIEW"""


def p_create_table(p: P) -> None:
    """definition : CREATE table_word if_not_exists object_name LPAREN table_parts RPAREN table_options"""
    columns, constraints = p[6]
    p[0] = CreateTable(p[4], columns, constraints, optional=p[3], place=p.lexpos(1))


def p_table_parts(p: P) -> None:
    """table_parts : column_defs
                   | column_defs COMMA table_constraints"""
    p[0] = (p[1], p[3] if len(p) > 2 else ())


def p_table_options(p: P) -> None:
    """table_options :
                     | table_option
                     | table_options COMMA table_option
    table_option : WITHOUT ROWID
                 | STRICT"""


def p_create_table_as(p: P) -> None:
    """definition : CREATE table_word if_not_exists object_name AS query"""
    p[0] = CreateTable(p[4], (), query=p[6], optional=p[3], place=p.lexpos(1))


def p_reindex(p: P) -> None:
    """definition : REINDEX
                  | REINDEX object_name
                  | ANALYZE
                  | ANALYZE object_name"""
    p[0] = Upkeep(p.slice[1].type.lower(), p[2] if len(p) > 2 else None, p.lexpos(1))


def p_drop(p: P) -> None:
    """definition : DROP object if_exists object_name"""
    p[0] = Drop(p[2], p[4], p[3], p.lexpos(1))


def p_object(p: P) -> None:
    """object : TABLE
              | DOMAIN
              | VIEW
              | INDEX"""
    p[0] = p.slice[1].type.lower()


def p_drop_database(p: P) -> None:
    """definition : DROP DATABASE if_exists name"""
    p[0] = Drop("database", p[4], p[3], p.lexpos(1))


@growing
def p_column_defs(p: P) -> None:
    """column_defs : column_def
                   | column_defs COMMA column_def"""
    append(p)


def p_column_def(p: P) -> None:
    """column_def : name domain_opt column_constraints"""
    p[0] = ColumnDef(p[1], p[2], p[3], p.lexpos(1))


def p_domain_opt(p: P) -> None:
    """domain_opt :
                  | domain"""
    p[0] = p[1] if len(p) > 1 else None


# --- domains -----------------------------------------------------------------------------------------------


def p_domain(p: P) -> None:
    """domain : atoms"""
    p[0] = DomainUnion(p[1], p.lexpos(1))


@growing
def p_atoms(p: P) -> None:
    """atoms : atom
             | atoms COLON atom"""
    append(p)


def p_atom(p: P) -> None:
    """atom : atom_name
            | atom_name LPAREN atom_arguments RPAREN"""
    p[0] = Atom(p[1], p[3] if len(p) > 2 else (), p.lexpos(1))


def p_atom_name(p: P) -> None:
    """atom_name : name
                 | atom_name name"""
    p[0] = p[1] if len(p) == 2 else Name(f"{p[1].text} {p[2].text}", p[1].place)


@growing
def p_atom_arguments(p: P) -> None:
    """atom_arguments : atom_argument
                      | atom_arguments COMMA atom_argument"""
    append(p)


def p_atom_argument(p: P) -> None:
    """atom_argument : literal
                     | name
                     | MINUS number
                     | NULL"""
    if len(p) == 3:
        p[0] = Unary("-", p[2], p.lexpos(1))
    else:
        p[0] = Constant(None, p.lexpos(1)) if p.slice[1].type == "NULL" else p[1]


# --- constraints -------------------------------------------------------------------------------------------


@growing
def p_column_constraints(p: P) -> None:
    """column_constraints :
                          | column_constraints column_constraint
                          | column_constraints CONSTRAINT name column_constraint"""
    p[0] = p[1] if len(p) > 1 else []
    if len(p) == 3:
        p[0].extend(p[2])
    elif len(p) > 3:
        p[0].extend(replace(constraint, name=p[3]) for constraint in p[4])


def p_nullable(p: P) -> None:
    """column_constraint : NULL"""
    p[0] = ()


def p_not_null(p: P) -> None:
    """column_constraint : NOT NULL"""
    p[0] = (NotNull(),)


def p_column_unique(p: P) -> None:
    """column_constraint : UNIQUE"""
    p[0] = (Unique(),)


def p_default(p: P) -> None:
    """column_constraint : default default_value"""
    p[0] = (Default(p[2]),)


def p_default_words(p: P) -> None:
    """default : DEFAULT
               | VALUES FOTOTRA"""


@passing
def p_default_value(p: P) -> None:
    """default_value : literal
                     | constant
                     | call
                     | LPAREN expr RPAREN"""
    p[0] = p[1] if len(p) == 2 else p[2]


def p_default_value_signed(p: P) -> None:
    """default_value : MINUS number
                     | PLUS number"""
    p[0] = Unary(p[1], p[2], p.lexpos(1))


def p_collation(p: P) -> None:
    """column_constraint : COLLATE name"""
    p[0] = (Collation(p[2]),)


def p_generated(p: P) -> None:
    """column_constraint : generated LPAREN expr RPAREN
                         | generated LPAREN expr RPAREN VIRTUAL
                         | generated LPAREN expr RPAREN STORED"""
    p[0] = (Generated(p[3], p.slice[len(p) - 1].type == "STORED"),)


def p_generated_as(p: P) -> None:
    """generated : AS
                 | GENERATED_ALWAYS AS"""


def p_either_constraint(p: P) -> None:
    """column_constraint : check
                         | references"""
    p[0] = (p[1],)


def p_check(p: P) -> None:
    """check : CHECK LPAREN expr RPAREN"""
    p[0] = Check(p[3])


def p_column_primary_key(p: P) -> None:
    """column_constraint : primary_key
                         | primary_key direction
                         | primary_key AUTOINCREMENT
                         | primary_key direction AUTOINCREMENT"""
    descending = len(p) > 2 and p.slice[2].type == "direction" and p[2]
    p[0] = (PrimaryKey((), descending, p.slice[len(p) - 1].type == "AUTOINCREMENT"),)


def p_primary_key(p: P) -> None:
    """primary_key : PRIMARY
                   | PRIMARY KEY
                   | PRIMARY VOALOHANY"""


@growing
def p_table_constraints(p: P) -> None:
    """table_constraints : named_constraint
                         | table_constraints COMMA named_constraint
                         | table_constraints named_constraint"""
    append(p)


@passing
def p_named_constraint(p: P) -> None:
    """named_constraint : table_constraint
                        | CONSTRAINT name table_constraint"""
    p[0] = p[1] if len(p) == 2 else replace(p[3], name=p[2])


def p_table_primary_key(p: P) -> None:
    """table_constraint : primary_key LPAREN order_terms RPAREN
                        | UNIQUE LPAREN order_terms RPAREN"""
    node = Unique if p.slice[1].type == "UNIQUE" else PrimaryKey
    p[0] = node(p[3])


@passing
def p_table_check(p: P) -> None:
    """table_constraint : check"""
    p[0] = p[1]


def p_table_foreign_key(p: P) -> None:
    """table_constraint : foreign_key LPAREN names RPAREN references"""
    p[0] = replace(p[5], columns=p[3])


def p_foreign_key(p: P) -> None:
    """foreign_key : FOREIGN KEY
                   | PRIMARY VAHINY"""


def p_references(p: P) -> None:
    """references : REFERENCES name names_opt reference_actions"""
    p[0] = ForeignKey((), p[2], p[3], **dict(p[4]))


@growing
def p_reference_actions(p: P) -> None:
    """reference_actions :
                         | reference_actions reference_action"""
    append_any(p)


def p_reference_action(p: P) -> None:
    """reference_action : ON DELETE action
                        | ON UPDATE action
                        | deferrable"""
    p[0] = (f"on_{p.slice[2].type.lower()}", p[3]) if len(p) > 2 else ("deferred", p[1])


def p_deferrable(p: P) -> None:
    """deferrable : DEFERRABLE
                  | DEFERRABLE INITIALLY DEFERRED
                  | DEFERRABLE INITIALLY IMMEDIATE
                  | NOT_DEFERRABLE
                  | NOT_DEFERRABLE INITIALLY IMMEDIATE"""
    p[0] = p.slice[len(p) - 1].type == "DEFERRED"


def p_action(p: P) -> None:
    """action : CASCADE
              | RESTRICT
              | SET NULL
              | SET DEFAULT
              | NO ACTION"""
    p[0] = " ".join(symbol.type.lower() for symbol in p.slice[1:])
