"""AST nodes of queries. `dirk_parser.ast` says what all nodes share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from dirk_parser.ast.expression import Expr, Name, NamedWindow, OrderTerm, unplaced


@dataclass(frozen=True, slots=True)
class Item:
    """One expression of a select list or of RETURNING.

    `source` is its text in the template (markers for literals, white space as written) and `first_literal` the
    index of the first literal in it: `dirk_parser.normalize.normalizer.source_text(item.source, item.first_literal,
    normalized)` is the name of an unaliased column.
    """

    expr: Expr
    alias: Name | None = None
    source: str = field(default="", compare=False)
    first_literal: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Star:
    """`*` or `table.*` in a select list or RETURNING."""

    table: Name | None = None
    place: int = unplaced()


@dataclass(frozen=True, slots=True)
class TableRef:
    """A table, view or common table expression by name."""

    name: Name
    alias: Name | None = None
    place: int = unplaced()


@dataclass(frozen=True, slots=True)
class Derived:
    """A subquery in FROM; `alias` may be absent."""

    query: Query
    alias: Name | None = None
    place: int = unplaced()


@dataclass(frozen=True, slots=True)
class TableCall:
    """A function in FROM that gives rows: `name(arguments)`, which may name what stands to its left."""

    name: Name
    arguments: tuple[Expr, ...]
    alias: Name | None = None
    place: int = unplaced()


@dataclass(frozen=True, slots=True)
class Join:
    """`kind`: inner, left, right, full, cross. Beside `natural`, `on` is one condition more and `using` an error.

    `right` is a Join itself only where the text had parentheses. A plain `JOIN` without condition is inner.
    """

    left: Source
    right: Source
    kind: str = "inner"
    natural: bool = False
    on: Expr | None = None
    using: tuple[Name, ...] = ()
    place: int = unplaced()


Source: TypeAlias = TableRef | Derived | TableCall | Join


@dataclass(frozen=True, slots=True)
class Select:
    """One select core. `sources`: the comma-separated items of FROM, empty without FROM."""

    items: tuple[Item | Star, ...]
    sources: tuple[Source, ...] = ()
    where: Expr | None = None
    group_by: tuple[Expr, ...] = ()
    having: Expr | None = None
    distinct: bool = False
    windows: tuple[NamedWindow, ...] = ()
    place: int = unplaced()


@dataclass(frozen=True, slots=True)
class Values:
    """VALUES rows, as a query or as INSERT's source (then with collapsed rows: one row stands for
    `NormalizedStatement.rows`)."""

    rows: tuple[tuple[Expr, ...], ...]
    place: int = unplaced()


@dataclass(frozen=True, slots=True)
class Compound:
    """`op`: union, union all, except, intersect. Left-associative; an operand is a `Query` only when it has an
    ORDER BY, a row limit or a WITH of its own (in parentheses)."""

    op: str
    left: Body
    right: Body
    place: int = unplaced()


@dataclass(frozen=True, slots=True)
class Limit:
    """LIMIT count [OFFSET offset] (`dingano` alone: count None). `offset_first`: written `LIMIT offset, count`.

    Both may be any expression that names no column.
    """

    count: Expr | None
    offset: Expr | None = None
    offset_first: bool = False


@dataclass(frozen=True, slots=True)
class RowRange:
    """`fetra start stop`: rows start (from 0) up to but not including stop; none when stop ≤ start."""

    start: Expr
    stop: Expr


@dataclass(frozen=True, slots=True)
class Cte:
    """One common table expression. `materialized`: None when not said."""

    name: Name
    columns: tuple[Name, ...]
    query: Query
    materialized: bool | None = None


@dataclass(frozen=True, slots=True)
class With:
    """WITH [RECURSIVE] ctes."""

    ctes: tuple[Cte, ...]
    recursive: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """A whole query: the READ statement, a subquery, a view's body, an INSERT's source."""

    body: Body
    order_by: tuple[OrderTerm, ...] = ()
    limit: Limit | RowRange | None = None
    with_: With | None = None
    place: int = unplaced()


Body: TypeAlias = Select | Values | Compound | Query
