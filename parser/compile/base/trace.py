"""The meanings of the names in a statement, by their places in its template: for ALTER, which must know who means
what.

A column's name travels with it: through `*`, subqueries and common tables, as long as nothing gives it another one. So
a column that is called `Followed` in the schema is met again wherever that name means it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from dirk_parser.ast.expression import ColumnRef, Name
from dirk_parser.ast.query import Join, TableRef
from dirk_parser.compile.base.sql import Expression
from dirk_parser.names import key


class Followed(str):
    """The name of a column that is to be called `new`; in all else the name itself."""

    __slots__ = ("new",)

    new: str

    @classmethod
    def by(cls, name: str, new: str) -> Followed:
        """`name`, on its way to `new`."""
        followed = cls(name)
        followed.new = new
        return followed


@dataclass(frozen=True, slots=True)
class FromTable:
    """A table or view of a FROM: its alias in the SQL, its key, whether the statement calls it by its own name."""

    alias: str
    key: str
    is_bare: bool


@dataclass(slots=True)
class Trace:
    """The names that one compilation resolved; each by the place of the name in the text.

    `columns`: the alias that the SQL gives the column's source ('' for a result column), and the column's name.
    `qualifiers`: the alias of the source that stands before a column or a `*`. `relations`: the tables and views of
    FROM. `joins`: the columns that NATURAL or USING merges, as both sides call them.
    """

    columns: dict[int, tuple[str, str]] = field(default_factory=dict)
    qualifiers: dict[int, str] = field(default_factory=dict)
    relations: dict[int, FromTable] = field(default_factory=dict)
    joins: dict[int, tuple[tuple[str, str], ...]] = field(default_factory=dict)

    def column(self, node: ColumnRef, found: Expression) -> None:
        """`node` means `found`: a source's column, or a result column by its alias."""
        is_plain = key(found.column) == key(node.name.text)
        self.columns[node.name.place] = (_alias(found.sql), found.column) if is_plain else ("", "")
        if node.table is not None:
            self.qualifiers[node.table.place] = _alias(found.sql)

    def result(self, node: ColumnRef, name: str) -> None:
        """`node` means the result column called `name`."""
        self.columns[node.name.place] = ("", name)

    def qualifier(self, name: Name, sql: str) -> None:
        """`name` stands for the source of a column with the text `sql`."""
        self.qualifiers[name.place] = _alias(sql)

    def relation(self, node: TableRef, alias: str, of: str) -> None:
        """`node` is the table or view with the key `of`, and has that alias in the SQL."""
        self.relations[node.name.place] = FromTable(alias, of, node.alias is None)

    def join(self, node: Join, merged: Iterable[tuple[str, str]]) -> None:
        """`node` merges these columns of its sides."""
        pairs = tuple(merged)
        self.joins[node.place] = pairs
        for name, pair in zip(node.using, pairs, strict=False):
            # Both sides must keep a name in common.
            self.columns[name.place] = ("", pair[0] if isinstance(pair[1], Followed) else pair[1])


def _alias(sql: str) -> str:
    return sql.partition(".")[0]
