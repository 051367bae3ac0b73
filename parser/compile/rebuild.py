"""ALTER TABLE as SQLite's statements: what it can do itself, and tables made anew.

A table is made anew beside the old one, which goes, and takes its name. SQLite's RENAME takes quadratic time in the
words of the definition, though: four seconds for 1,999 columns. So where the definition is long, the old table's rows
are put aside instead, and come back into the new one: the rows are written twice, and nothing is quadratic.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from parser import nodes
from parser.compile import numbering, sql
from parser.compile.context import Context, Tolerance
from parser.compile.define import column_sql, define_index, define_view, table_sql
from parser.compile.load import parsed
from parser.compile.sources import table_scope
from parser.literals import Literals
from parser.plan import Shaped
from parser.schema import Index, Schema, Table, View, key

#: The table under construction while the old one is still there.
_REBUILT = "dirk_rebuilt"
#: The rows of the old table while the new one is not there yet.
_ASIDE = "dirk_aside"
#: Definitions up to this length are renamed: it takes a tenth of a second.
_RENAMED_CHARACTERS = 64 * 1024


def table_statements(after: Schema, table: Table, action: nodes.Alteration, simple: bool) -> list[str]:
    """What makes `table` what it is in `after`. `simple`: SQLite's own ADD COLUMN does it. The views on it are gone."""
    is_new_name = isinstance(action, nodes.RenameTable)
    made = after.tables[key(action.name.text) if isinstance(action, nodes.RenameTable) else table.key]
    shaped, create = parsed(made.source)
    assert isinstance(create, nodes.CreateTable)
    context = _reading(after, shaped)
    if simple:
        column = column_sql(context, create.columns[-1], made.columns[-1], table_scope(made.columns, made.name))
        return [f"ALTER TABLE {sql.name(table.name)} ADD COLUMN {column}"]
    text = table_sql(context, create, made)
    pairs = list(_kept(table, made, action))
    if len(text) > _RENAMED_CHARACTERS:
        return _through_aside(after, table, made, text, pairs)
    if is_new_name:
        rename = f"ALTER TABLE {sql.name(table.name)} RENAME TO {sql.name(made.name)}"
        return [rename, *numbering.renamed(table, made)]
    return [
        table_sql(_reading(after, shaped), replace(create, name=nodes.Name(_REBUILT)), replace(made, name=_REBUILT)),
        _moved(_REBUILT, [new for _, new in pairs], sql.name(table.name), [old for old, _ in pairs]),
        f"DROP TABLE {sql.name(table.name)}",
        f"ALTER TABLE {_REBUILT} RENAME TO {sql.name(table.name)}",
        *numbering.followed(made),
        *_indexes_sql(after, made),
    ]


def _through_aside(
    after: Schema, table: Table, made: Table, text: str, pairs: list[tuple[str, str]]
) -> list[str]:
    """As `table_statements`, without a RENAME."""
    old, new = [name for name, _ in pairs], [name for _, name in pairs]
    return [
        f"CREATE TABLE {_ASIDE} AS SELECT {sql.names(old)} FROM {sql.name(table.name)}",
        f"DROP TABLE {sql.name(table.name)}",
        text,
        _moved(sql.name(made.name), new, _ASIDE, old),
        f"DROP TABLE {_ASIDE}",
        *numbering.moved(table, made),
        *_indexes_sql(after, made),
    ]


def _moved(into: str, new: list[str], rows_of: str, old: list[str]) -> str:
    return f"INSERT INTO {into} ({sql.names(new)}) SELECT {sql.names(old)} FROM {rows_of}"


def _kept(before: Table, after: Table, action: nodes.Alteration) -> Iterable[tuple[str, str]]:
    """Old and new name of each column that keeps its values."""
    renamed = action if isinstance(action, nodes.RenameColumn) else None
    names = {column.key: column.name for column in after.columns if column.generated is None}
    for column in before.columns:
        if column.generated is not None:
            continue
        if renamed is not None and column.key == key(renamed.old.text):
            yield column.name, names[key(renamed.new.text)]
        elif column.key in names:
            yield column.name, names[column.key]


def indexes_of(schema: Schema, table: str) -> list[Index]:
    """The indexes on the table with that key."""
    return [each for each in schema.indexes.values() if each.table == table]


def _indexes_sql(schema: Schema, table: Table) -> Iterable[str]:
    for index in indexes_of(schema, table.key):
        shaped, create = parsed(index.source)
        assert isinstance(create, nodes.CreateIndex)
        yield define_index(_reading(schema, shaped), create, index.source)[1]


def view_sql(schema: Schema, old: View) -> str:
    """The statement that makes a view again, in `schema`."""
    shaped, create = parsed(old.source)
    assert isinstance(create, nodes.CreateView)
    view, text = define_view(_reading(schema, shaped), create, old.source)
    return f"CREATE VIEW {sql.name(view.name)} ({sql.names([each.name for each in view.columns])}) AS {text}"


def _reading(schema: Schema, shaped: Shaped) -> Context:
    """The context in which a definition that is there is read again."""
    return Context(schema, Literals(shaped), for_write=True, inline=True, tolerance=Tolerance.RULES)
