"""Statements that hold n of something: columns, rows, arms, operands, tables. None may cost the square of n.

In a text `[c#]` is `c0, c1, …` up to n-1, with what stands after `§` between; `#+` is the number after.
"""

from __future__ import annotations

import re

from dirk_parser.compile.ddl.catalog import change_schema
from dirk_parser.compile.statement import compile_statement
from dirk_parser.grammar.statements import Statements
from dirk_parser.normalize.normalizer import split
from dirk_parser.plan.plan import DdlPlan, Plan
from dirk_parser.schema.schema import Schema

_STATEMENTS = Statements(cached_templates=1)
_EACH = re.compile(r"\[([^\]§]*)(?:§([^\]]*))?\]")

_WIDE = ("create table t ([c#])", "create table u ([c#], [d#])")
_PAIR = ("create table t (c0, c1)", "create table u (c0, c1)")
_KEYED = ("create table t (a primary key, [c#])",)
_PARENT = ("create table p (a primary key)",)
_TABLES = ("§create table t# (a primary key, b)",)
#: Each table refers to the one before, and what is deleted of it goes on.
_CHAIN = ("create table t0 (a primary key)", "§create table t#+ (a primary key, b references t#(a) on delete cascade)")
_VIEWS = ("create table t (a)", "create view v0 as select a from t")

#: What there is before, and a statement, by what it is about.
CASES: dict[str, tuple[tuple[str, ...], str]] = {
    # definitions of tables
    "columns": ((), "create table t ([c# ISA])"),
    "columns that round": ((), "create table t ([c# NUMERIC(9,2) not null])"),
    "columns with defaults": ((), "create table t ([c# TEXT default (1 + #)])"),
    "columns with checks": ((), "create table t ([c# TEXT check (c# > 5)])"),
    "computed columns": ((), "create table t (a, [c# as (a + #)])"),
    "columns computed one from another": ((), "create table t (c0, [c#+ as (c# + 1)])"),
    "unique columns": ((), "create table t ([c# TEXT unique])"),
    "columns of a key": ((), "create table t ([c#], unique ([c#]))"),
    "foreign keys": (_PARENT, "create table t ([c# TEXT references p(a)])"),
    "foreign keys to the table itself": ((), "create table t (a primary key, [c# TEXT references t(a)])"),
    "columns of a foreign key": (
        ("create table p ([c#], primary key ([c#]))",),
        "create table t ([c#], foreign key ([c#]) references p ([c#]))",
    ),
    "checks of a table": ((), "create table t (a, [check (a > #)])"),
    "checks of a column": ((), "create table t (a [check (a > #)§ ])"),
    "values of TANISA": ((), "create table t (a TANISA([#]))"),
    "atoms of a domain": ((), "create domain d ([ISA(#, #)§ : ])"),
    "ADD COLUMN": (_WIDE, "alter table t add column z ISA"),
    "ADD COLUMN that makes the table anew": (_WIDE, "alter table t add column z as (c1) stored"),
    "DROP COLUMN": (_WIDE, "alter table t drop column c5"),
    "RENAME COLUMN": (_WIDE, "alter table t rename column c5 to z"),
    "RENAME TO": (_WIDE, "alter table t rename to tt"),
    "ADD CHECK": (_WIDE, "alter table t add check (c1 > 5)"),
    # other definitions
    "columns of an index": (_WIDE, "create index i on t ([c#])"),
    "expressions of an index": (_WIDE, "create index i on t ([(c# + 1)])"),
    "columns of a view": (_WIDE, "create view v as select [c#] from t"),
    "names of a view's columns": (_WIDE, "create view v ([x#]) as select * from t"),
    "CREATE TABLE AS": (_WIDE, "create table w as select * from t"),
    "CREATE TABLE AS literals": (_WIDE, "create table w as select [# + 1]"),
    # changes
    "INSERT": (_WIDE, "insert into t ([c#]) values ([#])"),
    "INSERT of expressions": (_WIDE, "insert into t ([c#]) values ([abs(#)])"),
    "INSERT of a query": (_WIDE, "insert into t ([c#]) select [c#] from u"),
    "RETURNING": (_WIDE, "insert into t select [c#] from u returning [c#]"),
    "upsert": (_KEYED, "insert into t values (1, [#]) on conflict (a) do update set [c# = excluded.c#]"),
    "target of an upsert": (
        ("create table t ([c#], primary key ([c#]))",),
        "insert into t values ([#]) on conflict ([c#]) do nothing",
    ),
    "upserts": (
        ("create table t ([c# unique])",),
        "insert into t values ([#]) [on conflict (c#) do update set c0 = excluded.c#§ ]",
    ),
    "rows of expressions": (_PAIR, "insert into t (c0) values [(abs(#))]"),
    "rows of literals": (_PAIR, "insert into t values [(#, 1)]"),
    "rows that refer to each other": (
        ("create table t (a primary key, b references t(a))",),
        "insert into t values [(#, 1)]",
    ),
    "what follows rows": (_PAIR, "insert into t values [(#, 1)] returning c0, [# + 1]"),
    "UPDATE": (_WIDE, "update t set [c# = c# + 1]"),
    "UPDATE by a row": (_WIDE, "update t set ([c#]) = ([#])"),
    "UPDATE by a query": (_WIDE, "update t set ([c#]) = (select [c#] from u)"),
    "UPDATE FROM": (_WIDE, "update t set [c# = u.d#] from u"),
    "DELETE with LIMIT": (_WIDE, "delete from t where [c# > 1§ and ] order by [c#] limit 5"),
    # queries
    "SELECT": (_WIDE, "select [c#] from t"),
    "qualified names": (_WIDE, "select [t.c#] from t, u"),
    "all columns": (_WIDE, "select * from t, u"),
    "aliases": (_WIDE, "select [c# as x#] from t order by [x#]"),
    "ORDER BY": (_WIDE, "select * from t order by [c# desc]"),
    "GROUP BY": (_WIDE, "select count(*) from t group by [c#]"),
    "numbers of columns": (_WIDE, "select [c#] from t group by [#+] order by [#+]"),
    "aliases in HAVING": (_WIDE, "select [sum(c#) as s#] from t having [s# > 1§ and ]"),
    "ORDER BY of a compound": (_WIDE, "select [c#] from t union select [c#] from u order by [c#]"),
    "ORDER BY of the second operand": (_WIDE, "select [c#] from t union select [d#] from u order by [d#]"),
    "ORDER BY expressions of a compound": (_WIDE, "select [c#] from t union select [d#] from u order by [c# + 1]"),
    "NATURAL JOIN": (_WIDE, "select * from t natural join u"),
    "NATURAL FULL JOIN": (_WIDE, "select [c#] from t natural full join u"),
    "USING": (_WIDE, "select * from t join u using ([c#])"),
    "a subquery": (_WIDE, "select [c#] from (select * from t)"),
    "names of the query around": (_WIDE, "select (select 1 from u as q where [t.c# = q.d#§ and ]) from t"),
    "columns of a WITH": (_WIDE, "with w ([x#]) as (select * from t) select [x#] from w"),
    "tables of a WITH": (_PAIR, "with [w# as (select 1)] select 1"),
    "windows": (_PAIR, "select [sum(c1) over w#] from t window [w# as (order by c1)]"),
    "rows as values": (_WIDE, "select 1 from t where ([c#]) = ([#])"),
    "IN": (_PAIR, "select 1 from t where c1 in ([#])"),
    "IN of expressions": (_PAIR, "select 1 from t where c1 in ([c0 + #])"),
    "CASE": (_PAIR, "select case c1 [when # then #§ ] end from t"),
    "VALUES": (_PAIR, "values [(#, 1)]"),
    "UNION": (_PAIR, "[select #§ union all ]"),
    "AND": (_PAIR, "select 1 from t where [c1 > #§ and ]"),
    "OR": (_PAIR, "select 1 from t where [c1 = #§ or ]"),
    "a sum": (_PAIR, "select [c1§ + ] from t"),
    "a text": (_PAIR, "insert into t (c0) select [c1§ || ] from t"),
    "parameters": (_PAIR, "select [?]"),
    "named parameters": (_PAIR, "select [$p#]"),
    "literals that name columns": (_PAIR, "select * from (select [#])"),
    "calls": (_PAIR, "select [coalesce(c1, #)] from t"),
    "scalar subqueries": (_PAIR, "select [(select c1 from u limit 1)] from t"),
    # what only reads a definition
    "DESCRIBE": (_WIDE, "describe t"),
    "SHOW CREATE": (_WIDE, "show create table t"),
    "EXPLAIN": (_WIDE, "explain select [c# + 1] from t where [c# > 1§ and ]"),
    "TRANSLATE": (_PAIR, "translate to gasy select [c# + 1] from t where [c# > 1§ and ]"),
    # many tables
    "a table among many": (_TABLES, "create table z (a references t1(a))"),
    "DROP among many": (_TABLES, "drop table t1"),
    "DELETE through a chain": (_CHAIN, "delete from t0"),
    "INSERT into a chain": (_CHAIN, "insert into t1 values (1, 2)"),
}


def expanded(text: str, n: int) -> str:
    """`text` with its lists of `n`."""

    def each(found: re.Match[str]) -> str:
        between = ", " if found[2] is None else found[2]
        return between.join(numbered(found[1], number) for number in range(n))

    return _EACH.sub(each, text)


def numbered(text: str, number: int) -> str:
    """`text` with a number in place of each `#`."""
    return text.replace("#+", str(number + 1)).replace("#", str(number))


def definitions(texts: tuple[str, ...], n: int) -> list[str]:
    """The statements of `texts`; one that begins with § comes n times."""
    found = []
    for text in texts:
        found += [numbered(text[1:], number) for number in range(n)] if text[0] == "§" else [expanded(text, n)]
    return found


def compiled(text: str, schema: Schema) -> Plan:
    """The plan of `text`, as it is when nobody has said it before."""
    normalized = split(text)
    return compile_statement(_STATEMENTS._parse(normalized.template)[0], normalized, schema, True).plan


def defined(texts: list[str]) -> Schema:
    """The schema that the definitions `texts` make."""
    schema = Schema()
    for text in texts:
        plan = compiled(text, schema)
        assert isinstance(plan, DdlPlan)
        schema = change_schema(schema, plan.catalog, schema.version + 1)
    return schema
