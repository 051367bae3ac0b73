"""Grammar of expressions.

`operand` is what stands beside a comparison (arithmetic and tighter), `expr` everything. Each has a twin without
the bare subquery (`plain_operand`, `plain`): only so can one token ahead tell `((SELECT 1) + 1)` from
`((SELECT 1) UNION SELECT 2)`, with no conflict and no precedence trick.
"""

from __future__ import annotations

from dirk_parser.ast.depth import MAX_OPERANDS
from dirk_parser.ast.expression import (
    Between,
    Binary,
    Case,
    Cast,
    Collate,
    ColumnRef,
    Constant,
    Exists,
    InList,
    InQuery,
    Is,
    Like,
    Literal,
    Logical,
    Parameter,
    Row,
    ScalarQuery,
    Unary,
    When,
)
from dirk_parser.ast.query import Query, Select, Star, TableRef
from dirk_parser.errors import SqlError
from dirk_parser.grammar.base import P, append, growing, in_database, passing

precedence = (
    ("left", "OR"),
    ("left", "AND"),
    ("right", "NOT"),
    ("left", "EQ", "NE", "LT", "LE", "GT", "GE", "IS", "ISNULL", "NOTNULL", "LIKE", "GLOB", "IN", "BETWEEN"),
    ("left", "AMPERSAND", "BAR", "SHL", "SHR"),
    ("left", "PLUS", "MINUS", "CONCAT"),
    ("left", "STAR", "SLASH", "DIV", "PERCENT"),
    ("left", "ARROW", "LONG_ARROW"),
    ("right", "BANG", "TILDE", "SIGN"),
    ("left", "COLLATE"),
)
_BINARY = {"==": "=", "!=": "<>"}


@passing
def p_expr(p: P) -> None:
    """expr : plain"""
    p[0] = p[1]


def p_expr_query(p: P) -> None:
    """expr : subquery
    operand : subquery"""
    p[0] = ScalarQuery(p[1], p.lexpos(1))


@passing
def p_pass(p: P) -> None:
    """plain : plain_operand
    operand : plain_operand
    plain_operand : literal
                  | constant
                  | parameter
                  | column
                  | function
                  | case"""
    p[0] = p[1]


def p_logical(p: P) -> None:
    """plain : expr OR expr
             | expr AND expr"""
    op = "or" if p.slice[2].type == "OR" else "and"
    left = p[1]
    if isinstance(left, Logical) and left.op == op:
        if len(left.operands) >= MAX_OPERANDS:
            raise SqlError("too_deep", limit=MAX_OPERANDS)
        p[0] = Logical(op, (*left.operands, p[3]), left.place)
    else:
        p[0] = Logical(op, (left, p[3]), p.lexpos(1))


def p_not(p: P) -> None:
    """plain : NOT expr"""
    p[0] = Unary("not", p[2], p.lexpos(1))


def p_comparison(p: P) -> None:
    """plain : expr EQ operand
             | expr NE operand
             | expr LT operand
             | expr LE operand
             | expr GT operand
             | expr GE operand"""
    p[0] = Binary(_BINARY.get(p[2], p[2]), p[1], p[3], p.lexpos(2))


def p_is(p: P) -> None:
    """plain : expr IS operand
             | expr IS NOT operand
             | expr IS DISTINCT FROM operand
             | expr IS NOT DISTINCT FROM operand"""
    says_not, distinct = p.slice[3].type == "NOT", len(p) > 5
    p[0] = Is(p[1], p[len(p) - 1], says_not != distinct, p.lexpos(2))


def p_is_null(p: P) -> None:
    """plain : expr ISNULL
             | expr NOTNULL
             | expr NOT NULL"""
    p[0] = Is(p[1], Constant(None, p.lexpos(2)), p.slice[2].type != "ISNULL", p.lexpos(2))


def p_like(p: P) -> None:
    """plain : expr LIKE operand
             | expr LIKE operand ESCAPE operand
             | expr GLOB operand"""
    p[0] = _like(p, 2)


def p_not_like(p: P) -> None:
    """plain : expr NOT LIKE operand
             | expr NOT LIKE operand ESCAPE operand
             | expr NOT GLOB operand"""
    p[0] = _like(p, 3)


def _like(p: P, at: int) -> Like:
    escape = p[at + 3] if len(p) > at + 2 else None
    return Like(
        p[1], p[at + 1], escape, negated=at == 3, op=p.slice[at].type.lower(), place=p.lexpos(2)
    )


def p_between(p: P) -> None:
    """plain : expr BETWEEN operand AND operand
             | expr NOT BETWEEN operand AND operand"""
    last = len(p) - 1
    p[0] = Between(p[1], p[last - 2], p[last], last == 6, p.lexpos(2))


def p_in(p: P) -> None:
    """plain : expr IN in_right
             | expr NOT IN in_right"""
    right, negated = p[len(p) - 1], len(p) == 5
    node = InQuery if isinstance(right, Query) else InList
    p[0] = node(p[1], right, negated, p.lexpos(2))


@passing
def p_in_right(p: P) -> None:
    """in_right : subquery
                | LPAREN several RPAREN"""
    p[0] = p[1] if len(p) == 2 else p[2]


def p_in_right_one(p: P) -> None:
    """in_right : LPAREN plain RPAREN"""
    p[0] = (p[2],)


def p_in_right_empty(p: P) -> None:
    """in_right : LPAREN RPAREN"""
    p[0] = ()


def p_in_right_table(p: P) -> None:
    """in_right : object_name"""
    table = TableRef(p[1], None, p.lexpos(1))
    p[0] = Query(Select((Star(None, p.lexpos(1)),), (table,), place=p.lexpos(1)), place=p.lexpos(1))


def p_arithmetic(p: P) -> None:
    """plain_operand : operand PLUS operand
                     | operand MINUS operand
                     | operand CONCAT operand
                     | operand STAR operand
                     | operand SLASH operand
                     | operand DIV operand
                     | operand PERCENT operand
                     | operand AMPERSAND operand
                     | operand BAR operand
                     | operand SHL operand
                     | operand SHR operand
                     | operand ARROW operand
                     | operand LONG_ARROW operand"""
    p[0] = Binary(p[2].lower(), p[1], p[3], p.lexpos(2))


def p_sign(p: P) -> None:
    """plain_operand : MINUS operand %prec SIGN
                     | PLUS operand %prec SIGN
                     | TILDE operand
                     | BANG operand"""
    p[0] = Unary("not" if p[1] == "!" else p[1], p[2], p.lexpos(1))


def p_collate(p: P) -> None:
    """plain_operand : operand COLLATE name"""
    p[0] = Collate(p[1], p[3], p.lexpos(2))


def p_parentheses(p: P) -> None:
    """plain_operand : LPAREN plain RPAREN"""
    p[0] = p[2]


@passing
def p_row(p: P) -> None:
    """plain_operand : row"""
    p[0] = p[1]


def p_row_value(p: P) -> None:
    """row : LPAREN several RPAREN"""
    p[0] = Row(p[2], p.lexpos(1))


def p_several(p: P) -> None:
    """several : several_list
    exprs : expr_list"""
    p[0] = p[1]


@growing
def p_several_first(p: P) -> None:
    """several_list : expr COMMA expr"""
    p[0] = [p[1], p[3]]


@growing
def p_several_list(p: P) -> None:
    """several_list : several_list COMMA expr
    expr_list : expr
              | expr_list COMMA expr"""
    append(p)


def p_exists(p: P) -> None:
    """plain_operand : EXISTS subquery"""
    p[0] = Exists(p[2], p.lexpos(1))


def p_literal(p: P) -> None:
    """literal : TEXT
               | number
               | ANY
               | BLOB"""
    p[0] = p[1] if isinstance(p[1], Literal) else Literal(p[1], _KINDS[p.slice[1].type], p.lexpos(1))


_KINDS = {"TEXT": "text", "WHOLE": "whole", "REAL": "real", "ANY": "value", "BLOB": "blob"}


def p_number(p: P) -> None:
    """number : WHOLE
              | REAL"""
    p[0] = Literal(p[1], _KINDS[p.slice[1].type], p.lexpos(1))


def p_constant(p: P) -> None:
    """constant : NULL
                | TRUE
                | FALSE"""
    p[0] = Constant({"NULL": None, "TRUE": True, "FALSE": False}[p.slice[1].type], p.lexpos(1))


def p_parameter(p: P) -> None:
    """parameter : PARAMETER"""
    value = p[1]
    p[0] = Parameter(value, None, p.lexpos(1)) if isinstance(value, int) else Parameter(-1, value, p.lexpos(1))


def p_column(p: P) -> None:
    """column : name
              | name DOT name
              | name DOT name DOT name"""
    if len(p) < 6:
        p[0] = ColumnRef(p[len(p) - 1], p[1] if len(p) > 2 else None, p.lexpos(1))
    else:
        p[0] = ColumnRef(p[5], in_database(p, p[1], p[3]), p.lexpos(1))


def p_case(p: P) -> None:
    """case : CASE branches END
            | CASE branches ELSE expr END"""
    p[0] = Case(None, p[2], p[4] if len(p) > 4 else None, p.lexpos(1))


def p_case_of(p: P) -> None:
    """case : CASE expr branches END
            | CASE expr branches ELSE expr END"""
    p[0] = Case(p[2], p[3], p[5] if len(p) > 5 else None, p.lexpos(1))


@growing
def p_branches(p: P) -> None:
    """branches : branch
                | branches branch"""
    append(p)


def p_branch(p: P) -> None:
    """branch : WHEN expr THEN expr
              | RAHA expr THEN expr"""
    p[0] = When(p[2], p[4])


def p_cast(p: P) -> None:
    """plain_operand : CAST LPAREN expr AS domain RPAREN"""
    p[0] = Cast(p[3], p[5], p.lexpos(1))
