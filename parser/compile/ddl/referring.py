"""Tables that refer to one which is made or renamed, where SQLite alone would not see that they do.

SQLite takes two names for one where capitals of ASCII alone differ, the language takes more for one: É and é, a letter
composed or not. All that SQLite reads has a name as its object has it; but a foreign key that was there before its
table has it as it was written. And SQLite renames no column that is called like its own number of a row. So what refers
to the table is made anew then, under the name that there is.
"""

from __future__ import annotations

from collections.abc import Iterable

from dirk_parser.ast.statement import Alteration, ForeignKey, RenameColumn, RenameTable
from dirk_parser.ast.walk import find_all
from dirk_parser.compile.base import sql
from dirk_parser.compile.ddl.catalog import parsed
from dirk_parser.compile.ddl.rebuild import is_number_of_row, made_again, view_sql
from dirk_parser.names import key
from dirk_parser.schema.schema import Schema, Table, View


def misspelling(schema: Schema, made: Table) -> list[Table]:
    """The tables of `schema`, in which `made` is not yet, whose foreign keys to it SQLite would not find."""
    waiting = schema.referring().get(made.key, ())
    return [table for table in waiting if table.key != made.key and _misspells(table, made)]


def _misspells(table: Table, made: Table) -> bool:
    _, create = parsed(table.source)
    names = {column.key: column.name for column in made.columns}
    for foreign in find_all(create, ForeignKey):
        if key(foreign.table.text) == made.key:
            said = [foreign.table.text, *(foreign_column.text for foreign_column in foreign.foreign_columns)]
            meant = [
                made.name,
                *(names.get(key(foreign_column.text), "") for foreign_column in foreign.foreign_columns),
            ]
            if [_folded(name) for name in said] != [_folded(name) for name in meant]:
                return True
    return False


def _folded(name: str) -> bytes:
    # Of bytes, only ASCII has capitals.
    return name.encode().lower()


def left_behind(before: Schema, after: Schema, table: Table, action: Alteration) -> list[Table]:
    """The tables of `before` that SQLite's own RENAME leaves as they are."""
    if isinstance(action, RenameTable):
        renamed = after.tables[key(action.name.text)]
        return (
            [child for child in misspelling(before, renamed) if child is not table]
            if renamed.key != table.key
            else []
        )
    if isinstance(action, RenameColumn) and is_number_of_row(action):
        return [child for child in before.referring().get(table.key, ()) if child is not table]
    return []


def dependents(schema: Schema, tables: Iterable[Table]) -> list[View]:
    """The views that read the tables, each after those that it reads itself."""
    users: dict[str, list[View]] = {}
    for view in schema.views.values():
        for used in view.uses:
            users.setdefault(used, []).append(view)
    views: dict[str, View] = {}
    waiting = [table.key for table in tables]
    while waiting:
        more = {user.key: user for user in users.get(waiting.pop(), ()) if user.key not in views}
        views |= more
        waiting += more
    return sorted(views.values(), key=lambda view: (len(view.tables), view.key))


def without_views(before: Schema, after: Schema, tables: Iterable[Table], texts: Iterable[str]) -> list[str]:
    """`texts`, which make `tables` anew, while the views that read them are not there."""
    views = dependents(before, tables)
    return [
        *(f"DROP VIEW {sql.name(view.name)}" for view in reversed(views)),
        *texts,
        *(view_sql(after, after.views[view.key]) for view in views),
    ]


def again(after: Schema, tables: Iterable[Table]) -> list[str]:
    """The statements that make `tables` as they are in `after`, where nothing of them but names of others changed."""
    return [text for table in tables for text in made_again(after, table)]
