"""One select core: its columns, FROM, WHERE, GROUP BY and HAVING."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dirk_parser.ast.expression import ColumnRef, Expr, Literal
from dirk_parser.ast.query import Item, Select, Star
from dirk_parser.compile.base.context import Context, Env, Tolerance
from dirk_parser.compile.base.result import ResultColumn
from dirk_parser.compile.base.scope import Field, Scope
from dirk_parser.compile.base.sql import Expression, by_value
from dirk_parser.compile.expression.expressions import condition, expression
from dirk_parser.compile.expression.windows import define_windows
from dirk_parser.compile.query.sources import From, compile_sources
from dirk_parser.errors import SqlError
from dirk_parser.names import key
from dirk_parser.normalize.normalizer import plain_name


@dataclass(frozen=True, slots=True)
class Core:
    """A query without its ordering and limit. `env`: where ORDER BY of a plain select looks names up.

    `one_row`: an aggregate without GROUP BY. `operands`: those of a compound, from left to right.
    """

    sql: str
    columns: tuple[ResultColumn, ...]
    relation: str
    env: Env | None = None
    one_row: bool = False
    operands: tuple[Core, ...] = ()


def compile_select(context: Context, select: Select, parent: Scope | None, named: bool) -> Core:
    """`select` in SQLite's SQL; `named` gives its columns the SQL names c1, c2 …"""
    source = compile_sources(context, select.sources, parent) if select.sources else None
    scope = source.scope(parent) if source else Scope(parent=parent)
    env = Env(context, scope)
    define_windows(env, select.windows)
    columns = tuple(result_columns(env, select.items, source))
    scope.aliases = _aliases(context, columns)
    aggregate = any(column.expression is not None and column.expression.aggregate for column in columns)
    having = _having(env, select, aggregate) if select.having is not None else ""
    is_group = bool(having) and not select.group_by and not aggregate
    text = "SELECT DISTINCT " if select.distinct else "SELECT "
    text += _list(columns, named, is_group)
    text += f" FROM {source.text}" if source else ""
    if select.where is not None:
        text += f" WHERE {condition(env, select.where).sql}"
    if select.group_by:
        text += f" GROUP BY {', '.join(_group_term(env, term, columns) for term in select.group_by)}"
    text += having
    one_row = not select.group_by and (aggregate or select.having is not None)
    return Core(text, columns, source.relation if source else "", env, one_row)


def result_columns(env: Env, items: tuple[Item | Star, ...], source: From | None) -> Iterable[ResultColumn]:
    """The columns of a select list or RETURNING, `*` expanded."""
    for item in items:
        if isinstance(item, Star):
            for column in _expanded(env, item, source):
                yield ResultColumn(
                    column.name, column.origin, column.is_boolean, expression=column.expression(), unsafe=column.unsafe
                )
        else:
            yield _item(env, item)


def _expanded(env: Env, star: Star, source: From | None) -> tuple[Field, ...]:
    if star.table is not None:
        star_source = env.scope.source(star.table)
        if env.context.lookups.trace is not None:
            env.context.lookups.trace.qualifier(star.table, star_source[0].sql)
        return star_source
    if source is None:
        raise SqlError("star_without_from", place=star.place)
    return source.fields


def _item(env: Env, item: Item) -> ResultColumn:
    compiled = expression(env, item.expr)
    origin, is_boolean, unsafe = compiled.origin, compiled.is_boolean, compiled.unsafe
    if item.alias is not None:
        return ResultColumn(item.alias.text, origin, is_boolean, expression=compiled, unsafe=unsafe)
    if isinstance(item.expr, ColumnRef):
        return ResultColumn(_column_name(env.scope, item.expr), origin, is_boolean, expression=compiled, unsafe=unsafe)
    name, first = text_name(item)
    return ResultColumn(name, origin, is_boolean, first, compiled, has_name=False, unsafe=unsafe)


def text_name(item: Item) -> tuple[str, int]:
    """The name of a column that is called by its text, and the index of the first literal in that; -1 without one."""
    if "'" in item.source:
        return item.source, item.first_literal
    return plain_name(item.source), -1


def _column_name(scope: Scope, column: ColumnRef) -> str:
    """The column's name as created (an alias of the same select keeps the name it is written with)."""
    wanted = key(column.name.text)
    source = None if column.table is None else key(column.table.text)
    for level in scope.levels():
        fields = level.fields_called(wanted, source)
        if fields:
            return fields[0].name
    return column.name.text


def _aliases(context: Context, columns: tuple[ResultColumn, ...]) -> dict[str, Expression | None]:
    """The names of the columns for later clauses; None for a name of two that differ (an earlier build took the
    first)."""
    aliases: dict[str, Expression | None] = {}
    for column in columns:
        if column.has_name and column.expression is not None:
            same_name = aliases.setdefault(key(column.name), column.expression)
            if (
                same_name is not None
                and same_name.sql != column.expression.sql
                and context.purpose.tolerance is Tolerance.NONE
            ):
                aliases[key(column.name)] = None
    return aliases


def _list(columns: tuple[ResultColumn, ...], named: bool, is_group: bool) -> str:
    """The select list. `is_group`: only HAVING says that all rows are one group, which SQLite does not see there."""
    texts = [column.expression.sql for column in columns if column.expression is not None]
    if is_group:
        texts[0] = f"CASE WHEN count(*) IS NULL THEN NULL ELSE {texts[0]} END"
    if named:
        texts = [f"{text} AS c{number}" for number, text in enumerate(texts, 1)]
    return ", ".join(texts)


def position(env: Env, node: Expr, count: int) -> int | None:
    """The column number that a whole number in ORDER BY or GROUP BY means (from 1), None for other expressions.

    Raises position_out_of_range (42P10).
    """
    if not isinstance(node, Literal) or node.kind != "whole":
        return None
    value = env.context.literals.value(node.index)
    if not isinstance(value, int) or not 1 <= value <= count:
        raise SqlError("position_out_of_range", position=str(value), count=count, place=node.place)
    return value


def _group_term(env: Env, node: Expr, columns: tuple[ResultColumn, ...]) -> str:
    number = position(env, node, len(columns))
    compiled = columns[number - 1].expression if number is not None else expression(env, node)
    assert compiled is not None
    if compiled.aggregate:
        env.context.refuse_new(SqlError("aggregate_misplaced", place=node.place))
    if compiled.windowed:
        raise SqlError("window_misplaced", place=node.place)
    return by_value(compiled.sql)


def _having(env: Env, select: Select, aggregate: bool) -> str:
    assert select.having is not None
    compiled = expression(env, select.having)
    if compiled.windowed:
        raise SqlError("window_misplaced", place=select.having.place)
    if not select.group_by and not aggregate and not compiled.aggregate:
        env.context.refuse_new(SqlError("having_without_group", place=select.having.place))
    return f" HAVING {compiled.sql}"
