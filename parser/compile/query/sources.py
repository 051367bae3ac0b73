"""FROM: tables, views, subqueries and joins, with the columns that they offer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dirk_parser.ast.expression import Expr, Name
from dirk_parser.ast.query import Derived, Join, Source, TableCall, TableRef
from dirk_parser.compile.base import sql
from dirk_parser.compile.base.context import Context, Env, Tolerance, must_be_understood
from dirk_parser.compile.base.result import fields_of
from dirk_parser.compile.base.scope import CommonTable, Field, FieldsByKey, Scope, fields_by_key
from dirk_parser.compile.base.sql import SAFE, UNSAFE_ANY, Unsafe
from dirk_parser.compile.expression.expressions import condition
from dirk_parser.errors import SqlError
from dirk_parser.names import key, nearest
from dirk_parser.schema.domains import is_moment
from dirk_parser.schema.schema import Column, View

#: SQLite joins at most this many tables.
_MAX_TABLES = 64
_JOIN_WORDS = {
    "inner": "JOIN",
    "cross": "JOIN",
    "left": "LEFT JOIN",
    "right": "RIGHT JOIN",
    "full": "FULL JOIN",
}


#: Functions that give rows, and the columns of those. They take a JSON text and, perhaps, a path into it.
TABLE_FUNCTIONS = dict.fromkeys(
    ("json_each", "json_tree"), ("key", "value", "type", "atom", "id", "parent", "fullkey", "path")
)
_MOST_ARGUMENTS = 2


@dataclass(frozen=True, slots=True)
class From:
    """A FROM, or a part of it: its text, what `*` and unqualified names see, fields by table or alias.

    `relation` is the name of its first table; `outer` says that a RIGHT or FULL JOIN is in it.
    """

    text: str
    fields: tuple[Field, ...]
    sources: dict[str, tuple[Field, ...]]
    relation: str
    count: int = 1
    outer: bool = False

    def scope(self, parent: Scope | None, is_part: bool = False) -> Scope:
        """The names that it brings into reach. `is_part`: those of `parent` are of the same query."""
        return Scope(parent=parent, fields=self.fields, sources=self.sources, is_part=is_part)


def compile_sources(context: Context, items: tuple[Source, ...], parent: Scope | None) -> From:
    """The comma-separated items of a FROM."""
    whole = _compile(context, items[0], parent, None)
    for item in items[1:]:
        right = _compile(context, item, parent, whole)
        if right.outer:
            # It stands in parentheses, where its conditions can't name what is left of it.
            right = _compile(context, item, parent, None)
        text = f"({right.text})" if right.outer else right.text
        whole = _together(whole, right, f"{whole.text} JOIN {text}", whole.fields + right.fields)
    if whole.count > _MAX_TABLES:
        raise SqlError("too_complex")
    return whole


def relation_fields(columns: tuple[Column, ...], alias: str, origin: str) -> tuple[Field, ...]:
    """The columns of a table as `alias` offers them; with no alias, unqualified. What it holds was looked at before."""
    return _fields(columns, [column.name for column in columns], alias, origin, SAFE)


def _fields(
    columns: Sequence[Column], heads: Sequence[str], alias: str, origin: str, unsafe: Unsafe
) -> tuple[Field, ...]:
    prefix = f"{alias}." if alias else ""
    return tuple(
        Field(
            column.name, column.key, prefix + sql.name(head), origin,
            is_boolean=column.is_boolean, is_moment=is_moment(column.atoms), unsafe=unsafe,
        )
        for column, head in zip(columns, heads, strict=True)
    )


def table_scope(columns: tuple[Column, ...], table: str) -> Scope:
    """The names that a table's own definition sees: its columns, alone or behind the table's name."""
    fields = relation_fields(columns, "", table)
    return Scope(fields=fields, sources={key(table): fields})


def _compile(context: Context, node: Source, parent: Scope | None, before: From | None) -> From:
    """One item; `before` holds the items left of it, which its ON conditions may name as in SQLite."""
    if isinstance(node, TableRef):
        return _table(context, node, parent)
    if isinstance(node, Derived):
        return _derived(context, node, parent)
    if isinstance(node, TableCall):
        return _table_call(context, node, Scope(parent) if before is None else before.scope(parent))
    return _join(context, node, parent, before)


def _table(context: Context, node: TableRef, parent: Scope | None) -> From:
    shown = (node.alias or node.name).text
    alias = context.alias()
    context.findings.shown[alias] = shown
    common = parent.common_table(node.name.text) if parent is not None else None
    if common is not None:
        return _common(common, alias, shown)
    relation = context.relation(node.name.text)
    if relation is None:
        raise context.unknown_table(node.name)
    must_be_understood(relation, node.name)
    context.read(relation)
    if context.lookups.trace is not None:
        context.lookups.trace.relation(node, alias, relation.key)
    if isinstance(relation, View):
        # What it computes nobody has looked at.
        heads = sql.view_heads([column.name for column in relation.columns])
        fields = _fields(relation.columns, heads, alias, relation.name, UNSAFE_ANY)
    else:
        fields = relation_fields(relation.columns, alias, relation.name)
    return From(f"{sql.name(relation.name)} AS {alias}", fields, {key(shown): fields}, relation.name)


def _common(common: CommonTable, alias: str, shown: str) -> From:
    fields = tuple(
        Field(column.name, column.key, f"{alias}.{column.sql}", common.name, column.is_boolean, unsafe=column.unsafe)
        for column in common.columns
    )
    return From(f"{common.sql} AS {alias}", fields, {key(shown): fields}, common.name)


def _derived(context: Context, node: Derived, parent: Scope | None) -> From:
    # A subquery in FROM sees the queries around its own, not its neighbours.
    inner = context.compilers.query(context, node.query, parent, named=True)
    alias = context.alias()
    shown = node.alias.text if node.alias else ""
    if shown:
        context.findings.shown[alias] = shown
    fields = fields_of(context.literals, inner, f"{alias}.", shown)
    sources = {key(shown): fields} if shown else {}
    return From(f"({inner.sql}) AS {alias}", fields, sources, shown or inner.relation)


def _table_call(context: Context, node: TableCall, around: Scope) -> From:
    """A function that gives rows; `around` holds what its arguments may name. Raises unknown_function (42883) and
    argument_count (42883)."""
    name = node.name.text.lower()
    if name not in TABLE_FUNCTIONS:
        close = nearest(node.name.text, TABLE_FUNCTIONS)
        raise SqlError("unknown_function", name=node.name.text, nearest=close, place=node.name.place)
    if len(node.arguments) > _MOST_ARGUMENTS:
        raise SqlError("argument_count", name=name, found=len(node.arguments), place=node.name.place)
    env = Env(context, around)
    arguments = ", ".join(condition(env, argument).sql for argument in node.arguments)
    alias, shown = context.alias(), (node.alias or node.name).text
    context.findings.shown[alias] = shown
    fields = tuple(
        Field(column, column, f"{alias}.{sql.name(column)}", name)
        for column in TABLE_FUNCTIONS[name]
    )
    return From(f"{name}({arguments}) AS {alias}", fields, {key(shown): fields}, name)


# --- joins ---------------------------------------------------------------------------------------------------


def _join(context: Context, node: Join, parent: Scope | None, before: From | None) -> From:
    left = _compile(context, node.left, parent, before)
    # Only the arguments of a function see what is left of them.
    right = _compile(context, node.right, parent, left if isinstance(node.right, TableCall) else None)
    right_text = f"({right.text})" if isinstance(node.right, Join) else right.text
    text = f"{left.text} {_JOIN_WORDS[node.kind]} {right_text}"
    outer = node.kind in ("right", "full")
    if node.natural and node.using:
        # Both say which columns are equal: neither SQLite nor the standard has a meaning for the two together.
        context.refuse(SqlError("natural_using", place=node.place))
    if node.natural or node.using:
        whole, tests = _merging(context, node, left, right, text=text, outer=outer)
    else:
        whole, tests = _together(left, right, text, left.fields + right.fields, outer), []
    if node.on is not None:
        around = parent if before is None else before.scope(parent)
        tests += _on(context, node, node.on, whole.scope(around, is_part=before is not None))
    if not tests and node.kind in ("inner", "cross"):
        return whole
    return replace(whole, text=f"{text} ON {' AND '.join(tests) or whole.scope(None).truth(True)}")


def _on(context: Context, node: Join, on: Expr, scope: Scope) -> tuple[str, ...]:
    """The condition of a join. A view that an earlier build made may hold one after NATURAL that means nothing: that
    build did not look at it."""
    try:
        return (condition(Env(context, scope), on).sql,)
    except SqlError:
        if not node.natural or context.purpose.tolerance < Tolerance.NAMES:
            raise
        context.findings.is_blind = True
        return ()


def _together(left: From, right: From, text: str, fields: tuple[Field, ...], outer: bool = False) -> From:
    twice = left.sources.keys() & right.sources.keys()
    if twice:
        raise SqlError("duplicate_alias", name=min(twice))
    return From(
        text=text,
        fields=fields,
        sources={**left.sources, **right.sources},
        relation=left.relation,
        count=left.count + right.count,
        outer=outer or left.outer or right.outer,
    )


def _merging(
    context: Context, node: Join, left: From, right: From, *, text: str, outer: bool
) -> tuple[From, list[str]]:
    """NATURAL and USING: the common columns once, first, then the others of the left, then of the right. And what makes
    them equal."""
    names = node.using or _common_names(left, right)
    mine, others = fields_by_key(left.fields), fields_by_key(right.fields)
    pairs = [(_one(mine, name), _one(others, name)) for name in names]
    if context.lookups.trace is not None:
        context.lookups.trace.join(node, [(own.name, other.name) for own, other in pairs])
    tests = [f"{own.sql} = {other.sql}" for own, other in pairs]
    merged = tuple(_merged(node.kind, own, other) for own, other in pairs)
    taken = {field.key for field in merged}
    rest = tuple(field for field in left.fields + right.fields if field.key not in taken)
    return _together(left, right, text, merged + rest, outer), tests


def _common_names(left: From, right: From) -> tuple[Name, ...]:
    shared = {field.key for field in right.fields}
    return tuple(dict.fromkeys(Name(field.name) for field in left.fields if field.key in shared))


def _one(side: FieldsByKey, name: Name) -> Field:
    fields = side.get(key(name.text), ())
    if not fields:
        close = nearest(name.text, [field.name for same in side.values() for field in same])
        raise SqlError("unknown_column", name=name.text, nearest=close, place=name.place)
    if len(fields) > 1:
        raise SqlError("ambiguous_column", name=name.text, place=name.place)
    return fields[0]


def _merged(kind: str, left: Field, right: Field) -> Field:
    both = left.is_boolean and right.is_boolean
    if kind == "full":
        text = f"coalesce({left.sql}, {right.sql})"
        return Field(left.name, left.key, text, left.origin, both, unsafe=left.unsafe | right.unsafe)
    return right if kind == "right" else left
