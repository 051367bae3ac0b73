"""ALTER TABLE as SQLite's statements: what it can do itself, and tables made anew.

A table is made anew beside the old one, which goes, and takes its name. SQLite's RENAME takes quadratic time in the
words of the definition, though: four seconds for 1,999 columns. So where the definition is long, the old table's rows
are put aside instead, and come back into the new one: the rows are written twice, and nothing is quadratic.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise

from dirk_parser.ast.expression import Name
from dirk_parser.ast.statement import Alteration, CreateIndex, CreateTable, CreateView, RenameColumn, RenameTable
from dirk_parser.compile.base import sql
from dirk_parser.compile.base.context import Context, Purpose, Tolerance
from dirk_parser.compile.ddl.catalog import parsed
from dirk_parser.compile.ddl.define import column_sql, define_index, define_view, table_sql
from dirk_parser.compile.dml import numbering
from dirk_parser.compile.dml.rowid import SQLITE_NAMES
from dirk_parser.compile.query.compilers import COMPILERS
from dirk_parser.compile.query.sources import table_scope
from dirk_parser.names import key
from dirk_parser.normalize.literals import Literals
from dirk_parser.normalize.normalized_statement import NormalizedStatement
from dirk_parser.schema.schema import Index, Schema, Table, View

#: The table under construction while the old one is still there.
REBUILT = "dirk_rebuilt"
#: The rows of the old table while the new one is not there yet.
_ASIDE = "dirk_aside"
#: Definitions up to this length are renamed: it takes a tenth of a second.
_RENAMED_CHARACTERS = 64 * 1024


def table_statements(before: Schema, after: Schema, table: Table, action: Alteration, simple: bool) -> list[str]:
    """Statements that make `table` of the schema `before` into the one in `after`; `simple`: SQLite's own ADD COLUMN
    does it.

    The views on it are gone, and foreign keys are not looked at meanwhile.
    """
    remade = after.tables[key(action.name.text) if isinstance(action, RenameTable) else table.key]
    if simple:
        normalized, create = _definition(remade)
        scope = table_scope(remade.columns, remade.name)
        column = column_sql(_reading(after, normalized), create.columns[-1], remade.columns[-1], scope)
        return [f"ALTER TABLE {sql.name(table.name)} ADD COLUMN {column}"]
    pairs = list(_kept(table, remade, action))
    text = _text(after, remade, remade.name)
    # Other tables' foreign keys follow SQLite's own RENAME alone.
    is_referenced = any(candidate is not table for candidate in before.referring().get(table.key, ()))
    if isinstance(action, RenameTable) and (is_referenced or len(text) <= _RENAMED_CHARACTERS):
        renames = _renamed(table.name, remade.name)
        if text == _text(before, table, remade.name):
            return [*renames, *numbering.renamed(table, remade)]
        # A check without a name is called by its text, in which the table may be named.
        return renames + _made_anew(after, remade.name, table, remade, pairs)
    if isinstance(action, RenameColumn) and is_referenced and not is_number_of_row(action):
        old = next(candidate.name for candidate in table.columns if candidate.key == key(action.old.text))
        rename = f"RENAME COLUMN {sql.name(old)} TO {sql.name(action.new.text)}"
        renamed = [(new, new) for _, new in pairs]
        return [f"ALTER TABLE {sql.name(table.name)} {rename}", *_made_anew(after, table.name, table, remade, renamed)]
    return _made_anew(after, table.name, table, remade, pairs)


def _renamed(old: str, new: str) -> list[str]:
    """A table's RENAME, in two steps where SQLite sees no other name in the new one."""
    names = (old, REBUILT, new) if old.lower() == new.lower() else (old, new)
    return [f"ALTER TABLE {sql.name(name)} RENAME TO {sql.name(to)}" for name, to in pairwise(names)]


def _made_anew(after: Schema, current: str, table: Table, made: Table, pairs: list[tuple[str, str]]) -> list[str]:
    """`made` in the place of `table`, which is called `current` now. `pairs`: the columns that keep their values, as
    they are called now and then."""
    text = _text(after, made, made.name)
    if len(text) > _RENAMED_CHARACTERS:
        return _through_aside(after, current, table, made=made, text=text, pairs=pairs)
    return [
        _text(after, made, REBUILT),
        _moved(REBUILT, [new for _, new in pairs], current, [old for old, _ in pairs]),
        f"DROP TABLE {sql.name(current)}",
        f"ALTER TABLE {REBUILT} RENAME TO {sql.name(made.name)}",
        *numbering.moved(table, made),
        *_indexes_sql(after, made),
    ]


def is_number_of_row(action: RenameColumn) -> bool:
    """True when a column is or will be called as SQLite calls the number of a row: it renames none of these."""
    return not {key(action.old.text), key(action.new.text)}.isdisjoint(SQLITE_NAMES)


def made_again(after: Schema, table: Table) -> list[str]:
    """Statements that make `table`, whose columns and name are as they were, into the one in `after`."""
    kept = [(column.name, column.name) for column in table.columns if column.generated is None]
    return _made_anew(after, table.name, table, after.tables[table.key], kept)


def _through_aside(
    after: Schema, current: str, table: Table, *, made: Table, text: str, pairs: list[tuple[str, str]]
) -> list[str]:
    """As `_made_anew`, without a RENAME."""
    # Of a query's columns SQLite takes no names that it has a meaning for, such as true.
    heads = [f"c{number}" for number in range(1, len(pairs) + 1)]
    columns = ", ".join(f"{sql.name(old)} AS {head}" for (old, _), head in zip(pairs, heads, strict=True))
    return [
        f"CREATE TABLE {_ASIDE} AS SELECT {columns} FROM {sql.name(current)} NOT INDEXED",
        f"DROP TABLE {sql.name(current)}",
        text,
        _moved(made.name, [new for _, new in pairs], _ASIDE, heads),
        f"DROP TABLE {_ASIDE}",
        *numbering.moved(table, made),
        *_indexes_sql(after, made),
    ]


def _definition(table: Table) -> tuple[NormalizedStatement, CreateTable]:
    normalized, create = parsed(table.source)
    assert isinstance(create, CreateTable)
    return normalized, create


def _text(schema: Schema, table: Table, name: str) -> str:
    """SQLite's CREATE of `table`, called `name`."""
    normalized, create = _definition(table)
    return table_sql(_reading(schema, normalized), replace(create, name=Name(name)), replace(table, name=name))


def _moved(into: str, new: list[str], rows_of: str, old: list[str]) -> str:
    """The rows in the order that they have: an index that holds all columns would give them in its own."""
    rows = f"SELECT {sql.names(old)} FROM {sql.name(rows_of)} NOT INDEXED"
    return f"INSERT INTO {sql.name(into)} ({sql.names(new)}) {rows}"


def _kept(before: Table, after: Table, action: Alteration) -> Iterable[tuple[str, str]]:
    """Old and new name of each column that keeps its values."""
    renamed = action if isinstance(action, RenameColumn) else None
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
    return [index for index in schema.indexes.values() if index.table == table]


def _indexes_sql(schema: Schema, table: Table) -> Iterable[str]:
    for index in indexes_of(schema, table.key):
        normalized, create = parsed(index.source)
        assert isinstance(create, CreateIndex)
        yield define_index(_reading(schema, normalized), create, index.source)[1]


def view_sql(schema: Schema, old: View) -> str:
    """The statement that makes a view again, in `schema`."""
    normalized, create = parsed(old.source)
    assert isinstance(create, CreateView)
    view, text = define_view(_reading(schema, normalized), create, old.source)
    heads = sql.names(sql.view_heads([column.name for column in view.columns]))
    return f"CREATE VIEW {sql.name(view.name)} ({heads}) AS {text}"


def _reading(schema: Schema, normalized: NormalizedStatement) -> Context:
    """The context in which a definition that is there is read again."""
    return Context(
        schema, Literals(normalized), COMPILERS, Purpose(for_write=True, inline=True, tolerance=Tolerance.RULES)
    )
