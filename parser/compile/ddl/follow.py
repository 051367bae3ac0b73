"""RENAME: whatever means the table or the column by its name gets the new name, in the text that its owner wrote.

Own definitions, indexes and foreign keys say plainly whom they mean. In a view a name may be another table's, or that
of a result column that `*` brought along; so the view is compiled, and each name asked what it was found as. A column
of a view that is called by the column's name is called by the new one from then on, and what reads the view follows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from dirk_parser.ast.expression import ColumnRef, Exists, InQuery, Name, ScalarQuery
from dirk_parser.ast.query import Item, Select
from dirk_parser.ast.statement import (
    ColumnDef,
    CreateIndex,
    CreateTable,
    CreateView,
    ForeignKey,
    RenameColumn,
    RenameTable,
    Statement,
)
from dirk_parser.ast.walk import find_all
from dirk_parser.compile.base import sql
from dirk_parser.compile.base.context import Context, Lookups, Purpose, Tolerance
from dirk_parser.compile.base.trace import Followed, Trace
from dirk_parser.compile.ddl.catalog import parsed
from dirk_parser.compile.ddl.define import define_view
from dirk_parser.compile.query.compilers import COMPILERS
from dirk_parser.compile.query.select import text_name
from dirk_parser.errors import SqlError
from dirk_parser.lexical.lexer import name_end
from dirk_parser.names import key
from dirk_parser.normalize.literals import Literals
from dirk_parser.normalize.normalized_statement import NormalizedStatement
from dirk_parser.normalize.normalizer import source_text
from dirk_parser.normalize.normalizer import text as statement_text
from dirk_parser.plan.plan import CatalogChange
from dirk_parser.printer.writer import quoted
from dirk_parser.schema.schema import Schema, Table, View

#: Queries in expressions: nobody asks for the names of their columns.
_VALUES: tuple[type[ScalarQuery | InQuery | Exists], ...] = (
    ScalarQuery, InQuery, Exists
)  # fmt: skip
Renaming = RenameTable | RenameColumn


# --- definitions of tables and indexes -------------------------------------------------------------------------


def own_text(table: Table, source: str, action: Renaming) -> str:
    """The definition `source`, of `table` or of an index on it, after `action`."""
    normalized, tree = parsed(source)
    return _edited(normalized, dict(_own_edits(table, tree, action)))


def _own_edits(table: Table, tree: Statement, action: Renaming) -> Iterable[tuple[int, str]]:
    """Places of names and what they are to be."""
    assert isinstance(tree, CreateTable | CreateIndex)
    yield from _reference_edits(table, tree, action)
    columns = list(find_all(tree, ColumnRef))
    if isinstance(action, RenameTable):
        yield (tree.name if isinstance(tree, CreateTable) else tree.table).place, action.name.text
        tables = (column.table for column in columns if column.table is not None)
        yield from ((name.place, action.name.text) for name in tables if key(name.text) == table.key)
        return
    names = [column.name for column in columns]
    names += [column_def.name for column_def in find_all(tree, ColumnDef)]
    names += [name for foreign_key in find_all(tree, ForeignKey) for name in foreign_key.columns]
    yield from _column_edits(names, action)


def reference_text(table: Table, source: str, action: Renaming) -> str:
    """The definition of another table, whose foreign keys refer to `table`, after `action`."""
    normalized, tree = parsed(source)
    return _edited(normalized, dict(_reference_edits(table, tree, action)))


def _reference_edits(table: Table, tree: Statement, action: Renaming) -> Iterable[tuple[int, str]]:
    for foreign_key in find_all(tree, ForeignKey):
        if key(foreign_key.table.text) != table.key:
            continue
        if isinstance(action, RenameTable):
            yield foreign_key.table.place, action.name.text
        else:
            yield from _column_edits(foreign_key.foreign_columns, action)


def _column_edits(names: Iterable[Name], action: RenameColumn) -> Iterable[tuple[int, str]]:
    old = key(action.old.text)
    return ((name.place, action.new.text) for name in names if key(name.text) == old)


def _edited(
    normalized: NormalizedStatement, edits: Mapping[int, str], aliases: Mapping[int, str] = MappingProxyType({})
) -> str:
    """The statement's text with other names at those places of its template; `aliases` are put in at theirs."""
    template = normalized.template
    for place in sorted({**edits, **aliases}, reverse=True):
        if place in edits:
            template = template[:place] + quoted(edits[place]) + template[name_end(template, place) :]
        else:
            template = f"{template[:place]} AS {quoted(aliases[place])}{template[place:]}"
    return statement_text(replace(normalized, template=template))


# --- views -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FollowedView:
    """A view's definition after a renaming. `sql`: what its text came to before it."""

    view: View
    source: str
    sql: str


@dataclass(frozen=True, slots=True)
class Followers:
    """The views that a renaming reaches, and which names of which relation became which.

    `columns`: by the key of a table or view (its new one), old names by new ones.
    """

    views: tuple[FollowedView, ...]
    columns: Mapping[str, Mapping[str, str]]
    table: Table
    new_table: str

    def changes(self) -> list[CatalogChange]:
        """Changes of the views in the catalog."""
        return [CatalogChange("view", view.view.key, view.view.name, view.source) for view in self.views]

    def stranger(self, after: Schema) -> str:
        """The name of a view that would mean something else in `after`; '' when each means what it did."""
        return next((view.view.name for view in self.views if self._sql(after, view) != view.sql), "")

    def _sql(self, after: Schema, followed: FollowedView) -> str:
        """The new text of a view, with the old names of the objects that it reads: they alone may differ."""
        trace = Trace()
        text = compiled(after, followed.source, trace)[1]
        for relation in trace.relations.values():
            for new, old in self.columns.get(relation.key, {}).items():
                text = _with_old_name(text, relation.alias, new, old)
            if relation.key == key(self.new_table):
                text = text.replace(
                    f"{sql.name(self.new_table)} AS {relation.alias}",
                    f"{sql.name(self.table.name)} AS {relation.alias}",
                )
        return text


def _with_old_name(text: str, alias: str, new: str, old: str) -> str:
    column = re.compile(r"(?<!\w)" + re.escape(f"{alias}.{sql.name(new)}"))
    return column.sub(lambda _: f"{alias}.{sql.name(old)}", text)


def followers(schema: Schema, table: Table, views: Iterable[View], action: Renaming) -> Followers:
    """The new definitions of `views`, each of which comes after those that it reads. Raises change_in_use (2BP01) for
    one that can't be read any more as it stands."""
    new_table = action.name.text if isinstance(action, RenameTable) else table.name
    columns: dict[str, Mapping[str, str]] = {}
    if isinstance(action, RenameColumn):
        table = _with_followed(table, action)
        columns[table.key] = {action.new.text: action.old.text}
        schema = replace(schema, tables=MappingProxyType({**schema.tables, table.key: table}))
    followed = []
    for view in views:
        trace = Trace()
        try:
            following, text = compiled(schema, view.source, trace)
        except SqlError:
            raise SqlError("change_in_use", name=table.name, user=view.name) from None
        edits = dict(_view_edits(trace, table, action))
        normalized, create = parsed(view.source)
        followed.append(
            FollowedView(view, _edited(normalized, edits, dict(_text_names(normalized, create, edits))), text)
        )
        columns[view.key] = {
            column.name.new: column.name for column in following.columns if isinstance(column.name, Followed)
        }
        schema = replace(schema, views=MappingProxyType({**schema.views, view.key: following}))
    return Followers(tuple(followed), columns, table, new_table)


def _with_followed(table: Table, action: RenameColumn) -> Table:
    old = key(action.old.text)
    columns = tuple(
        replace(column, name=Followed.by(column.name, action.new.text)) if column.key == old else column
        for column in table.columns
    )
    return replace(table, columns=columns)


def _view_edits(trace: Trace, table: Table, action: Renaming) -> Iterable[tuple[int, str]]:
    if isinstance(action, RenameColumn):
        named = trace.columns.items()
        yield from ((place, name.new) for place, (_, name) in named if isinstance(name, Followed))
        return
    meant = {place: relation for place, relation in trace.relations.items() if relation.key == table.key}
    yield from ((place, action.name.text) for place in meant)
    bare = {relation.alias for relation in meant.values() if relation.is_bare}
    yield from ((place, action.name.text) for place, alias in trace.qualifiers.items() if alias in bare)


def _text_names(
    normalized: NormalizedStatement, create: Statement, edits: Mapping[int, str]
) -> Iterable[tuple[int, str]]:
    """Where AS must say the name of a column that was called by its text, which is to be another; and that name."""
    values = [node.query.body for kind in _VALUES for node in find_all(create, kind)]
    nameless = {id(item) for body in values if isinstance(body, Select) for item in body.items}
    for item in find_all(create, Item):
        if item.alias is not None or isinstance(item.expr, ColumnRef) or id(item) in nameless:
            continue
        first = min((name.place for name in find_all(item.expr, Name) if name.place >= 0), default=-1)
        start = normalized.template.rfind(item.source, 0, first + len(item.source))
        end = start + len(item.source)
        if first >= 0 and any(start <= place < end for place in edits):
            name, literal = text_name(item)
            yield end, name if literal < 0 else source_text(name, literal, normalized)


def compiled(schema: Schema, source: str, trace: Trace) -> tuple[View, str]:
    """The view that a definition makes in `schema`, and its select for SQLite; `trace` gathers what names mean."""
    normalized, create = parsed(source)
    assert isinstance(create, CreateView)
    context = Context(
        schema, Literals(normalized), COMPILERS, Purpose(tolerance=Tolerance.RULES), lookups=Lookups(trace)
    )
    return define_view(context, create, source)


def reworded(before: Schema, after: Schema, views: Iterable[View]) -> str:
    """The name of one of `views` in which a name or a NATURAL JOIN means something else `after`; '' when none is."""
    for view in views:
        old, new = Trace(), Trace()
        compiled(before, view.source, old)
        compiled(after, view.source, new)
        if (old.columns, old.joins) != (new.columns, new.joins):
            return view.name
    return ""
