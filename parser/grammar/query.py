"""Grammar of queries: select, values, set operators, ordering and row limits, WITH."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace

from dirk_parser.ast.expression import Expr, OrderTerm, Row, Unary
from dirk_parser.ast.query import Compound, Cte, Item, Limit, Query, RowRange, Select, Star, Values, With
from dirk_parser.grammar.base import P, append, growing, in_database, passing


def p_subquery(p: P) -> None:
    """subquery : LPAREN query RPAREN"""
    p[0] = p[2]


@passing
def p_query(p: P) -> None:
    """query : bare_query
             | with bare_query"""
    p[0] = p[1] if len(p) == 2 else _with_ctes(p[1], p[2])


def _with_ctes(ctes: With, query: Query) -> Query:
    """A parenthesized query with a WITH of its own keeps it."""
    return replace(query, with_=ctes) if query.with_ is None else Query(query, with_=ctes, place=query.place)


def p_bare_query(p: P) -> None:
    """bare_query : body order_by_opt limit_opt"""
    body = p[1]
    if isinstance(body, Query) and not (p[2] or p[3]):
        p[0] = body
    else:
        p[0] = Query(_unwrapped(body), p[2], p[3], place=p.lexpos(1))


def _unwrapped(body: Select | Values | Compound | Query) -> Select | Values | Compound | Query:
    """A parenthesized operand without clauses of its own is its body."""
    if isinstance(body, Query) and not (body.order_by or body.limit or body.with_):
        return body.body
    return body


@passing
def p_body(p: P) -> None:
    """body : core
            | subquery"""
    p[0] = p[1]


def p_body_compound(p: P) -> None:
    """body : body set_operator core
            | body set_operator subquery"""
    p[0] = Compound(p[2], _unwrapped(p[1]), _unwrapped(p[3]), p.lexpos(1))


def p_set_operator(p: P) -> None:
    """set_operator : UNION
                    | UNION ALL
                    | EXCEPT
                    | INTERSECT"""
    p[0] = "union all" if len(p) > 2 else p.slice[1].type.lower()


def p_core(p: P) -> None:
    """core : SELECT quantifier items from_opt where_opt group_opt having_opt window_opt"""
    p[0] = Select(
        p[3], p[4], p[5], group_by=p[6], having=p[7], distinct=p[2], windows=p[8], place=p.lexpos(1)
    )


def p_core_values(p: P) -> None:
    """core : VALUES rows"""
    p[0] = Values(p[2], p.lexpos(1))


def p_rows(p: P) -> None:
    """rows : row_list"""
    p[0] = p[1]


@growing
def p_row_list(p: P) -> None:
    """row_list : values_row
                | row_list COMMA values_row"""
    append(p)


def p_values_row(p: P) -> None:
    """values_row : LPAREN exprs RPAREN"""
    p[0] = p[2]


def p_quantifier(p: P) -> None:
    """quantifier :
                  | ALL
                  | DISTINCT"""
    p[0] = len(p) > 1 and p.slice[1].type == "DISTINCT"


@growing
def p_items(p: P) -> None:
    """items : item
             | items COMMA item"""
    append(p)


def p_item(p: P) -> None:
    """item : expr
            | expr name
            | expr AS name"""
    start, end = p.lexspan(1)
    first_literal = bisect_left(p.lexer.literal_places, start)
    p[0] = Item(p[1], p[len(p) - 1] if len(p) > 2 else None, p.lexer.template[start:end], first_literal)


def p_item_star(p: P) -> None:
    """item : STAR
            | name DOT STAR
            | name DOT name DOT STAR"""
    table = in_database(p, p[1], p[3]) if len(p) > 4 else p[1] if len(p) > 2 else None
    p[0] = Star(table, p.lexpos(1))


def p_from_opt(p: P) -> None:
    """from_opt :
                | FROM sources"""
    p[0] = p[2] if len(p) > 1 else ()


def p_where_opt(p: P) -> None:
    """where_opt :
                 | WHERE expr
    having_opt :
               | HAVING expr"""
    p[0] = p[2] if len(p) > 1 else None


def p_by_opt(p: P) -> None:
    """by_opt :
              | BY"""


def p_group_opt(p: P) -> None:
    """group_opt :
                 | GROUP by_opt exprs"""
    p[0] = _flattened(p[3]) if len(p) > 1 else ()


def _flattened(exprs: tuple[Expr, ...]) -> tuple[Expr, ...]:
    """`vondrona (a, b)`: the parentheses are the clause's, not a row's."""
    return exprs[0].items if len(exprs) == 1 and isinstance(exprs[0], Row) else exprs


def p_window_opt(p: P) -> None:
    """window_opt :
                  | WINDOW windows"""
    p[0] = p[2] if len(p) > 1 else ()


# --- ORDER BY and row limits -------------------------------------------------------------------------------


def p_order_by_opt(p: P) -> None:
    """order_by_opt :
                    | order_by"""
    p[0] = p[1] if len(p) > 1 else ()


def p_order_by(p: P) -> None:
    """order_by : ORDER by_opt order_terms"""
    terms = p[3]
    if len(terms) == 1 and isinstance(terms[0].expr, Row) and terms[0] == OrderTerm(terms[0].expr):
        terms = tuple(OrderTerm(expr) for expr in terms[0].expr.items)
    p[0] = terms


def p_order_by_parentheses(p: P) -> None:
    """order_by : ORDER by_opt LPAREN marked RPAREN"""
    p[0] = p[4]


@growing
def p_order_terms(p: P) -> None:
    """order_terms : order_term
                   | order_terms COMMA order_term"""
    append(p)


def p_order_term(p: P) -> None:
    """order_term : expr
                  | marked_term"""
    p[0] = p[1] if isinstance(p[1], OrderTerm) else OrderTerm(p[1])


def p_marked_term(p: P) -> None:
    """marked_term : expr direction
                   | expr nulls
                   | expr direction nulls"""
    nulls_first = p[len(p) - 1] if p.slice[len(p) - 1].type == "nulls" else None
    p[0] = OrderTerm(p[1], p.slice[2].type == "direction" and p[2], nulls_first)


@growing
def p_marked(p: P) -> None:
    """marked : marked_term
              | expr COMMA marked_term
              | several_list COMMA marked_term
              | marked COMMA order_term"""
    if len(p) == 2 or p.slice[1].type == "marked":
        append(p)
    else:
        before = p[1] if isinstance(p[1], tuple) else (p[1],)
        p[0] = [*(OrderTerm(expr) for expr in before), p[3]]


def p_direction(p: P) -> None:
    """direction : ASC
                 | DESC"""
    p[0] = p.slice[1].type == "DESC"


def p_nulls(p: P) -> None:
    """nulls : NULLS FIRST
             | NULLS LAST"""
    p[0] = p.slice[2].type == "FIRST"


def p_limit_opt(p: P) -> None:
    """limit_opt :
                 | LIMIT expr
                 | LIMIT expr OFFSET expr
                 | OFFSET expr"""
    if len(p) == 1:
        p[0] = None
    elif p.slice[1].type == "OFFSET":
        p[0] = Limit(None, p[2])
    else:
        p[0] = Limit(p[2], p[4] if len(p) > 3 else None)


def p_limit_range(p: P) -> None:
    """limit_opt : LIMIT first_bound bound
                 | LIMIT expr COMMA expr"""
    p[0] = RowRange(p[2], p[3]) if len(p) == 4 else Limit(p[4], p[2], offset_first=True)


@passing
def p_first_bound(p: P) -> None:
    """first_bound : bound
                   | MINUS number"""
    p[0] = p[1] if len(p) == 2 else Unary("-", p[2], p.lexpos(1))


@passing
def p_bound(p: P) -> None:
    """bound : number
             | parameter"""
    p[0] = p[1]


# --- WITH --------------------------------------------------------------------------------------------------


def p_with(p: P) -> None:
    """with : WITH ctes
            | WITH RECURSIVE ctes"""
    p[0] = With(p[len(p) - 1], len(p) == 4)


@growing
def p_ctes(p: P) -> None:
    """ctes : cte
            | ctes COMMA cte"""
    append(p)


def p_cte(p: P) -> None:
    """cte : name names_opt AS subquery
           | name names_opt AS MATERIALIZED subquery
           | name names_opt AS NOT MATERIALIZED subquery"""
    p[0] = Cte(p[1], p[2], p[len(p) - 1], {5: None, 6: True, 7: False}[len(p)])
